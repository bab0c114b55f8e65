//! The format of FunctionGemma, and of Gemma 4, which differs in its tags.

use super::function_gemma_parse::FunctionGemmaGrammar;
use super::function_gemma_value::is_plain_name;
use super::function_gemma_write::Writer;
use super::reader::{Reader, THINK_END, THINK_START, parse};
use super::{Parsed, StreamParser, ToolCallFormat};
use crate::{
    CallPiece, SegmentContent, SegmentKind, ToolCall, ToolDefinition, ToolResult, ToolSchemaStyle, Value,
};

/// The tags of a model.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Tags {
    name: &'static str,
    declaration_start: &'static str,
    declaration_end: &'static str,
    pub(super) call_start: &'static str,
    pub(super) call_end: &'static str,
    pub(super) result_start: &'static str,
    pub(super) result_end: &'static str,
    /// Before and after a string.
    pub(super) string: &'static str,
    all: [&'static str; 9],
}

static FUNCTION_GEMMA: Tags = Tags {
    name: "functiongemma",
    declaration_start: "<start_function_declaration>",
    declaration_end: "<end_function_declaration>",
    call_start: "<start_function_call>",
    call_end: "<end_function_call>",
    result_start: "<start_function_response>",
    result_end: "<end_function_response>",
    string: "<escape>",
    all: [
        "<start_function_declaration>",
        "<end_function_declaration>",
        "<start_function_call>",
        "<end_function_call>",
        "<start_function_response>",
        "<end_function_response>",
        "<escape>",
        THINK_START,
        THINK_END,
    ],
};

static GEMMA4: Tags = Tags {
    name: "gemma4",
    declaration_start: "<|tool>",
    declaration_end: "<tool|>",
    call_start: "<|tool_call>",
    call_end: "<tool_call|>",
    result_start: "<|tool_response>",
    result_end: "<tool_response|>",
    string: "<|\"|>",
    all: [
        "<|tool>",
        "<tool|>",
        "<|tool_call>",
        "<tool_call|>",
        "<|tool_response>",
        "<tool_response|>",
        "<|\"|>",
        THINK_START,
        THINK_END,
    ],
};

/// The format of google/functiongemma-270m-it, named `functiongemma`; and of Gemma 4, named `gemma4`, which has other
/// tags.
///
/// - a declaration:
///   `<start_function_declaration>declaration:name{description:<escape>…<escape>,parameters:{…}}<end_function_declaration>`;
/// - a call: `<start_function_call>call:name{key:<escape>text<escape>,n:1}<end_function_call>`, one after the other;
/// - a result: `<start_function_response>response:name{key:value}<end_function_response>` where the text is a JSON object,
///   else `{value:<escape>text<escape>}`.
///
/// Keys are sorted as the model's own template sorts them, ignoring case, and stand without delimiters. The grammar
/// has no escapes. So that every call can be written: a key or a name in which structure would be seen stands between
/// `<escape>` tokens, and a string that holds the token itself is written in JSON's quotes with each `<` as `\u003c`.
/// Reading takes these forms where they are needed and calls them repairs elsewhere.
///
/// Text after calls is a repair; text before them is not, as in the model's own template.
///
/// ```
/// use tooltune_chat::{FunctionGemma, ToolCallFormat, Value};
///
/// let text = "<start_function_call>call:add{a:1,b:<escape>2<escape>}<end_function_call>";
/// let call = &FunctionGemma::new().parse(text).calls[0];
/// assert_eq!(call.arguments.get("b"), Some(&Value::from("2")));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FunctionGemma {
    tags: &'static Tags,
}

impl FunctionGemma {
    /// `functiongemma`.
    #[must_use]
    pub fn new() -> Self {
        Self { tags: &FUNCTION_GEMMA }
    }

    /// `gemma4`.
    #[must_use]
    pub fn gemma4() -> Self {
        Self { tags: &GEMMA4 }
    }
}

impl Default for FunctionGemma {
    fn default() -> Self {
        Self::new()
    }
}

impl ToolCallFormat for FunctionGemma {
    fn name(&self) -> &str {
        self.tags.name
    }

    fn special_tokens(&self) -> &[&str] {
        &self.tags.all
    }

    /// One declaration after the other. The long style is the one the model knows; the short one is its `parameters`
    /// as the style writes them.
    fn write_tools(&self, tools: &[ToolDefinition], style: ToolSchemaStyle) -> Vec<SegmentContent> {
        let mut out = Writer::new(self.tags);
        for tool in tools {
            out.tag(self.tags.declaration_start);
            out.text("declaration:");
            out.word(&tool.name, is_plain_name);
            out.text("{description:");
            out.string(&tool.description);
            match style {
                ToolSchemaStyle::Full => out.schema(&tool.parameters),
                ToolSchemaStyle::Compact => {
                    let written = style.write(tool);
                    out.text(",parameters:");
                    out.value(written.get("parameters").unwrap_or(&Value::Null), false);
                }
            }
            out.text("}");
            out.tag(self.tags.declaration_end);
        }
        out.finish()
    }

    fn write_call(&self, call: &ToolCall) -> Vec<CallPiece> {
        let piece = |content, kind| CallPiece { content, kind };
        let mut name = Writer::new(self.tags);
        name.word(&call.name, is_plain_name);
        let mut arguments = Writer::new(self.tags);
        arguments.object(&call.arguments, false);
        let mut pieces = vec![CallPiece::tag(self.tags.call_start), CallPiece::frame("call:")];
        pieces.extend(name.finish().into_iter().map(|content| piece(content, SegmentKind::CallName)));
        let arguments = arguments.finish().into_iter();
        pieces.extend(arguments.map(|content| piece(content, SegmentKind::CallArguments)));
        pieces.push(CallPiece::tag(self.tags.call_end));
        pieces
    }

    fn write_calls(&self, calls: &[ToolCall]) -> Vec<CallPiece> {
        calls.iter().flat_map(|call| self.write_call(call)).collect()
    }

    fn write_result(&self, result: &ToolResult) -> Vec<SegmentContent> {
        let mut out = Writer::new(self.tags);
        out.tag(self.tags.result_start);
        out.text("response:");
        if let Some(name) = &result.name {
            out.word(name, is_plain_name);
        }
        match Value::parse_json(&result.content) {
            Ok(Value::Object(object)) => out.object(&object, false),
            _ => {
                out.text("{value:");
                out.string(&result.content);
                out.text("}");
            }
        }
        out.tag(self.tags.result_end);
        out.finish()
    }

    fn parse(&self, text: &str) -> Parsed {
        parse(&FunctionGemmaGrammar { tags: self.tags }, text)
    }

    fn stream(&self) -> Box<dyn StreamParser> {
        Box::new(Reader::new(FunctionGemmaGrammar { tags: self.tags }))
    }
}
