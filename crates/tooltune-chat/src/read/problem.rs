//! What can be wrong with a line of a data file, and what to do about it.

use crate::{Diagnostic, Error, JsonError};

/// What can be wrong with a line of a data file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LineProblem {
    /// The line is too long.
    #[error("the line is longer than {limit} bytes; split the conversation, or raise `max_line_bytes`")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The line is not UTF-8.
    #[error("not UTF-8 at byte {offset} of the line; convert the file to UTF-8")]
    NotUtf8 {
        /// Bytes of the line before the error.
        offset: usize,
    },
    /// The line is not JSON.
    #[error("column {}: not valid JSON: {}; write one JSON object per line", .0.column, .0.kind)]
    NotJson(JsonError),
    /// The line is JSON, but no object.
    #[error("the line is a JSON {found}, not an object; write one object with `messages` per line")]
    NotAnObject {
        /// The JSON type that was found.
        found: &'static str,
    },
    /// There is no list of messages.
    #[error("neither `messages` nor `conversations`; name the list `messages`")]
    NoMessages,
    /// The list of messages is empty.
    #[error("the list of messages is empty; remove the line")]
    EmptyMessages,
    /// Two keys for the same thing.
    #[error("both `{first}` and `{second}`; keep one of them")]
    TwoKeys {
        /// One key.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A list that is no array.
    #[error("`{key}` is a JSON {found}, not an array")]
    NotAnArray {
        /// The key.
        key: &'static str,
        /// The JSON type that was found.
        found: &'static str,
    },
    /// Tools given as a string that does not parse.
    #[error("`tools` is a string that is no list of tools: {0}")]
    ToolsSyntax(JsonError),
    /// A declaration that cannot be used.
    #[error("tool {index}: {error}")]
    Tool {
        /// The index of the tool, from 0.
        index: usize,
        /// What is wrong with it.
        error: Box<Error>,
    },
    /// Tools beside the messages, read verbatim.
    #[error("`tools` beside the messages have no place in this template; use the preset `fixed`")]
    ToolsBeside,
    /// A message cannot be used.
    #[error("message {index}: {problem}")]
    Message {
        /// The index of the message, from 0.
        index: usize,
        /// What is wrong with it.
        problem: MessageProblem,
    },
    /// The conversation as a whole cannot be used.
    #[error("{0}")]
    Conversation(Box<Error>),
}

/// What can be wrong with a message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessageProblem {
    /// No object.
    #[error("a JSON {found}, not an object with `role` and `content`")]
    NotAnObject {
        /// The JSON type that was found.
        found: &'static str,
    },
    /// No role.
    #[error("no `role`")]
    NoRole,
    /// The layout with `from` and `value`.
    #[error("no `role`; rename `from` to `role` and `value` to `content`")]
    FromInsteadOfRole,
    /// A role that is not known.
    #[error("{0}")]
    Role(Box<Error>),
    /// A value of the wrong type.
    #[error("`{key}` is a JSON {found}, not {expected}")]
    WrongType {
        /// The key.
        key: &'static str,
        /// The type that it should have, with its article.
        expected: &'static str,
        /// The JSON type that was found.
        found: &'static str,
    },
    /// A part of a content list that is not text.
    #[error("a content part of type {kind:?}; only text can be trained on")]
    ContentPart {
        /// Its type.
        kind: String,
    },
    /// Calls beside the text, read verbatim.
    #[error("`tool_calls` beside the text have no place in this template; use the preset `fixed`")]
    CallsBeside,
    /// A call without a name.
    #[error("a call without a `name`")]
    CallWithoutName,
    /// Arguments that are no object.
    #[error("the arguments of {name:?} are a JSON {found}, not an object")]
    Arguments {
        /// The name of the function.
        name: String,
        /// The JSON type that was found.
        found: &'static str,
    },
    /// Arguments as a string that does not parse.
    #[error("the arguments of {name:?} do not parse: {error}; write them as a JSON object")]
    ArgumentsSyntax {
        /// The name of the function.
        name: String,
        /// What is wrong with them.
        error: JsonError,
    },
    /// A call in the text that does not parse.
    #[error("a call that does not parse: {0} of the content; correct the call in the data")]
    CallSyntax(Diagnostic),
    /// A result for a call that was not made.
    #[error("`tool_call_id` {id:?} is the id of no call in the model turn before it; correct the id")]
    UnknownCallId {
        /// The id.
        id: String,
    },
    /// Tools in the system text that do not parse.
    #[error("the tools between <tools> and </tools> do not parse: {0}")]
    ToolsSyntax(JsonError),
    /// A tool in the system text that cannot be used.
    #[error("tool {index}: {error}")]
    Tool {
        /// The index of the tool, from 0.
        index: usize,
        /// What is wrong with it.
        error: Box<Error>,
    },
    /// A result without its end tag.
    #[error("<tool_response> without </tool_response>; add the end tag")]
    ResultWithoutEnd,
    /// Text after the end tag of a result.
    #[error("text after </tool_response>; put each result between its own tags")]
    TextAfterResult,
}
