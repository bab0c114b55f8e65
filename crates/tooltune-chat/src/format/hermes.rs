//! The Hermes format: calls as objects between `<tool_call>` tags.

use super::hermes_parse::parse;
use super::hermes_stream::HermesStream;
use super::{Parsed, StreamParser, ToolCallFormat};
use crate::{CallPiece, SegmentContent, ToolCall, ToolDefinition, ToolResult, ToolSchemaStyle, Value};

pub(super) const CALL_START: &str = "<tool_call>";
pub(super) const CALL_END: &str = "</tool_call>";
pub(super) const THINK_START: &str = "<think>";
pub(super) const THINK_END: &str = "</think>";
pub(super) const RESULT_START: &str = "<tool_response>";
pub(super) const RESULT_END: &str = "</tool_response>";
const TOOLS_START: &str = "<tools>";
const TOOLS_END: &str = "</tools>";

/// The language of the objects inside the tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HermesDialect {
    /// JSON, as Hermes and Qwen models write it.
    #[default]
    Json,
    /// Python literals, as the course's data has them.
    Python,
}

/// The Hermes format, named `hermes`, or `hermes-python` with Python literals.
///
/// - tools: `<tools>\n{…}\n{…}\n</tools>`, one declaration a line;
/// - a call: `<tool_call>\n{"name": …, "arguments": {…}}\n</tool_call>`;
/// - a result: `<tool_response>\n…\n</tool_response>`;
/// - thinking: `<think>…</think>`; calls in it are not made.
///
/// Reading accepts both languages in either dialect: `{'a': None}` in a JSON model's text is a
/// [`DiagnosticKind::OtherDialect`](super::DiagnosticKind::OtherDialect), not a failure.
///
/// ```
/// use tooltune_chat::{Hermes, ParseStatus, ToolCallFormat};
///
/// let parsed = Hermes::json().parse("<tool_call>\n{'name': 'now', 'arguments': {'zone': None}}\n</tool_call>");
/// assert_eq!(parsed.status, ParseStatus::Calls);
/// assert_eq!(parsed.calls[0].name, "now");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Hermes {
    dialect: HermesDialect,
}

impl Hermes {
    /// The format in `dialect`.
    #[must_use]
    pub fn new(dialect: HermesDialect) -> Self {
        Self { dialect }
    }

    /// `hermes`.
    #[must_use]
    pub fn json() -> Self {
        Self::new(HermesDialect::Json)
    }

    /// `hermes-python`.
    #[must_use]
    pub fn python() -> Self {
        Self::new(HermesDialect::Python)
    }

    fn write_value(self, value: &Value) -> String {
        match self.dialect {
            HermesDialect::Json => value.to_json(),
            HermesDialect::Python => value.to_python(),
        }
    }
}

impl ToolCallFormat for Hermes {
    fn name(&self) -> &str {
        match self.dialect {
            HermesDialect::Json => "hermes",
            HermesDialect::Python => "hermes-python",
        }
    }

    fn special_tokens(&self) -> &[&str] {
        &[TOOLS_START, TOOLS_END, THINK_START, THINK_END, CALL_START, CALL_END, RESULT_START, RESULT_END]
    }

    fn write_tools(&self, tools: &[ToolDefinition], style: ToolSchemaStyle) -> Vec<SegmentContent> {
        let mut lines = String::from("\n");
        for tool in tools {
            lines.push_str(&self.write_value(&style.write(tool)));
            lines.push('\n');
        }
        between(TOOLS_START, lines, TOOLS_END)
    }

    fn write_call(&self, call: &ToolCall) -> Vec<CallPiece> {
        let (name, arguments) = (Value::from(call.name.as_str()), Value::from(call.arguments.clone()));
        let key = |key: &str| self.write_value(&Value::from(key));
        vec![
            CallPiece::tag(CALL_START),
            CallPiece::frame(format!("\n{{{}: ", key("name"))),
            CallPiece::name(self.write_value(&name)),
            CallPiece::frame(format!(", {}: ", key("arguments"))),
            CallPiece::arguments(self.write_value(&arguments)),
            CallPiece::frame("}\n"),
            CallPiece::tag(CALL_END),
        ]
    }

    fn write_result(&self, result: &ToolResult) -> Vec<SegmentContent> {
        between(RESULT_START, format!("\n{}\n", result.content), RESULT_END)
    }

    fn parse(&self, text: &str) -> Parsed {
        parse(text, self.dialect)
    }

    fn stream(&self) -> Box<dyn StreamParser> {
        Box::new(HermesStream::new(self.dialect))
    }
}

fn between(start: &str, text: String, end: &str) -> Vec<SegmentContent> {
    vec![
        SegmentContent::Tag(start.to_owned()),
        SegmentContent::Text(text),
        SegmentContent::Tag(end.to_owned()),
    ]
}
