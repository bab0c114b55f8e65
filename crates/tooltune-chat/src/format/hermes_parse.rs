//! Reading calls out of Hermes text.
//!
//! One scan from left to right over the few places that matter: tags, and braces where a call may stand outside
//! tags. A block that cannot be read is given up alone: the scan goes on at the next tag *inside* it, so that a
//! string which was never closed cannot swallow the calls after it. Blocks that are read twice in this way are
//! counted, and reading stops where the work would no longer be linear.

use super::bare::{Bare, bare_call};
use super::diagnostic::{Diagnostic, DiagnosticKind};
use super::hermes::{CALL_END, CALL_START, HermesDialect, RESULT_END, RESULT_START, THINK_END, THINK_START};
use super::object_call::{MAX_CALL_DEPTH, calls_of_value};
use super::parsed::{Outside, Parsed};
use crate::ToolCall;
use crate::value::{
    JsonError, JsonErrorKind, JsonOptions, LiteralOptions, Repair, Value, parse_literal_prefix, parse_prefix,
};

/// Tokens that end a turn or begin one, of the models that use the format.
const TURN_TOKENS: [&str; 5] = ["<end_of_turn>", "<start_of_turn>", "<eos>", "<|im_end|>", "<|im_start|>"];

/// Where a value inside a block ends even when brackets are open.
const STOPS: [&str; 8] = [
    CALL_END,
    CALL_START,
    "```",
    TURN_TOKENS[0],
    TURN_TOKENS[1],
    TURN_TOKENS[2],
    TURN_TOKENS[3],
    TURN_TOKENS[4],
];

pub(super) fn parse(text: &str, dialect: HermesDialect) -> Parsed {
    let mut scan = Scan {
        text,
        dialect,
        pos: 0,
        calls: Vec::new(),
        outside: Outside::default(),
        diagnostics: Vec::new(),
        work_left: 16 * text.len() + 65_536,
        last_result_end: text.rfind(RESULT_END),
    };
    scan.run();
    Parsed::new(scan.calls, scan.outside, scan.diagnostics)
}

/// A value read from the text.
pub(super) struct ReadValue {
    pub(super) value: Value,
    /// Its last byte plus one, in the whole text.
    pub(super) end: usize,
    pub(super) notes: Vec<DiagnosticKind>,
    pub(super) truncated: bool,
}

pub(super) struct Scan<'a> {
    pub(super) text: &'a str,
    dialect: HermesDialect,
    pub(super) pos: usize,
    pub(super) calls: Vec<ToolCall>,
    /// The text outside calls.
    pub(super) outside: Outside,
    diagnostics: Vec<Diagnostic>,
    work_left: usize,
    /// Where the last end tag of a result begins, so that none is searched for in vain.
    last_result_end: Option<usize>,
}

impl<'a> Scan<'a> {
    fn run(&mut self) {
        let bare_possible = self.text.contains("arguments");
        while let Some(next) = self.rest().find(|c| c == '<' || (bare_possible && c == '{')) {
            self.keep(next);
            let rest = self.rest();
            if self.work_left == 0 {
                self.note(self.pos, DiagnosticKind::WorkLimit);
                break;
            } else if rest.starts_with(CALL_START) {
                self.block();
            } else if rest.starts_with(CALL_END) {
                self.note(self.pos, DiagnosticKind::StrayEndTag);
                self.pos += CALL_END.len();
            } else if rest.starts_with(THINK_START) {
                self.think();
            } else if rest.starts_with(THINK_END) {
                self.note(self.pos, DiagnosticKind::StrayThinkEnd);
                self.keep(THINK_END.len());
            } else if rest.starts_with(RESULT_START) {
                self.invented_result();
            } else if at_turn_token(rest) {
                self.end_of_turn();
                return;
            } else if rest.starts_with('{') {
                match bare_call(self) {
                    Bare::Taken => {}
                    Bare::Text(bytes) => self.keep(bytes),
                }
            } else {
                self.keep(1);
            }
        }
        self.keep(self.rest().len());
    }

