//! Where the test data lies.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

use tooltune_chat::{Conversation, JsonOptions, Message, Object, ToolCall, ToolDefinition, Value};

/// The folder named by `TOOLTUNE_DATA`, or `tests/data` of the repository.
pub(crate) fn data(path: &str) -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data");
    std::env::var_os("TOOLTUNE_DATA").map_or_else(default, PathBuf::from).join(path)
}

/// A JSON file; nested deeper than data files may be, because some rows are about depth.
pub(crate) fn json(text: &str) -> Value {
    Value::parse_json_with(text, &JsonOptions { max_depth: 1024 }).unwrap()
}

pub(crate) fn rows(path: &str) -> Vec<Value> {
    let path = data(path);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().filter(|line| !line.trim().is_empty()).map(json).collect()
}

/// A row's messages as they stand; content that is not a string as Python prints it, calls left out.
pub(crate) fn conversation(messages: &Value) -> Conversation {
    let message = |value: &Value| {
        let role = value.get("role").and_then(Value::as_str).unwrap().parse().unwrap();
        let content = match value.get("content") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_python(),
        };
        Message::new(role, content)
    };
    Conversation::new(Vec::new(), messages.as_array().unwrap().iter().map(message).collect())
}

/// A row's tools and messages as data: with calls and ids, the parts of a content with an empty line between them.
pub(crate) fn chat(row: &Value) -> Conversation {
    let tools = row.get("tools").and_then(Value::as_array).unwrap_or_default();
    let tools = tools.iter().map(|tool| ToolDefinition::from_value(tool).unwrap()).collect();
    let message = |value: &Value| {
        let text = |key| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let parts = value.get("content").and_then(Value::as_array).unwrap_or_default();
        let parts: Vec<_> =
            parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect();
        let parts: Vec<_> = parts.into_iter().filter(|text| !text.is_empty()).collect();
        let calls = value.get("tool_calls").and_then(Value::as_array).unwrap_or_default();
        Message {
            tool_calls: calls.iter().map(call).collect(),
            tool_call_id: text("tool_call_id"),
            name: text("name"),
            ..Message::new(
                text("role").unwrap().parse().unwrap(),
                text("content").unwrap_or(parts.join("\n\n")),
            )
        }
    };
    Conversation::new(
        tools,
        row.get("messages").and_then(Value::as_array).unwrap().iter().map(message).collect(),
    )
}

fn call(value: &Value) -> ToolCall {
    let function = value.get("function").unwrap();
    let arguments: Object = match function.get("arguments").unwrap() {
        Value::String(text) => json(text).as_object().unwrap().clone(),
        arguments => arguments.as_object().unwrap().clone(),
    };
    let id = value.get("id").and_then(Value::as_str).map(str::to_owned);
    ToolCall { id, ..ToolCall::new(function.get("name").and_then(Value::as_str).unwrap(), arguments) }
}

pub(crate) fn ids(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|id| id.as_i64().unwrap()).collect()
}
