//! One line: an object with messages, and perhaps tools.

use super::course::tools_in_system_text;
use super::message::{messages_of, model_content};
use super::{LineProblem, MessageProblem, ReadMode, ReadOptions, ReadReport};
use crate::{Conversation, Error, Message, Object, ToolDefinition, Value};

/// Reads a line's value.
pub(super) fn conversation(
    value: &Value,
    options: &ReadOptions,
    report: &mut ReadReport,
) -> Result<Conversation, LineProblem> {
    let Some(line) = value.as_object() else {
        return Err(LineProblem::NotAnObject { found: value.type_name() });
    };
    let raw = message_list(line)?;
    let mut tools = declared_tools(line, report)?;
    if options.mode == ReadMode::Verbatim && !tools.is_empty() {
        return Err(LineProblem::ToolsBeside);
    }
    let known = ["messages", "conversations", "tools", "functions", "id", "conversation_id"];
    for key in line.keys().filter(|key| !known.contains(key)) {
        report.ignore("", key);
    }
    let mut messages = Vec::new();
    for (index, value) in raw.iter().enumerate() {
        let problem = |problem| LineProblem::Message { index, problem };
        let read = messages_of(value, options, report).map_err(problem)?;
        for message in read {
            let message = match options.mode {
                ReadMode::Verbatim => message,
                ReadMode::Normalized => normalize(message, &mut tools, options, report).map_err(problem)?,
            };
            messages.push(message);
        }
    }
    if options.mode == ReadMode::Normalized {
        name_results(&mut messages)?;
    }
    let conversation = Conversation { id: id_of(line), tools, messages };
    if options.mode == ReadMode::Normalized {
        conversation.check_roles().map_err(|error| LineProblem::Conversation(Box::new(error)))?;
    }
    Ok(conversation)
}

fn message_list(line: &Object) -> Result<&[Value], LineProblem> {
    let list = match (line.get("messages"), line.get("conversations")) {
        (Some(_), Some(_)) => {
            return Err(LineProblem::TwoKeys { first: "messages", second: "conversations" });
        }
        (Some(list), None) | (None, Some(list)) => list,
        (None, None) => {
            return Err(LineProblem::NoMessages);
        }
    };
    match list.as_array() {
        Some([]) => Err(LineProblem::EmptyMessages),
        Some(items) => Ok(items),
        None => Err(LineProblem::NotAnArray { key: "messages", found: list.type_name() }),
    }
}

fn declared_tools(line: &Object, report: &mut ReadReport) -> Result<Vec<ToolDefinition>, LineProblem> {
    let tools = match (line.get("tools"), line.get("functions")) {
        (Some(_), Some(Value::Null)) | (Some(_), None) => line.get("tools"),
        (None | Some(Value::Null), other) => other,
        (Some(_), Some(_)) => return Err(LineProblem::TwoKeys { first: "tools", second: "functions" }),
    };
    let parsed;
    let tools = match tools {
        None | Some(Value::Null) => return Ok(Vec::new()),
        // Some data sets keep the list as a string.
        Some(Value::String(text)) => {
            parsed = Value::parse_json(text)
                .or_else(|json| Value::parse_python(text).map_err(|_| json))
                .map_err(LineProblem::ToolsSyntax)?;
            &parsed
        }
        Some(tools) => tools,
    };
    let Some(items) = tools.as_array() else {
        return Err(LineProblem::NotAnArray { key: "tools", found: tools.type_name() });
    };
    read_tools(items, report).map_err(|(index, error)| LineProblem::Tool { index, error })
}

/// Reads declarations and counts the keys that have no place. An error comes with the index of its tool.
pub(super) fn read_tools(
    items: &[Value],
    report: &mut ReadReport,
) -> Result<Vec<ToolDefinition>, (usize, Box<Error>)> {
    let mut tools = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let (tool, extra) =
            ToolDefinition::from_value_with_extra(item).map_err(|error| (index, Box::new(error)))?;
        for key in extra {
            report.ignore("tools[].", &key);
        }
        tools.push(tool);
    }
    Ok(tools)
}

fn id_of(line: &Object) -> Option<String> {
    match line.get("id").or_else(|| line.get("conversation_id")) {
        Some(Value::String(id)) => Some(id.clone()),
        Some(id @ Value::Number(_)) => Some(id.to_json()),
        _ => None,
    }
}

/// Turns the course's text into data and gives the role its usual name.
fn normalize(
    mut message: Message,
    tools: &mut Vec<ToolDefinition>,
    options: &ReadOptions,
    report: &mut ReadReport,
) -> Result<Message, MessageProblem> {
    message.role = message.role.normalized();
    if message.role.is_system() {
        let (text, values) = tools_in_system_text(&message.content)?;
        let declared = read_tools(&values, report);
        let declared = declared.map_err(|(index, error)| MessageProblem::Tool { index, error })?;
        tools.extend(declared);
        message.content = text;
    } else if message.role.is_model() && message.tool_calls.is_empty() {
        model_content(&mut message, options, report)?;
    }
    Ok(message)
}

/// Gives each result the name of the call it answers: by id, or else by its place among the results.
fn name_results(messages: &mut [Message]) -> Result<(), LineProblem> {
    let mut calls: Vec<(Option<String>, String)> = Vec::new();
    let mut results = 0;
    for (index, message) in messages.iter_mut().enumerate() {
        if message.role.is_model() {
            calls = message.tool_calls.iter().map(|call| (call.id.clone(), call.name.clone())).collect();
            results = 0;
        } else if message.role.is_tool() {
            let by_id = message.tool_call_id.as_ref();
            let call = match by_id.filter(|_| calls.iter().any(|(id, _)| id.is_some())) {
                Some(wanted) => {
                    let call = calls.iter().find(|(id, _)| id.as_ref() == Some(wanted));
                    if call.is_none() {
                        let problem = MessageProblem::UnknownCallId { id: wanted.clone() };
                        return Err(LineProblem::Message { index, problem });
                    }
                    call
                }
                None => calls.get(results),
            };
            if message.name.is_none() {
                message.name = call.map(|(_, name)| name.clone());
            }
            results += 1;
        }
    }
    Ok(())
}
