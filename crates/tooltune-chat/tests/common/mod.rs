//! Where the test data lies.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

use tooltune_chat::{Conversation, JsonOptions, Message, Value};

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

pub(crate) fn ids(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|id| id.as_i64().unwrap()).collect()
}
