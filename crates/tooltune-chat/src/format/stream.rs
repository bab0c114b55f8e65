//! Reading a model turn while it is written.

use super::{Parsed, ToolCallFormat};
use crate::ToolCall;

/// Something that is certain, whatever the model writes next.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ParseEvent {
    /// More of the text outside calls and thinking.
    Text(String),
    /// More of the thinking.
    Thinking(String),
    /// A call is complete.
    Call(ToolCall),
}

/// An incremental parser of one model turn.
///
/// Law: however the text is cut into chunks, [`StreamParser::finish`] gives what
/// [`ToolCallFormat::parse`](super::ToolCallFormat::parse) gives for the whole; the calls among the events are the
/// first of its calls, in order; the texts among the events, put together, are a beginning of its text (white space at
/// the edges aside), and so with the thinking (all white space aside). The work is linear in the length of the text, however small the chunks.
pub trait StreamParser: Send {
    /// Takes the next chunk and returns what it made certain.
    fn push(&mut self, chunk: &str) -> Vec<ParseEvent>;

    /// The turn is over.
    fn finish(self: Box<Self>) -> Parsed;
}

/// For formats in which nothing is certain before the end.
#[allow(dead_code, reason = "the first step of a new format")]
pub(super) struct WholeTurn<F> {
    format: F,
    text: String,
}

impl<F> WholeTurn<F> {
    #[allow(dead_code, reason = "the first step of a new format")]
    pub(super) fn new(format: F) -> Self {
        Self { format, text: String::new() }
    }
}

impl<F: ToolCallFormat> StreamParser for WholeTurn<F> {
    fn push(&mut self, chunk: &str) -> Vec<ParseEvent> {
        self.text.push_str(chunk);
        Vec::new()
    }

    fn finish(self: Box<Self>) -> Parsed {
        self.format.parse(&self.text)
    }
}
