//! What a format reads out of a model turn.

use serde::{Deserialize, Serialize};

use super::scan::is_trimmed;
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
    /// The text outside calls, trimmed, with the thinking and its tags where they stood: a message's content.
    pub content: String,
    /// The text outside calls and thinking, trimmed: what a user should see.
    pub text: String,
    /// What stands between thinking tags, trimmed; several blocks one under the other.
    pub thinking: String,
    /// What was noticed, in order of appearance in the text.
    pub diagnostics: Vec<Diagnostic>,
}

/// What a parser found outside calls, as it goes.
#[derive(Clone, Debug, Default)]
pub(super) struct Outside {
    /// Text and thinking, tags included.
    pub(super) content: String,
    /// Without the thinking.
    pub(super) text: String,
    /// Without the text.
    pub(super) thinking: String,
    /// Whether the block of thinking that is being read holds more than white space.
    in_thought: bool,
}

impl Outside {
    /// Text that is no thinking.
    pub(super) fn keep(&mut self, text: &str) {
        self.content.push_str(text);
        self.text.push_str(text);
    }

    /// A block of thinking: with its tags, and what they hold.
    #[allow(dead_code, reason = "for formats that take thinking as a whole")]
    pub(super) fn think(&mut self, tagged: &str, inside: &str) {
        self.think_more(inside);
        self.think_end(tagged);
    }

    /// More of what a block of thinking holds.
    pub(super) fn think_more(&mut self, piece: &str) {
        let piece = if self.in_thought { piece } else { piece.trim_start() };
        if piece.is_empty() {
            return;
        }
        if !self.in_thought && !self.thinking.is_empty() {
            self.thinking.push('\n');
        }
        self.in_thought = true;
        self.thinking.push_str(piece);
    }

    /// The end of a block of thinking: all of it, with its tags.
    pub(super) fn think_end(&mut self, tagged: &str) {
        self.content.push_str(tagged);
        if std::mem::take(&mut self.in_thought) {
            self.thinking.truncate(self.thinking.trim_end().len());
        }
    }
}

impl Parsed {
    pub(super) fn new(calls: Vec<ToolCall>, outside: Outside, diagnostics: Vec<Diagnostic>) -> Self {
        let Outside { content, text, thinking, .. } = outside;
        let (content, text, thinking) = (trimmed(&content), trimmed(&text), trimmed(&thinking));
        let worst = diagnostics.iter().map(Diagnostic::severity).max().unwrap_or(Severity::Note);
        let status = match (calls.is_empty(), worst) {
            (false, Severity::Note) => ParseStatus::Calls,
            (false, _) => ParseStatus::Recovered,
            (true, Severity::Lost) => ParseStatus::Malformed,
            (true, _) => ParseStatus::NoAttempt,
        };
        Self { status, calls, content, text, thinking, diagnostics }
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

fn trimmed(text: &str) -> String {
    text.trim_matches(is_trimmed).to_owned()
}
