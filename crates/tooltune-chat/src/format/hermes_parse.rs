//! Reading calls out of Hermes text.
//!
//! One scan from left to right over the few places that matter: tags, and braces where a call may stand outside
//! tags. A block that cannot be read is given up alone: the scan goes on at the next tag *inside* it, so that a
//! string which was never closed cannot swallow the calls after it. Blocks that are read twice in this way are
//! counted, and reading stops where the work would no longer be linear.
//!
//! The scan moves in steps, and between two steps it is nothing but its [`Progress`]. Where more text could change
//! a step's outcome it is not taken; so the scan of the beginning of a text does what the scan of the whole does, and
//! stops earlier.

use super::bare::{Bare, bare_call};
use super::diagnostic::{Diagnostic, DiagnosticKind};
use super::hermes::{CALL_END, CALL_START, HermesDialect, RESULT_END, RESULT_START, THINK_END, THINK_START};
use super::parsed::{Outside, Parsed};
use super::scan::{ValueWatch, may_become_tag, tag_at};
use crate::ToolCall;
use crate::value::Repair;

/// The tags that mean something outside blocks: the Hermes tags, then the tokens that end a turn or begin one, of
/// the models that use the format.
const TAGS: [&str; 10] = [
    CALL_START,
    CALL_END,
    THINK_START,
    THINK_END,
    RESULT_START,
    "<end_of_turn>",
    "<start_of_turn>",
    "<eos>",
    "<|im_end|>",
    "<|im_start|>",
];

const TURN_TOKENS: &[&str] = TAGS.split_at(5).1;

pub(super) fn parse(text: &str, dialect: HermesDialect) -> Parsed {
    let mut scan = Scan::new(text, dialect, Some(Whole::of(text)), Progress::default());
    while scan.step() == Step::Taken {}
    Parsed::new(scan.at.calls, scan.at.outside, scan.at.diagnostics)
}

/// How far a scan has come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) pos: usize,
    pub(super) phase: Phase,
    pub(super) calls: Vec<ToolCall>,
    /// The text outside calls.
    pub(super) outside: Outside,
    /// How much of the text outside calls was there when the last bare call was taken.
    pub(super) settled: Settled,
    diagnostics: Vec<Diagnostic>,
    work: usize,
    /// What a search of the phase has been through in vain.
    looked: usize,
    pub(super) watch: Option<ValueWatch>,
}

/// Lengths of the texts of [`Outside`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settled {
    pub(super) content: usize,
    pub(super) text: usize,
}

/// What is being read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    Outside,
    /// A block that began at a byte, after some values.
    Block {
        start: usize,
        values: usize,
    },
    /// A block that was given up.
    Skip,
    /// Thinking that began at a byte.
    Think {
        start: usize,
    },
    /// A result that the model wrote itself.
    Result,
    /// What follows a call in a fence.
    FenceEnd,
    Ended,
}

/// Whether a step was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Taken,
    /// The text ends here, or more of it could change the step.
    Wait,
}

/// What only the whole text can tell.
pub(super) struct Whole {
    /// Where the last end tag of a result begins.
    last_result_end: Option<usize>,
    /// Where the last word begins that a call outside tags must have.
    last_arguments: Option<usize>,
}

impl Whole {
    fn of(text: &str) -> Self {
        Self { last_result_end: text.rfind(RESULT_END), last_arguments: text.rfind("arguments") }
    }
}

