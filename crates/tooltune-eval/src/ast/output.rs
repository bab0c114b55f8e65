//! What a model put out, as the matcher takes it.

use tooltune_chat::{ParseStatus, Parsed, ToolCall, ToolDefinition};

use super::looks_like_call;

/// What a model put out.
#[derive(Clone, Copy, Debug)]
pub enum ModelOutput<'a> {
    /// Calls, perhaps none.
    Calls(&'a [ToolCall]),
    /// Text that does not try to call.
    NoAttempt,
    /// An attempt to call that can't be read, or that is no list of calls.
    Malformed,
}

impl<'a> ModelOutput<'a> {
    /// The output as a format parsed it. Text in which the format sees no attempt, but that calls one of `tools` in
    /// another syntax, is [`ModelOutput::Malformed`] (see [`looks_like_call`]).
    #[must_use]
    pub fn from_parsed(parsed: &'a Parsed, tools: &[ToolDefinition]) -> Self {
        match parsed.status {
            ParseStatus::Calls | ParseStatus::Recovered => Self::Calls(&parsed.calls),
            ParseStatus::Malformed => Self::Malformed,
            ParseStatus::NoAttempt if looks_like_call(&parsed.text, tools) => Self::Malformed,
            ParseStatus::NoAttempt => Self::NoAttempt,
        }
    }
}
