//! The calls behind `[TOOL_CALLS]`: an array of objects, or a name and its arguments.

use std::ops::Range;

use super::diagnostic::DiagnosticKind;
use super::mistral::{ARGS, CALL_ID, is_plain};
use super::mistral_parse::{CALL_ENDS, Form, Phase, Scan, Step, TAGS};
use super::mistral_value::{Read, find_call_end, find_tag};
use super::object_call::{calls_of_value, looks_like_call};
use super::scan::tag_at;
use crate::value::JsonErrorKind;
use crate::{Object, Value};

/// How far white space after a bracket outside tags is followed.
const LOOK_AHEAD_BYTES: usize = 64;

/// How far before a call outside tags other tags are looked for.
const LOOK_BACK_BYTES: usize = 256;

impl Scan<'_> {
    /// Behind `[TOOL_CALLS]`.
    pub(super) fn block(&mut self, start: usize) -> Step {
        let rest = self.skip_white_space();
        if (rest.is_empty() && !self.is_whole())
            || self.waits_for_tag(rest, &TAGS)
            || self.waits_for_tag(rest, &["```"])
        {
            return Step::Wait;
        }
        if let Some(after) = rest.strip_prefix("```") {
            let language = after.bytes().take_while(u8::is_ascii_alphanumeric).count();
            if language == after.len() && !self.is_whole() {
                return Step::Wait;
            }
            self.note(self.at.pos, DiagnosticKind::Fence);
            self.at.fence = true;
            self.at.pos += 3 + language;
            return Step::Taken;
        }
        if rest.is_empty() || tag_at(rest, &TAGS).is_some() {
            let lost =
                if rest.is_empty() { DiagnosticKind::TruncatedCall } else { DiagnosticKind::EmptyBlock };
            self.note(start, lost);
            self.enter(Phase::Outside);
            return Step::Taken;
        }
        let list = rest.starts_with('[');
        let form = if list || rest.starts_with('{') { Form::List } else { Form::Named };
        if form == Form::Named {
            self.enter(Phase::Name { start });
            return Step::Taken;
        }
        self.one_list(start, form);
        if list {
            self.at.pos += 1;
        } else {
            self.note(self.at.pos, DiagnosticKind::MissingList);
        }
        self.enter(Phase::Items { start, list, read: 0, comma: false });
        Step::Taken
    }

    /// Calls of the older generation stand in one array, alone.
    fn one_list(&mut self, start: usize, form: Form) {
        if self.at.form.is_some_and(|before| before == Form::List || form == Form::List) {
            self.note(start, DiagnosticKind::SeveralLists);
        }
        self.at.form = Some(form);
    }

    /// Among the items of an array (`list`), or among objects without one, after some of them and perhaps a comma.
    pub(super) fn items(&mut self, start: usize, list: bool, read: usize, comma: bool) -> Step {
        let rest = self.skip_white_space();
        if (rest.is_empty() && !self.is_whole()) || self.waits_for_tag(rest, CALL_ENDS) {
            return Step::Wait;
        }
        let at = self.at.pos;
        if rest.starts_with('{') {
            if read > 0 && list && !comma {
                self.note(at, DiagnosticKind::MissingComma);
            }
            return self.item(start, list, read);
        }
        if rest.starts_with(',') && read > 0 && !comma {
            self.at.pos += 1;
            self.enter(Phase::Items { start, list, read, comma: true });
            return Step::Taken;
        }
        let end = tag_at(rest, CALL_ENDS).is_some();
        if list {
            let kind = match rest.chars().next() {
                None if read == 0 => Some(DiagnosticKind::TruncatedCall),
                None => Some(DiagnosticKind::Truncated),
                Some(']') if comma => Some(DiagnosticKind::TrailingComma),
                Some(']') if read == 0 => Some(DiagnosticKind::NoCalls),
                Some(']') => None,
                Some(_) if end => Some(DiagnosticKind::MissingBracket),
                Some(_) => {
                    self.note(at, DiagnosticKind::NotACall { problem: "an item is not an object" });
                    self.enter(Phase::Skip { list, comma: false });
                    return Step::Taken;
                }
            };
            self.at.pos += usize::from(rest.starts_with(']'));
            if let Some(kind) = kind {
                self.note(at, kind);
            }
        }
        self.enter(Phase::Outside);
        Step::Taken
    }

    /// At an object among items.
    fn item(&mut self, start: usize, list: bool, items: usize) -> Step {
        let at = self.at.pos;
        let read = match self.read_when_due() {
            Read::Undecided => return Step::Wait,
            Read::Bad(kind) => {
                self.give_up(at, kind);
                self.at.pos += 1;
                self.enter(Phase::Skip { list, comma: false });
                return Step::Taken;
            }
            Read::Value(read) => read,
        };
        // What is no call may hide one: go on at the tag inside it.
        let tag_inside = find_call_end(&self.text[at..read.end]);
        let made = self.make(at, read.value, read.truncated, read.notes);
        match tag_inside.filter(|_| !made) {
            Some(tag) => {
                self.at.pos = at + tag;
                self.enter(Phase::Outside);
            }
            None => {
                self.at.pos = read.end;
                self.enter(Phase::Items { start, list, read: items + 1, comma: false });
            }
        }
        Step::Taken
    }

    /// Behind something that was given up: on to the next call or the end of the turn, or in an array to the next
    /// item that is a call.
    pub(super) fn skip(&mut self, list: bool, mut comma: bool) -> Step {
        let from = self.at.pos.max(self.at.looked);
        for (at, c) in self.text[from..].char_indices() {
            let at = from + at;
            let rest = &self.text[at..];
            if matches!(c, '[' | '<') {
                if tag_at(rest, CALL_ENDS).is_some() {
                    self.at.pos = at;
                    self.enter(Phase::Outside);
                    return Step::Taken;
                }
                if self.waits_for_tag(rest, CALL_ENDS) {
                    self.enter(Phase::Skip { list, comma });
                    self.at.looked = at;
                    return Step::Wait;
                }
            }
            if c == '{' && list && comma && !(self.is_whole() && self.work_is_spent()) {
                self.at.pos = at;
                self.enter(Phase::Skip { list, comma });
                return self.skipped_item();
            }
            if !c.is_whitespace() {
                comma = c == ',';
            }
        }
        self.enter(Phase::Skip { list, comma });
        self.at.looked = self.text.len();
        if !self.is_whole() {
            return Step::Wait;
        }
        self.at.pos = self.text.len();
        self.enter(Phase::Outside);
        Step::Taken
    }

    /// At what may be an item behind one that was given up.
    fn skipped_item(&mut self) -> Step {
        let at = self.at.pos;
        match self.read_when_due() {
            Read::Undecided => return Step::Wait,
            Read::Value(read) if matches!(&read.value, Value::Object(object) if looks_like_call(object)) => {
                self.make(at, read.value, read.truncated, read.notes);
                self.at.pos = read.end;
                self.enter(Phase::Items { start: at, list: true, read: 1, comma: false });
            }
            _ => {
                self.at.pos += 1;
                self.enter(Phase::Skip { list: true, comma: false });
            }
        }
        Step::Taken
    }

    /// At the name of a call.
    pub(super) fn name(&mut self, start: usize) -> Step {
        let at = self.at.pos;
        let Some(end) = self.find_word_end() else { return Step::Wait };
        let name = at..end;
        if !is_plain(&self.text[name.clone()]) {
            self.note(start, DiagnosticKind::NotACall { problem: "its name is not one word" });
            self.enter(Phase::Outside);
            return Step::Taken;
        }
        self.at.pos = end;
        self.enter(Phase::Arguments { start, name, id: None, tag: false });
        Step::Taken
    }

    /// Behind `[CALL_ID]`.
    pub(super) fn id(&mut self, start: usize, name: Range<usize>) -> Step {
        self.skip_white_space();
        let at = self.at.pos;
        let Some(end) = self.find_word_end() else { return Step::Wait };
        let id = &self.text[at..end];
        let id = match id {
            "" => {
                self.note(at, DiagnosticKind::EmptyCallId);
                None
            }
            id if is_plain(id) => Some(at..end),
            _ => {
                self.note(start, DiagnosticKind::NotACall { problem: "its id is not one word" });
                self.enter(Phase::Outside);
                return Step::Taken;
            }
        };
        self.at.pos = end;
        // An id that was left out is there all the same: a second one is not looked for.
        let id = Some(id.unwrap_or(at..at));
        self.enter(Phase::Arguments { start, name, id, tag: false });
        Step::Taken
    }

    /// Behind the name and perhaps the id of a call, and its `[ARGS]` (`tag`).
    pub(super) fn arguments(
        &mut self,
        start: usize,
        name: Range<usize>,
        id: Option<Range<usize>>,
        tag: bool,
    ) -> Step {
        let rest = self.skip_white_space();
        if (rest.is_empty() && !self.is_whole()) || self.waits_for_tag(rest, &TAGS) {
            return Step::Wait;
        }
        let at = self.at.pos;
        let value = match tag_at(rest, &TAGS) {
            Some(CALL_ID) if id.is_none() && !tag => {
                self.at.pos += CALL_ID.len();
                self.enter(Phase::Id { start, name });
                return Step::Taken;
            }
            Some(ARGS) if !tag => {
                self.at.pos += ARGS.len();
                self.enter(Phase::Arguments { start, name, id, tag: true });
                return Step::Taken;
            }
            None if rest.is_empty() => {
                self.note(start, DiagnosticKind::TruncatedCall);
                self.enter(Phase::Outside);
                return Step::Taken;
            }
            None if tag || rest.starts_with('{') => match self.read_when_due() {
                Read::Undecided => return Step::Wait,
                Read::Bad(kind) => {
                    self.give_up(start, kind);
                    self.enter(Phase::Skip { list: false, comma: false });
                    return Step::Taken;
                }
                Read::Value(read) => Some(read),
            },
            Some(end) if CALL_ENDS.contains(&end) => None,
            _ => {
                self.note(start, DiagnosticKind::NotACall { problem: "no arguments follow its name" });
                // What was taken for a name is text.
                self.at.pos = name.start;
                self.enter(Phase::Outside);
                return Step::Taken;
            }
        };
        self.one_list(start, Form::Named);
        let mut call = Object::new();
        call.insert("name", &self.text[name]);
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            call.insert("id", &self.text[id]);
        }
        let (mut truncated, mut notes) = (false, Vec::new());
        if let Some(read) = value {
            call.insert("arguments", read.value);
            (truncated, notes) = (read.truncated, read.notes);
            self.at.pos = read.end;
        }
        // What is no call may hide one: go on at the tag inside it.
        let tag_inside = find_call_end(&self.text[at..self.at.pos]);
        if !self.make(start, call.into(), truncated, notes)
            && let Some(tag) = tag_inside
        {
            self.at.pos = at + tag;
        }
        self.enter(Phase::Outside);
        Step::Taken
    }

    /// At a bracket outside tags: the call, or the array of calls, that begins there, if one does.
    pub(super) fn call_without_tag(&mut self) -> Step {
        let (start, rest) = (self.at.pos, self.rest());
        let list = rest.starts_with('[');
        let inside = rest[usize::from(list)..].trim_start();
        let blank = rest.len() - inside.len();
        if list && inside.is_empty() && blank <= LOOK_AHEAD_BYTES && !self.is_whole() {
            return Step::Wait;
        }
        if !inside.starts_with('{') || blank > LOOK_AHEAD_BYTES {
            self.keep(1);
            return Step::Taken;
        }
        self.at.pos += blank;
        let at = self.at.pos;
        let read = self.read_when_due();
        self.at.pos = start;
        let read = match read {
            Read::Undecided => return Step::Wait,
            Read::Bad(_) => {
                self.keep(blank + 1);
                return Step::Taken;
            }
            Read::Value(read) => read,
        };
        let object = &self.text[at..read.end];
        let is_call = matches!(&read.value, Value::Object(object) if looks_like_call(object));
        if !is_call || !object.contains("arguments") {
            // Tags inside an object that is no call still count.
            let bytes = find_tag(object).unwrap_or(object.len());
            self.keep(blank + bytes);
            return Step::Taken;
        }
        // A look back of bounded length: a mile of blanks before every call must not be walked every time.
        let outside = self.at.outside.content.as_str();
        let far = outside.floor_char_boundary(outside.len().saturating_sub(LOOK_BACK_BYTES));
        let before = outside[far..].trim_end();
        if before.ends_with('>') && !before.ends_with("</think>") {
            self.note(start, DiagnosticKind::WrongTags);
            self.keep(blank + object.len());
            return Step::Taken;
        }
        self.note(start, DiagnosticKind::MissingTags);
        self.make(at, read.value, read.truncated, read.notes);
        self.at.pos = read.end;
        if list {
            self.enter(Phase::Items { start, list, read: 1, comma: false });
        }
        Step::Taken
    }

    /// Makes the call that a value holds, and says whether it held one.
    fn make(&mut self, at: usize, value: Value, truncated: bool, mut notes: Vec<DiagnosticKind>) -> bool {
        let calls = calls_of_value(value, truncated, &mut notes);
        for kind in notes {
            self.note(at, kind);
        }
        let made = !calls.is_empty();
        self.at.calls.extend(calls);
        made
    }

    fn give_up(&mut self, at: usize, error: JsonErrorKind) {
        self.note(
            at,
            match error {
                JsonErrorKind::UnexpectedEnd => DiagnosticKind::TruncatedCall,
                error => DiagnosticKind::BadBlock { error },
            },
        );
    }
}