pub(super) struct Scan<'a> {
    pub(super) text: &'a str,
    pub(super) dialect: HermesDialect,
    /// `None` where more text may follow.
    whole: Option<Whole>,
    pub(super) at: Progress,
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a str, dialect: HermesDialect, whole: Option<Whole>, at: Progress) -> Self {
        Self { text, dialect, whole, at }
    }

    pub(super) fn step(&mut self) -> Step {
        match self.at.phase {
            Phase::Outside => self.outside(),
            Phase::Block { start, values } => self.block(start, values),
            Phase::Skip => self.skip_to_tag(),
            Phase::Think { start } => self.think(start),
            Phase::Result => self.invented_result(),
            Phase::FenceEnd => self.fence_end(),
            Phase::Ended => Step::Wait,
        }
    }

    fn outside(&mut self) -> Step {
        let Some(next) = self.rest().find(['<', '{']) else {
            self.keep(self.rest().len());
            return Step::Wait;
        };
        self.keep(next);
        let rest = self.rest();
        if self.work_is_spent() {
            if self.is_whole() {
                self.note(self.at.pos, DiagnosticKind::WorkLimit);
                self.keep(rest.len());
                self.enter(Phase::Ended);
            }
            return Step::Wait;
        }
        match tag_at(rest, &TAGS) {
            Some(CALL_START) => {
                self.enter(Phase::Block { start: self.at.pos, values: 0 });
                self.at.pos += CALL_START.len();
            }
            Some(CALL_END) => {
                self.note(self.at.pos, DiagnosticKind::StrayEndTag);
                self.at.pos += CALL_END.len();
            }
            Some(THINK_START) => {
                self.enter(Phase::Think { start: self.at.pos });
                self.at.pos += THINK_START.len();
            }
            Some(THINK_END) => {
                self.note(self.at.pos, DiagnosticKind::StrayThinkEnd);
                self.keep(THINK_END.len());
            }
            Some(RESULT_START) => {
                self.note(self.at.pos, DiagnosticKind::InventedResult);
                self.enter(Phase::Result);
            }
            Some(_) => self.end_of_turn(),
            None if rest.starts_with('{') => return self.brace(),
            None if self.waits_for_tag(rest, &TAGS) => return Step::Wait,
            None => self.keep(1),
        }
        Step::Taken
    }

    /// At a brace outside tags.
    fn brace(&mut self) -> Step {
        // A search once for all: without the word there is no call to be found.
        if let Some(whole) = &self.whole
            && whole.last_arguments.is_none_or(|last| last < self.at.pos)
        {
            self.keep(1);
            return Step::Taken;
        }
        match bare_call(self) {
            Bare::Taken { fenced: true } => self.enter(Phase::FenceEnd),
            Bare::Taken { fenced: false } => {}
            Bare::Text(bytes) => self.keep(bytes),
            Bare::Undecided => return Step::Wait,
        }
        Step::Taken
    }

    /// Behind a call that a fence precedes: the fence's end goes with it.
    fn fence_end(&mut self) -> Step {
        let after = self.text[self.at.pos.max(self.at.looked)..].trim_start();
        if !self.is_whole() && "```".starts_with(after) && after.len() < 3 {
            self.at.looked = self.text.len() - after.len();
            return Step::Wait;
        }
        if let Some(after) = after.strip_prefix("```") {
            self.at.pos = self.text.len() - after.len();
        }
        self.enter(Phase::Outside);
        Step::Taken
    }

    fn invented_result(&mut self) -> Step {
        let from = self.text.floor_char_boundary(self.at.pos.max(self.at.looked));
        let end = match &self.whole {
            Some(whole) if whole.last_result_end.is_none_or(|last| last < self.at.pos) => None,
            _ => self.text[from..].find(RESULT_END),
        };
        match end {
            Some(end) => self.at.pos = from + end + RESULT_END.len(),
            None if self.is_whole() => self.keep(RESULT_START.len()),
            None => {
                self.at.looked = self.text.len().saturating_sub(RESULT_END.len() - 1);
                return Step::Wait;
            }
        }
        self.enter(Phase::Outside);
        Step::Taken
    }

    /// Inside thinking: up to its end tag, the end of the turn, or the next `<` that is neither.
    fn think(&mut self, start: usize) -> Step {
        let rest = self.rest();
        let next = rest.find('<').unwrap_or(rest.len());
        self.at.outside.think_more(&rest[..next]);
        self.at.pos += next;
        let rest = self.rest();
        let closed = rest.starts_with(THINK_END);
        if !closed && tag_at(rest, TURN_TOKENS).is_none() {
            if !self.is_whole() && (rest.is_empty() || may_become_tag(rest, &TAGS)) {
                return Step::Wait;
            }
            if !rest.is_empty() {
                self.at.outside.think_more("<");
                self.at.pos += 1;
                return Step::Taken;
            }
        }
        let calls = self.text[start..self.at.pos].contains(CALL_START);
        if closed {
            self.at.pos += THINK_END.len();
        } else {
            self.note(start, DiagnosticKind::UnterminatedThink);
        }
        match (calls, closed) {
            (true, true) => self.note(start, DiagnosticKind::CallInThink),
            (true, false) => self.note(start, DiagnosticKind::CallInUnterminatedThink),
            (false, _) => {}
        }
        self.at.outside.think_end(&self.text[start..self.at.pos]);
        self.enter(Phase::Outside);
        Step::Taken
    }

    /// At a turn token: the rest is not the model's turn.
    fn end_of_turn(&mut self) {
        let mut after = self.rest();
        while let Some(token) = tag_at(after, TURN_TOKENS) {
            after = after[token.len()..].trim_start();
        }
        if !after.is_empty() {
            self.note(self.at.pos, DiagnosticKind::Overrun);
        }
        self.enter(Phase::Ended);
    }

    pub(super) fn is_whole(&self) -> bool {
        self.whole.is_some()
    }

    /// Whether `rest` is but the beginning of a tag, as far as the text goes.
    pub(super) fn waits_for_tag(&self, rest: &str, tags: &[&str]) -> bool {
        !self.is_whole() && may_become_tag(rest, tags)
    }

    pub(super) fn note(&mut self, offset: usize, kind: DiagnosticKind) {
        self.at.diagnostics.push(Diagnostic { kind, offset });
    }

    /// Counts work; beyond the limit the rest of the text is not read.
    pub(super) fn spend(&mut self, bytes: usize) {
        // Skipping and locating count too, hence more than the bytes read.
        self.at.work = self.at.work.saturating_add(bytes + 32);
    }

    pub(super) fn work_is_spent(&self) -> bool {
        self.at.work >= 16 * self.text.len() + 65_536
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at.pos..]
    }

    pub(super) fn enter(&mut self, phase: Phase) {
        self.at.phase = phase;
        self.at.looked = 0;
    }

    /// Moves on, keeping the bytes as text outside calls.
    fn keep(&mut self, bytes: usize) {
        self.at.outside.keep(&self.rest()[..bytes]);
        self.at.pos += bytes;
    }

    /// The next tag that begins or ends a block, or ends the turn, after the position; remembers where it looked.
    pub(super) fn find_block_tag(&mut self) -> Option<usize> {
        let from = self.at.pos.max(self.at.looked);
        let found = find_block_tag(&self.text[from..]);
        if found.is_none() {
            let tail = self.text[from..].rfind('<').map(|at| from + at);
            let open = tail.filter(|&at| may_become_tag(&self.text[at..], &TAGS));
            self.at.looked = open.unwrap_or(self.text.len());
        }
        found.map(|at| from + at - self.at.pos)
    }
}

