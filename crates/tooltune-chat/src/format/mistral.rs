//! The formats of Mistral's models: `[TOOL_CALLS]` and what follows it.

use super::mistral_parse::parse;
use super::mistral_stream::MistralStream;
use super::{Parsed, StreamParser, ToolCallFormat};
use crate::{
    CallPiece, Object, SegmentContent, ToolCall, ToolDefinition, ToolResult, ToolSchemaStyle, Value,
};

pub(crate) const TOOL_CALLS: &str = "[TOOL_CALLS]";
pub(crate) const CALL_ID: &str = "[CALL_ID]";
pub(crate) const ARGS: &str = "[ARGS]";
pub(crate) const TOOLS_START: &str = "[AVAILABLE_TOOLS]";
pub(crate) const TOOLS_END: &str = "[/AVAILABLE_TOOLS]";
pub(crate) const RESULT_START: &str = "[TOOL_RESULTS]";
pub(crate) const RESULT_CONTENT: &str = "[TOOL_CONTENT]";
pub(crate) const RESULT_END: &str = "[/TOOL_RESULTS]";
pub(super) const THINK_START: &str = "[THINK]";
pub(super) const THINK_END: &str = "[/THINK]";

/// How calls are written, by the tokenizer version that brought it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MistralGeneration {
    /// An array of objects: versions 3 to 7, and 2, which has no ids.
    #[default]
    V3,
    /// Names, ids and arguments after tags of their own: versions 11 and, without ids, 13.
    V11,
}

/// The formats of Mistral's models, named `mistral`, or `mistral-v11`.
///
/// - tools: `[AVAILABLE_TOOLS] [{…}, …][/AVAILABLE_TOOLS]`;
/// - calls: `[TOOL_CALLS] [{"name": …, "arguments": {…}, "id": …}, …]`, from version 11 on for each call
///   `[TOOL_CALLS]name[CALL_ID]id[ARGS]{…}`; the id is left out where there is none;
/// - a result: `[TOOL_RESULTS] {"content": …, "call_id": …}[/TOOL_RESULTS]`, from version 11 on
///   `[TOOL_RESULTS]id[TOOL_CONTENT]…[/TOOL_RESULTS]`;
/// - thinking: `[THINK]…[/THINK]`; calls in it are not made.
///
/// Version 11 has no way to write a name or an id with white space, brackets or quotes in it; calls with such a one
/// are written as an array. Reading accepts both generations in either format, with and without white space between
/// the parts.
///
/// ```
/// use tooltune_chat::{Mistral, ParseStatus, ToolCallFormat};
///
/// let parsed = Mistral::v3().parse("[TOOL_CALLS]now[ARGS]{\"zone\": null}");
/// assert_eq!(parsed.status, ParseStatus::Calls);
/// assert_eq!(parsed, Mistral::v11().parse("[TOOL_CALLS]now[ARGS]{\"zone\": null}"));
/// assert_eq!(parsed.calls, Mistral::v3().parse("[TOOL_CALLS] [{\"name\": \"now\", \"arguments\": {\"zone\": null}}]").calls);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mistral {
    generation: MistralGeneration,
}

impl Mistral {
    /// The format of a generation.
    #[must_use]
    pub fn new(generation: MistralGeneration) -> Self {
        Self { generation }
    }

    /// `mistral`.
    #[must_use]
    pub fn v3() -> Self {
        Self::new(MistralGeneration::V3)
    }

    /// `mistral-v11`.
    #[must_use]
    pub fn v11() -> Self {
        Self::new(MistralGeneration::V11)
    }

    /// A tag, and the blank that sentencepiece models read after it.
    fn spaced(self, tag: &str) -> Vec<SegmentContent> {
        let mut pieces = vec![SegmentContent::Tag(tag.to_owned())];
        if self.generation == MistralGeneration::V3 {
            pieces.push(SegmentContent::Text(" ".to_owned()));
        }
        pieces
    }
}

impl ToolCallFormat for Mistral {
    fn name(&self) -> &str {
        match self.generation {
            MistralGeneration::V3 => "mistral",
            MistralGeneration::V11 => "mistral-v11",
        }
    }

    fn special_tokens(&self) -> &[&str] {
        const ALL: [&str; 10] = [
            TOOL_CALLS,
            RESULT_START,
            RESULT_END,
            TOOLS_START,
            TOOLS_END,
            THINK_START,
            THINK_END,
            ARGS,
            CALL_ID,
            RESULT_CONTENT,
        ];
        match self.generation {
            MistralGeneration::V3 => ALL.split_at(7).0,
            MistralGeneration::V11 => &ALL,
        }
    }

    fn write_tools(&self, tools: &[ToolDefinition], style: ToolSchemaStyle) -> Vec<SegmentContent> {
        let mut pieces = self.spaced(TOOLS_START);
        pieces.push(SegmentContent::Text(tools_json(tools, style)));
        pieces.push(SegmentContent::Tag(TOOLS_END.to_owned()));
        pieces
    }

    fn write_call(&self, call: &ToolCall) -> Vec<CallPiece> {
        self.write_calls(std::slice::from_ref(call))
    }

