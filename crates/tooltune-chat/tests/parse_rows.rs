//! The Hermes parser against this project's own table of what each text should give.
#![allow(clippy::unwrap_used)]

mod common;

use tooltune_chat::{Hermes, ParseStatus, ToolCallFormat, Value};

#[test]
fn every_hermes_row_gives_its_status_and_calls() {
    let mut checked = 0;
    let mut wrong = Vec::new();
    for row in common::rows("eval/parse.jsonl") {
        let format = match row.get("format").and_then(Value::as_str) {
            Some("hermes") => Hermes::json(),
            Some("hermes-python") => Hermes::python(),
            _ => continue,
        };
        checked += 1;
        let want = row.get("want").unwrap();
        let parsed = format.parse(row.get("text").and_then(Value::as_str).unwrap());
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
    }
    assert!(checked > 0, "no Hermes row");
    assert!(wrong.is_empty(), "{} of {checked} differ:\n{}", wrong.len(), wrong.join("\n"));
}