    /// Reads from a start tag to behind its end tag, or to where the next tag begins.
    fn block(&mut self) {
        let start = self.pos;
        self.pos += CALL_START.len();
        let mut values = 0;
        loop {
            self.skip_white_space();
            let rest = self.rest();
            if rest.starts_with(CALL_END) {
                if values == 0 {
                    self.note(start, DiagnosticKind::EmptyBlock);
                }
                self.pos += CALL_END.len();
                return;
            }
            if rest.is_empty() || rest.starts_with(CALL_START) || at_turn_token(rest) {
                let kind = match (values, rest.is_empty()) {
                    (0, true) => DiagnosticKind::TruncatedCall,
                    (0, false) => DiagnosticKind::EmptyBlock,
                    _ => DiagnosticKind::MissingEndTag,
                };
                self.note(start, kind);
                return;
            }
            if let Some(after) = rest.strip_prefix("```") {
                let language = after.bytes().take_while(u8::is_ascii_alphanumeric).count();
                self.note(self.pos, DiagnosticKind::Fence);
                self.pos += 3 + language;
                continue;
            }
            if values > 0 && !rest.starts_with(['{', '[']) {
                // Junk is dropped where an end tag closes the block; otherwise it is the text after the call.
                let tag = find_tag(rest);
                let closed = tag.is_some_and(|tag| rest[tag..].starts_with(CALL_END));
                if let (Some(tag), true) = (tag, closed) {
                    self.note(self.pos, DiagnosticKind::JunkInBlock);
                    self.pos += tag;
                    continue;
                }
                self.note(start, DiagnosticKind::MissingEndTag);
                return;
            }
            let read = self.read_value(self.pos).map_err(|error| error.kind);
            let taken = read.and_then(|read| self.take_value(read, values));
            if let Err(kind) = taken {
                let kind = match kind {
                    JsonErrorKind::UnexpectedEnd => DiagnosticKind::TruncatedCall,
                    kind => DiagnosticKind::BadBlock { error: kind },
                };
                self.note(start, kind);
                self.skip_to_tag();
                return;
            }
            values += 1;
        }
    }

    /// Behind the end tag, or at the start tag, that comes next.
    fn skip_to_tag(&mut self) {
        let rest = self.rest();
        let tag = find_tag(rest).unwrap_or(rest.len());
        let end_tag = rest[tag..].starts_with(CALL_END);
        self.pos += tag + if end_tag { CALL_END.len() } else { 0 };
    }

    /// Makes the calls that a value holds, unless it looks like a string which was never closed and has swallowed
    /// the tags after it.
    fn take_value(&mut self, read: ReadValue, values_before: usize) -> Result<(), JsonErrorKind> {
        let at = self.pos;
        let tag_inside = find_tag(&self.text[at..read.end]);
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
        self.pos = tag_inside.filter(|_| calls.is_empty()).map_or(read.end, |tag| at + tag);
        self.calls.extend(calls);
        Ok(())
    }

    /// Reads the value at byte `at`: strictly as JSON, else as a literal with repairs.
    pub(super) fn read_value(&mut self, at: usize) -> Result<ReadValue, JsonError> {
        let text = &self.text[at..];
        let json = parse_prefix(text, &JsonOptions { max_depth: MAX_CALL_DEPTH });
        self.spend(json.as_ref().map_or_else(|error| error.offset, |(_, end)| *end));
        if let Ok((value, end)) = json {
            let notes = match self.dialect {
                HermesDialect::Json => Vec::new(),
                HermesDialect::Python => vec![DiagnosticKind::OtherDialect],
            };
            return Ok(ReadValue { value, end: at + end, notes, truncated: false });
        }
        // `{{…}}`, which models learn from prompts with escaped braces: the inner object is meant, and the
        // last brace is junk.
        let doubled = usize::from(text.starts_with("{{"));
        let options = LiteralOptions { max_depth: MAX_CALL_DEPTH, stops: &STOPS };
        let literal = parse_literal_prefix(&text[doubled..], &options);
        self.spend(literal.as_ref().map_or_else(|error| error.offset, |literal| literal.end));
        let literal = literal?;
        let mut notes: Vec<DiagnosticKind> = Vec::new();
        if literal.python && self.dialect == HermesDialect::Json {
            notes.push(DiagnosticKind::OtherDialect);
        }
        let truncated = literal.repairs.iter().any(|(_, repair)| *repair == Repair::Truncated);
        for (_, repair) in literal.repairs {
            let kind = diagnostic_of(repair);
            if !notes.contains(&kind) {
                notes.push(kind);
            }
        }
        Ok(ReadValue { value: literal.value, end: at + doubled + literal.end, notes, truncated })
    }

