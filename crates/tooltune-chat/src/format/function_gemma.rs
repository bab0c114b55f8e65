//! The format of FunctionGemma, and of Gemma 4, which differs in its tags.

use super::function_gemma_parse::FunctionGemmaGrammar;
use super::function_gemma_value::{is_plain_key, is_plain_name};
use super::reader::{Reader, THINK_END, THINK_START, parse};
use super::{Parsed, StreamParser, ToolCallFormat};
use crate::{
    CallPiece, Object, SegmentContent, SegmentKind, ToolCall, ToolDefinition, ToolResult, ToolSchemaStyle,
    Value,
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

/// Text and tags under construction.
struct Writer {
    tags: &'static Tags,
    pieces: Vec<SegmentContent>,
    text: String,
}

impl Writer {
    fn new(tags: &'static Tags) -> Self {
        Self { tags, pieces: Vec::new(), text: String::new() }
    }

    fn finish(mut self) -> Vec<SegmentContent> {
        self.flush();
        self.pieces
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.pieces.push(SegmentContent::Text(std::mem::take(&mut self.text)));
        }
    }

    fn tag(&mut self, tag: &str) {
        self.flush();
        self.pieces.push(SegmentContent::Tag(tag.to_owned()));
    }

    fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn string(&mut self, string: &str) {
        if string.contains(self.tags.string) {
            self.text(&Value::from(string).to_json().replace('<', "\\u003c"));
        } else {
            self.tag(self.tags.string);
            self.text(string);
            self.tag(self.tags.string);
        }
    }

    /// A name or a key.
    fn word(&mut self, word: &str, is_plain: fn(&str) -> bool) {
        if is_plain(word) { self.text(word) } else { self.string(word) }
    }

    fn value(&mut self, value: &Value, escape_keys: bool) {
        match value {
            Value::String(string) => self.string(string),
            Value::Array(items) => {
                self.text("[");
                for (index, item) in items.iter().enumerate() {
                    self.text(if index > 0 { "," } else { "" });
                    self.value(item, escape_keys);
                }
                self.text("]");
            }
            Value::Object(object) => self.object(object, escape_keys),
            other => self.text(&other.to_json()),
        }
    }

    fn object(&mut self, object: &Object, escape_keys: bool) {
        self.text("{");
        for (index, (key, value)) in sorted(object).into_iter().enumerate() {
            self.text(if index > 0 { "," } else { "" });
            if escape_keys {
                self.string(key);
            } else {
                self.word(key, is_plain_key);
            }
            self.text(":");
            self.value(value, escape_keys);
        }
        self.text("}");
    }

    /// The schema of a tool's arguments, as the model's template writes it.
    fn schema(&mut self, schema: &Value) {
        let Some(schema) = schema.as_object().filter(|schema| !schema.is_empty()) else { return };
        self.text(",parameters:{");
        let mut comma = "";
        if let Some(properties) = schema.get("properties").and_then(Value::as_object)
            && !properties.is_empty()
        {
            self.text("properties:{");
            self.properties(properties);
            self.text("}");
            comma = ",";
        }
        if let Some(required) = schema.get("required").filter(|names| is_filled(names)) {
            self.text(comma);
            self.text("required:");
            self.value(required, true);
            comma = ",";
        }
        if let Some(kind) = schema.get("type") {
            self.text(comma);
            self.kind(kind);
        }
        self.text("}");
    }

    fn properties(&mut self, properties: &Object) {
        for (index, (key, property)) in sorted(properties).into_iter().enumerate() {
            self.text(if index > 0 { "," } else { "" });
            self.word(key, is_plain_key);
            self.text(":{description:");
            self.string(property.get("description").and_then(Value::as_str).unwrap_or_default());
            let kind = property.get("type").and_then(Value::as_str).unwrap_or_default();
            match kind.to_lowercase().as_str() {
                "object" => {
                    self.text(",properties:{");
                    if let Some(inner) = property.get("properties").and_then(Value::as_object) {
                        self.properties(inner);
                    }
                    self.text("}");
                    if let Some(required) = property.get("required").filter(|names| is_filled(names)) {
                        self.text(",required:");
                        self.value(required, true);
                    }
                }
                "array" => {
                    if let Some(items) = property.get("items").and_then(Value::as_object)
                        && !items.is_empty()
                    {
                        self.text(",items:{");
                        self.items(items);
                        self.text("}");
                    }
                }
                _ => {
                    if let Some(values) = property.get("enum").filter(|values| is_filled(values)) {
                        self.text(",enum:");
                        self.value(values, true);
                    }
                }
            }
            self.text(",");
            self.kind(property.get("type").unwrap_or(&Value::String(String::new())));
            self.text("}");
        }
    }

    fn items(&mut self, items: &Object) {
        let items = sorted(items).into_iter().filter(|(_, value)| !value.is_null());
        for (index, (key, value)) in items.enumerate() {
            self.text(if index > 0 { "," } else { "" });
            match (key, value) {
                ("properties", Value::Object(properties)) => {
                    self.text("properties:{");
                    self.properties(properties);
                    self.text("}");
                }
                ("type", kind) => self.kind(kind),
                (key, value) => {
                    self.word(key, is_plain_key);
                    self.text(":");
                    self.value(value, true);
                }
            }
        }
    }

    /// `type:…`, in capitals.
    fn kind(&mut self, kind: &Value) {
        let upper = |kind: &Value| kind.as_str().map_or_else(|| kind.clone(), |k| k.to_uppercase().into());
        self.text("type:");
        match kind {
            Value::Array(kinds) => self.value(&kinds.iter().map(upper).collect::<Vec<_>>().into(), true),
            kind => self.value(&upper(kind), true),
        }
    }
}

fn is_filled(value: &Value) -> bool {
    value.as_array().is_some_and(|items| !items.is_empty())
}

/// Keys and values as Jinja's `dictsort` orders them.
fn sorted(object: &Object) -> Vec<(&str, &Value)> {
    let mut items: Vec<(&str, &Value)> = object.iter().collect();
    items.sort_by_cached_key(|(key, _)| key.to_lowercase());
    items
}
