//! Reading calls out of OpenAI's JSON.

use super::DiagnosticKind;
use super::brackets::{Brackets, Until};
use super::json_read::{JsonOutcome, LOOK_AHEAD_BYTES, ReadJson, first_key, read_json, skip_lost};
use super::object_call::MAX_CALL_DEPTH;
use super::reader::{Grammar, Scan, Step, TextBeside};
use crate::value::JsonOptions;
use crate::{Object, ToolCall, Value};

pub(super) struct OpenAiGrammar;

/// Where in a list of calls the position is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// In none.
    #[default]
    Outside,
    /// Before an item.
    Item,
    /// Behind an item.
    AfterItem,
}

impl Grammar for OpenAiGrammar {
    type State = State;

    const TEXT_BESIDE: TextBeside = TextBeside::Repair;

    fn step(&self, text: &str, scan: &mut Scan, state: &mut State) -> Step {
        if *state != State::Outside {
            return list(text, scan, state);
        }
        let rest = &text[scan.pos..];
        let next = rest.find(['<', '{', '[', '`']).unwrap_or(rest.len());
        if next > 0 {
            scan.keep(text, next);
            return Step::On;
        }
        match rest.as_bytes()[0] {
            b'<' => {
                if let Some(step) = scan.common_tag(text) {
                    return step;
                }
                scan.keep(text, 1);
                Step::On
            }
            b'`' => scan.fence(text, |scan, at| begins(text, at, scan)),
            b'[' => match begins_list(text, scan.pos, scan) {
                None => Step::Wait,
                Some(false) => {
                    scan.keep(text, 1);
                    Step::On
                }
                Some(true) => {
                    *state = State::Item;
                    scan.pos += 1;
                    Step::On
                }
            },
            _ => object(text, scan),
        }
    }

    fn unfinished(&self, state: &State) -> bool {
        *state != State::Outside
    }
}

/// Inside a list of calls.
fn list(text: &str, scan: &mut Scan, state: &mut State) -> Step {
    let rest = text[scan.pos..].trim_start();
    let at = text.len() - rest.len();
    scan.pos = at;
    if rest.is_empty() && !scan.eof {
        return Step::Wait;
    }
    if rest.starts_with(']') {
        *state = State::Outside;
        scan.pos += 1;
        return Step::On;
    }
    if *state == State::AfterItem && rest.starts_with(',') {
        *state = State::Item;
        scan.pos += 1;
        return Step::On;
    }
    if !rest.starts_with('{') {
        // The list ends without its bracket.
        let kind = if rest.is_empty() { DiagnosticKind::Truncated } else { DiagnosticKind::MissingBracket };
        scan.note(at, kind);
        *state = State::Outside;
        return Step::On;
    }
    match read_json(text, at, scan) {
        JsonOutcome::Wait => return Step::Wait,
        JsonOutcome::Read(ReadJson { value, end, mut notes, truncated }) => {
            if *state == State::AfterItem {
                notes.push(DiagnosticKind::MissingComma);
            }
            scan.pos = end;
            make_call(value, truncated, at, notes, scan);
        }
        JsonOutcome::Failed(error) => {
            let Some(end) = Brackets::new(at).advance(text, Until::Item) else {
                if !scan.eof {
                    return Step::Wait;
                }
                scan.spend(text.len() - at);
                scan.note(at, DiagnosticKind::TruncatedCall);
                *state = State::Outside;
                scan.pos = at + 1;
                skip_lost(text, scan, &[':'], &[]);
                return Step::On;
            };
            scan.spend(end - at);
            scan.note(at, DiagnosticKind::BadBlock { error });
            scan.pos = end;
        }
    }
    *state = State::AfterItem;
    Step::On
}

/// At a brace outside a list: a message with calls, a call without its list, or text.
fn object(text: &str, scan: &mut Scan) -> Step {
    let at = scan.pos;
    match read_json(text, at, scan) {
        JsonOutcome::Wait => return Step::Wait,
        JsonOutcome::Read(ReadJson { value, end, mut notes, truncated }) => {
            let calls = value.get("tool_calls").and_then(Value::as_array);
            if let Some(calls) = calls {
                scan.note_all(at, notes);
                if let Some(content) = value.get("content").and_then(Value::as_str) {
                    scan.say(content);
                }
                for call in calls {
                    make_call(call.clone(), truncated, at, Vec::new(), scan);
                }
                scan.pos = end;
            } else if value.as_object().is_some_and(looks_like_call) {
                notes.push(DiagnosticKind::MissingList);
                make_call(value, truncated, at, notes, scan);
                scan.pos = end;
            } else {
                scan.keep(text, end - at);
            }
        }
        JsonOutcome::Failed(error) => {
            match meant_as_call(text, at) {
                None if !scan.eof => return Step::Wait,
                Some(true) => {}
                _ => {
                    scan.keep(text, 1);
                    return Step::On;
                }
            }
            let end = Brackets::new(at).advance(text, Until::Closed);
            if end.is_none() && !scan.eof {
                return Step::Wait;
            }
            scan.spend(end.unwrap_or(text.len()) - at);
            match end {
                Some(end) => {
                    scan.note(at, DiagnosticKind::BadBlock { error });
                    scan.pos = end;
                }
                None => {
                    scan.note(at, DiagnosticKind::TruncatedCall);
                    scan.pos += 1;
                    skip_lost(text, scan, &[':'], &[]);
                }
            }
        }
    }
    Step::On
}

