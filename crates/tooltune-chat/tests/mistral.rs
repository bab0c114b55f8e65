//! Mistral's call formats.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use tooltune_chat::{
    ByteTokenizer, ChatTemplate, DiagnosticKind, Gemma2Tools, JsonErrorKind, Mistral, ParseEvent,
    ParseStatus, SegmentKind, TextTokenizer, ToolCallFormat, ToolResult, Value, encode, segments_to_text,
};

#[path = "common/weather.rs"]
mod weather;

use weather::{call, conversation};

#[test]
fn slips_of_models_are_repaired_and_reported() {
    use DiagnosticKind as D;
    let good = "{\"name\": \"f\", \"arguments\": {\"x\": 1}}";
    for (text, kind, calls) in [
        (format!("[TOOL_CALLS] {good}"), D::MissingList, 1),
        (format!("[TOOL_CALLS] {good}\n{good}"), D::MissingList, 2),
        (format!("[TOOL_CALLS] [{good}"), D::Truncated, 1),
        (format!("[TOOL_CALLS] [{good}</s>"), D::MissingBracket, 1),
        (format!("[TOOL_CALLS] [{good},]"), D::TrailingComma, 1),
        (format!("[TOOL_CALLS] [{good} {good}]"), D::MissingComma, 2),
        (format!("[TOOL_CALLS] [{good}] Done."), D::TextBeside, 1),
        (format!("[TOOL_CALLS] [{good}][TOOL_CALLS] [{good}]"), D::SeveralLists, 2),
        (format!("[TOOL_CALLS] ```json\n[{good}]\n```"), D::Fence, 1),
        (format!("[TOOL_CALLS] [{good}]</s>[INST]And"), D::Overrun, 1),
        (format!("[TOOL_CALLS] [\"x\", {good}]"), D::NotACall { problem: "an item is not an object" }, 1),
        (
            format!("[TOOL_CALLS] [{{\"name\": \"f\", \"arguments\": {{\"x\": g(1)}}}}, {good}, {good}]"),
            D::BadBlock { error: unknown_word("g") },
            2,
        ),
        (format!("Sure: [{good}, {good}]"), D::MissingTags, 2),
        (format!("Sure: {good}"), D::MissingTags, 1),
        (format!("[TOOL_CALLS][TOOL_CALLS] [{good}]"), D::EmptyBlock, 1),
        (format!("[TOOL_RESULTS]1[/TOOL_RESULTS][TOOL_CALLS] [{good}]"), D::InventedResult, 1),
        (format!("[ARGS][TOOL_CALLS] [{good}]"), D::StrayTag, 1),
        ("[TOOL_CALLS]g[ARGS]{\"x\": \"[TOOL_CALLS]f[ARGS]{'x': 1}".to_owned(), D::TruncatedCall, 1),
        (
            "[TOOL_CALLS]g[ARGS]{\"x\": \"\n[TOOL_CALLS]f[ARGS]{'x': 1}\"}".to_owned(),
            D::BadBlock { error: JsonErrorKind::RawControl },
            1,
        ),
        ("[TOOL_CALLS] [{'name': 'f', 'arguments': {'x': 1}}]".to_owned(), D::PythonLiteral, 1),
        ("[TOOL_CALLS]f[ARGS]{'x': 1}".to_owned(), D::PythonLiteral, 1),
        ("[TOOL_CALLS]f[ARGS]{\"x\": \"1\"".to_owned(), D::Truncated, 1),
        ("[TOOL_CALLS]f[ARGS]{\"x\": 1</s>".to_owned(), D::MissingBracket, 1),
        (
            "[TOOL_CALLS]f[ARGS]{\"x\": [1}[TOOL_CALLS]f[ARGS]{\"x\": 1}".to_owned(),
            D::BadBlock {
                error: JsonErrorKind::Unexpected { expected: "`,` or a closing bracket", found: '}' },
            },
            1,
        ),
        ("[TOOL_CALLS]f[CALL_ID][ARGS]{\"x\": 1}".to_owned(), D::EmptyCallId, 1),
        ("[TOOL_CALLS]f[ARGS]\"{\\\"x\\\": 1}\"".to_owned(), D::ArgumentsAsString, 1),
        ("[TOOL_CALLS]f[ARGS]</s>".to_owned(), D::ArgumentsMissing, 1),
        ("[TOOL_CALLS]f[ARGS]null".to_owned(), D::ArgumentsNull, 1),
        ("[TOOL_CALLS]f{\"x\": 1}\n[TOOL_CALLS] [{\"name\": \"f\"}]".to_owned(), D::SeveralLists, 2),
    ] {
        let parsed = Mistral::v11().parse(&text);
        assert_eq!(parsed.status, ParseStatus::Recovered, "{text}\n{parsed:?}");
        assert!(parsed.diagnostics.iter().any(|d| d.kind == kind), "{text}\n{parsed:?}");
        assert_eq!(parsed.calls.len(), calls, "{text}\n{parsed:?}");
        assert!(parsed.calls.iter().all(|call| call.name == "f"), "{text}\n{parsed:?}");
        assert_eq!(parsed, Mistral::v3().parse(&text));
        assert!(parsed.into_strict().is_err());
    }
}

