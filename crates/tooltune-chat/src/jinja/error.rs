//! What can go wrong with a template from outside.

use std::path::PathBuf;

/// Why a Jinja template cannot be read or rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JinjaError {
    /// The template is no Jinja, or uses a part of Jinja that chat templates have no need for.
    #[error("chat template, line {line}: {problem}")]
    Syntax {
        /// The line of the template, from 1.
        line: usize,
        /// What is wrong there.
        problem: String,
    },
    /// Rendering failed: an undefined value, a wrong type.
    #[error("chat template, line {line}: {problem}")]
    Render {
        /// The line of the template, from 1; 0 where it is not known.
        line: usize,
        /// What is wrong there.
        problem: String,
    },
    /// The template refused the conversation: it called `raise_exception`.
    #[error("the chat template refuses the conversation: {message}")]
    Raised {
        /// Its message.
        message: String,
    },
    /// The template went beyond a limit of [`JinjaLimits`](crate::JinjaLimits).
    #[error("the chat template went beyond the limit of {limit} {unit}")]
    Limit {
        /// What is limited.
        unit: &'static str,
        /// The limit.
        limit: u64,
    },
    /// U+FDD0, a code point that stands for no character, in a template or a conversation. It separates what the
    /// template wrote from what it was given.
    #[error("{place} holds U+FDD0, which is not a character and is used internally")]
    Reserved {
        /// Where it stands.
        place: &'static str,
    },
    /// The turns of the model cannot be told from the rest by rendering prefixes of the conversation.
    #[error(
        "message {index}: the conversation up to this turn does not render to the beginning of the whole text, so \
         that its tokens cannot be found; mark them in the template with {{% generation %}}, or use \
         TurnSpans::Contents"
    )]
    NotAPrefix {
        /// The index of the message, from 0.
        index: usize,
    },
    /// A folder without a chat template.
    #[error(
        "{}: no chat template in chat_template.jinja, chat_template.json or tokenizer_config.json",
        path.display()
    )]
    NoTemplate {
        /// The folder.
        path: PathBuf,
    },
    /// A file of a model folder that does not say what it should.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}
