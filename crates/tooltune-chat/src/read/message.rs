//! One message of a line.

use super::course::results_in_tool_text;
use super::{MessageProblem, ReadMode, ReadOptions, ReadReport};
use crate::format::{Hermes, Severity, ToolCallFormat};
use crate::{Message, Object, Role, ToolCall, Value};

/// Reads a message; a tool message with several results becomes several messages.
pub(super) fn messages_of(
    value: &Value,
    options: &ReadOptions,
    report: &mut ReadReport,
) -> Result<Vec<Message>, MessageProblem> {
    let Some(object) = value.as_object() else {
        return Err(MessageProblem::NotAnObject { found: value.type_name() });
    };
    let role = role(object)?;
    let known = ["role", "content", "tool_calls", "function_call", "tool_call_id", "name"];
    for key in object.keys().filter(|key| !known.contains(key)) {
        report.ignore("messages[].", key);
    }
    let tool_calls = tool_calls(object)?;
    if options.mode == ReadMode::Verbatim && !tool_calls.is_empty() {
        return Err(MessageProblem::CallsBeside);
    }
    let content = content(object.get("content"), options.mode)?;
    let text = |key| match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(wrong_type(key, "a string", other)),
    };
    let message =
        Message { role, content, tool_calls, tool_call_id: text("tool_call_id")?, name: text("name")? };
    if role.is_tool() && options.mode == ReadMode::Normalized {
        let results = results_in_tool_text(&message.content)?;
        return Ok(results.into_iter().map(|content| Message { content, ..message.clone() }).collect());
    }
    Ok(vec![message])
}

fn wrong_type(key: &'static str, expected: &'static str, found: &Value) -> MessageProblem {
    MessageProblem::WrongType { key, expected, found: found.type_name() }
}

fn role(object: &Object) -> Result<Role, MessageProblem> {
    match object.get("role") {
        Some(Value::String(role)) => role.parse().map_err(|error| MessageProblem::Role(Box::new(error))),
        Some(other) => Err(wrong_type("role", "a string", other)),
        None if object.contains_key("from") => Err(MessageProblem::FromInsteadOfRole),
        None => Err(MessageProblem::NoRole),
    }
}

/// The text of a message. A list of parts is joined; verbatim it is printed as Python's `str` would, which is
/// what the original templates do with it.
fn content(value: Option<&Value>, mode: ReadMode) -> Result<String, MessageProblem> {
    match (value, mode) {
        (None | Some(Value::Null), _) => Ok(String::new()),
        (Some(Value::String(text)), _) => Ok(text.clone()),
        (Some(other), ReadMode::Verbatim) => Ok(other.to_python()),
        (Some(Value::Array(parts)), ReadMode::Normalized) => parts.iter().map(text_part).collect(),
        (Some(other), ReadMode::Normalized) => Err(wrong_type("content", "a string", other)),
    }
}

fn text_part(part: &Value) -> Result<&str, MessageProblem> {
    let kind = part.get("type").and_then(Value::as_str);
    match (part, kind, part.get("text")) {
        (Value::String(text), _, _) | (_, Some("text"), Some(Value::String(text))) => Ok(text),
        _ => Err(MessageProblem::ContentPart { kind: kind.unwrap_or(part.type_name()).to_owned() }),
    }
}

/// OpenAI's `tool_calls`, or the old `function_call`.
fn tool_calls(object: &Object) -> Result<Vec<ToolCall>, MessageProblem> {
    if let Some(call @ Value::Object(_)) = object.get("function_call") {
        return Ok(vec![tool_call(call)?]);
    }
    match object.get("tool_calls") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(calls)) => calls.iter().map(tool_call).collect(),
        Some(other) => Err(wrong_type("tool_calls", "an array", other)),
    }
}

fn tool_call(value: &Value) -> Result<ToolCall, MessageProblem> {
    let function = value.get("function").filter(|function| function.as_object().is_some()).unwrap_or(value);
    let name = function.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    let name = name.ok_or(MessageProblem::CallWithoutName)?;
    let not_an_object =
        |found: &Value| MessageProblem::Arguments { name: name.to_owned(), found: found.type_name() };
    let arguments = match function.get("arguments") {
        None | Some(Value::Null) => Object::new(),
        Some(Value::Object(arguments)) => arguments.clone(),
        Some(Value::String(text)) if text.trim().is_empty() => Object::new(),
        Some(Value::String(text)) => match Value::parse_json(text) {
            Ok(Value::Object(arguments)) => arguments,
            Ok(other) => return Err(not_an_object(&other)),
            Err(error) => return Err(MessageProblem::ArgumentsSyntax { name: name.to_owned(), error }),
        },
        Some(other) => return Err(not_an_object(other)),
    };
    let id = value.get("id").and_then(Value::as_str).map(str::to_owned);
    Ok(ToolCall { id, name: name.to_owned(), arguments })
}

/// Reads the calls out of a model turn's text. Text after a call moves before it.
pub(super) fn model_content(
    message: &mut Message,
    options: &ReadOptions,
    report: &mut ReadReport,
) -> Result<(), MessageProblem> {
    if !["<tool_call>", "</tool_call>"].iter().any(|tag| message.content.contains(tag)) {
        return Ok(());
    }
    let parsed = Hermes::python().parse(&message.content);
    let limit = if options.accept_repaired_calls { Severity::Repair } else { Severity::Note };
    if let Some(bad) = parsed.diagnostics.iter().find(|diagnostic| diagnostic.severity() > limit) {
        return Err(MessageProblem::CallSyntax(bad.clone()));
    }
    report.repaired_turns += usize::from(parsed.diagnostics.iter().any(|d| d.severity() == Severity::Repair));
    message.content = parsed.content;
    message.tool_calls = parsed.calls;
    Ok(())
}
