//! One message of a line.

use super::course::results_in_tool_text;
use super::{ReadMode, ReadOptions, ReadReport};
use crate::format::{Hermes, Severity, ToolCallFormat};
use crate::{Message, Object, Role, ToolCall, Value};

/// Reads a message; a tool message with several results becomes several messages.
pub(super) fn messages_of(
    value: &Value,
    options: &ReadOptions,
    report: &mut ReadReport,
) -> Result<Vec<Message>, String> {
    let Some(object) = value.as_object() else {
        return Err(format!("a JSON {}, not an object with `role` and `content`", value.type_name()));
    };
    let role: Role = match object.get("role") {
        Some(Value::String(role)) => role.parse().map_err(|error: crate::Error| error.to_string())?,
        Some(other) => return Err(format!("`role` is a JSON {}, not a string", other.type_name())),
        None if object.contains_key("from") => {
            return Err("no `role`; rename `from` to `role` and `value` to `content`".to_owned());
        }
        None => return Err("no `role`".to_owned()),
    };
    let known = ["role", "content", "tool_calls", "function_call", "tool_call_id", "name"];
    for key in object.keys().filter(|key| !known.contains(key)) {
        report.ignore("messages[].", key);
    }
    let tool_calls = tool_calls(object)?;
    if options.mode == ReadMode::Verbatim && !tool_calls.is_empty() {
        return Err(
            "`tool_calls` beside the text have no place in this template; use the preset `fixed`".to_owned()
        );
    }
    let content = content(object.get("content"), options.mode)?;
    let text = |key| match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(format!("`{key}` is a JSON {}, not a string", other.type_name())),
    };
    let message =
        Message { role, content, tool_calls, tool_call_id: text("tool_call_id")?, name: text("name")? };
    if role.is_tool() && options.mode == ReadMode::Normalized {
        let results = results_in_tool_text(&message.content)?;
        return Ok(results.into_iter().map(|content| Message { content, ..message.clone() }).collect());
    }
    Ok(vec![message])
}

/// The text of a message. A list of parts is joined; verbatim it is printed as Python's `str` would, which is
/// what the original templates do with it.
fn content(value: Option<&Value>, mode: ReadMode) -> Result<String, String> {
    match (value, mode) {
        (None | Some(Value::Null), _) => Ok(String::new()),
        (Some(Value::String(text)), _) => Ok(text.clone()),
        (Some(other), ReadMode::Verbatim) => Ok(other.to_python()),
        (Some(Value::Array(parts)), ReadMode::Normalized) => parts
            .iter()
            .map(|part| match (part.get("type").and_then(Value::as_str), part) {
                (_, Value::String(text)) => Ok(text.as_str()),
                (Some("text"), part) => {
                    part.get("text").and_then(Value::as_str).ok_or("a text part without `text`".to_owned())
                }
                (kind, _) => Err(format!("a content part of type {kind:?}; only text can be trained on")),
            })
            .collect(),
        (Some(other), ReadMode::Normalized) => {
            Err(format!("`content` is a JSON {}, not a string", other.type_name()))
        }
    }
}

/// OpenAI's `tool_calls`, or the old `function_call`.
fn tool_calls(object: &Object) -> Result<Vec<ToolCall>, String> {
    if let Some(call @ Value::Object(_)) = object.get("function_call") {
        return Ok(vec![tool_call(call)?]);
    }
    match object.get("tool_calls") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(calls)) => calls.iter().map(tool_call).collect(),
        Some(other) => Err(format!("`tool_calls` is a JSON {}, not an array", other.type_name())),
    }
}

fn tool_call(value: &Value) -> Result<ToolCall, String> {
    let function = value.get("function").filter(|function| function.as_object().is_some()).unwrap_or(value);
    let name = function.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    let name = name.ok_or("a call without a `name`")?;
    let arguments = match function.get("arguments") {
        None | Some(Value::Null) => Object::new(),
        Some(Value::Object(arguments)) => arguments.clone(),
        Some(Value::String(text)) if text.trim().is_empty() => Object::new(),
        Some(Value::String(text)) => match Value::parse_json(text) {
            Ok(Value::Object(arguments)) => arguments,
            Ok(other) => return Err(format!("the arguments of {name:?} are a JSON {}", other.type_name())),
            Err(error) => {
                return Err(format!(
                    "the arguments of {name:?} do not parse: {error}; write them as a JSON object"
                ));
            }
        },
        Some(other) => return Err(format!("the arguments of {name:?} are a JSON {}", other.type_name())),
    };
    let id = value.get("id").and_then(Value::as_str).map(str::to_owned);
    Ok(ToolCall { id, name: name.to_owned(), arguments })
}

/// Reads the calls out of a model turn's text. Text after a call moves before it.
pub(super) fn model_content(
    message: &mut Message,
    options: &ReadOptions,
    report: &mut ReadReport,
) -> Result<(), String> {
    if !["<tool_call>", "</tool_call>"].iter().any(|tag| message.content.contains(tag)) {
        return Ok(());
    }
    let parsed = Hermes::python().parse(&message.content);
    let limit = if options.accept_repaired_calls { Severity::Repair } else { Severity::Note };
    if let Some(bad) = parsed.diagnostics.iter().find(|diagnostic| diagnostic.severity() > limit) {
        return Err(format!(
            "a call that does not parse: {bad} of the content; correct the call in the data"
        ));
    }
    report.repaired_turns += usize::from(parsed.diagnostics.iter().any(|d| d.severity() == Severity::Repair));
    message.content = parsed.text;
    message.tool_calls = parsed.calls;
    Ok(())
}
