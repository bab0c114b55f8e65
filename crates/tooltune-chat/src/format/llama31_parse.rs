//! Reading calls out of Llama-3.1 text.

use super::DiagnosticKind;
use super::brackets::{Brackets, Until};
use super::json_read::{JsonOutcome, LOOK_AHEAD_BYTES, ReadJson, first_key, read_json, skip_lost};
use super::llama31::PYTHON_TAG;
use super::object_call::calls_of_value;
use super::reader::{Grammar, Scan, Step, TextBeside};
use crate::{Object, ToolCall, Value};

pub(super) struct Llama31Grammar;

/// What a step must know of the steps before it.
#[derive(Default)]
pub(super) struct State {
    /// Where a `<|python_tag|>` stands right before.
    tag: Option<usize>,
    /// Behind the last call, where a `;` may follow.
    after_call: Option<usize>,
}

/// What an object in the text is.
enum Found {
    Calls { calls: Vec<ToolCall>, notes: Vec<DiagnosticKind>, end: usize },
    Lost { notes: Vec<DiagnosticKind>, end: Option<usize> },
    Text(usize),
    Wait,
}

impl Grammar for Llama31Grammar {
    type State = State;

    const TEXT_BESIDE: TextBeside = TextBeside::Repair;

    fn step(&self, text: &str, scan: &mut Scan, state: &mut State) -> Step {
        if state.after_call == Some(scan.pos) {
            return separator(text, scan, state);
        }
        if let Some(tag) = state.tag {
            let rest = text[scan.pos..].trim_start();
            scan.pos = text.len() - rest.len();
            if rest.is_empty() && !scan.eof {
                return Step::Wait;
            }
            if !rest.starts_with('{') {
                scan.note(tag, DiagnosticKind::NotACall { problem: "no object follows the tag" });
                state.tag = None;
                return Step::On;
            }
            return object(text, scan, state);
        }
        let rest = &text[scan.pos..];
        let next = rest.find(['<', '{', '`']).unwrap_or(rest.len());
        if next > 0 {
            scan.keep(text, next);
            return Step::On;
        }
        if rest.starts_with(PYTHON_TAG) {
            state.tag = Some(scan.pos);
            scan.pos += PYTHON_TAG.len();
            return Step::On;
        }
        match rest.as_bytes()[0] {
            b'<' => {
                if let Some(step) = scan.common_tag(text) {
                    return step;
                }
                if scan.cut_tag(text, &[PYTHON_TAG]) {
                    return Step::Wait;
                }
                scan.keep(text, 1);
                Step::On
            }
            b'`' => scan.fence(text, |scan, at| match find(text, at, scan, false) {
                _ if !text[at..].starts_with('{') => Some(false),
                Found::Wait => None,
                found => Some(matches!(found, Found::Calls { .. })),
            }),
            _ => object(text, scan, state),
        }
    }

    fn unfinished(&self, state: &State) -> bool {
        state.tag.is_some()
    }
}

/// Behind a call: a `;` before another object joins them.
fn separator(text: &str, scan: &mut Scan, state: &mut State) -> Step {
    let rest = &text[scan.pos..];
    let near = &rest[..rest.floor_char_boundary(LOOK_AHEAD_BYTES)];
    let after = near.trim_start();
    let next = after.strip_prefix(';').map(str::trim_start);
    let cut = near.len() == rest.len() && !scan.eof;
    if cut && (after.is_empty() || next.is_some_and(str::is_empty)) {
        return Step::Wait;
    }
    state.after_call = None;
    if let Some(next) = next.filter(|next| next.starts_with('{')) {
        scan.pos += near.len() - next.len();
    }
    Step::On
}

/// At a brace: takes the call that begins here, if one does.
fn object(text: &str, scan: &mut Scan, state: &mut State) -> Step {
    let at = scan.pos;
    match find(text, at, scan, state.tag.is_some()) {
        Found::Wait => return Step::Wait,
        Found::Text(bytes) => scan.keep(text, bytes),
        Found::Calls { calls, notes, end } => {
            scan.note_all(at, notes);
            calls.into_iter().for_each(|call| scan.call(call));
            scan.pos = end;
            state.after_call = Some(end);
        }
        Found::Lost { notes, end } => {
            scan.note_all(at, notes);
            scan.pos = end.unwrap_or(at + 1);
            if end.is_none() {
                skip_lost(text, scan, &['{', '[', ':', ','], &[PYTHON_TAG]);
            }
        }
    }
    state.tag = None;
    Step::On
}

/// What the object at byte `at` is; behind a tag it can only be meant as a call.
fn find(text: &str, at: usize, scan: &mut Scan, tagged: bool) -> Found {
    if !text[at..].starts_with('{') {
        return Found::Text(1);
    }
    let first = tagged || (scan.blank && scan.calls.is_empty());
    match read_json(text, at, scan) {
        JsonOutcome::Wait => Found::Wait,
        JsonOutcome::Read(read) => found_value(read, at, first, tagged),
        JsonOutcome::Failed(error) => {
            let Some(key) = first_key(text, at) else {
                return if scan.eof { Found::Text(1) } else { Found::Wait };
            };
            if !tagged && !matches!(key, "name" | "function" | "parameters" | "arguments") {
                return Found::Text(1);
            }
            let end = Brackets::new(at).advance(text, Until::Closed);
            if end.is_none() && !scan.eof {
                return Found::Wait;
            }
            scan.spend(end.unwrap_or(text.len()) - at);
            let kind = match end {
                None => DiagnosticKind::TruncatedCall,
                Some(_) => DiagnosticKind::BadBlock { error },
            };
            Found::Lost { notes: vec![kind], end }
        }
    }
}

fn found_value(read: ReadJson, at: usize, first: bool, tagged: bool) -> Found {
    let ReadJson { value, end, mut notes, truncated } = read;
    let Value::Object(object) = &value else { return Found::Text(end - at) };
    if !tagged && !looks_like_call(object, first) {
        return Found::Text(end - at);
    }
    let inner = object.get("function").and_then(Value::as_object).unwrap_or(object);
    if inner.contains_key("parameters") && inner.contains_key("arguments") {
        notes.push(DiagnosticKind::NotACall { problem: "it has both `parameters` and `arguments`" });
        return Found::Lost { notes, end: Some(end) };
    }
    let calls = calls_of_value(value, truncated, &mut notes);
    // Here that key is the format's own.
    notes.retain(|kind| *kind != DiagnosticKind::ArgumentsKey { key: "parameters" });
    if calls.is_empty() {
        return Found::Lost { notes, end: Some(end) };
    }
    Found::Calls { calls, notes, end }
}

/// Whether an object is meant as a call: it has a name and arguments; or, as the first thing written, a name and
/// nothing that a call does not have.
fn looks_like_call(object: &Object, first: bool) -> bool {
    let inner = object.get("function").and_then(Value::as_object).unwrap_or(object);
    let arguments = inner.contains_key("parameters") || inner.contains_key("arguments");
    let bare = || first && inner.keys().all(|key| matches!(key, "name" | "type" | "id"));
    inner.contains_key("name") && (arguments || bare())
}
