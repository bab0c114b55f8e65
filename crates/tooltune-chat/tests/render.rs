//! The templates against what transformers and mistral-common print.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tooltune_chat::{
    ByteTokenizer, ChatTemplate, Course, Gemma2, Gemma2Tools, MistralInstruct, MistralVersion, Segment,
    SegmentContent, Value, encode, segments_to_text,
};

/// The template that a row names.
fn template(name: &str) -> Box<dyn ChatTemplate> {
    match name {
        "gemma2" | "gemma2-training" => Box::new(Gemma2::default()),
        "course" => Box::new(Course::default()),
        _ => Box::new(MistralInstruct::new(
            mistral(name).unwrap_or_else(|| panic!("unknown template {name:?}")),
        )),
    }
}

fn mistral(name: &str) -> Option<MistralVersion> {
    MistralVersion::ALL.into_iter().find(|version| version.as_str() == name)
}

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

/// What is encoded at once: a control token (true), or the text up to the next one or to text that stays apart.
fn runs(segments: &[Segment]) -> Vec<(bool, String)> {
    let mut runs: Vec<(bool, String)> = Vec::new();
    for segment in segments {
        let text = segment.content.as_str();
        match (&segment.content, runs.last_mut()) {
            (SegmentContent::Control(_), _) => runs.push((true, text.to_owned())),
            (SegmentContent::Text(_), Some((false, run))) => run.push_str(text),
            (SegmentContent::Tag(tag), _) => panic!("a tag that may be text: {tag:?}"),
            _ => runs.push((false, text.to_owned())),
        }
    }
    runs
}

/// The characters that a vocabulary has, and those that it writes as bytes.
#[derive(Debug, Default)]
struct Vocabulary {
    written: BTreeSet<char>,
    as_bytes: BTreeSet<char>,
}

/// Compares with pieces as sentencepiece prints them: U+2581 for blanks and before each text, `<0x0A>` for the bytes of
/// a character that the vocabulary lacks.
fn compare_pieces(segments: &[Segment], expected: &str, vocabulary: &mut Vocabulary) -> Result<(), String> {
    let mut rest = expected;
    for (control, run) in runs(segments) {
        if control {
            rest = rest.strip_prefix(run.as_str()).ok_or_else(|| format!("{run:?} is not at {rest:?}"))?;
            continue;
        }
        for c in std::iter::once(' ').chain(run.chars()) {
            let c = if c == ' ' { '\u{2581}' } else { c };
            let bytes: String =
                c.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("<0x{byte:02X}>")).collect();
            if let Some(after) = rest.strip_prefix(c) {
                vocabulary.written.insert(c);
                rest = after;
            } else {
                rest = rest
                    .strip_prefix(bytes.as_str())
                    .ok_or_else(|| format!("{c:?} of {run:?} is not at {rest:?}"))?;
                vocabulary.as_bytes.insert(c);
            }
        }
    }
    if rest.is_empty() { Ok(()) } else { Err(format!("more text: {rest:?}")) }
}

