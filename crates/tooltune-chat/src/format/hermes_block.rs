//! A `<tool_call>` block, and the values in it.

use super::diagnostic::DiagnosticKind;
use super::hermes::{CALL_END, CALL_START, HermesDialect};
use super::hermes_parse::{Phase, Scan, Step, at_turn_token, diagnostic_of, find_block_tag};
use super::object_call::{MAX_CALL_DEPTH, calls_of_value};
use super::scan::{ValueWatch, is_final, is_trimmed};
use crate::value::{
    JsonErrorKind, JsonOptions, LiteralOptions, Repair, Value, parse_literal_prefix, parse_prefix,
};

/// Where a value inside a block ends even when brackets are open.
const STOPS: [&str; 8] =
    [CALL_END, CALL_START, "```", "<end_of_turn>", "<start_of_turn>", "<eos>", "<|im_end|>", "<|im_start|>"];

/// A value read from the text.
pub(super) struct ReadValue {
    pub(super) value: Value,
    /// Its last byte plus one, in the whole text.
    pub(super) end: usize,
    pub(super) notes: Vec<DiagnosticKind>,
    pub(super) truncated: bool,
}

/// What became of reading a value.
pub(super) enum Read {
    Value(ReadValue),
    Bad(JsonErrorKind),
    /// More text may change it.
    Undecided,
}

