//! Reading calls out of pythonic text.

use super::DiagnosticKind;
use super::brackets::{Brackets, Until};
use super::json_read::LOOK_AHEAD_BYTES;
use super::pythonic::MARKERS;
use super::pythonic_value::{CallReader, item_end};
use super::reader::{Grammar, Scan, Step, TURN_TOKENS, TextBeside};
use crate::ToolCall;
use crate::value::JsonErrorKind;

pub(super) struct PythonicGrammar;

/// What a step must know of the steps before it.
pub(super) struct State {
    in_list: bool,
    /// The quote that stands before the list.
    quote: Option<char>,
    /// Whether only white space stands before on this line.
    line_start: bool,
}

impl Default for State {
    fn default() -> Self {
        Self { in_list: false, quote: None, line_start: true }
    }
}

/// What the beginning of a line is.
enum Line {
    Wait,
    Text(usize),
    Calls { calls: Vec<ToolCall>, notes: Vec<DiagnosticKind>, end: usize },
    Failed { error: JsonErrorKind, name_bytes: usize },
}

impl Grammar for PythonicGrammar {
    type State = State;

    const TEXT_BESIDE: TextBeside = TextBeside::Repair;

    fn step(&self, text: &str, scan: &mut Scan, state: &mut State) -> Step {
        if state.in_list {
            return item(text, scan, state);
        }
        let rest = &text[scan.pos..];
        if let Some(quote) = state.quote.take()
            && rest.starts_with(quote)
        {
            scan.pos += quote.len_utf8();
            return Step::On;
        }
        if state.line_start {
            let blank =
                rest.len() - rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}').len();
            if blank > 0 {
                scan.keep(text, blank);
                return Step::On;
            }
            if let Some(step) = line(text, scan, state) {
                return step;
            }
        }
        state.line_start = false;
        let next = rest.find(['<', '[', '`', '\n', '\'', '"']).unwrap_or(rest.len());
        if next > 0 {
            scan.keep(text, next);
            return Step::On;
        }
        match rest.as_bytes()[0] {
            b'\n' => {
                state.line_start = true;
                scan.keep(text, 1);
                Step::On
            }
            b'<' => tag(text, scan, state),
            b'[' => list(text, scan, state, None),
            b'`' if !rest.starts_with("`[") => {
                let step = scan.fence(text, |scan, at| begins(text, at, scan));
                state.line_start = scan.in_fence;
                step
            }
            quote => list(text, scan, state, Some(char::from(quote))),
        }
    }

    fn unfinished(&self, state: &State) -> bool {
        state.in_list
    }
}

/// At a `<`.
fn tag(text: &str, scan: &mut Scan, state: &mut State) -> Step {
    let rest = &text[scan.pos..];
    if let Some(marker) = MARKERS.iter().find(|marker| rest.starts_with(**marker)) {
        scan.pos += marker.len();
        state.line_start = true;
    } else if let Some(step) = scan.common_tag(text) {
        state.line_start = true;
        return step;
    } else if scan.cut_tag(text, &MARKERS) {
        return Step::Wait;
    } else {
        scan.keep(text, 1);
    }
    Step::On
}

/// At a `[`, or at a quote that may stand before one: begins a list of calls, if one begins here.
fn list(text: &str, scan: &mut Scan, state: &mut State, quote: Option<char>) -> Step {
    let start = scan.pos;
    let at = start + usize::from(quote.is_some());
    let begins = match text[at..].chars().next() {
        None if !scan.eof => None,
        Some('[') => begins_list(text, at, scan),
        _ => Some(false),
    };
    match begins {
        None => return Step::Wait,
        Some(false) => scan.keep(text, 1),
        Some(true) => {
            if quote.is_some() {
                scan.note(start, DiagnosticKind::QuotedCalls);
            }
            scan.pos = at + 1;
            (state.in_list, state.quote) = (true, quote);
        }
    }
    Step::On
}

/// Whether a list of calls begins at byte `at`, where a bracket stands: its first item says so.
fn begins_list(text: &str, at: usize, scan: &mut Scan) -> Option<bool> {
    let mut reader = CallReader::new(text, at + 1);
    let near = reader.rest();
    let near = &near[..near.floor_char_boundary(LOOK_AHEAD_BYTES)];
    reader.skip_white_space();
    if matches!(reader.peek(), Some('"' | '\'')) && !scan.due(text, at, Until::Closed) {
        return None;
    }
    if reader.pos > at + 1 + near.len() {
        return Some(false);
    }
    let name = reader.function_name();
    reader.skip_white_space();
    let call = name.is_some() && reader.eat('(');
    if !call && reader.cut && !scan.eof { None } else { Some(call) }
}

/// Inside a list, before an item.
fn item(text: &str, scan: &mut Scan, state: &mut State) -> Step {
    let mut reader = CallReader::new(text, scan.pos);
    reader.skip_white_space();
    let at = reader.pos;
    scan.pos = at;
    if reader.peek().is_none() && !scan.eof {
        return Step::Wait;
    }
    if reader.eat(']') {
        state.in_list = false;
        scan.pos += 1;
        return Step::On;
    }
    if ends_list(&mut reader, state) {
        scan.note(at, DiagnosticKind::MissingBracket);
        state.in_list = false;
        return Step::On;
    }
    if !scan.due(text, at, Until::Item) {
        return Step::Wait;
    }
    let read = reader.call().and_then(|call| {
        reader.skip_white_space();
        let more = reader.eat(',');
        if more || reader.peek() == Some(']') || ends_list(&mut reader, state) {
            return Ok(call);
        }
        Err(reader.unexpected("`,` or `]`"))
    });
    if reader.cut && !scan.eof {
        return Step::Wait;
    }
    let error = match read {
        Ok(call) => {
            scan.spend(reader.pos - at);
            scan.note_all(at, reader.notes);
            scan.call(call);
            scan.pos = reader.pos;
            return Step::On;
        }
        Err(error) => error,
    };
    let end = item_end(text, at);
    if end.is_none() && !scan.eof {
        return Step::Wait;
    }
    scan.spend(end.unwrap_or(text.len()) - at);
    scan.note(at, lost(error));
    scan.pos = match end {
        Some(end) if text[end..].starts_with(',') => end + 1,
        Some(end) if text[end..].starts_with(']') => end,
        end => {
            // Another bracket closes, or none: the list is over. Without an end, on to where a list or a line may begin.
            state.in_list = false;
            state.quote = None;
            end.map_or_else(|| skip(text, at + 1), |end| end + 1)
        }
    };
    Step::On
}

