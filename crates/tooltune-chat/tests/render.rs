//! The templates against what transformers prints.
#![allow(clippy::unwrap_used)]

mod common;

use tooltune_chat::{
    ByteTokenizer, ChatTemplate, Course, Gemma2, Gemma2Tools, Segment, Value, encode, segments_to_text,
};

/// The trained parts of the text, in code points, merged.
fn trained_spans(segments: &[Segment]) -> Vec<(usize, usize)> {
    let mut spans: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    for segment in segments {
        let end = at + segment.content.as_str().chars().count();
        if segment.weight > 0.0 {
            match spans.last_mut() {
                Some(last) if last.1 == at => last.1 = end,
                _ => spans.push((at, end)),
            }
        }
        at = end;
    }
    spans
}

#[test]
fn every_row_renders_as_in_transformers() {
    let mut checked = 0;
    for row in common::rows("chat/render.jsonl") {
        let name = row.get("template").and_then(Value::as_str).unwrap();
        let template: &dyn ChatTemplate = match name {
            "gemma2" | "gemma2-training" => &Gemma2::default(),
            "course" => &Course::default(),
            _ => continue,
        };
        let id = row.get("id").map(Value::to_json).unwrap_or_default();
        let conversation = common::conversation(row.get("messages").unwrap());
        let prompt = row.get("add_generation_prompt").and_then(Value::as_bool).unwrap();
        let rendered = template.render(&conversation, prompt);
        if let Some(error) = row.get("error").and_then(Value::as_str) {
            let expected = error.split_once(": ").map_or(error, |(_, message)| message);
            let message = rendered.unwrap_err().to_string();
            assert!(message.contains(expected), "{id}: {message}");
        } else {
            let segments = rendered.unwrap();
            let expected = row.get("expected").and_then(Value::as_str).unwrap();
            assert_eq!(segments_to_text(&segments), expected, "{id}");
            if let Some(spans) = row.get("assistant_char_spans") {
                let span = |span: &Value| {
                    let ends = common::ids(span);
                    (ends[0] as usize, ends[1] as usize)
                };
                let expected: Vec<_> = spans.as_array().unwrap().iter().map(span).collect();
                assert_eq!(trained_spans(&segments), expected, "{id}");
            }
        }
        checked += 1;
    }
    assert!(checked > 0, "no row of these templates");
}

/// `gemma2-tools` is `gemma2` wherever that renders turns of a user and a model.
#[test]
fn gemma2_tools_equals_gemma2_on_plain_chat() {
    let ours = Gemma2Tools { train_final_newline: true, ..Gemma2Tools::default() };
    let mut equal = 0;
    for row in common::rows("chat/render.jsonl") {
        if row.get("template").and_then(Value::as_str) != Some("gemma2") {
            continue;
        }
        let conversation = common::conversation(row.get("messages").unwrap());
        if conversation.messages.iter().any(|message| message.role.is_tool()) {
            continue;
        }
        for prompt in [false, true] {
            let Ok(expected) = Gemma2::default().render(&conversation, prompt) else { continue };
            let segments = ours.render(&conversation, prompt).unwrap();
            assert_eq!(segments, expected);
            let tokenizer = ByteTokenizer::default();
            assert_eq!(encode(&segments, &tokenizer).unwrap(), encode(&expected, &tokenizer).unwrap());
            equal += 1;
        }
    }
    assert!(equal > 0);
}
