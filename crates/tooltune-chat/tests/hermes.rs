//! Laws of the Hermes formats.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;

use proptest::prelude::*;
use tooltune_chat::{
    CallPiece, DiagnosticKind, Hermes, ParseStatus, SegmentContent, Severity, ToolCallFormat, ToolResult,
};

#[path = "common/strategies.rs"]
mod strategies;

fn joined(pieces: &[CallPiece]) -> String {
    pieces.iter().map(|piece| piece.content.as_str()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn parse_of_write_is_identity(calls in prop::collection::vec(strategies::call(), 1..4), python: bool) {
        let format = if python { Hermes::python() } else { Hermes::json() };
        let mut text = String::from("<think>A call to get_weather.</think>");
        for call in &calls {
            write!(text, "\n{}", joined(&format.write_call(call))).unwrap();
        }
        let parsed = format.parse(&text);
        prop_assert_eq!(&parsed.calls, &calls);
        prop_assert_eq!(parsed.status, ParseStatus::Calls);
        prop_assert!(parsed.diagnostics.iter().all(|d| d.severity() == Severity::Note));
        prop_assert_eq!(parsed.text, "");
        prop_assert_eq!(parsed.thinking, "A call to get_weather.");
    }

    #[test]
    fn a_good_block_survives_bad_neighbours(call in strategies::call(), bad in strategies::text()) {
        // Thinking, results and the end of the turn do hide what follows them.
        let hiding = ["<think>", "<tool_response>", "<end_of_turn>", "<start_of_turn>", "<eos>", "<|im_end|>"];
        let bad = hiding.iter().fold(bad, |bad, tag| bad.replace(tag, "<"));
        let good = joined(&Hermes::json().write_call(&call));
        let parsed = Hermes::json().parse(&format!("{good}\n<tool_call>\n{{bad {bad}\n</tool_call>\n{good}"));
        let found = parsed.calls.iter().filter(|found| **found == call).count();
        prop_assert!(found >= 2, "{parsed:?}");
    }

    #[test]
    fn parsing_does_not_panic(pieces in prop::collection::vec(strategies::text(), 0..6)) {
        let parsed = Hermes::json().parse(&pieces.concat());
        prop_assert!(parsed.status != ParseStatus::Calls || !parsed.calls.is_empty());
    }
}

#[test]
fn results_are_wrapped() {
    let result = ToolResult { call_id: None, name: None, content: "{'t': 21}".to_owned() };
    let pieces = Hermes::python().write_result(&result);
    let text: String = pieces.iter().map(SegmentContent::as_str).collect();
    assert_eq!(text, "<tool_response>\n{'t': 21}\n</tool_response>");
}

#[test]
fn slips_of_models_are_repaired_and_reported() {
    use DiagnosticKind as D;
    let good = "{\"name\": \"f\", \"arguments\": {\"x\": 1}}";
    for (text, kind) in [
        (good.to_owned(), D::MissingTags),
        (format!("I call: {good}"), D::MissingTags),
        (format!("{good}\n</tool_call>"), D::StrayEndTag),
        (format!("<tool_call>\n{good}"), D::MissingEndTag),
        (format!("<tool_call>\n{good}\nDone."), D::MissingEndTag),
        (format!("<tool_call>{good}}}</tool_call>"), D::JunkInBlock),
        (format!("<tool_call>{{{good}}}</tool_call>"), D::JunkInBlock),
        (format!("<tool_call>{good}\n{good}</tool_call>"), D::SeveralInBlock),
        (format!("<tool_call><tool_call>{good}</tool_call></tool_call>"), D::EmptyBlock),
        ("<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": 1}</tool_call>".to_owned(), D::MissingBracket),
        ("<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": 1,}}</tool_call>".to_owned(), D::TrailingComma),
        ("<tool_call>{'name': 'f', 'arguments': {'x': 1, 'y': true}}</tool_call>".to_owned(), D::MixedSyntax),
        ("<tool_call>{\"name\": \"f\"}</tool_call>".to_owned(), D::ArgumentsMissing),
        (
            "<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": \"\\ud83d\"}}</tool_call>".to_owned(),
            D::LoneSurrogate,
        ),
    ] {
        let parsed = Hermes::json().parse(&text);
        assert_eq!(parsed.status, ParseStatus::Recovered, "{text}\n{parsed:?}");
        assert!(parsed.diagnostics.iter().any(|d| d.kind == kind), "{text}\n{parsed:?}");
        assert!(parsed.clone().into_strict().is_err());
        assert!(parsed.calls.iter().all(|call| call.name == "f"));
    }
}

#[test]
fn what_is_no_call_is_not_made() {
    for (text, status) in [
        ("</tool_call>", ParseStatus::Malformed),
        ("<function_call>{\"name\": \"f\", \"arguments\": {}}</function_call>", ParseStatus::Malformed),
        ("[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}}]", ParseStatus::Malformed),
        ("<tool_call>{'name': 'f', 'arguments': {'x': g()}}</tool_call>", ParseStatus::Malformed),
        (
            "<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": Infinity}}</tool_call>",
            ParseStatus::Malformed,
        ),
        ("<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": 12", ParseStatus::Malformed),
        ("<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": 1,", ParseStatus::Malformed),
        ("<tool_call>{\"name\": 5, \"arguments\": {}}</tool_call>", ParseStatus::Malformed),
        ("<think>call f?</think>No.", ParseStatus::NoAttempt),
        ("<think>cut in the middle", ParseStatus::NoAttempt),
        ("Use <tools> and {braces}.", ParseStatus::NoAttempt),
        ("Bye.<end_of_turn>\n", ParseStatus::NoAttempt),
        ("", ParseStatus::NoAttempt),
    ] {
        let parsed = Hermes::json().parse(text);
        assert_eq!(parsed.status, status, "{text}\n{parsed:?}");
        assert!(parsed.calls.is_empty());
    }
    let after =
        Hermes::json().parse("a thought</think><tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>");
    assert_eq!(after.status, ParseStatus::Calls);
}