fn unknown_word(word: &str) -> JsonErrorKind {
    JsonErrorKind::UnknownWord { word: word.to_owned() }
}

#[test]
fn well_formed_turns_are_read_without_remarks() {
    let one = vec![call(None, "weather", "Rome")];
    let with_id = vec![call(Some("abc123def"), "weather", "Rome")];
    let two = vec![call(None, "weather", "Rome"), call(None, "a.b-c_1", "Oslo")];
    for (text, calls, said) in [
        ("[TOOL_CALLS]weather{\"city\": \"Rome\"}", &one, ""),
        ("[TOOL_CALLS]weather[ARGS]{\"city\": \"Rome\"}</s>", &one, ""),
        ("[TOOL_CALLS] weather [ARGS]\n{\n  \"city\": \"Rome\"\n}\n", &one, ""),
        ("I look.[TOOL_CALLS]weather[CALL_ID]abc123def[ARGS]{\"city\": \"Rome\"}", &with_id, "I look."),
        ("[TOOL_CALLS]weather[CALL_ID]abc123def{\"city\": \"Rome\"}", &with_id, ""),
        (
            "I look. [TOOL_CALLS] [{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}]",
            &one,
            "I look.",
        ),
        (
            "[TOOL_CALLS] [\n{\"id\": \"abc123def\", \"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}\n]",
            &with_id,
            "",
        ),
        (
            "[TOOL_CALLS]weather[ARGS]{\"city\": \"Rome\"}\n[TOOL_CALLS]a.b-c_1[ARGS]{\"city\": \"Oslo\"}",
            &two,
            "",
        ),
    ] {
        for format in [Mistral::v3(), Mistral::v11()] {
            let parsed = format.parse(text);
            assert_eq!((parsed.status, &parsed.calls), (ParseStatus::Calls, calls), "{text}\n{parsed:?}");
            assert_eq!((parsed.text.as_str(), parsed.diagnostics.len()), (said, 0), "{text}\n{parsed:?}");
        }
    }
    let thought = Mistral::v11().parse("[THINK]Maybe [TOOL_CALLS]f{}?[/THINK]No.<think>Or [x]?</think>");
    assert_eq!(thought.status, ParseStatus::NoAttempt);
    assert_eq!(
        (thought.text.as_str(), thought.thinking.as_str()),
        ("No.", "Maybe [TOOL_CALLS]f{}?\nOr [x]?")
    );
}

