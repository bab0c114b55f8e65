//! Objects to calls: `{"name": …, "arguments": {…}}` and what models write instead.

use super::DiagnosticKind;
use crate::value::JsonOptions;
use crate::{Object, ToolCall, Value};

/// How deep a call's arguments may nest. Deeper than data files allow, because giving up loses a call; shallow
/// enough for any thread's stack.
pub(super) const MAX_CALL_DEPTH: usize = 512;

/// Reads the call, or the array of calls, that a block holds.
pub(super) fn calls_of_value(
    value: Value,
    truncated: bool,
    notes: &mut Vec<DiagnosticKind>,
) -> Vec<ToolCall> {
    match value {
        Value::Object(object) => call_of_object(&object, truncated, notes).into_iter().collect(),
        Value::Array(items) if !items.is_empty() => {
            notes.push(DiagnosticKind::ArrayInBlock);
            let mut calls = Vec::new();
            for item in &items {
                match item {
                    Value::Object(object) => calls.extend(call_of_object(object, truncated, notes)),
                    _ => notes.push(DiagnosticKind::NotACall { problem: "an item is not an object" }),
                }
            }
            calls
        }
        _ => {
            notes.push(DiagnosticKind::NotACall { problem: "it is not an object" });
            Vec::new()
        }
    }
}

/// Whether an object outside tags is meant as a call: it has a name and arguments by those keys.
pub(super) fn looks_like_call(object: &Object) -> bool {
    let inner = object.get("function").and_then(Value::as_object).unwrap_or(object);
    let name = inner.get("name").and_then(Value::as_str);
    name.is_some_and(|name| !name.is_empty()) && inner.contains_key("arguments")
}

fn call_of_object(outer: &Object, truncated: bool, notes: &mut Vec<DiagnosticKind>) -> Option<ToolCall> {
    let (object, wrapped) = match outer.get("function") {
        Some(Value::Object(inner)) => (inner, true),
        _ => (outer, false),
    };
    let non_empty = |key| object.get(key).and_then(Value::as_str).filter(|name| !name.is_empty());
    let (name, name_key) = match (non_empty("name"), non_empty("function")) {
        (Some(name), _) => (name, "name"),
        (None, Some(name)) if !object.contains_key("name") => (name, "function"),
        _ => {
            notes.push(DiagnosticKind::NotACall { problem: "it has no name" });
            return None;
        }
    };
    let key = if object.contains_key("arguments") { "arguments" } else { "parameters" };
    let mut repairs = Vec::new();
    let arguments = match object.get(key) {
        Some(Value::Object(arguments)) => arguments.clone(),
        Some(Value::Null) => {
            repairs.push(DiagnosticKind::ArgumentsNull);
            Object::new()
        }
        Some(Value::String(text)) => {
            let options = JsonOptions { max_depth: MAX_CALL_DEPTH };
            let Ok(Value::Object(arguments)) = Value::parse_json_with(text, &options) else {
                notes.push(DiagnosticKind::NotACall {
                    problem: "its arguments are a string that is no JSON object",
                });
                return None;
            };
            repairs.push(DiagnosticKind::ArgumentsAsString);
            arguments
        }
        Some(_) => {
            notes.push(DiagnosticKind::NotACall { problem: "its arguments are not an object" });
            return None;
        }
        None if truncated => {
            notes.push(DiagnosticKind::TruncatedCall);
            return None;
        }
        None => {
            repairs.push(DiagnosticKind::ArgumentsMissing);
            Object::new()
        }
    };
    if wrapped {
        repairs.push(DiagnosticKind::FunctionWrapper);
    }
    if name_key == "function" {
        repairs.push(DiagnosticKind::NameKey);
    }
    if key == "parameters" && object.contains_key(key) {
        repairs.push(DiagnosticKind::ArgumentsKey { key: "parameters" });
    }
    let known = |k: &str| k == name_key || k == key || matches!(k, "id" | "type");
    let extra = object.keys().filter(|k| !known(k)).map(|k| DiagnosticKind::ExtraKey { key: k.to_owned() });
    notes.append(&mut repairs);
    notes.extend(extra);
    let id = outer.get("id").or_else(|| object.get("id")).and_then(Value::as_str).map(str::to_owned);
    Some(ToolCall { id, name: name.to_owned(), arguments })
}