    fn invented_result(&mut self) {
        self.note(self.pos, DiagnosticKind::InventedResult);
        match self.last_result_end {
            Some(last) if last > self.pos => {
                let end = self.rest().find(RESULT_END).unwrap_or(0);
                self.pos += end + RESULT_END.len();
            }
            _ => self.keep(RESULT_START.len()),
        }
    }

    fn think(&mut self) {
        let rest = self.rest();
        let mut end = rest.find(THINK_END);
        let mut thinking = &rest[..end.map_or(rest.len(), |end| end + THINK_END.len())];
        if let Some(turn_end) = TURN_TOKENS.iter().filter_map(|token| thinking.find(token)).min() {
            thinking = &thinking[..turn_end];
            end = None;
        }
        let calls = thinking.contains(CALL_START);
        if end.is_none() {
            self.note(self.pos, DiagnosticKind::UnterminatedThink);
        }
        match (calls, end) {
            (true, Some(_)) => self.note(self.pos, DiagnosticKind::CallInThink),
            (true, None) => self.note(self.pos, DiagnosticKind::CallInUnterminatedThink),
            (false, _) => {}
        }
        let inside = thinking.strip_prefix(THINK_START).unwrap_or(thinking);
        self.outside.think(thinking, inside.strip_suffix(THINK_END).unwrap_or(inside));
        self.pos += thinking.len();
    }

    /// At a turn token: the rest is not the model's turn.
    fn end_of_turn(&mut self) {
        let mut after = self.rest();
        while let Some(next) = TURN_TOKENS.iter().find_map(|token| after.strip_prefix(token)) {
            after = next.trim_start();
        }
        if !after.is_empty() {
            self.note(self.pos, DiagnosticKind::Overrun);
        }
        self.pos = self.text.len();
    }

    pub(super) fn note(&mut self, offset: usize, kind: DiagnosticKind) {
        self.diagnostics.push(Diagnostic { kind, offset });
    }

    /// Counts work; beyond the limit the rest of the text is not read.
    fn spend(&mut self, bytes: usize) {
        // Skipping and locating count too, hence more than the bytes read.
        self.work_left = self.work_left.saturating_sub(bytes + 32);
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.pos..]
    }

    /// Moves on, keeping the bytes as text outside calls.
    fn keep(&mut self, bytes: usize) {
        self.outside.keep(&self.rest()[..bytes]);
        self.pos += bytes;
    }

    fn skip_white_space(&mut self) {
        let rest = self.rest();
        let space = |c: char| c.is_whitespace() || c == '\u{feff}';
        self.pos += rest.len() - rest.trim_start_matches(space).len();
    }
}

fn at_turn_token(text: &str) -> bool {
    TURN_TOKENS.iter().any(|token| text.starts_with(token))
}

/// The next tag that begins or ends a block, or ends the turn.
fn find_tag(text: &str) -> Option<usize> {
    let tag = |rest: &str| rest.starts_with(CALL_START) || rest.starts_with(CALL_END) || at_turn_token(rest);
    text.match_indices('<').map(|(at, _)| at).find(|&at| tag(&text[at..]))
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
