//! OpenAI's format: calls as the array that its API calls `tool_calls`.

use super::openai_parse::OpenAiGrammar;
use super::reader::{Reader, THINK_END, THINK_START, parse};
use super::{Parsed, StreamParser, ToolCallFormat};
use crate::{
    CallPiece, Object, SegmentContent, ToolCall, ToolDefinition, ToolResult, ToolSchemaStyle, Value,
};

/// OpenAI's JSON, named `openai`: what the Chat Completions API sends, as model text.
///
/// - tools: the array of declarations;
/// - calls: the array `[{"id": …, "type": "function", "function": {"name": …, "arguments": "{…}"}}]`, the arguments as
///   a string that holds JSON; a call without an id has no `id`;
/// - a result: the tool message, `{"role": "tool", "tool_call_id": …, "name": …, "content": …}`.
///
/// Reading also takes the whole message, `{"content": …, "tool_calls": […]}`. Arguments that are an object, calls
/// without their `function` object or outside a list are repairs, as is text beside the calls.
///
/// ```
/// use tooltune_chat::{OpenAi, ToolCallFormat};
///
/// let text = r#"[{"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}]"#;
/// let parsed = OpenAi::new().parse(text).into_strict()?;
/// assert_eq!(parsed.calls[0].id.as_deref(), Some("c1"));
/// # Ok::<(), tooltune_chat::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OpenAi;

impl OpenAi {
    /// The format.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl ToolCallFormat for OpenAi {
    fn name(&self) -> &str {
        "openai"
    }

    fn special_tokens(&self) -> &[&str] {
        &[THINK_START, THINK_END]
    }

    fn write_tools(&self, tools: &[ToolDefinition], style: ToolSchemaStyle) -> Vec<SegmentContent> {
        let tools: Vec<Value> = tools.iter().map(|tool| style.write(tool)).collect();
        vec![SegmentContent::Text(Value::from(tools).to_json())]
    }

    fn write_call(&self, call: &ToolCall) -> Vec<CallPiece> {
        self.write_calls(std::slice::from_ref(call))
    }

    fn write_calls(&self, calls: &[ToolCall]) -> Vec<CallPiece> {
        let string = |text: &str| Value::from(text).to_json();
        let mut pieces = Vec::new();
        for (index, call) in calls.iter().enumerate() {
            let before = if index == 0 { "[" } else { ", " };
            let id = call.id.as_deref().map(|id| format!("\"id\": {}, ", string(id))).unwrap_or_default();
            pieces.extend([
                CallPiece::frame(format!("{before}{{{id}\"type\": \"function\", \"function\": {{\"name\": ")),
                CallPiece::name(string(&call.name)),
                CallPiece::frame(", \"arguments\": "),
                CallPiece::arguments(string(&Value::from(call.arguments.clone()).to_json())),
                CallPiece::frame("}}"),
            ]);
        }
        pieces.push(CallPiece::frame(if calls.is_empty() { "[]" } else { "]" }));
        pieces
    }

    fn write_result(&self, result: &ToolResult) -> Vec<SegmentContent> {
        let mut message = Object::new();
        message.insert("role", "tool");
        if let Some(id) = &result.call_id {
            message.insert("tool_call_id", id.as_str());
        }
        if let Some(name) = &result.name {
            message.insert("name", name.as_str());
        }
        message.insert("content", result.content.as_str());
        vec![SegmentContent::Text(Value::from(message).to_json())]
    }

    fn parse(&self, text: &str) -> Parsed {
        parse(&OpenAiGrammar, text)
    }

    fn stream(&self) -> Box<dyn StreamParser> {
        Box::new(Reader::new(OpenAiGrammar))
    }
}