/// The next place, from byte `from` on, where a list or a line may begin.
fn skip(text: &str, from: usize) -> usize {
    let from = text.ceil_char_boundary(from);
    text[from..].find(['[', '\n']).map_or(text.len(), |at| from + at)
}

/// Whether a list ends here though its bracket does not stand here.
fn ends_list(reader: &mut CallReader<'_>, state: &State) -> bool {
    let rest = reader.rest();
    let tags = || TURN_TOKENS.iter().chain(&MARKERS).chain(&["```"]);
    reader.cut |= tags().any(|tag| rest.len() < tag.len() && tag.starts_with(rest));
    rest.is_empty()
        || tags().any(|tag| rest.starts_with(tag))
        || state.quote.is_some_and(|quote| rest.starts_with(quote))
}

fn lost(error: JsonErrorKind) -> DiagnosticKind {
    match error {
        JsonErrorKind::UnexpectedEnd => DiagnosticKind::TruncatedCall,
        error => DiagnosticKind::BadBlock { error },
    }
}

/// At the first character of a line: takes the calls that are the line, if it is one of calls.
fn line(text: &str, scan: &mut Scan, state: &mut State) -> Option<Step> {
    let at = scan.pos;
    let first = scan.blank && scan.calls.is_empty();
    match read_line(text, at, scan) {
        Line::Wait => return Some(Step::Wait),
        Line::Text(0) => return None,
        Line::Text(bytes) => scan.keep(text, bytes),
        Line::Calls { calls, notes, end } => {
            if calls.len() > 1 || !scan.calls.is_empty() {
                scan.note(at, DiagnosticKind::MissingList);
            }
            scan.note_all(at, notes);
            calls.into_iter().for_each(|call| scan.call(call));
            scan.pos = end;
        }
        Line::Failed { error, name_bytes } => {
            // In prose and in code much looks like a call; the first thing written is meant as one, if it is the line.
            let end = if first { Brackets::new(at).advance(text, Until::Closed) } else { Some(at) };
            if end.is_none() && !scan.eof {
                return Some(Step::Wait);
            }
            let line_ends = |end: usize| {
                let rest = text[end..].trim_start_matches([' ', '\t']);
                (!rest.is_empty() || scan.eof).then(|| rest.is_empty() || rest.starts_with(['\r', '\n']))
            };
            let whole = match end {
                None => Some(true),
                Some(end) if first => line_ends(end),
                Some(_) => Some(false),
            };
            match whole {
                None => return Some(Step::Wait),
                Some(false) => scan.keep(text, name_bytes),
                Some(true) => {
                    scan.spend(end.unwrap_or(text.len()) - at);
                    scan.note(at, lost(error));
                    let rest = &text[at..];
                    scan.pos = end.unwrap_or(at + rest.find('\n').unwrap_or(rest.len()));
                }
            }
        }
    }
    state.line_start = false;
    Some(Step::On)
}

/// Reads the calls that a line consists of.
fn read_line(text: &str, at: usize, scan: &mut Scan) -> Line {
    let mut reader = CallReader::new(text, at);
    if matches!(reader.peek(), Some('"' | '\'')) {
        return Line::Text(0);
    }
    let name = reader.function_name();
    let name_bytes = reader.pos - at;
    let call = name.is_some() && reader.peek() == Some('(');
    if !call {
        return if reader.cut && !scan.eof { Line::Wait } else { Line::Text(name_bytes) };
    }
    if !scan.due(text, at, Until::Line) {
        return Line::Wait;
    }
    reader.pos = at;
    let mut calls = Vec::new();
    let read = loop {
        match reader.call() {
            Ok(call) => calls.push(call),
            Err(error) => break Err(error),
        }
        let rest = reader.rest();
        let blank = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        reader.pos += blank;
        if reader.eat(',') {
            reader.skip_white_space();
            continue;
        }
        let ends = ends_list(&mut reader, &State::default()) || reader.rest().starts_with(['\r', '\n']);
        break if ends { Ok(()) } else { Err(reader.unexpected("the end of the line")) };
    };
    if reader.cut && !scan.eof {
        return Line::Wait;
    }
    scan.spend(reader.pos - at);
    match read {
        Ok(()) => Line::Calls { calls, notes: reader.notes, end: reader.pos },
        Err(error) => Line::Failed { error, name_bytes },
    }
}

/// Whether calls begin at byte `at`, in a fence.
fn begins(text: &str, at: usize, scan: &mut Scan) -> Option<bool> {
    if text[at..].starts_with('[') {
        return begins_list(text, at, scan);
    }
    match read_line(text, at, scan) {
        Line::Wait => None,
        line => Some(matches!(line, Line::Calls { .. })),
    }
}
