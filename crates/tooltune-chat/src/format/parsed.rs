//! What a format reads out of a model turn.

use serde::{Deserialize, Serialize};

use super::{Diagnostic, Severity};
use crate::{Error, ToolCall};

/// How reading calls out of a text went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParseStatus {
    /// The text does not try to call.
    NoAttempt,
    /// Every call is well formed.
    Calls,
    /// There are calls, and something had to be repaired or given up; the diagnostics say what.
    Recovered,
    /// The text tries to call, and no call could be read.
    Malformed,
}

/// The calls in a model turn, and all that was noticed on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// How it went.
    pub status: ParseStatus,
    /// The calls, in order.
    pub calls: Vec<ToolCall>,
    /// The text outside calls, trimmed; thinking stays in it, tags included.
    pub text: String,
    /// What was noticed, in order of appearance in the text.
    pub diagnostics: Vec<Diagnostic>,
}

impl Parsed {
    pub(super) fn new(calls: Vec<ToolCall>, text: String, diagnostics: Vec<Diagnostic>) -> Self {
        let worst = diagnostics.iter().map(Diagnostic::severity).max().unwrap_or(Severity::Note);
        let status = match (calls.is_empty(), worst) {
            (false, Severity::Note) => ParseStatus::Calls,
            (false, _) => ParseStatus::Recovered,
            (true, Severity::Lost) => ParseStatus::Malformed,
            (true, _) => ParseStatus::NoAttempt,
        };
        Self { status, calls, text, diagnostics }
    }

    /// Strict mode: the value itself where nothing was repaired or lost.
    ///
    /// # Errors
    /// [`Error::CallSyntax`] with the first repair or loss.
    pub fn into_strict(self) -> Result<Self, Error> {
        match self.diagnostics.iter().find(|d| d.severity() > Severity::Note) {
            Some(diagnostic) => Err(Error::CallSyntax { diagnostic: diagnostic.clone() }),
            None => Ok(self),
        }
    }
}
