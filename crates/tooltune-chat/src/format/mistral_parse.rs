//! Reading calls out of Mistral's text.
//!
//! As the Hermes scan: from left to right, in steps, between which the scan is nothing but its [`Progress`]. Where more
//! text could change a step's outcome it is not taken, so the scan of the beginning of a text does what the scan of the
//! whole does, and stops earlier. A call that cannot be read is given up alone: the scan goes on at the next tag or
//! item *inside* it. Text that is read twice in this way is counted, and reading stops where the work would no longer
//! be linear.

use std::ops::Range;

use super::diagnostic::{Diagnostic, DiagnosticKind};
use super::mistral::{ARGS, CALL_ID, RESULT_END, RESULT_START, THINK_END, THINK_START, TOOL_CALLS};
use super::parsed::{Outside, Parsed};
use super::scan::{ValueWatch, may_become_tag, tag_at};
use crate::ToolCall;

/// The tags of thinking as models without tokens for it write them.
const PLAIN_THINK: [&str; 2] = ["<think>", "</think>"];

/// The tags that mean something outside calls: the format's, then the tokens that end a turn or begin one, Mistral's and
/// Gemma's.
pub(super) const TAGS: [&str; 13] = [
    RESULT_START,
    THINK_START,
    THINK_END,
    PLAIN_THINK[0],
    PLAIN_THINK[1],
    ARGS,
    CALL_ID,
    TOOL_CALLS,
    "</s>",
    "[INST]",
    "<end_of_turn>",
    "<start_of_turn>",
    "<eos>",
];

/// Where a call ends even when brackets are open: the next one, or the end of the turn.
pub(super) const CALL_ENDS: &[&str] = TAGS.split_at(7).1;

const TURN_TOKENS: &[&str] = TAGS.split_at(8).1;

pub(super) fn parse(text: &str) -> Parsed {
    let mut scan = Scan::new(text, Some(Whole::of(text)), Progress::default());
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
    diagnostics: Vec<Diagnostic>,
    /// How the last block between tags was written.
    pub(super) form: Option<Form>,
    /// Whether text beside the calls was noted.
    text_noted: bool,
    /// Whether a fence is open around the calls.
    pub(super) fence: bool,
    work: usize,
    /// What a search of the phase has been through in vain.
    pub(super) looked: usize,
    pub(super) watch: Option<ValueWatch>,
}

/// How a block of calls is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    List,
    Named,
}

