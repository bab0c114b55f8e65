//! The crate's error.

use std::path::PathBuf;

use crate::{Diagnostic, JsonError, LineProblem, MistralProblem, Role, TokenProblem};

/// What can go wrong with conversations, templates, tokenizers and data files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A role that is not one of [`Role`].
    #[error("unknown role {role:?}; use system, developer, user, human, assistant, model, tool or function")]
    UnknownRole {
        /// The name in the data.
        role: String,
    },
    /// A conversation without a turn.
    #[error("the conversation has no turn")]
    EmptyConversation,
    /// Gemma-2's own template (and the course's) refuses a system message.
    #[error("System role not supported")]
    SystemRole,
    /// Gemma-2's own template refuses roles that do not alternate.
    #[error("Conversation roles must alternate user/assistant/user/assistant/... (message {index})")]
    RolesMustAlternate {
        /// The index of the message, from 0.
        index: usize,
    },
    /// The roles make no sense together.
    #[error("message {index} ({role}): {rule}")]
    RoleOrder {
        /// The index of the message, from 0.
        index: usize,
        /// Its role.
        role: Role,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// A conversation that Mistral's templates refuse.
    #[error(transparent)]
    Mistral(#[from] MistralProblem),
    /// A declaration of a tool that cannot be used.
    #[error("a tool declaration cannot be used: {problem}")]
    BadTool {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Arguments that do not fit the type that is to hold them.
    #[error("the arguments of {tool:?}{}: {problem}", at(path))]
    Arguments {
        /// The name of the tool.
        tool: String,
        /// The place as a JSON pointer; empty for the arguments as a whole.
        path: String,
        /// What stands there and what is expected.
        problem: String,
    },
    /// A tool's schema that cannot be used to check arguments.
    #[cfg(feature = "jsonschema")]
    #[error("the schema of {tool:?}: {problem}")]
    ToolSchema {
        /// The name of the tool.
        tool: String,
        /// What is wrong with it.
        problem: crate::SchemaProblem,
    },
    /// A call that strict parsing refuses.
    #[error("{diagnostic}")]
    CallSyntax {
        /// What was noticed.
        diagnostic: Diagnostic,
    },
    /// A JSON text or Python literal that cannot be read.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A model folder's own template that cannot be read or rendered.
    #[cfg(feature = "jinja")]
    #[error(transparent)]
    Jinja(#[from] crate::JinjaError),
    /// The tokenizer lacks a control token.
    #[error("the tokenizer has no control token {token:?}; is it the tokenizer of this model?")]
    MissingControl {
        /// The token's text.
        token: String,
    },
    /// The tokenizer can make ids that the model has no row for.
    #[error(
        "the tokenizer has {tokenizer} ids, the model's vocabulary only {model}; they do not belong together"
    )]
    VocabTooSmall {
        /// Ids of the tokenizer.
        tokenizer: usize,
        /// Rows of the model's embedding.
        model: usize,
    },
    /// An id outside the vocabulary.
    #[error("the tokenizer has no token with id {id}")]
    UnknownId {
        /// The id.
        id: u32,
    },
    /// A text that could only be encoded with a control token in it.
    #[error("the text would encode to the control token {token:?}")]
    ControlInText {
        /// The token's text.
        token: String,
    },
    /// A model turn would be trained without its end.
    #[error("the end of the turn after trained token {token} is not trained; a model trained so never stops")]
    EndOfTurnNotTrained {
        /// Index of the turn's last trained token.
        token: usize,
    },
    /// A sample without anything to learn.
    #[error("none of the {tokens} tokens is trained")]
    NothingTrained {
        /// Tokens of the sample.
        tokens: usize,
    },
    /// Padding that looks like the end of a turn.
    #[error("the padding token is {token:?} (id {id}), at which generation stops; use another")]
    PadIsStop {
        /// The token's text.
        token: String,
        /// Its id.
        id: u32,
    },
    /// The tokenizer itself failed.
    #[error("the tokenizer failed: {message}")]
    Tokenizer {
        /// Its message.
        message: String,
    },
    /// A tokenizer file that cannot be used.
    #[error("{}: not a usable tokenizer.json: {message}", path.display())]
    TokenizerFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// Tool tokens that cannot enter the tokenizer.
    #[error("tool tokens: {0}")]
    ToolTokens(#[from] TokenProblem),
    /// A file that cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file beyond its limit.
    #[error("{}: {bytes} bytes, more than the {limit} allowed", path.display())]
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A data file without a conversation.
    #[error("{}: there is no conversation in it; write one JSON object per line", path.display())]
    EmptyDataset {
        /// The file.
        path: PathBuf,
    },
    /// A line of a data file that cannot be used.
    #[error("{}:{line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: LineProblem,
    },
}

fn at(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" at {path}") }
}
