//! The guide shows every call format as the code writes it.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::sync::Arc;

use tooltune_chat::{
    CallPiece, ChatTemplate, Conversation, FORMAT_NAMES, Gemma2Tools, Message, ToolCall, ToolDefinition,
    Value, format_by_name, segments_to_text,
};

const START: &str = "<!-- every format; a test of tooltune-chat compares it with the code -->\n\n";
const END: &str = "\n<!-- end of every format -->";

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    let arguments = Value::parse_json(arguments).unwrap().as_object().unwrap().clone();
    ToolCall { id: Some(id.to_owned()), ..ToolCall::new(name, arguments) }
}

/// The guide's question about the weather, with a second call and values of every kind.
fn conversation() -> Conversation {
    let schema = r#"{"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"]}"#;
    let empty = r#"{"type": "object", "properties": {}}"#;
    let tool = |name: &str, description: &str, schema: &str| {
        ToolDefinition::new(name, description, Value::parse_json(schema).unwrap())
    };
    let result = |id: &str, name: &str, text: &str| Message {
        tool_call_id: Some(id.to_owned()),
        ..Message::tool(name, text)
    };
    Conversation::new(
        vec![tool("get_weather", "The weather in a city.", schema), tool("now", "The time.", empty)],
        vec![
            Message::user("How warm will it be in Kraków?"),
            Message::calls(vec![
                call(
                    "call00001",
                    "get_weather",
                    r#"{"city": "Kraków", "days": 2, "hourly": false, "unit": null}"#,
                ),
                call("call00002", "now", "{}"),
            ]),
            result("call00001", "get_weather", r#"{"high": 21.5}"#),
            result("call00002", "now", "noon"),
            Message::assistant("Up to 21.5 degrees."),
        ],
    )
}

#[test]
fn every_format_in_the_guide_is_that_of_the_code() {
    let mut expected = String::new();
    let conversation = conversation();
    for name in FORMAT_NAMES {
        let format = format_by_name(name).unwrap();
        // What is shown can be read back.
        let calls = &conversation.messages[1].tool_calls;
        let content = |piece: CallPiece| piece.content.as_str().to_owned();
        let written: String = format.write_calls(calls).into_iter().map(content).collect();
        let parsed = format.parse(&written).into_strict().unwrap().calls;
        let alike = |(read, made): (&ToolCall, &ToolCall)| {
            read.name == made.name
                && made.arguments.iter().all(|(key, value)| read.arguments.get(key) == Some(value))
        };
        assert!(parsed.len() == calls.len() && parsed.iter().zip(calls).all(alike), "{name}");
        let segments = Gemma2Tools::new(Arc::from(format)).render(&conversation, false).unwrap();
        writeln!(expected, "### Format {name}\n\n```text\n{}\n```\n", segments_to_text(&segments)).unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/function-calling.md");
    let guide = std::fs::read_to_string(path).unwrap();
    let shown = guide.split_once(START).and_then(|(_, rest)| rest.split_once(END));
    let shown = shown.map(|(shown, _)| shown).unwrap_or_default();
    assert!(shown.trim_end() == expected.trim_end(), "the guide should show:\n{START}{expected}{END}");
}
