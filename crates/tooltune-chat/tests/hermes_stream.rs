//! What the Hermes parser gives early, and what it holds back.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use tooltune_chat::{Hermes, ParseEvent, ToolCallFormat};

#[path = "common/strategies.rs"]
mod strategies;
#[path = "common/streaming.rs"]
mod streaming;

use streaming::Streamed;

const CALL: &str = "{\"name\": \"f\", \"arguments\": {\"x\": \"</tool_call> }\"}}";

/// What was given after each part of a text that arrives byte by byte.
fn after(parts: &[&str]) -> Vec<(String, String, usize)> {
    let mut parser = Hermes::json().stream();
    let mut streamed = Streamed::default();
    let mut given = Vec::new();
    for part in parts {
        for c in part.chars() {
            streamed.take(parser.push(c.encode_utf8(&mut [0; 4])));
        }
        given.push((streamed.text.clone(), streamed.thinking.clone(), streamed.calls.len()));
    }
    given
}

fn given(text: &str, thinking: &str, calls: usize) -> (String, String, usize) {
    (text.to_owned(), thinking.to_owned(), calls)
}

#[test]
fn text_comes_at_once_but_for_what_may_be_a_tag() {
    assert_eq!(
        after(&[
            " Hello",
            " ",
            "you",
            " <",
            "b> <too",
            "l_calls>",
            " a<|im_",
            "!",
            "\n\n",
            "<end_of_turn>\nuser"
        ]),
        [
            given("Hello", "", 0),
            given("Hello", "", 0),
            given("Hello you", "", 0),
            given("Hello you", "", 0),
            given("Hello you <b>", "", 0),
            given("Hello you <b> <tool_calls>", "", 0),
            given("Hello you <b> <tool_calls> a", "", 0),
            given("Hello you <b> <tool_calls> a<|im_!", "", 0),
            given("Hello you <b> <tool_calls> a<|im_!", "", 0),
            given("Hello you <b> <tool_calls> a<|im_!", "", 0),
        ]
    );
}

#[test]
fn thinking_comes_at_once_and_apart() {
    assert_eq!(
        after(&["<think>", "\n I see", " <tool_call>", "{}</th", "ink>", "So", "<think>two", "</think>"]),
        [
            given("", "", 0),
            given("", "I see", 0),
            given("", "I see <tool_call>", 0),
            given("", "I see <tool_call>{}", 0),
            given("", "I see <tool_call>{}", 0),
            given("So", "I see <tool_call>{}", 0),
            given("So", "I see <tool_call>{}\ntwo", 0),
            given("So", "I see <tool_call>{}\ntwo", 0),
        ]
    );
}

#[test]
fn a_call_comes_when_its_block_is_complete() {
    let call = format!("<tool_call>\n{CALL}\n</tool_call");
    assert_eq!(
        after(&["Sure.\n", &call, ">", "\n<tool_call>{bad", "</tool_call>", "\n", &call, ">"]),
        [
            given("Sure.", "", 0),
            given("Sure.", "", 0),
            given("Sure.", "", 1),
            given("Sure.", "", 1),
            given("Sure.", "", 1),
            given("Sure.", "", 1),
            given("Sure.", "", 1),
            given("Sure.", "", 2),
        ]
    );
}

/// In doubt nothing is given, and nothing is lost.
#[test]
fn what_later_text_can_change_waits() {
    let block = format!("<tool_call>{CALL}</tool_call>");
    for (text, calls) in [
        // A string that may end, and end well.
        (format!("<tool_call>{{'name': 'f', 'arguments': {{'x': '{block}"), 0),
        // One that ended, and not well; the call after it is another.
        (format!("<tool_call>{{\"name\": \"f\", \"arguments\": {{\"x\": \"{block}"), 1),
        // An answer of a tool that may end; then the call is part of it.
        (format!("<tool_response>{block}"), 0),
        (format!("<tool_response></tool_response>{block}"), 1),
        // An end tag may follow the junk.
        (format!("<tool_call>{CALL} junk"), 0),
        (format!("<tool_call>{CALL} junk<tool_call>"), 1),
        (format!("<tool_call>{CALL}<end_of_turn>"), 1),
        // A call outside tags is certain at its last brace.
        (CALL.to_owned(), 1),
        (CALL[..CALL.len() - 1].to_owned(), 0),
        (format!("<think>{block}"), 0),
        (format!("<think></think>{block}"), 1),
        (format!("<eos>{block}"), 0),
    ] {
        assert_eq!(after(&[&text])[0].2, calls, "{text}");
    }
}

#[test]
fn a_fence_waits_for_the_call_that_takes_it_away() {
    assert_eq!(
        after(&["So:", "\n```json", "\n", CALL, "\n", "```", "\nDone. ``", "` and", " more"]),
        [
            given("So:", "", 0),
            given("So:", "", 0),
            given("So:", "", 0),
            given("So:", "", 1),
            given("So:", "", 1),
            given("So:", "", 1),
            given("So:\n\nDone.", "", 1),
            given("So:\n\nDone. ``` and", "", 1),
            given("So:\n\nDone. ``` and more", "", 1),
        ]
    );
}

/// What stood before one call is not the fence of the next, or text that was given would be taken back.
#[test]
fn a_fence_belongs_to_one_call() {
    let text = format!("`````\n{CALL}`\n{CALL}");
    assert_eq!(Hermes::json().parse(&text).text, "```");
    assert_eq!(streaming::check_law(&Hermes::json(), &text, &[1]).unwrap().calls.len(), 2);
}

#[test]
fn events_stand_in_the_order_of_the_text() {
    let text = format!("One <think>two</think> three <tool_call>{CALL}</tool_call> four");
    let events = Hermes::json().stream().push(&text);
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| match event {
            ParseEvent::Text(text) => text.trim(),
            ParseEvent::Thinking(thinking) => thinking.as_str(),
            ParseEvent::Call(_) => "call",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["One", "two", "three", "call", "four"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// More than the law asks for: what was given is a beginning to the byte, and only the end may be missing.
    #[test]
    fn what_is_given_is_a_beginning_to_the_byte(
        pieces in prop::collection::vec(strategies::text(), 0..6), bytes in 1..20usize,
    ) {
        let text = pieces.concat();
        let streamed = streaming::check_law(&Hermes::json(), &text, &[bytes])?;
        let parsed = Hermes::json().parse(&text);
        prop_assert!(parsed.text.starts_with(&streamed.text), "{:?} {:?}", streamed, parsed);
        prop_assert!(parsed.thinking.starts_with(&streamed.thinking), "{:?} {:?}", streamed, parsed);
    }

    /// A well-formed turn is given wholly before it ends.
    #[test]
    fn a_well_formed_turn_leaves_nothing_for_the_end(
        calls in prop::collection::vec(strategies::call(), 1..4), bytes in 1..20usize, python: bool,
    ) {
        let format = if python { Hermes::python() } else { Hermes::json() };
        let mut text = String::from("<think>A call.</think>Now.");
        for piece in format.write_calls(&calls) {
            text.push_str(piece.content.as_str());
        }
        let streamed = streaming::check_law(&format, &text, &[bytes])?;
        prop_assert_eq!(streamed.calls, calls);
        prop_assert_eq!((streamed.text.as_str(), streamed.thinking.as_str()), ("Now.", "A call."));
    }
}
