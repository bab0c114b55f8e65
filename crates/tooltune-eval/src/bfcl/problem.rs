//! What can be wrong with a line of the leaderboard's files.

use tooltune_chat::JsonError;

use crate::ast::GoldProblem;

/// Why a line of a question or answer file can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BfclProblem {
    /// Longer than allowed.
    #[error("the line is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// Not UTF-8.
    #[error("the line is not UTF-8")]
    NotUtf8,
    /// Not JSON.
    #[error("not JSON: {0}")]
    Json(#[from] JsonError),
    /// A key that is missing or of another type.
    #[error("{key:?} should be {expected}")]
    Key {
        /// The key, with its place.
        key: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A declaration that can't be used.
    #[error("function {index}: {source}")]
    Function {
        /// The index of the declaration, from 0.
        index: usize,
        /// What is wrong.
        source: Box<tooltune_chat::Error>,
    },
    /// A role that no conversation has.
    #[error("unknown role {role:?}")]
    Role {
        /// The role.
        role: String,
    },
    /// An accepted answer of another form.
    #[error("answer {index}: {problem}")]
    Gold {
        /// The index of the answer, from 0.
        index: usize,
        /// What is wrong.
        problem: GoldProblem,
    },
    /// An id that a line before has.
    #[error("the id {id:?} stands in line {first} too")]
    DuplicateId {
        /// The id.
        id: String,
        /// The earlier line, from 1.
        first: usize,
    },
    /// A question that wants particular calls and has no accepted answers.
    #[error("the question {id:?} has no accepted answer in {answers:?}")]
    NoAnswer {
        /// The id.
        id: String,
        /// The file of answers, empty where there is none.
        answers: String,
    },
    /// Accepted answers to no question.
    #[error("the answer {id:?} belongs to no question")]
    NoQuestion {
        /// The id.
        id: String,
    },
}

impl BfclProblem {
    pub(super) fn key(key: impl Into<String>, expected: &'static str) -> Self {
        Self::Key { key: key.into(), expected }
    }
}
