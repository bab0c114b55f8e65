//! The formats of Llama 3.1, Llama 4, FunctionGemma and OpenAI: the table of texts, and the laws of every format.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use proptest::prelude::*;
use tooltune_chat::{
    CallPiece, DiagnosticKind, FunctionGemma, Llama31, OpenAi, ParseEvent, ParseStatus, Parsed, Pythonic,
    Severity, ToolCall, ToolCallFormat, Value,
};

#[path = "common/strategies.rs"]
mod strategies;

fn formats() -> [Box<dyn ToolCallFormat>; 6] {
    [
        Box::new(Llama31::new()),
        Box::new(Llama31::new().with_python_tag(true)),
        Box::new(Pythonic::new()),
        Box::new(FunctionGemma::new()),
        Box::new(FunctionGemma::gemma4()),
        Box::new(OpenAi::new()),
    ]
}

fn joined(pieces: &[CallPiece]) -> String {
    pieces.iter().map(|piece| piece.content.as_str()).collect()
}

/// What a stream parser says of a text that arrives in chunks: the events and the result.
fn streamed(format: &dyn ToolCallFormat, chunks: &[&str]) -> (Vec<ParseEvent>, Parsed) {
    let mut stream = format.stream();
    let events = chunks.iter().flat_map(|chunk| stream.push(chunk)).collect();
    (events, stream.finish())
}

fn characters(text: &str) -> Vec<&str> {
    text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()]).collect()
}

fn calls_of(events: &[ParseEvent]) -> Vec<ToolCall> {
    let call = |event: &ParseEvent| match event {
        ParseEvent::Call(call) => Some(call.clone()),
        _ => None,
    };
    events.iter().filter_map(call).collect()
}

fn text_of(events: &[ParseEvent]) -> String {
    let text = |event: &ParseEvent| match event {
        ParseEvent::Text(text) => Some(text.clone()),
        _ => None,
    };
    events.iter().filter_map(text).collect()
}

/// The law of stream parsers.
fn check_stream(format: &dyn ToolCallFormat, text: &str, chunks: &[&str]) {
    let whole = format.parse(text);
    let (events, parsed) = streamed(format, chunks);
    assert_eq!(parsed, whole, "{} {text:?} {chunks:?}", format.name());
    let calls = calls_of(&events);
    assert_eq!(calls, whole.calls[..calls.len()], "{} {text:?}", format.name());
    let blank = |c: char| c.is_whitespace() || c == '\u{feff}';
    let said = text_of(&events);
    let said = said.trim_matches(blank);
    assert!(whole.text.starts_with(said), "{} {text:?}: {said:?} {:?}", format.name(), whole.text);
}

