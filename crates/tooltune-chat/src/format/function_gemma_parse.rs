//! Reading calls out of FunctionGemma's text.

use super::DiagnosticKind;
use super::brackets::Until;
use super::function_gemma::Tags;
use super::function_gemma_value::{ValueReader, is_plain_name};
use super::json_read::LOOK_AHEAD_BYTES;
use super::reader::{Grammar, Scan, Step, TURN_TOKENS, TextBeside};
use crate::value::JsonErrorKind;
use crate::{Object, ToolCall};

const PREFIX: &str = "call:";

pub(super) struct FunctionGemmaGrammar {
    pub(super) tags: &'static Tags,
}

/// A call read from the text.
struct ReadCall {
    call: ToolCall,
    end: usize,
    notes: Vec<DiagnosticKind>,
}

impl Grammar for FunctionGemmaGrammar {
    /// Whether no result ends in the rest of the turn.
    type State = bool;

    const TEXT_BESIDE: TextBeside = TextBeside::RepairAfter;

    fn step(&self, text: &str, scan: &mut Scan, no_result_ends: &mut bool) -> Step {
        let tags = self.tags;
        let rest = &text[scan.pos..];
        let next = rest.find(['<', 'c']).unwrap_or(rest.len());
        if next > 0 {
            scan.keep(text, next);
        } else if rest.starts_with('c') {
            return self.bare_call(text, scan);
        } else if rest.starts_with(tags.call_start) {
            return self.block(text, scan);
        } else if rest.starts_with(tags.call_end) {
            scan.note(scan.pos, DiagnosticKind::StrayEndTag);
            scan.pos += tags.call_end.len();
        } else if rest.starts_with(tags.result_start) {
            return self.invented_result(text, scan, no_result_ends);
        } else if let Some(step) = scan.common_tag(text) {
            return step;
        } else if scan.cut_tag(text, &[tags.call_start, tags.call_end, tags.result_start]) {
            return Step::Wait;
        } else {
            scan.keep(text, 1);
        }
        Step::On
    }
}

impl FunctionGemmaGrammar {
    /// Takes the call whose start tag stands here. One that cannot be read is given up up to the next tag.
    fn block(&self, text: &str, scan: &mut Scan) -> Step {
        let tags = self.tags;
        let start = scan.pos;
        if !scan.due_at_tag(text, start, tags.call_end) {
            return Step::Wait;
        }
        let inside = start + tags.call_start.len();
        let mut reader = ValueReader::new(text, inside, tags);
        let read = self.read(&mut reader, true);
        if reader.cut && !scan.eof {
            return Step::Wait;
        }
        let error = match read {
            Ok(read) => {
                scan.spend(read.end - start);
                scan.note_all(start, read.notes);
                scan.call(read.call);
                scan.pos = read.end;
                return Step::On;
            }
            Err(error) => error,
        };
        let found = next_tag(&text[inside..], tags);
        let (end, kind) = match found {
            None if !scan.eof => return Step::Wait,
            None => (text.len(), DiagnosticKind::TruncatedCall),
            Some((at, _)) if text[inside..inside + at].trim().is_empty() => {
                (inside + at, DiagnosticKind::EmptyBlock)
            }
            Some((at, _)) => (inside + at, DiagnosticKind::BadBlock { error }),
        };
        scan.spend(reader.far.max(end) - start);
        scan.note(start, kind);
        let closed = found.filter(|(_, tag)| *tag == tags.call_end);
        scan.pos = end + closed.map_or(0, |(_, tag)| tag.len());
        Step::On
    }

