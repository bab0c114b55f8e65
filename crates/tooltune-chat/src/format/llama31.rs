//! The Llama-3.1 format: calls as bare JSON objects.

use super::json_indent::to_json_indented;
use super::llama31_parse::Llama31Grammar;
use super::reader::{Reader, THINK_END, THINK_START, parse};
use super::{Parsed, StreamParser, ToolCallFormat};
use crate::{CallPiece, SegmentContent, ToolCall, ToolDefinition, ToolResult, ToolSchemaStyle, Value};

/// The tag that may stand before the calls.
pub(super) const PYTHON_TAG: &str = "<|python_tag|>";

/// The JSON format of Llama 3.1, 3.2 and 3.3, named `llama-3.1`.
///
/// - tools: one declaration after the other, indented by four spaces, with a blank line between, as the models'
///   own template prints them (without its sentences, which belong to the template);
/// - a call: `{"name": …, "parameters": {…}}`, with `<|python_tag|>` before the first where
///   [`Llama31::with_python_tag`] asks for it; several calls are joined by `"; "`;
/// - a result: the text as a JSON string, as the models' template prints it.
///
/// Reading knows `arguments` for `parameters`; a call with both is an error. An object without either is a call
/// only where it is the first thing that the model writes and holds nothing but a name. Text beside the calls is
/// a repair: the format has no place for it. Of a call that cannot be read all is given up, so that nothing
/// inside its arguments passes for a call.
///
/// ```
/// use tooltune_chat::{Llama31, ParseStatus, ToolCallFormat};
///
/// let parsed = Llama31::new().parse("{\"name\": \"now\", \"parameters\": {}}; {\"name\": \"stop\", \"parameters\": {}}");
/// assert_eq!(parsed.status, ParseStatus::Calls);
/// assert_eq!(parsed.calls[1].name, "stop");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Llama31 {
    python_tag: bool,
}

impl Llama31 {
    /// The format, with bare objects.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with or without `<|python_tag|>` before the calls of a turn.
    #[must_use]
    pub fn with_python_tag(self, python_tag: bool) -> Self {
        Self { python_tag }
    }
}

impl ToolCallFormat for Llama31 {
    fn name(&self) -> &str {
        "llama-3.1"
    }

    fn special_tokens(&self) -> &[&str] {
        &[PYTHON_TAG, THINK_START, THINK_END]
    }

    fn write_tools(&self, tools: &[ToolDefinition], style: ToolSchemaStyle) -> Vec<SegmentContent> {
        let tools: Vec<String> = tools.iter().map(|tool| to_json_indented(&style.write(tool))).collect();
        vec![SegmentContent::Text(tools.join("\n\n"))]
    }

    fn write_call(&self, call: &ToolCall) -> Vec<CallPiece> {
        self.write_calls(std::slice::from_ref(call))
    }

    fn write_calls(&self, calls: &[ToolCall]) -> Vec<CallPiece> {
        let mut pieces = Vec::new();
        if self.python_tag && !calls.is_empty() {
            pieces.push(CallPiece::tag(PYTHON_TAG));
        }
        for (index, call) in calls.iter().enumerate() {
            let before = if index > 0 { "; " } else { "" };
            pieces.extend([
                CallPiece::frame(format!("{before}{{\"name\": ")),
                CallPiece::name(Value::from(call.name.as_str()).to_json()),
                CallPiece::frame(", \"parameters\": "),
                CallPiece::arguments(Value::from(call.arguments.clone()).to_json()),
                CallPiece::frame("}"),
            ]);
        }
        pieces
    }

    fn write_result(&self, result: &ToolResult) -> Vec<SegmentContent> {
        vec![SegmentContent::Text(Value::from(result.content.as_str()).to_json())]
    }

    fn parse(&self, text: &str) -> Parsed {
        parse(&Llama31Grammar, text)
    }

    fn stream(&self) -> Box<dyn StreamParser> {
        Box::new(Reader::new(Llama31Grammar))
    }
}