/// Whether calls begin at byte `at`; `None` where that is not certain yet.
fn begins(text: &str, at: usize, scan: &mut Scan) -> Option<bool> {
    if text[at..].starts_with('[') {
        return begins_list(text, at, scan);
    }
    if !text[at..].starts_with('{') {
        return Some(false);
    }
    match read_json(text, at, scan) {
        JsonOutcome::Wait => None,
        JsonOutcome::Failed(_) => Some(false),
        JsonOutcome::Read(read) => Some(
            read.value.get("tool_calls").is_some() || read.value.as_object().is_some_and(looks_like_call),
        ),
    }
}

/// Whether a list of calls begins at byte `at`: its first item says so.
fn begins_list(text: &str, at: usize, scan: &mut Scan) -> Option<bool> {
    let rest = &text[at + 1..];
    let near = &rest[..rest.floor_char_boundary(LOOK_AHEAD_BYTES)];
    let item = near.trim_start();
    if !item.starts_with('{') {
        let cut = item.is_empty() && near.len() == rest.len() && !scan.eof;
        return if cut { None } else { Some(false) };
    }
    let at = at + 1 + near.len() - item.len();
    match read_json(text, at, scan) {
        JsonOutcome::Wait => None,
        JsonOutcome::Read(read) => Some(read.value.as_object().is_some_and(looks_like_call)),
        JsonOutcome::Failed(_) => meant_as_call(text, at).or(if scan.eof { Some(false) } else { None }),
    }
}

/// Whether an object that cannot be read was meant as a call, or as a message with calls.
fn meant_as_call(text: &str, at: usize) -> Option<bool> {
    match first_key(text, at)? {
        "function" | "tool_calls" | "name" | "arguments" => Some(true),
        "id" | "type" => {
            let rest = &text[at..];
            let near = &rest[..rest.floor_char_boundary(LOOK_AHEAD_BYTES)];
            let found = near.contains("function\"") || near.contains("function'");
            if found || near.len() < rest.len() { Some(found) } else { None }
        }
        _ => Some(false),
    }
}

fn looks_like_call(object: &Object) -> bool {
    match object.get("function") {
        Some(Value::Object(function)) => function.contains_key("name"),
        _ => object.contains_key("name") && object.contains_key("arguments"),
    }
}

/// Makes the call that a value of a list holds.
fn make_call(value: Value, truncated: bool, at: usize, mut notes: Vec<DiagnosticKind>, scan: &mut Scan) {
    match call_of_value(&value, truncated, &mut notes) {
        Ok(call) => {
            scan.note_all(at, notes);
            scan.call(call);
        }
        Err(lost) => {
            scan.note_all(at, notes);
            scan.note(at, lost);
        }
    }
}

fn call_of_value(
    value: &Value,
    truncated: bool,
    notes: &mut Vec<DiagnosticKind>,
) -> Result<ToolCall, DiagnosticKind> {
    let not_a_call = |problem| DiagnosticKind::NotACall { problem };
    let outer = value.as_object().ok_or_else(|| not_a_call("it is not an object"))?;
    let inner = match outer.get("function") {
        Some(Value::Object(inner)) => inner,
        _ => {
            notes.push(DiagnosticKind::MissingWrapper);
            outer
        }
    };
    if outer.get("type").is_some_and(|kind| kind.as_str() != Some("function")) {
        return Err(not_a_call("its type is not `function`"));
    }
    let name = inner.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| not_a_call("it has no name"))?;
    let arguments = match inner.get("arguments") {
        Some(Value::String(text)) if text.trim().is_empty() => {
            notes.push(DiagnosticKind::ArgumentsMissing);
            Object::new()
        }
        Some(Value::String(text)) => {
            let options = JsonOptions { max_depth: MAX_CALL_DEPTH };
            match Value::parse_json_with(text, &options) {
                Ok(Value::Object(arguments)) => arguments,
                _ => return Err(not_a_call("its arguments are a string that is no JSON object")),
            }
        }
        Some(Value::Object(arguments)) => {
            notes.push(DiagnosticKind::ArgumentsAsObject);
            arguments.clone()
        }
        Some(Value::Null) => {
            notes.push(DiagnosticKind::ArgumentsNull);
            Object::new()
        }
        Some(_) => return Err(not_a_call("its arguments are not an object")),
        None if truncated => return Err(DiagnosticKind::TruncatedCall),
        None => {
            notes.push(DiagnosticKind::ArgumentsMissing);
            Object::new()
        }
    };
    let known = |key: &str| matches!(key, "id" | "type" | "index" | "function" | "name" | "arguments");
    let extra = outer.keys().chain(inner.keys()).filter(|key| !known(key));
    notes.extend(extra.map(|key| DiagnosticKind::ExtraKey { key: key.to_owned() }));
    let id = outer.get("id").and_then(Value::as_str).map(str::to_owned);
    Ok(ToolCall { id, name: name.to_owned(), arguments })
}
