//! What a model wrote, one JSON object a line: written for other programs, and read from them.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;

use tooltune::chat::{Object, ParseStatus, Parsed, ToolCall, ToolCallFormat, Value};
use tooltune::eval::{Record, Response};

use crate::case::Case;

/// How many ids an error names.
const NAMED: usize = 5;

/// Writes `{"id", "group", "tools", "user", "gold", "text", "calls", "stopped"}` for every question.
///
/// # Errors
/// When the file cannot be written.
pub fn write_predictions(path: &Path, records: &[Record]) -> Result<(), String> {
    let mut text = String::new();
    for record in records {
        text.push_str(&line(record).to_json());
        text.push('\n');
    }
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn line(record: &Record) -> Value {
    let calls = |calls: &[ToolCall]| Value::Array(calls.iter().map(ToolCall::to_value).collect());
    let mut line = Object::new();
    line.insert("id", record.id.as_str());
    line.insert("group", record.group.as_str());
    line.insert("tools", Value::Array(record.tools.iter().map(|tool| tool.name.as_str().into()).collect()));
    line.insert("user", record.request().unwrap_or_default());
    line.insert("gold", calls(&record.gold));
    line.insert("text", record.response.text.as_str());
    line.insert("calls", calls(&record.response.parsed.calls));
    line.insert("stopped", record.response.stopped);
    line.into()
}

/// Reads the predictions for `cases`, in their order: `{"id", "text"}` or `{"id", "calls"}` a line.
///
/// `text` is what the model wrote, without the stop token; `format` finds the calls in it. `calls` are calls that were parsed already:
/// `{"name", "arguments"}`, bare or as `function` in an object, the arguments as an object or, as OpenAI's API has them, as its JSON;
/// arguments that are no such JSON are an attempt that cannot be read. With `calls` there may be `content`, the answer beside them.
/// `"stopped": false` says that the model ran into its length limit. Other keys mean nothing here.
///
/// # Errors
/// With the line that cannot be used; where `text` and `calls` disagree; with the ids that are missing, unknown or there twice.
pub fn read_predictions(
    path: &Path,
    cases: &[Case],
    format: &dyn ToolCallFormat,
) -> Result<Vec<Record>, Box<dyn Error>> {
    let file = fs::File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut found: HashMap<String, (usize, Response)> = HashMap::new();
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let named = |error: String| format!("{}:{number}: {error}", path.display());
        let line = line.map_err(|error| named(error.to_string()))?;
        if line.trim().is_empty() {
            continue;
        }
        let value = Value::parse_json(&line).map_err(|error| named(error.to_string()))?;
        let (id, response) = prediction(&value, format).map_err(named)?;
        if let Some((first, _)) = found.get(&id) {
            return Err(named(format!("the id {id:?} stands in line {first} too")).into());
        }
        found.insert(id, (number, response));
    }
    let mut missing = Vec::new();
    let mut records = Vec::with_capacity(cases.len());
    for case in cases {
        match found.remove(&case.id) {
            Some((_, response)) => records.push(case.record(response)),
            None => missing.push(format!("{:?}", case.id)),
        }
    }
    let mut spare: Vec<(usize, String)> = found.into_iter().map(|(id, (line, _))| (line, id)).collect();
    spare.sort_unstable();
    let spare: Vec<String> = spare.into_iter().map(|(line, id)| format!("{id:?} (line {line})")).collect();
    let list = |ids: &[String], what: &str| {
        let more = if ids.len() > NAMED { ", …" } else { "" };
        let shown = ids.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        if ids.is_empty() { None } else { Some(format!("{} {what}: {shown}{more}", ids.len())) }
    };
    let problems = [list(&missing, "without a prediction"), list(&spare, "for no question")];
    let problems: Vec<String> = problems.into_iter().flatten().collect();
    if problems.is_empty() {
        return Ok(records);
    }
    Err(format!("{}: {}", path.display(), problems.join("; ")).into())
}

fn prediction(value: &Value, format: &dyn ToolCallFormat) -> Result<(String, Response), String> {
    let id = value.get("id").and_then(Value::as_str).ok_or("\"id\" should be a text")?;
    let text = match value.get("text") {
        None | Some(Value::Null) => None,
        Some(text) => Some(text.as_str().ok_or("\"text\" should be a text")?),
    };
    let calls = match value.get("calls") {
        None | Some(Value::Null) => None,
        Some(calls) => Some(calls.as_array().ok_or("\"calls\" should be a list")?),
    };
    let stopped = match value.get("stopped") {
        None | Some(Value::Null) => true,
        Some(stopped) => stopped.as_bool().ok_or("\"stopped\" should be true or false")?,
    };
    let parsed = calls.map(|calls| given(calls, value.get("content"))).transpose()?;
    let response = match (text, parsed) {
        (None, None) => return Err("there is neither \"text\" nor \"calls\"".to_owned()),
        (None, Some(parsed)) => Response::new(value.to_json(), stopped, parsed),
        (Some(text), parsed) => {
            let response = Response::parse(text, stopped, format);
            let same = |parsed: &Parsed| plain(&parsed.calls) == plain(&response.parsed.calls);
            if !parsed.as_ref().is_none_or(same) {
                return Err(format!(
                    "\"calls\" are not the calls that the format {} finds in \"text\": leave one out, or choose another --format",
                    format.name()
                ));
            }
            response
        }
    };
    Ok((id.to_owned(), response))
}