#[test]
fn every_row_gives_its_status_and_calls() {
    let (mut checked, mut wrong) = (0, Vec::new());
    for row in common::rows("eval/parse.jsonl") {
        let format: Box<dyn ToolCallFormat> = match row.get("format").and_then(Value::as_str) {
            Some("llama3_json" | "llama-3.1") => Box::new(Llama31::new()),
            Some("pythonic") => Box::new(Pythonic::new()),
            Some("functiongemma") => Box::new(FunctionGemma::new()),
            Some("gemma4") => Box::new(FunctionGemma::gemma4()),
            Some("openai") => Box::new(OpenAi::new()),
            _ => continue,
        };
        checked += 1;
        let want = row.get("want").unwrap();
        let text = row.get("text").and_then(Value::as_str).unwrap();
        let parsed = format.parse(text);
        let status = match parsed.status {
            ParseStatus::NoAttempt => "none",
            ParseStatus::Calls => "ok",
            ParseStatus::Recovered => "recovered",
            ParseStatus::Malformed => "malformed",
        };
        let calls: Value = parsed.calls.iter().map(|call| call.to_value()).collect::<Vec<_>>().into();
        let calls_differ = want.get("calls").is_some_and(|wanted| *wanted != calls);
        if want.get("status").and_then(Value::as_str) != Some(status) || calls_differ {
            let (id, note) = (row.get("id").unwrap().to_json(), row.get("note").map(Value::to_json));
            wrong.push(format!("{id} {note:?}: {status} {} {:?}", calls.to_json(), parsed.diagnostics));
        }
        check_stream(format.as_ref(), text, &characters(text));
    }
    assert!(checked > 0, "no row");
    assert!(wrong.is_empty(), "{} of {checked} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Text and pieces of every format, so that anything may stand beside anything.
fn trouble() -> impl Strategy<Value = String> {
    let pieces = [
        "<start_function_call>",
        "<end_function_call>",
        "<start_function_response>",
        "<end_function_response>",
        "<escape>",
        "call:",
        "call:f{",
        "{a:",
        "<|python_tag|>",
        "<|eot_id|>",
        "<|eom_id|>",
        "<|python_start|>",
        "<|python_end|>",
        "[f(",
        "f(x=1)",
        "g(",
        ")",
        "]",
        "x=",
        "**{",
        "'",
        "\"\"\"",
        ";",
        "; ",
        "[{",
        "{\"name\": \"f\", \"parameters\": {}}",
        "{\"function\": {\"name\": \"f\", \"arguments\": \"{}\"}}",
        "{\"name\": ",
        "\"parameters\": ",
        "\"type\": \"function\"",
        "tool_calls",
        "\\",
        "```",
        "```json\n",
        "\n",
        ",",
        "1",
        "true",
        "None",
        "<think>",
        "</think>",
        "<start",
        "_function_call>",
        "{",
        "}",
        "(",
        " ",
        "`",
    ];
    let pieces = prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..16);
    let calls = prop::collection::vec(strategies::call(), 0..3).prop_flat_map(|calls| {
        (0..6usize).prop_map(move |format| joined(&formats()[format].write_calls(&calls)))
    });
    let part = prop_oneof![2 => strategies::text(), 4 => pieces.prop_map(|p| p.concat()), 2 => calls];
    prop::collection::vec(part, 0..4).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn parse_of_write_is_identity(calls in prop::collection::vec(strategies::call(), 1..4)) {
        for format in formats() {
            let text = format!("<think>A call to f.</think>{}", joined(&format.write_calls(&calls)));
            let parsed = format.parse(&text);
            prop_assert_eq!(&parsed.calls, &calls, "{} {}", format.name(), text);
            prop_assert_eq!(parsed.status, ParseStatus::Calls, "{} {} {:?}", format.name(), text, parsed.diagnostics);
            prop_assert!(parsed.diagnostics.iter().all(|d| d.severity() == Severity::Note));
            prop_assert_eq!(parsed.text, "");
            prop_assert_eq!(parsed.thinking, "A call to f.");
            // All calls are certain when the last character has come.
            let (events, _) = streamed(format.as_ref(), &characters(&text));
            prop_assert_eq!(calls_of(&events), &calls[..], "{} {}", format.name(), text);
        }
    }

    #[test]
    fn any_chunking_gives_what_one_shot_gives(
        text in trouble(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut cuts: Vec<usize> =
            cuts.iter().map(|cut| text.floor_char_boundary(cut.index(text.len() + 1))).collect();
        cuts.sort_unstable();
        let (mut chunks, mut start) = (Vec::new(), 0);
        for cut in cuts.into_iter().chain([text.len()]) {
            chunks.push(&text[start..cut]);
            start = cut;
        }
        for format in formats() {
            check_stream(format.as_ref(), &text, &chunks);
            check_stream(format.as_ref(), &text, &characters(&text));
        }
    }

    #[test]
    fn a_good_call_survives_a_bad_one(call in strategies::call()) {
        for format in formats() {
            let good = joined(&format.write_call(&call));
            let bad = match format.name() {
                "llama-3.1" => "{\"name\": \"f\", \"parameters\": {\"x\": oops}}; ",
                "pythonic" => "[f(x=1+2)]\n",
                "functiongemma" => "<start_function_call>call:f{x:<escape>never closed}<end_function_call>",
                "gemma4" => "<|tool_call>call:f{x:<|\"|>never closed}<tool_call|>",
                _ => "[{\"function\": {\"name\": \"f\", \"arguments\": oops}}]\n",
            };
            let parsed = format.parse(&format!("{good}\n{bad}{good}"));
            prop_assert_eq!(parsed.calls.iter().filter(|found| **found == call).count(), 2, "{:?}", parsed);
            prop_assert_eq!(parsed.status, ParseStatus::Recovered);
        }
    }
}

#[test]
fn values_that_look_like_structure_survive() {
    let texts = [
        "it's",
        "\"",
        "{}",
        "}]",
        "\n",
        "\r\n\t",
        "<escape>",
        "<end_function_call>",
        "<|\"|>",
        "<tool_call|>",
        "<|eot_id|>",
        "<end_of_turn>",
        "</think>",
        "'''",
        "\\",
        "\\'",
        "",
        " ",
        "é 😀 \u{200b}\u{7f}\0",
        "None",
        "5",
    ];
    let arguments = texts.iter().enumerate().map(|(i, text)| (format!("k{i}"), Value::from(*text)));
    let mut arguments: tooltune_chat::Object = arguments.collect();
    for key in texts {
        arguments.insert(key, Value::parse_json("[{}, [], [[1.0, -0.0], {\"a\": null}]]").unwrap());
    }
    for name in ["f", "math.factorial", "get-weather", "a b", "<escape>", "\"", "naïve", "ns:tool", "x{"] {
        let call = ToolCall::new(name, arguments.clone());
        for format in formats() {
            let text = joined(&format.write_call(&call));
            let parsed = format.parse(&text).into_strict().unwrap_or_else(|error| panic!("{error}: {text}"));
            assert_eq!(parsed.calls, std::slice::from_ref(&call), "{text}");
        }
    }
}

#[test]
fn calls_and_text_are_certain_as_soon_as_they_can_be() {
    // In each text `|` marks where a call must have been reported, and `#` where all text before must have been.
    for (format, marked) in [
        (
            &Llama31::new() as &dyn ToolCallFormat,
            "{\"name\": \"f\", \"parameters\": {}}|; {\"name\": \"g\", \"parameters\": {}}|",
        ),
        (&Llama31::new(), "Hello,# <b>you# {\"name\": \"f\", \"parameters\": {}}|"),
        (&Pythonic::new(), "[f(x=[1, 2]),| g(y='),')]|"),
        (&Pythonic::new(), "Sure, (I) do:# [f(x=1)]| and more"),
        (&Pythonic::new(), "f(x=1)\n|g(y=2)\n|"),
        (
            &FunctionGemma::new(),
            "Let me call f:# <start_function_call>call:f{x:1}<end_function_call>|<start_function_call>call:g{}<end_function_call>|",
        ),
        (
            &OpenAi::new(),
            "[{\"function\": {\"name\": \"f\", \"arguments\": \"{}\"}}|, {\"function\": {\"name\": \"g\", \"arguments\": \"{}\"}}|]",
        ),
    ] {
        let mut stream = format.stream();
        let (mut events, mut want_calls, mut text) = (Vec::new(), 0, String::new());
        for c in marked.chars() {
            match c {
                '|' => {
                    want_calls += 1;
                    assert_eq!(calls_of(&events).len(), want_calls, "{marked}: {events:?}");
                }
                '#' => assert_eq!(text_of(&events), text, "{marked}: {events:?}"),
                c => {
                    text.push(c);
                    events.extend(stream.push(&c.to_string()));
                    assert!(calls_of(&events).len() <= want_calls + 1);
                }
            }
        }
        assert_eq!(stream.finish().calls.len(), want_calls, "{marked}");
    }
}

#[test]
fn thinking_is_apart_and_its_calls_do_not_count() {
    let call = ToolCall::new("f", tooltune_chat::Object::new());
    for format in formats() {
        let written = joined(&format.write_call(&call));
        let thought = format!("<think>Maybe {written}</think>{written}");
        let parsed = format.parse(&thought);
        assert_eq!((parsed.calls.len(), parsed.status), (1, ParseStatus::Calls), "{parsed:?}");
        assert!(parsed.diagnostics.iter().any(|d| d.kind == DiagnosticKind::CallInThink));
        assert_eq!(format.parse(&format!("<think>unfinished {written}")).status, ParseStatus::Malformed);
        // As where the prompt ended with `<think>`.
        assert_eq!(format.parse(&format!("a thought</think>{written}")).status, ParseStatus::Calls);
        let (events, _) = streamed(format.as_ref(), &characters("<think>one two"));
        let said: String = events
            .iter()
            .map(|event| match event {
                ParseEvent::Thinking(text) => text.as_str(),
                _ => "",
            })
            .collect();
        assert_eq!(said, "one two");
    }
}

/// Texts that a parser with a look ahead or behind would read in quadratic time: ten times the text may take thirty
/// times the time (ten, with room for a busy machine), and never long.
#[test]
fn time_is_linear() {
    let units = [
        "[",
        "{",
        "(",
        "\"",
        "'",
        "<",
        "`",
        "```",
        "c",
        "call:",
        "call:f{",
        "[f(",
        "[f(x=[",
        "f(x='",
        "[f(x=\"",
        "[\"",
        "\n",
        " ",
        "f(\n",
        "[f(x=1),",
        "[f(x=1);",
        "f(",
        "<start_function_call>",
        "<start_function_call>call:f{a:<escape>",
        "<start_function_call>call:f{a:\"",
        "<start_function_call>call:f{a:{",
        "<start_function_call>call:f{}",
        "<end_function_call>",
        "<start_function_response>",
        "<start_function_response> x",
        "<escape>",
        "{\"name\":",
        "{\"name\": \"f\", \"parameters\": {\"x\":",
        "{\"name\": \"f\", \"parameters\": {}}",
        "{\"name\": \"f\"}; ",
        "; ",
        "<|python_tag|>",
        "<think>",
        "<think></think>",
        "</think>",
        "<think>{\"name\": \"f\", \"parameters\": {}}</think>",
        "[{",
        "[{\"id\": \"",
        "[{\"function\": {",
        "[{\"function\": {\"name\": \"f\", \"arguments\": \"{}\"}}",
        "{\"tool_calls\": [",
        "{'a': \"",
        "{“",
    ];
    let mut slow = Vec::new();
    for format in formats() {
        for unit in units {
            let time = |kb: usize, chunk: usize| {
                let text = unit.repeat(kb * 1000 / unit.len());
                let start = Instant::now();
                let mut stream = format.stream();
                let mut rest = text.as_str();
                while !rest.is_empty() {
                    let (first, after) = rest.split_at(rest.ceil_char_boundary(chunk.min(rest.len())));
                    stream.push(first);
                    rest = after;
                }
                let streamed = stream.finish();
                assert_eq!(streamed, format.parse(&text), "{} {unit:?}", format.name());
                start.elapsed()
            };
            // A busy machine makes some runs slow: the best of several counts.
            let growth = |_| [1, 10, 100].map(|kb| time(kb, 3));
            let floor = Duration::from_millis(5);
            let is_slow = |times: &[Duration; 3]| {
                times[2] > 30 * times[1].max(floor) || times[2] > Duration::from_secs(5)
            };
            let times: Vec<_> = (0..4).map(growth).take_while(is_slow).collect();
            if times.len() == 4 {
                slow.push(format!("{} {unit:?}: {times:?}", format.name()));
            }
        }
    }
    assert!(slow.is_empty(), "{}", slow.join("\n"));
}