/// What is being read. Blocks and calls know the byte at which they began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    Outside,
    /// Behind `[TOOL_CALLS]`.
    Block {
        start: usize,
    },
    /// Among the items of an array, or among objects without one.
    Items {
        start: usize,
        list: bool,
        read: usize,
        comma: bool,
    },
    /// At the name of a call.
    Name {
        start: usize,
    },
    /// At the id of a call.
    Id {
        start: usize,
        name: Range<usize>,
    },
    /// Behind the name and perhaps the id of a call, and its `[ARGS]`.
    Arguments {
        start: usize,
        name: Range<usize>,
        id: Option<Range<usize>>,
        tag: bool,
    },
    /// Behind something that was given up; inside an array other items may follow, after a comma.
    Skip {
        list: bool,
        comma: bool,
    },
    /// Thinking, up to this tag.
    Think {
        start: usize,
        end: &'static str,
    },
    /// A result that the model wrote itself.
    Result,
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
    /// `None` where more text may follow.
    whole: Option<Whole>,
    pub(super) at: Progress,
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a str, whole: Option<Whole>, at: Progress) -> Self {
        Self { text, whole, at }
    }

    pub(super) fn step(&mut self) -> Step {
        match self.at.phase.clone() {
            Phase::Outside => self.outside(),
            Phase::Block { start } => self.block(start),
            Phase::Items { start, list, read, comma } => self.items(start, list, read, comma),
            Phase::Name { start } => self.name(start),
            Phase::Id { start, name } => self.id(start, name),
            Phase::Arguments { start, name, id, tag } => self.arguments(start, name, id, tag),
            Phase::Skip { list, comma } => self.skip(list, comma),
            Phase::Think { start, end } => self.think(start, end),
            Phase::Result => self.invented_result(),
            Phase::Ended => Step::Wait,
        }
    }

    fn outside(&mut self) -> Step {
        if self.at.fence && !self.fence_end() {
            return Step::Wait;
        }
        let Some(next) = self.rest().find(['<', '[', '{']) else {
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
        let start = self.at.pos;
        match tag_at(rest, &TAGS) {
            Some(TOOL_CALLS) => {
                self.enter(Phase::Block { start });
                self.at.pos += TOOL_CALLS.len();
            }
            Some(RESULT_START) => {
                self.note(start, DiagnosticKind::InventedResult);
                self.enter(Phase::Result);
            }
            Some(tag) if tag == THINK_START || tag == PLAIN_THINK[0] => {
                let end = if tag == THINK_START { THINK_END } else { PLAIN_THINK[1] };
                self.enter(Phase::Think { start, end });
                self.at.pos += tag.len();
            }
            Some(tag) if tag == THINK_END || tag == PLAIN_THINK[1] => {
                self.note(start, DiagnosticKind::StrayThinkEnd);
                self.keep(tag.len());
            }
            Some(tag @ (ARGS | CALL_ID)) => {
                self.note(start, DiagnosticKind::StrayTag);
                self.keep(tag.len());
            }
            Some(_) => self.end_of_turn(),
            None if self.waits_for_tag(rest, &TAGS) => return Step::Wait,
            None if rest.starts_with('<') => self.keep(1),
            None => return self.bracket(),
        }
        Step::Taken
    }

    /// At a bracket outside tags.
    fn bracket(&mut self) -> Step {
        // A search once for all: without the word there is no call to be found.
        if let Some(whole) = &self.whole
            && whole.last_arguments.is_none_or(|last| last < self.at.pos)
        {
            self.keep(1);
            return Step::Taken;
        }
        self.call_without_tag()
    }

    /// Behind calls that stand in a fence, whose end goes with them. False where it may still come.
    fn fence_end(&mut self) -> bool {
        let after = self.text[self.at.pos.max(self.at.looked)..].trim_start();
        if !self.is_whole() && after.len() < 3 && "```".starts_with(after) {
            self.at.looked = self.text.len() - after.len();
            return false;
        }
        if let Some(after) = after.strip_prefix("```") {
            self.at.pos = self.text.len() - after.len();
        }
        self.at.fence = false;
        true
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

    /// Inside thinking: up to its end tag, the end of the turn, or the next bracket that is neither.
    fn think(&mut self, start: usize, end: &'static str) -> Step {
        let rest = self.rest();
        let next = rest.find(['<', '[']).unwrap_or(rest.len());
        self.at.outside.think_more(&rest[..next]);
        self.at.pos += next;
        let rest = self.rest();
        let closed = rest.starts_with(end);
        if !closed && tag_at(rest, TURN_TOKENS).is_none() {
            if !self.is_whole() && (rest.is_empty() || may_become_tag(rest, &TAGS)) {
                return Step::Wait;
            }
            if !rest.is_empty() {
                self.at.outside.think_more(&rest[..1]);
                self.at.pos += 1;
                return Step::Taken;
            }
        }
        let calls = self.text[start..self.at.pos].contains(TOOL_CALLS);
        if closed {
            self.at.pos += end.len();
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
    pub(super) fn keep(&mut self, bytes: usize) {
        let kept = &self.rest()[..bytes];
        let blank = kept.len() - kept.trim_start().len();
        if self.at.form.is_some() && !self.at.text_noted && blank < kept.len() {
            self.at.text_noted = true;
            self.note(self.at.pos + blank, DiagnosticKind::TextBeside);
        }
        self.at.outside.keep(kept);
        self.at.pos += bytes;
    }
}
