//! What Mistral's templates refuse.

use crate::Role;

/// What Mistral's templates refuse in a conversation, worded as Mistral's own code does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MistralProblem {
    /// A tool speaks before the model, or a system message comes after it.
    #[error("message {index}: Unexpected role '{role}' after role '{previous}'")]
    RoleOrder {
        /// The index of the message, from 0.
        index: usize,
        /// Its role.
        role: Role,
        /// The role before it.
        previous: Role,
    },
    /// Version 1 has no calls and results.
    #[error("message {index}: Tools not implemented for tokenizer V1")]
    ToolsInV1 {
        /// The index of the message, from 0.
        index: usize,
    },
    /// Before version 7 a model turn has content or calls.
    #[error("message {index}: Assistant message must have either content or tool_calls, but not both.")]
    ContentOrCalls {
        /// The index of the message, from 0.
        index: usize,
    },
    /// A model turn without content and calls.
    #[error("message {index}: Invalid assistant message: it has neither content nor tool_calls")]
    EmptyTurn {
        /// The index of the message, from 0.
        index: usize,
    },
    /// Version 2 takes one result for each model turn.
    #[error("message {index}: Tokenizer v2 does not support multiple tool results for one assistant turn.")]
    SeveralResults {
        /// The index of the message, from 0.
        index: usize,
    },
    /// A name that the models were not trained on.
    #[error(
        "{}: Function name was {name} but must be a-z, A-Z, 0-9, or contain underscores and dashes, with a maximum \
         length of 64.",
        place(*index)
    )]
    FunctionName {
        /// The index of the message, from 0; `None` in the declaration of a tool.
        index: Option<usize>,
        /// The name.
        name: String,
    },
    /// An id that the models were not trained on.
    #[error("message {index}: Tool call id was {id} but must be a-z, A-Z, 0-9, with a length of 9.")]
    CallId {
        /// The index of the message, from 0.
        index: usize,
        /// The id.
        id: String,
    },
    /// A call or a result without an id.
    #[error("message {index}: Tool call id has to be defined.")]
    MissingCallId {
        /// The index of the message, from 0.
        index: usize,
    },
    /// More or fewer results than calls.
    #[error("message {index}: Not the same number of function calls and responses")]
    ResultCount {
        /// The index of the message, from 0.
        index: usize,
    },
    /// Two calls of one turn with the same id.
    #[error("message {index}: Duplicate tool call id {id} in assistant message")]
    DuplicateCallId {
        /// The index of the message, from 0.
        index: usize,
        /// The id.
        id: String,
    },
    /// Two results for the same call.
    #[error("message {index}: Duplicate tool call id {id} in tool results")]
    AnsweredTwice {
        /// The index of the message, from 0.
        index: usize,
        /// The id.
        id: String,
    },
    /// A result for a call that was not made.
    #[error("message {index}: Unexpected tool call id {id} in tool results")]
    UnknownCallId {
        /// The index of the message, from 0.
        index: usize,
        /// The id.
        id: String,
    },
    /// Tools stand before a user turn.
    #[error("the tools have no place in a conversation without a user message")]
    ToolsWithoutUser,
}

fn place(index: Option<usize>) -> String {
    index.map_or_else(|| "a tool".to_owned(), |index| format!("message {index}"))
}