    /// All calls in one array, or one after the other.
    fn write_calls(&self, calls: &[ToolCall]) -> Vec<CallPiece> {
        let plain = |call: &ToolCall| is_plain(&call.name) && call.id.as_deref().is_none_or(is_plain);
        if self.generation == MistralGeneration::V11 && calls.iter().all(plain) {
            return calls.iter().flat_map(|call| call_by_name(call, true)).collect();
        }
        let mut pieces = vec![CallPiece::tag(TOOL_CALLS), CallPiece::frame(" ")];
        pieces.extend(calls_as_array(calls, true));
        pieces
    }

    fn write_result(&self, result: &ToolResult) -> Vec<SegmentContent> {
        match self.generation {
            MistralGeneration::V3 => {
                let mut pieces = self.spaced(RESULT_START);
                pieces.push(SegmentContent::Text(result_with_id(result).to_json()));
                pieces.push(SegmentContent::Tag(RESULT_END.to_owned()));
                pieces
            }
            MistralGeneration::V11 => raw_result(result, true),
        }
    }

    fn parse(&self, text: &str) -> Parsed {
        parse(text)
    }

    fn stream(&self) -> Box<dyn StreamParser> {
        Box::new(MistralStream::default())
    }
}

/// Whether a text can stand between the tags of version 11: it is one word without brackets and quotes.
pub(super) fn is_plain(text: &str) -> bool {
    let other = |c: char| c.is_whitespace() || c.is_control() || "[]{}()<>\"'`“”„‘’\u{feff}".contains(c);
    !text.is_empty() && !text.contains(other)
}

/// The tools as one array.
pub(crate) fn tools_json(tools: &[ToolDefinition], style: ToolSchemaStyle) -> String {
    Value::Array(tools.iter().map(|tool| style.write(tool)).collect()).to_json()
}

/// `[{"name": …, "arguments": {…}, "id": …}, …]`, without the tag.
pub(crate) fn calls_as_array<'a>(calls: impl IntoIterator<Item = &'a ToolCall>, ids: bool) -> Vec<CallPiece> {
    let mut pieces = Vec::new();
    let mut before = "[";
    for call in calls {
        pieces.push(CallPiece::frame(format!("{before}{{\"name\": ")));
        pieces.push(CallPiece::name(Value::from(call.name.as_str()).to_json()));
        pieces.push(CallPiece::frame(", \"arguments\": "));
        pieces.push(CallPiece::arguments(Value::from(call.arguments.clone()).to_json()));
        let id = call.id.as_deref().filter(|_| ids).map(|id| Value::from(id).to_json());
        pieces.push(CallPiece::frame(id.map_or_else(|| "}".to_owned(), |id| format!(", \"id\": {id}}}"))));
        before = ", ";
    }
    pieces.push(CallPiece::frame(if before == "[" { "[]" } else { "]" }));
    pieces
}

/// `[TOOL_CALLS]name[CALL_ID]id[ARGS]{…}`.
pub(crate) fn call_by_name(call: &ToolCall, id: bool) -> Vec<CallPiece> {
    let mut pieces = vec![CallPiece::tag(TOOL_CALLS), CallPiece::name(call.name.as_str())];
    if let Some(id) = call.id.as_deref().filter(|_| id) {
        pieces.push(CallPiece::tag(CALL_ID));
        pieces.push(CallPiece::frame(id));
    }
    pieces.push(CallPiece::tag(ARGS));
    pieces.push(CallPiece::arguments(Value::from(call.arguments.clone()).to_json()));
    pieces
}

/// `[{"name": …, "content": …}]`, as version 2 writes a result.
pub(crate) fn result_with_name(result: &ToolResult) -> Value {
    let mut object = Object::new();
    object.insert("name", result.name.as_deref().map_or(Value::Null, Value::from));
    object.insert("content", result_value(&result.content));
    Value::Array(vec![object.into()])
}

/// `{"content": …, "call_id": …}`, as version 3 writes a result.
pub(crate) fn result_with_id(result: &ToolResult) -> Value {
    let mut object = Object::new();
    object.insert("content", result_value(&result.content));
    if let Some(id) = &result.call_id {
        object.insert("call_id", id.as_str());
    }
    object.into()
}

/// `[TOOL_RESULTS]id[TOOL_CONTENT]…[/TOOL_RESULTS]`, as versions 7 and 11 write a result, version 13 without the id.
pub(crate) fn raw_result(result: &ToolResult, id: bool) -> Vec<SegmentContent> {
    let tag = |tag: &str| SegmentContent::Tag(tag.to_owned());
    let mut pieces = vec![tag(RESULT_START)];
    if let Some(id) = result.call_id.as_ref().filter(|_| id) {
        pieces.extend([SegmentContent::Text(id.clone()), tag(RESULT_CONTENT)]);
    }
    pieces.extend([SegmentContent::Text(result.content.clone()), tag(RESULT_END)]);
    pieces
}

/// A result that is JSON as its value (of a key that stands twice the last one, as in Python), nothing as `{}`, and
/// any other text as a string.
fn result_value(content: &str) -> Value {
    if content.is_empty() {
        return Object::new().into();
    }
    Value::parse_json_last_wins(content).unwrap_or_else(|_| content.into())
}
