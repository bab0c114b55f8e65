//! A small conversation with a tool, for showing formats.

use std::fmt::Write;
use std::sync::Arc;

use tooltune::chat::{
    Conversation, Message, Object, TEMPLATE_NAMES, ToolCall, ToolCallFormat, ToolDefinition, Value,
    segments_to_text, template_by_name,
};

/// A question, a call, its result and the answer. The ids suit every template: Mistral's want nine letters or digits.
pub fn sample() -> Conversation {
    let property =
        |kind: &str| Value::from([("type".to_owned(), Value::from(kind))].into_iter().collect::<Object>());
    let properties: Object = [("city", "string"), ("days", "integer")]
        .map(|(name, kind)| (name.to_owned(), property(kind)))
        .into_iter()
        .collect();
    let mut schema = Object::new();
    schema.insert("type", "object");
    schema.insert("properties", properties);
    schema.insert("required", Value::Array(vec!["city".into()]));
    let mut arguments = Object::new();
    arguments.insert("city", "Kraków");
    arguments.insert("days", 2);
    let call = ToolCall { id: Some("call00001".to_owned()), ..ToolCall::new("get_weather", arguments) };
    let result =
        Message { tool_call_id: call.id.clone(), ..Message::tool("get_weather", r#"{"high": 21.5}"#) };
    Conversation::new(
        vec![ToolDefinition::new("get_weather", "The weather in a city.", schema)],
        vec![
            Message::user("How warm will it be in Kraków?"),
            Message::calls(vec![call]),
            result,
            Message::assistant("Up to 21.5 degrees."),
        ],
    )
}

/// The conversation in every template, as Markdown; where a template cannot express it, why not.
pub fn in_all_templates(conversation: &Conversation, format: Option<&Arc<dyn ToolCallFormat>>) -> String {
    let mut out = String::new();
    for name in TEMPLATE_NAMES {
        let rendered =
            template_by_name(name, format.cloned()).map(|template| template.render(conversation, false));
        // Writing to a string does not fail.
        let _ = match rendered {
            Some(Ok(segments)) => {
                write!(out, "### {name}\n\n```text\n{}\n```\n\n", segments_to_text(&segments))
            }
            Some(Err(error)) => write!(out, "### {name}\n\nNot to be expressed: {error}\n\n"),
            None => Ok(()),
        };
    }
    out
}