#[test]
fn what_is_no_call_is_not_made() {
    for (text, status) in [
        ("", ParseStatus::NoAttempt),
        ("[TOOL_CALLS] []", ParseStatus::NoAttempt),
        ("See [1] and {this}, [TOOL] and [ARG].", ParseStatus::NoAttempt),
        ("[{\"name\": \"f\"}, {\"x\": [1, 2]}]", ParseStatus::NoAttempt),
        ("Bye.</s>", ParseStatus::NoAttempt),
        ("[THINK]cut", ParseStatus::NoAttempt),
        ("[TOOL_CALLS]", ParseStatus::Malformed),
        ("[TOOL_CALLS] [", ParseStatus::Malformed),
        ("[TOOL_CALLS]</s>", ParseStatus::Malformed),
        ("[TOOL_CALLS]f", ParseStatus::Malformed),
        ("[TOOL_CALLS]f[ARGS]", ParseStatus::Malformed),
        ("[TOOL_CALLS]f[ARGS]{\"x\": 12", ParseStatus::Malformed),
        ("[TOOL_CALLS]f[ARGS][1]", ParseStatus::Malformed),
        ("[TOOL_CALLS]{\"city\": \"Rome\"}", ParseStatus::Malformed),
        ("[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"x\": NaN}}]", ParseStatus::Malformed),
        ("[TOOL_CALLS] [{\"name\": \"\", \"arguments\": {}}]", ParseStatus::Malformed),
        ("f[ARGS]{\"x\": 1}", ParseStatus::Malformed),
        ("<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>", ParseStatus::Malformed),
        ("[THINK]a [TOOL_CALLS]f[ARGS]{}", ParseStatus::Malformed),
    ] {
        let parsed = Mistral::v3().parse(text);
        assert_eq!(parsed.status, status, "{text}\n{parsed:?}");
        assert!(parsed.calls.is_empty(), "{text}\n{parsed:?}");
    }
    // What follows the tag and is no call is not lost.
    let sorry = Mistral::v3().parse("[TOOL_CALLS]I cannot do that.");
    assert_eq!((sorry.status, sorry.text.as_str()), (ParseStatus::Malformed, "I cannot do that."));
}

/// Calls come with their last byte, text as soon as it cannot be a tag.
#[test]
fn calls_are_given_as_soon_as_they_are_certain() {
    for text in [
        "Hm.[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"q\": \"}]\"}, \"id\": \"aaaaaaaa1\"}|, {\"name\": \"g\", \
         \"arguments\": {'x': 1}}|] Hm.",
        "Hm.[TOOL_CALLS]f[CALL_ID]aaaaaaaa1[ARGS]{\"q\": \"{\"}|[TOOL_CALLS]g[ARGS]{'x': 1}|[TOOL_CALLS]h{}|",
        "Hm.[TOOL_CALLS] [{bad}, {\"name\": \"f\", \"arguments\": {}}|][TOOL_CALLS]g[ARGS]{]}[TOOL_CALLS]h{}|",
        "Hm.[{\"name\": \"f\", \"arguments\": {}}|, {\"name\": \"g\", \"arguments\": {}}|]",
    ] {
        let mut parser = Mistral::v3().stream();
        let (mut calls, mut due, mut said) = (0, 0, String::new());
        for c in text.chars() {
            if c == '|' {
                due += 1;
                assert_eq!(calls, due, "{text} after {said}");
                continue;
            }
            for event in parser.push(c.encode_utf8(&mut [0; 4])) {
                match event {
                    ParseEvent::Call(_) => calls += 1,
                    ParseEvent::Text(text) => said.push_str(&text),
                    other => panic!("{other:?}"),
                }
            }
        }
        assert!(said.starts_with("Hm."), "{said}");
        assert_eq!(parser.finish().calls.len(), calls);
    }
}