    /// At a `c`: takes the call that begins here without its tag, if one does.
    fn bare_call(&self, text: &str, scan: &mut Scan) -> Step {
        let start = scan.pos;
        let rest = &text[start..];
        if scan.cut_tag(text, &[PREFIX]) {
            return Step::Wait;
        }
        let before = text[..start].chars().next_back();
        let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
        if in_word || !rest.starts_with(PREFIX) {
            scan.keep(text, 1);
            return Step::On;
        }
        let near = &rest[PREFIX.len()..rest.floor_char_boundary(LOOK_AHEAD_BYTES)];
        let name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | ':' | '/');
        let after = near.trim_start_matches(name);
        if after.is_empty() && PREFIX.len() + near.len() == rest.len() && !scan.eof {
            return Step::Wait;
        }
        if after.len() == near.len() || !after.starts_with('{') {
            scan.keep(text, PREFIX.len());
            return Step::On;
        }
        if !scan.due(text, start, Until::Closed) {
            return Step::Wait;
        }
        let mut reader = ValueReader::new(text, start, self.tags);
        let read = self.read(&mut reader, false);
        let closed = read.as_ref().is_ok_and(|read| !read.notes.contains(&DiagnosticKind::Truncated));
        if reader.cut && !closed && !scan.eof {
            return Step::Wait;
        }
        scan.spend(reader.far.max(reader.pos) - start);
        match read {
            Ok(read) => {
                scan.note(start, DiagnosticKind::MissingTags);
                scan.note_all(start, read.notes);
                scan.call(read.call);
                scan.pos = read.end;
            }
            Err(error) => {
                let kind = match error {
                    JsonErrorKind::UnexpectedEnd => DiagnosticKind::TruncatedCall,
                    error => DiagnosticKind::BadBlock { error },
                };
                scan.note(start, kind);
                scan.keep(text, PREFIX.len());
            }
        }
        Step::On
    }

    /// Reads `call:name{…}` and, where it has one, its end tag.
    fn read(&self, reader: &mut ValueReader<'_>, tagged: bool) -> Result<ReadCall, JsonErrorKind> {
        if tagged {
            reader.skip_white_space();
        }
        if reader.at(PREFIX) {
            reader.pos += PREFIX.len();
        } else {
            reader.note(DiagnosticKind::MissingPrefix);
        }
        reader.skip_white_space();
        let name = reader.word(is_plain_name, '{')?;
        if name.is_empty() {
            return Err(JsonErrorKind::NotAllowed { what: "the name is empty" });
        }
        reader.skip_white_space();
        let arguments = if reader.peek() == Some('{') {
            reader.object()?
        } else if reader.at_stop() {
            reader.note(DiagnosticKind::ArgumentsMissing);
            Object::new()
        } else {
            return Err(reader.unexpected("`{`"));
        };
        if tagged {
            self.end_tag(reader);
        }
        // A string that was never closed may have swallowed the calls after it: it ends at the next string's begin.
        if reader.swallowed_tag && !reader.notes.is_empty() {
            return Err(JsonErrorKind::NotAllowed { what: "a tag of a call inside a string" });
        }
        let notes = std::mem::take(&mut reader.notes);
        Ok(ReadCall { call: ToolCall::new(name, arguments), end: reader.pos, notes })
    }

    /// What follows the arguments: the end tag, or what stands in its place.
    fn end_tag(&self, reader: &mut ValueReader<'_>) {
        let tags = self.tags;
        let rest = reader.rest();
        let after_blanks = rest.trim_start();
        if after_blanks.starts_with(tags.call_end) {
            reader.skip_white_space();
            reader.pos += tags.call_end.len();
            return;
        }
        match next_tag(rest, tags) {
            Some((at, tag)) if tag == tags.call_end => {
                reader.note(DiagnosticKind::JunkInBlock);
                reader.pos += at + tag.len();
            }
            found => {
                reader.cut |= found.is_none();
                reader.note(DiagnosticKind::MissingEndTag);
            }
        }
    }

    /// At the start of a result, where generation stops; a model that goes on invents it.
    fn invented_result(&self, text: &str, scan: &mut Scan, no_result_ends: &mut bool) -> Step {
        let tags = self.tags;
        let start = scan.pos;
        let inside = start + tags.result_start.len();
        let rest = &text[inside..];
        if rest.len() <= LOOK_AHEAD_BYTES && rest.trim_start().is_empty() {
            if !scan.eof {
                return Step::Wait;
            }
            scan.pos = text.len();
            return Step::On;
        }
        if !scan.due_at_tag(text, start, tags.result_end) {
            return Step::Wait;
        }
        let end = if *no_result_ends { None } else { rest.find(tags.result_end) };
        match end {
            None if !scan.eof => return Step::Wait,
            None => {
                *no_result_ends = true;
                scan.pos = inside;
            }
            Some(end) => scan.pos = inside + end + tags.result_end.len(),
        }
        scan.note(start, DiagnosticKind::InventedResult);
        Step::On
    }
}

/// The next tag that begins or ends a call, or ends the turn, and where it is.
fn next_tag(text: &str, tags: &'static Tags) -> Option<(usize, &'static str)> {
    text.match_indices('<').find_map(|(at, _)| {
        let own = [tags.call_end, tags.call_start];
        let tag = own.into_iter().chain(TURN_TOKENS).find(|tag| text[at..].starts_with(tag))?;
        Some((at, tag))
    })
}
