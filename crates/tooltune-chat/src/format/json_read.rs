//! Objects in model text, for the formats that write JSON outside tags.

use super::DiagnosticKind;
use super::brackets::Until;
use super::hermes_parse::diagnostic_of;
use super::object_call::MAX_CALL_DEPTH;
use super::reader::{LONGEST_TAG_BYTES, Scan, TURN_TOKENS};
use crate::value::{
    JsonErrorKind, JsonOptions, LiteralOptions, Repair, Value, parse_literal_prefix, parse_prefix,
};

/// How far ahead is looked for what follows white space: what has more of it is not what a model writes, and it
/// would be walked again and again.
pub(super) const LOOK_AHEAD_BYTES: usize = 256;

/// A value read from the text.
pub(super) struct ReadJson {
    pub(super) value: Value,
    /// Its last byte plus one, in the whole text.
    pub(super) end: usize,
    pub(super) notes: Vec<DiagnosticKind>,
    pub(super) truncated: bool,
}

/// How reading went; `Wait` where more text may change it.
pub(super) enum JsonOutcome {
    Read(ReadJson),
    Failed(JsonErrorKind),
    Wait,
}

/// Reads the object or array at byte `at`: strictly as JSON, else as a literal with repairs.
pub(super) fn read_json(text: &str, at: usize, scan: &mut Scan) -> JsonOutcome {
    if !scan.due(text, at, Until::Closed) {
        return JsonOutcome::Wait;
    }
    let rest = &text[at..];
    if let Ok((value, bytes)) = parse_prefix(rest, &JsonOptions { max_depth: MAX_CALL_DEPTH }) {
        scan.spend(bytes);
        return JsonOutcome::Read(ReadJson { value, end: at + bytes, notes: Vec::new(), truncated: false });
    }
    let options = LiteralOptions { max_depth: MAX_CALL_DEPTH, stops: &TURN_TOKENS };
    let literal = match parse_literal_prefix(rest, &options) {
        Ok(literal) => literal,
        Err(error) => {
            if !scan.eof && !is_certain(rest, error.offset) {
                return JsonOutcome::Wait;
            }
            scan.spend(error.offset);
            return JsonOutcome::Failed(error.kind);
        }
    };
    let truncated = literal.repairs.iter().any(|(_, repair)| *repair == Repair::Truncated);
    if truncated && !scan.eof {
        return JsonOutcome::Wait;
    }
    scan.spend(literal.end);
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
    JsonOutcome::Read(ReadJson { value: literal.value, end: at + literal.end, notes, truncated })
}

/// Whether an error at byte `offset` stays what it is when more text comes: neither the word or number there nor a
/// tag behind it may be cut.
fn is_certain(text: &str, offset: usize) -> bool {
    let rest = &text[offset.min(text.len())..];
    let in_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '.' | '$');
    rest.trim_start_matches(in_word).len() >= LONGEST_TAG_BYTES
}

/// The first key of the object that begins at byte `at`, without its quotes; `None` where it has not arrived.
pub(super) fn first_key(text: &str, at: usize) -> Option<&str> {
    let rest = &text[at..];
    let cut = rest.len() < LOOK_AHEAD_BYTES;
    let rest = &rest[..rest.floor_char_boundary(LOOK_AHEAD_BYTES)];
    let key = rest.strip_prefix('{').unwrap_or(rest).trim_start();
    let key = key.strip_prefix(['"', '\'', '“', '”']).unwrap_or(key);
    let end = key.find(|c: char| !(c.is_alphanumeric() || c == '_'));
    match end {
        None if cut => None,
        end => Some(&key[..end.unwrap_or(0)]),
    }
}

/// After a call that has no end: on to the next object that is not inside another, as far as one can tell (it does not
/// follow a character of `inside`, and its first key is that of a call), or to the next tag.
pub(super) fn skip_lost(text: &str, scan: &mut Scan, inside: &[char], tags: &[&str]) {
    let mut before = '{';
    for (at, c) in text[scan.pos..].char_indices() {
        let at = scan.pos + at;
        let rest = &text[at..];
        let call = c == '{'
            && !inside.contains(&before)
            && first_key(text, at).is_some_and(|key| matches!(key, "id" | "name" | "function" | "type"));
        let tag = c == '<' && (tags.iter().any(|tag| rest.starts_with(tag)) || scan.is_common_tag(rest));
        if call || tag {
            scan.pos = at;
            return;
        }
        if !c.is_whitespace() {
            before = c;
        }
    }
    scan.pos = text.len();
}
