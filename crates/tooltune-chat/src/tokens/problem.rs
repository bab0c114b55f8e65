//! Why tool tokens cannot enter a tokenizer.

use std::path::PathBuf;

use crate::JsonError;

/// What stands in the way of a tool token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenProblem {
    /// The vocabulary holds too few tokens in reserve.
    #[error("{needed} reserved tokens are needed, the vocabulary has {found}")]
    NotEnoughReserved {
        /// Tokens to place.
        needed: usize,
        /// Reserved tokens found.
        found: usize,
    },
    /// The tokenizer has the token as an added token: it needs no change, or it had one before.
    #[error("the tokenizer has {token:?} already, as the added token {id}")]
    AlreadyThere {
        /// The token's text.
        token: String,
        /// Its id.
        id: u32,
    },
    /// The text is an ordinary token of the model, which text may encode to.
    #[error("{token:?} is taken: it is the ordinary token {id}")]
    Taken {
        /// The token's text.
        token: String,
        /// The id that has it.
        id: u32,
    },
    /// The same tool token twice.
    #[error("{token:?} stands twice among the tool tokens")]
    Twice {
        /// The token's text.
        token: String,
    },
    /// Empty, or white space alone.
    #[error("{token:?} cannot be a tool token: it is empty or white space")]
    Blank {
        /// The token's text.
        token: String,
    },
    /// More tokens than ids.
    #[error("there are more tokens than ids")]
    TooManyTokens,
    /// A reserved token that is not idle.
    #[error("{token:?} cannot be renamed: the tokenizer uses it as {used_as}")]
    InUse {
        /// The reserved token.
        token: String,
        /// The field that names it.
        used_as: String,
    },
    /// Two files of the folder name one id differently.
    #[error("{file} has {found:?} with id {id} where tokenizer.json has {expected:?}")]
    Disagree {
        /// The file beside tokenizer.json.
        file: &'static str,
        /// The id.
        id: u32,
        /// The token in tokenizer.json, if any.
        expected: Option<String>,
        /// The token in the other file.
        found: String,
    },
    /// Ids of the changed tokenizer are not those asked for, as with a vocabulary that has holes.
    #[error("the token {token:?} would have the id {found:?} instead of {expected:?}")]
    IdMoved {
        /// The token's text.
        token: String,
        /// Its id as it should be.
        expected: Option<u32>,
        /// Its id in the changed tokenizer.
        found: Option<u32>,
    },
    /// A description that encodes to no token, so that a row could not begin with anything.
    #[error("the description {description:?} of {token:?} has no tokens to begin its row with")]
    EmptyDescription {
        /// The token's text.
        token: String,
        /// Its description.
        description: String,
    },
    /// Two rows that would begin equal; training separates such tokens badly.
    #[error("the rows of {first:?} and {second:?} would begin equal; describe them differently")]
    EqualRows {
        /// A token.
        first: String,
        /// Another token.
        second: String,
    },
    /// A file that is not JSON.
    #[error("{}: {error}", path.display())]
    NotJson {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: JsonError,
    },
    /// A part of a file that is not as Hugging Face's libraries write it.
    #[error("{file}: {problem}")]
    Layout {
        /// The file.
        file: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}
