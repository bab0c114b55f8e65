//! What a model wrote, one JSON object a line, for reading and for other programs to score.

use std::fs;
use std::path::Path;

use tooltune::chat::{Object, ToolCall, Value};
use tooltune::eval::Record;

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