#[test]
fn every_row_renders_as_in_the_original() {
    let mut checked: BTreeMap<String, usize> = BTreeMap::new();
    let mut tags: BTreeMap<String, usize> = BTreeMap::new();
    let mut vocabularies: BTreeMap<String, Vocabulary> = BTreeMap::new();
    for row in common::rows("chat/render.jsonl") {
        let name = row.get("template").and_then(Value::as_str).unwrap();
        let template = template(name);
        let id = row.get("id").map(Value::to_json).unwrap_or_default();
        let version = mistral(name);
        let conversation = match version {
            Some(_) => common::chat(&row),
            None => common::conversation(row.get("messages").unwrap()),
        };
        let prompt = row.get("add_generation_prompt").and_then(Value::as_bool).unwrap();
        let rendered = template.render(&conversation, prompt);
        if let Some(error) = row.get("error").and_then(Value::as_str) {
            let expected = error.split_once(": ").map_or(error, |(_, message)| message);
            let message = rendered.expect_err(&id).to_string();
            assert!(message.contains(expected), "{id}: {message}");
        } else {
            let segments = rendered.unwrap_or_else(|error| panic!("{id}: {error}"));
            let expected = row.get("expected").and_then(Value::as_str).unwrap();
            if version.is_some_and(MistralVersion::is_sentencepiece) {
                let vocabulary = vocabularies.entry(name.to_owned()).or_default();
                compare_pieces(&segments, expected, vocabulary)
                    .unwrap_or_else(|error| panic!("{id}: {error}"));
            } else {
                assert_eq!(segments_to_text(&segments), expected, "{id}");
            }
            if let Some(spans) = row.get("assistant_char_spans") {
                let span = |span: &Value| {
                    let ends = common::ids(span);
                    (ends[0] as usize, ends[1] as usize)
                };
                let expected: Vec<_> = spans.as_array().unwrap().iter().map(span).collect();
                assert_eq!(trained_spans(&segments), expected, "{id}");
            }
        }
        *checked.entry(name.to_owned()).or_default() += 1;
        for tag in row.get("tags").and_then(Value::as_array).unwrap_or_default() {
            *tags.entry(tag.as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    println!("rows checked: {} {checked:?}, with tags {tags:?}", checked.values().sum::<usize>());
    assert!(!checked.is_empty(), "no row");
    // A vocabulary has a character or has it not.
    for (name, Vocabulary { written, as_bytes }) in vocabularies {
        assert!(written.is_disjoint(&as_bytes), "{name}: {:?}", written.intersection(&as_bytes));
    }
}

/// The ids of Mistral's control tokens. Those above 19 of the newer versions were placed by hand, and are left out.
fn control_id(version: MistralVersion, token: &str) -> Option<i64> {
    let sentencepiece = [
        "<s>",
        "</s>",
        "[INST]",
        "[/INST]",
        "[TOOL_CALLS]",
        "[AVAILABLE_TOOLS]",
        "[/AVAILABLE_TOOLS]",
        "[TOOL_RESULTS]",
        "[/TOOL_RESULTS]",
    ];
    let tekken = [
        "<s>",
        "</s>",
        "[INST]",
        "[/INST]",
        "[AVAILABLE_TOOLS]",
        "[/AVAILABLE_TOOLS]",
        "[TOOL_RESULTS]",
        "[/TOOL_RESULTS]",
        "[TOOL_CALLS]",
    ];
    let newer = ["[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]"];
    let (tokens, newer_from) = if version.is_sentencepiece() { (sentencepiece, 16) } else { (tekken, 17) };
    let at = |tokens: &[&str]| tokens.iter().position(|known| *known == token).map(|at| at as i64);
    at(&tokens).map(|at| at + 1).or_else(|| at(&newer).map(|at| at + newer_from))
}

/// The ids of Mistral's own tokenizers: control tokens have theirs, where we have them, and nowhere else; and a text
/// between them has the same ids wherever it stands, which other texts have not. So the texts are those that were
/// encoded at once.
#[test]
fn mistral_ids_are_those_of_our_segments() {
    let mut checked = 0;
    let mut texts: HashMap<(MistralVersion, String), Vec<i64>> = HashMap::new();
    let mut known: HashMap<(MistralVersion, Vec<i64>), String> = HashMap::new();
    for row in common::rows("chat/render.jsonl") {
        let Some(version) = row.get("template").and_then(Value::as_str).and_then(mistral) else { continue };
        let Some(ids) = row.get("ids").map(common::ids) else { continue };
        let id = row.get("id").map(Value::to_json).unwrap_or_default();
        let segments = MistralInstruct::new(version).render(&common::chat(&row), false).unwrap();
        let mut rest = ids.as_slice();
        let mut text = String::new();
        let controls: Vec<i64> =
            segments.iter().filter_map(|segment| control_id(version, segment.content.as_str())).collect();
        let is_control = |id: &i64| {
            // Version 1 has no more than these two; its other low ids are bytes.
            if version == MistralVersion::V1 { *id <= 2 } else { *id < 20 }
        };
        let mut take = |rest: &mut &[i64], text: &mut String| {
            let end = rest.iter().position(is_control).unwrap_or(rest.len());
            let (run, after) = rest.split_at(end);
            *rest = after;
            let text = std::mem::take(text);
            assert_eq!(run.is_empty(), text.is_empty(), "{id}: {text:?}");
            if !run.is_empty() {
                let before = texts.insert((version, text.clone()), run.to_owned());
                assert!(before.is_none_or(|before| before == run), "{id}: {text:?}");
                let before = known.insert((version, run.to_owned()), text.clone());
                assert!(before.is_none_or(|before| before == text), "{id}: {text:?}");
            }
        };
        for (control, run) in runs(&segments) {
            match control_id(version, &run).filter(|_| control) {
                Some(control) => {
                    take(&mut rest, &mut text);
                    assert_eq!(rest.first(), Some(&control), "{id}: {run}");
                    rest = &rest[1..];
                }
                // Where texts follow each other without a control token, their ids do.
                None => text.push_str(&format!("{run}\u{0}")),
            }
        }
        take(&mut rest, &mut text);
        assert!(rest.is_empty(), "{id}: {rest:?}");
        let found: Vec<i64> = ids.iter().copied().filter(is_control).collect();
        assert_eq!(found, controls, "{id}");
        checked += 1;
    }
    println!("rows with ids: {checked}, texts {}", texts.len());
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
