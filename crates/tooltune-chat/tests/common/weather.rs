//! A conversation with two calls about the weather.
#![allow(dead_code)]

use tooltune_chat::{Conversation, Message, Object, ToolCall, ToolDefinition};

pub(crate) fn call(id: Option<&str>, name: &str, city: &str) -> ToolCall {
    let mut arguments = Object::new();
    arguments.insert("city", city);
    ToolCall { id: id.map(str::to_owned), ..ToolCall::new(name, arguments) }
}

pub(crate) fn result(id: &str, content: &str) -> Message {
    Message { tool_call_id: Some(id.to_owned()), ..Message::tool("weather", content) }
}

/// Two calls with their results, in the other order.
pub(crate) fn conversation() -> Conversation {
    let calls = vec![call(Some("aaaaaaaa1"), "weather", "Rome"), call(Some("aaaaaaaa2"), "weather", "Oslo")];
    Conversation::new(
        vec![ToolDefinition::new("weather", "The weather.", Object::new())],
        vec![
            Message::system("Be brief."),
            Message::user("Hello"),
            Message::assistant("Hi. "),
            Message::user("Rome, Oslo?"),
            Message::calls(calls),
            result("aaaaaaaa2", "{\"t\":5}"),
            result("aaaaaaaa1", "warm"),
            Message::assistant("Warm, 5."),
        ],
    )
}
