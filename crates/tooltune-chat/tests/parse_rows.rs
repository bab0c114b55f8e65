//! The parsers against this project's own table of what each text should give, one shot and streamed.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use tooltune_chat::{ParseStatus, Parsed, ToolCallFormat, Value, format_by_name};

#[path = "common/streaming.rs"]
mod streaming;

/// The chunkings: bytes of the pieces, again and again; the last is the whole at once.
const CHUNKINGS: [&[usize]; 6] = [&[1], &[2, 3], &[7], &[1, 19, 4], &[64], &[]];

/// Where a row names a format otherwise than its crate does.
fn format_of(row_format: &str) -> Option<Box<dyn ToolCallFormat>> {
    format_by_name(if row_format == "llama3_json" { "llama-3.1" } else { row_format })
}

/// What a row wants and the parse does not give.
fn difference(row: &Value, parsed: &Parsed) -> Option<String> {
    let want = row.get("want").unwrap();
    let status = match parsed.status {
        ParseStatus::NoAttempt => "none",
        ParseStatus::Calls => "ok",
        ParseStatus::Recovered => "recovered",
        ParseStatus::Malformed => "malformed",
    };
    let calls: Value = parsed.calls.iter().map(|call| call.to_value()).collect::<Vec<_>>().into();
    let calls_differ = want.get("calls").is_some_and(|wanted| *wanted != calls);
    if want.get("status").and_then(Value::as_str) == Some(status) && !calls_differ {
        return None;
    }
    let (id, note) = (row.get("id").unwrap().to_json(), row.get("note").map(Value::to_json));
    Some(format!("{id} {note:?}: {status} {} {:?}", calls.to_json(), parsed.diagnostics))
}

#[test]
fn every_row_of_a_known_format_gives_its_status_and_calls() {
    let mut checked: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for row in common::rows("eval/parse.jsonl") {
        let name = row.get("format").and_then(Value::as_str).unwrap();
        let Some(format) = format_of(name) else { continue };
        *checked.entry(name.to_owned()).or_default() += 1;
        let text = row.get("text").and_then(Value::as_str).unwrap();
        wrong.extend(difference(&row, &format.parse(text)));
        for chunking in CHUNKINGS {
            if let Err(error) = streaming::check_law(format.as_ref(), text, chunking) {
                wrong
                    .push(format!("{} in pieces of {chunking:?}: {error}", row.get("id").unwrap().to_json()));
            }
        }
    }
    println!("rows checked: {checked:?}");
    assert!(checked.contains_key("hermes"), "no Hermes row");
    assert!(checked.contains_key("mistral"), "no Mistral row");
    assert!(wrong.is_empty(), "{} differ, of {checked:?}:\n{}", wrong.len(), wrong.join("\n"));
}