impl Scan<'_> {
    /// Inside a block, after some values: the next value, the end of the block, or what stands instead.
    pub(super) fn block(&mut self, start: usize, values: usize) -> Step {
        let rest = self.rest().trim_start_matches(is_trimmed);
        self.at.pos = self.text.len() - rest.len();
        if rest.starts_with(CALL_END) {
            if values == 0 {
                self.note(start, DiagnosticKind::EmptyBlock);
            }
            self.at.pos += CALL_END.len();
            self.enter(Phase::Outside);
            return Step::Taken;
        }
        if self.waits_for_tag(rest, &STOPS) {
            return Step::Wait;
        }
        if rest.is_empty() || rest.starts_with(CALL_START) || at_turn_token(rest) {
            let kind = match (values, rest.is_empty()) {
                (0, true) => DiagnosticKind::TruncatedCall,
                (0, false) => DiagnosticKind::EmptyBlock,
                _ => DiagnosticKind::MissingEndTag,
            };
            self.note(start, kind);
            self.enter(Phase::Outside);
            return Step::Taken;
        }
        if let Some(after) = rest.strip_prefix("```") {
            let language = after.bytes().take_while(u8::is_ascii_alphanumeric).count();
            if language == after.len() && !self.is_whole() {
                return Step::Wait;
            }
            self.note(self.at.pos, DiagnosticKind::Fence);
            self.at.pos += 3 + language;
            return Step::Taken;
        }
        if values > 0 && !rest.starts_with(['{', '[']) {
            return self.junk(start);
        }
        let taken = match self.read_when_due() {
            Read::Undecided => return Step::Wait,
            Read::Value(read) => self.take_value(read, values),
            Read::Bad(kind) => Err(kind),
        };
        match taken {
            Ok(()) => self.enter(Phase::Block { start, values: values + 1 }),
            Err(kind) => {
                let kind = match kind {
                    JsonErrorKind::UnexpectedEnd => DiagnosticKind::TruncatedCall,
                    kind => DiagnosticKind::BadBlock { error: kind },
                };
                self.note(start, kind);
                self.enter(Phase::Skip);
            }
        }
        Step::Taken
    }

    /// Junk is dropped where an end tag closes the block; otherwise it is the text after the call.
    fn junk(&mut self, start: usize) -> Step {
        match self.find_block_tag() {
            None if !self.is_whole() => return Step::Wait,
            Some(tag) if self.rest()[tag..].starts_with(CALL_END) => {
                self.note(self.at.pos, DiagnosticKind::JunkInBlock);
                self.at.pos += tag;
            }
            _ => {
                self.note(start, DiagnosticKind::MissingEndTag);
                self.enter(Phase::Outside);
            }
        }
        Step::Taken
    }

    /// Behind the end tag, or at the start tag, that comes next.
    pub(super) fn skip_to_tag(&mut self) -> Step {
        let rest = self.rest();
        let tag = match self.find_block_tag() {
            None if !self.is_whole() => return Step::Wait,
            tag => tag.unwrap_or(rest.len()),
        };
        let end_tag = rest[tag..].starts_with(CALL_END);
        self.at.pos += tag + if end_tag { CALL_END.len() } else { 0 };
        self.enter(Phase::Outside);
        Step::Taken
    }

    /// Makes the calls that a value holds, unless it looks like a string which was never closed and has swallowed
    /// the tags after it.
    fn take_value(&mut self, read: ReadValue, values_before: usize) -> Result<(), JsonErrorKind> {
        let at = self.at.pos;
        let tag_inside = find_block_tag(&self.text[at..read.end]);
        if tag_inside.is_some() && read.notes.contains(&DiagnosticKind::RawControl) {
            return Err(JsonErrorKind::RawControl);
        }
        if values_before > 0 {
            self.note(at, DiagnosticKind::SeveralInBlock);
        }
        let mut notes = read.notes;
        let calls = calls_of_value(read.value, read.truncated, &mut notes);
        for kind in notes {
            self.note(at, kind);
        }
        // What is no call may hide one: go on at the tag inside it.
        self.at.pos = tag_inside.filter(|_| calls.is_empty()).map_or(read.end, |tag| at + tag);
        self.at.calls.extend(calls);
        Ok(())
    }

    /// Reads the value at the position; where more text may follow, only at the moments when it may be complete.
    pub(super) fn read_when_due(&mut self) -> Read {
        if self.is_whole() {
            return self.read_value();
        }
        let start = self.at.pos;
        let watch = self.at.watch.take().filter(|watch| watch.start() == start);
        let mut watch = watch.unwrap_or_else(|| ValueWatch::new(start));
        let mut read = Read::Undecided;
        if watch.is_due(self.text) && !self.work_is_spent() {
            read = self.read_value();
            if matches!(read, Read::Undecided) {
                self.spend(self.text.len() - start);
                watch.tried(self.text);
            }
        }
        self.at.watch = matches!(read, Read::Undecided).then_some(watch);
        read
    }

    /// Reads the value at the position: strictly as JSON, else as a literal with repairs.
    fn read_value(&mut self) -> Read {
        let at = self.at.pos;
        let text = self.rest();
        let may_grow = |end: usize| !self.is_whole() && end == text.len() && !text.ends_with(['}', ']']);
        match parse_prefix(text, &JsonOptions { max_depth: MAX_CALL_DEPTH }) {
            Ok((_, end)) if may_grow(end) => return Read::Undecided,
            Ok((value, end)) => {
                self.spend(end);
                let notes = match self.dialect {
                    HermesDialect::Json => Vec::new(),
                    HermesDialect::Python => vec![DiagnosticKind::OtherDialect],
                };
                return Read::Value(ReadValue { value, end: at + end, notes, truncated: false });
            }
            Err(error) if !self.is_whole() && !is_final(&error, text, &STOPS) => return Read::Undecided,
            Err(error) => self.spend(error.offset),
        }
        // `{{…}}`, which models learn from prompts with escaped braces: the inner object is meant, and the
        // last brace is junk.
        let doubled = usize::from(text.starts_with("{{"));
        let text = &text[doubled..];
        let options = LiteralOptions { max_depth: MAX_CALL_DEPTH, stops: &STOPS };
        let literal = match parse_literal_prefix(text, &options) {
            Ok(literal) => literal,
            Err(error) if !self.is_whole() && !is_final(&error, text, &STOPS) => return Read::Undecided,
            Err(error) => {
                self.spend(error.offset);
                return Read::Bad(error.kind);
            }
        };
        let truncated = literal.repairs.iter().any(|(_, repair)| *repair == Repair::Truncated);
        if !self.is_whole() && (truncated || literal.end == text.len() && !text.ends_with(['}', ']'])) {
            return Read::Undecided;
        }
        self.spend(literal.end);
        let mut notes: Vec<DiagnosticKind> = Vec::new();
        if literal.python && self.dialect == HermesDialect::Json {
            notes.push(DiagnosticKind::OtherDialect);
        }
        for (_, repair) in literal.repairs {
            let kind = diagnostic_of(repair);
            if !notes.contains(&kind) {
                notes.push(kind);
            }
        }
        Read::Value(ReadValue { value: literal.value, end: at + doubled + literal.end, notes, truncated })
    }
}
