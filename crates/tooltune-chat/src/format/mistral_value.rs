//! Values, names and the white space between them, in text that may still grow.

use super::diagnostic::DiagnosticKind;
use super::hermes_parse::diagnostic_of;
use super::mistral_parse::{CALL_ENDS, Scan, TAGS};
use super::object_call::MAX_CALL_DEPTH;
use super::scan::{ValueWatch, is_final, is_trimmed, tag_at};
use crate::Value;
use crate::value::{JsonErrorKind, JsonOptions, LiteralOptions, Repair, parse_literal_prefix, parse_prefix};

/// What ends a name or an id.
const WORD_ENDS: [char; 7] = ['[', '{', '<', '(', '"', '\'', '`'];

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

impl<'a> Scan<'a> {
    /// Moves behind white space and gives the rest.
    pub(super) fn skip_white_space(&mut self) -> &'a str {
        let rest = self.rest().trim_start_matches(is_trimmed);
        self.at.pos = self.text.len() - rest.len();
        rest
    }

    /// Where the word at the position ends; `None` where it may go on.
    pub(super) fn find_word_end(&mut self) -> Option<usize> {
        let from = self.at.pos.max(self.at.looked);
        let ends = |c: char| WORD_ENDS.contains(&c) || is_trimmed(c);
        let end = self.text[from..].find(ends).map(|end| from + end);
        if end.is_none() && !self.is_whole() {
            self.at.looked = self.text.len();
            return None;
        }
        Some(end.unwrap_or(self.text.len()))
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
        let whole = self.is_whole();
        let may_grow = |end: usize| !whole && end == text.len() && !text.ends_with(['}', ']', '"']);
        match parse_prefix(text, &JsonOptions { max_depth: MAX_CALL_DEPTH }) {
            Ok((_, end)) if may_grow(end) => return Read::Undecided,
            Ok((value, end)) => {
                self.spend(end);
                return Read::Value(ReadValue { value, end: at + end, notes: Vec::new(), truncated: false });
            }
            Err(error) if !self.is_whole() && !is_final(&error, text, CALL_ENDS) => return Read::Undecided,
            Err(error) => self.spend(error.offset),
        }
        let options = LiteralOptions { max_depth: MAX_CALL_DEPTH, stops: CALL_ENDS };
        let literal = match parse_literal_prefix(text, &options) {
            Ok(literal) => literal,
            Err(error) if !self.is_whole() && !is_final(&error, text, CALL_ENDS) => return Read::Undecided,
            Err(error) => {
                self.spend(error.offset);
                return Read::Bad(error.kind);
            }
        };
        let truncated = literal.repairs.iter().any(|(_, repair)| *repair == Repair::Truncated);
        if !self.is_whole() && (truncated || may_grow(literal.end)) {
            return Read::Undecided;
        }
        self.spend(literal.end);
        let mut notes = Vec::new();
        if literal.python {
            notes.push(DiagnosticKind::PythonLiteral);
        }
        for (_, repair) in literal.repairs {
            let kind = diagnostic_of(repair);
            if !notes.contains(&kind) {
                notes.push(kind);
            }
        }
        // A string that was never closed has swallowed the calls after it.
        let swallowed = notes.contains(&DiagnosticKind::RawControl);
        if swallowed && find_call_end(&text[..literal.end]).is_some() {
            return Read::Bad(JsonErrorKind::RawControl);
        }
        Read::Value(ReadValue { value: literal.value, end: at + literal.end, notes, truncated })
    }
}

/// The next tag that begins a call or ends the turn.
pub(super) fn find_call_end(text: &str) -> Option<usize> {
    text.match_indices(['[', '<']).map(|(at, _)| at).find(|&at| tag_at(&text[at..], CALL_ENDS).is_some())
}

/// The next tag that means something outside calls.
pub(super) fn find_tag(text: &str) -> Option<usize> {
    text.match_indices(['[', '<']).map(|(at, _)| at).find(|&at| tag_at(&text[at..], &TAGS).is_some())
}