pub(super) fn at_turn_token(text: &str) -> bool {
    tag_at(text, TURN_TOKENS).is_some()
}

/// The next tag that begins or ends a block, or ends the turn.
pub(super) fn find_block_tag(text: &str) -> Option<usize> {
    let tag = |rest: &str| rest.starts_with(CALL_START) || rest.starts_with(CALL_END) || at_turn_token(rest);
    text.match_indices('<').map(|(at, _)| at).find(|&at| tag(&text[at..]))
}

/// The next tag that means something outside blocks.
pub(super) fn find_outside_tag(text: &str) -> Option<usize> {
    text.match_indices('<').map(|(at, _)| at).find(|&at| tag_at(&text[at..], &TAGS).is_some())
}

pub(super) fn diagnostic_of(repair: Repair) -> DiagnosticKind {
    match repair {
        Repair::Tuple => DiagnosticKind::Tuple,
        Repair::DigitSeparator => DiagnosticKind::DigitSeparator,
        Repair::NumberNotation => DiagnosticKind::NumberNotation,
        Repair::TrailingComma => DiagnosticKind::TrailingComma,
        Repair::MissingComma => DiagnosticKind::MissingComma,
        Repair::UnquotedKey => DiagnosticKind::UnquotedKey,
        Repair::SmartQuotes => DiagnosticKind::SmartQuotes,
        Repair::RawControl => DiagnosticKind::RawControl,
        Repair::BadEscape => DiagnosticKind::BadEscape,
        Repair::LoneSurrogate => DiagnosticKind::LoneSurrogate,
        Repair::MixedSyntax => DiagnosticKind::MixedSyntax,
        Repair::DuplicateKey(key) => DiagnosticKind::DuplicateKey { key },
        Repair::MissingBracket => DiagnosticKind::MissingBracket,
        Repair::Truncated => DiagnosticKind::Truncated,
    }
}