/// Gemma-2 taught with Mistral's calls: the tags are tokens where the format wrote them and nowhere else, and what is
/// trained reads back as the calls.
#[test]
fn the_formats_work_inside_gemma_turns() {
    let mut conversation = conversation();
    conversation.messages[3].content = "Rome, [TOOL_CALLS] [ARGS] [/TOOL_RESULTS]?".to_owned();
    conversation.messages[4].content = "[THINK]Two calls.[/THINK]".to_owned();
    let calls = conversation.messages[4].tool_calls.clone();
    for format in [Mistral::v3(), Mistral::v11()] {
        let template = Gemma2Tools::new(Arc::new(format));
        let gemma = ["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"];
        let controls: Vec<&str> = gemma.iter().chain(format.special_tokens()).copied().collect();
        let tokenizer = ByteTokenizer::new(&controls);
        let segments = template.render(&conversation, false).unwrap();
        let chat = encode(&segments, &tokenizer).unwrap();
        assert_eq!(tokenizer.decode(&chat.ids, true).unwrap(), segments_to_text(&segments));
        let count = |token| chat.ids.iter().filter(|&&id| Some(id) == tokenizer.control_id(token)).count();
        let named = format == Mistral::v11();
        assert_eq!(count("[TOOL_CALLS]"), if named { 2 } else { 1 });
        assert_eq!(count("[TOOL_RESULTS]"), 2);
        assert_eq!(count("[/TOOL_RESULTS]"), 2);
        if named {
            assert_eq!((count("[ARGS]"), count("[TOOL_CONTENT]")), (2, 2));
        }
        let of_kind = |kind| {
            let texts = segments.iter().filter(|segment| segment.kind == kind);
            texts.map(|segment| segment.content.as_str()).collect::<String>()
        };
        assert_eq!(of_kind(SegmentKind::Think), "[THINK]Two calls.[/THINK]");
        let trained =
            chat.ids.iter().zip(&chat.weights).filter(|(_, weight)| **weight > 0.0).map(|(id, _)| *id);
        let written = tokenizer.decode_for(&trained.collect::<Vec<_>>(), &format).unwrap();
        let turn = written.strip_prefix("Hi.").unwrap();
        let parsed = format.parse(turn.strip_suffix("Warm, 5.").unwrap());
        assert_eq!((parsed.status, &parsed.calls), (ParseStatus::Calls, &calls));
        assert_eq!(parsed.thinking, "Two calls.");
        // Without the tokens the tags are text, and the text is the same.
        let plain = ByteTokenizer::new(&gemma);
        let ids = encode(&segments, &plain).unwrap().ids;
        assert_eq!(plain.decode(&ids, true).unwrap(), segments_to_text(&segments));
    }
}

#[test]
fn results_and_odd_names_are_written_so_that_they_can_be_read() {
    let result = |call_id: Option<&str>| ToolResult {
        call_id: call_id.map(str::to_owned),
        name: None,
        content: " {\"a\": 1, \"a\": 2}".to_owned(),
    };
    let text = |format: Mistral, id| {
        let pieces = format.write_result(&result(id));
        pieces.iter().map(|piece| piece.as_str().to_owned()).collect::<String>()
    };
    let id = Some("aaaaaaaa1");
    assert_eq!(
        text(Mistral::v3(), id),
        "[TOOL_RESULTS] {\"content\": {\"a\": 2}, \"call_id\": \"aaaaaaaa1\"}[/TOOL_RESULTS]"
    );
    assert_eq!(
        text(Mistral::v11(), id),
        "[TOOL_RESULTS]aaaaaaaa1[TOOL_CONTENT] {\"a\": 1, \"a\": 2}[/TOOL_RESULTS]"
    );
    assert_eq!(text(Mistral::v11(), None), "[TOOL_RESULTS] {\"a\": 1, \"a\": 2}[/TOOL_RESULTS]");
    let odd = [call(None, "f", "Rome"), call(Some("[ARGS]{}"), "two words", "Oslo")];
    let written: String =
        Mistral::v11().write_calls(&odd).iter().map(|piece| piece.content.as_str().to_owned()).collect();
    assert!(written.starts_with("[TOOL_CALLS] [{\"name\": \"f\""), "{written}");
    assert_eq!(Mistral::v11().parse(&written).calls, odd);
    assert_eq!(Value::from(odd[0].arguments.clone()).get("city").and_then(Value::as_str), Some("Rome"));
}