/// Calls without their ids.
fn plain(calls: &[ToolCall]) -> Vec<(&str, &Object)> {
    calls.iter().map(|call| (call.name.as_str(), &call.arguments)).collect()
}

/// Calls that were parsed elsewhere.
fn given(items: &[Value], content: Option<&Value>) -> Result<Parsed, String> {
    let content = match content {
        None | Some(Value::Null) => "",
        Some(content) => content.as_str().ok_or("\"content\" should be a text")?,
    };
    let mut calls = Vec::with_capacity(items.len());
    let mut status = if items.is_empty() { ParseStatus::NoAttempt } else { ParseStatus::Calls };
    for (index, item) in items.iter().enumerate() {
        let call = item.get("function").filter(|function| function.as_object().is_some()).unwrap_or(item);
        let name = call.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| format!("calls[{index}] has no \"name\""))?;
        let arguments = match call.get("arguments") {
            Some(Value::Object(arguments)) => Some(arguments.clone()),
            Some(Value::String(json)) => {
                Value::parse_json(json).ok().and_then(|value| value.as_object().cloned())
            }
            _ => return Err(format!("calls[{index}]: \"arguments\" should be an object, or its JSON")),
        };
        match arguments {
            Some(arguments) => calls.push(ToolCall::new(name, arguments)),
            None => status = ParseStatus::Malformed,
        }
    }
    let text = content.trim().to_owned();
    Ok(Parsed {
        status,
        calls,
        content: text.clone(),
        text,
        thinking: String::new(),
        diagnostics: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use tooltune::chat::{Conversation, Hermes, Message};

    use super::*;
    use crate::case::cases;

    /// Two questions, `a#1` that wants `f({"x": 1})`, and `b#1` that wants silence; scored with these lines.
    fn read(lines: &str) -> Result<Vec<Record>, String> {
        let arguments: Object = [("x".to_owned(), 1.into())].into_iter().collect();
        let conversation = |id: &str, turn: Message| Conversation {
            id: Some(id.to_owned()),
            tools: Vec::new(),
            messages: vec![Message::user("Go."), turn],
        };
        let both = [
            conversation("a", Message::calls(vec![ToolCall::new("f", arguments)])),
            conversation("b", Message::assistant("No.")),
        ];
        let cases = cases("s", &both, 9, false, |message| message.tool_calls.clone());
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("p.jsonl");
        fs::write(&path, lines).unwrap();
        read_predictions(&path, &cases, &Hermes::json()).map_err(|error| error.to_string())
    }

    #[test]
    fn texts_and_calls_are_read() {
        let b = r#"{"id": "b#1", "text": "No.", "stopped": false}"#;
        for (a, right) in [
            (r#""calls": [{"name": "f", "arguments": {"x": 1}}]"#, true),
            (
                r#""calls": [{"type": "function", "function": {"name": "f", "arguments": "{\"x\": 1}"}}]"#,
                true,
            ),
            (r#""calls": [{"name": "f", "arguments": "{\"x\": "}]"#, false),
            (r#""calls": []"#, false),
            (r#""text": "<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": 1}}</tool_call>""#, true),
        ] {
            let records = read(&format!("{b}\n\n{{\"id\": \"a#1\", {a}}}\n")).unwrap();
            assert_eq!(records.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["a#1", "b#1"]);
            assert_eq!((records[0].is_right(), records[1].is_right()), (right, true), "{a}");
            assert!(records[0].response.stopped && !records[1].response.stopped);
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let a = r#"{"id": "a#1", "text": "x"}"#;
        for (lines, named) in [
            (a.to_owned(), "1 without a prediction: \"b#1\""),
            (format!("{a}\n{{\"id\": \"c\", \"calls\": []}}"), "for no question: \"c\" (line 2)"),
            (format!("{a}\n{a}"), ":2: the id \"a#1\" stands in line 1 too"),
            (r#"{"id": "a#1"}"#.to_owned(), ":1: there is neither"),
            (r#"{"id": "a#1", "calls": [{"name": "f"}]}"#.to_owned(), "calls[0]: \"arguments\""),
            (r#"{"id": "a#1", "text": "x", "calls": [{"name": "f", "arguments": {}}]}"#.to_owned(), "hermes"),
            ("{".to_owned(), "p.jsonl:1: "),
        ] {
            let error = read(&lines).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
