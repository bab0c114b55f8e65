//! The pythonic format: calls as a Python list of calls with keyword arguments.

use super::pythonic_parse::PythonicGrammar;
use super::pythonic_value::{is_keyword_name, is_plain_name};
use super::reader::{Reader, THINK_END, THINK_START, parse};
use super::{Parsed, StreamParser, ToolCallFormat};
use crate::{
    CallPiece, Object, SegmentContent, ToolCall, ToolDefinition, ToolResult, ToolSchemaStyle, Value,
};

/// The format of Llama 4, ToolACE and others, named `pythonic`.
///
/// - tools: the declarations as one JSON array;
/// - calls: `[get_weather(city='Paris', days=3), now()]`, values as Python's `repr` writes them;
/// - a result: the text as a JSON string, as the models' templates print it.
///
/// Nothing is evaluated: arguments are literals. A bare name is read as a string and a call as an argument as its
/// text, both as repairs; any other expression, a positional argument or a repeated name spoil their call. An item
/// of the list that is no call is given up alone.
///
/// The language cannot spell every name. So that every call can be written, arguments whose names are no Python names
/// stand in `**{'the name': value}`, and so does nothing else; a function's name may have hyphens and dots, and one
/// with other characters stands in quotes.
///
/// A line that is one call outside a list is a call too; several such lines are a repair, as is text beside the calls.
///
/// ```
/// use tooltune_chat::{ParseStatus, Pythonic, ToolCallFormat};
///
/// let parsed = Pythonic::new().parse("[get_weather(city=\"Paris\"), now()]");
/// assert_eq!(parsed.status, ParseStatus::Calls);
/// assert_eq!(Pythonic::new().parse("[now(2 + 2)]").status, ParseStatus::Malformed);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pythonic;

impl Pythonic {
    /// The format.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

/// Markers that Llama 4 may write around the list.
pub(super) const MARKERS: [&str; 2] = ["<|python_start|>", "<|python_end|>"];

impl ToolCallFormat for Pythonic {
    fn name(&self) -> &str {
        "pythonic"
    }

    fn special_tokens(&self) -> &[&str] {
        &[MARKERS[0], MARKERS[1], THINK_START, THINK_END]
    }

    fn write_tools(&self, tools: &[ToolDefinition], style: ToolSchemaStyle) -> Vec<SegmentContent> {
        let tools: Vec<Value> = tools.iter().map(|tool| style.write(tool)).collect();
        vec![SegmentContent::Text(Value::from(tools).to_json())]
    }

    fn write_call(&self, call: &ToolCall) -> Vec<CallPiece> {
        self.write_calls(std::slice::from_ref(call))
    }

    fn write_calls(&self, calls: &[ToolCall]) -> Vec<CallPiece> {
        let mut pieces = vec![CallPiece::frame("[")];
        for (index, call) in calls.iter().enumerate() {
            if index > 0 {
                pieces.push(CallPiece::frame(", "));
            }
            let name = &call.name;
            let quoted = || Value::from(name.as_str()).to_python();
            pieces.push(CallPiece::name(if is_plain_name(name) { name.clone() } else { quoted() }));
            pieces.push(CallPiece::frame("("));
            if !call.arguments.is_empty() {
                pieces.push(CallPiece::arguments(arguments(&call.arguments)));
            }
            pieces.push(CallPiece::frame(")"));
        }
        pieces.push(CallPiece::frame("]"));
        pieces
    }

    fn write_result(&self, result: &ToolResult) -> Vec<SegmentContent> {
        vec![SegmentContent::Text(Value::from(result.content.as_str()).to_json())]
    }

    fn parse(&self, text: &str) -> Parsed {
        parse(&PythonicGrammar, text)
    }

    fn stream(&self) -> Box<dyn StreamParser> {
        Box::new(Reader::new(PythonicGrammar))
    }
}

fn arguments(arguments: &Object) -> String {
    let (keywords, others): (Vec<_>, Vec<_>) = arguments.iter().partition(|(name, _)| is_keyword_name(name));
    let mut written: Vec<String> =
        keywords.into_iter().map(|(name, value)| format!("{name}={}", value.to_python())).collect();
    if !others.is_empty() {
        let others: Object =
            others.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
        written.push(format!("**{}", Value::from(others).to_python()));
    }
    written.join(", ")
}
