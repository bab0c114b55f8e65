//! Calls outside tags: bare objects, fenced objects, objects between tags of another kind.

use super::diagnostic::DiagnosticKind;
use super::hermes_block::Read;
use super::hermes_parse::{Scan, Settled, find_outside_tag};
use super::object_call::{calls_of_value, looks_like_call};
use crate::Value;

/// What became of a brace outside tags.
pub(super) enum Bare {
    /// It began a call, which was taken, perhaps with the fence before it.
    Taken { fenced: bool },
    /// It is text, with this many bytes.
    Text(usize),
    /// More text may change it.
    Undecided,
}

/// How far before a call its tags or fence are looked for.
const LOOK_BACK_BYTES: usize = 256;

/// Takes the call that begins at the scan's position, if one does.
pub(super) fn bare_call(scan: &mut Scan<'_>) -> Bare {
    let start = scan.at.pos;
    let read = match scan.read_when_due() {
        Read::Value(read) => read,
        Read::Bad(_) => return Bare::Text(1),
        Read::Undecided => return Bare::Undecided,
    };
    let object = &scan.text[start..read.end];
    let is_call = matches!(&read.value, Value::Object(object) if looks_like_call(object));
    if !is_call || !object.contains("arguments") {
        // Tags inside an object that is no call still count.
        return Bare::Text(find_outside_tag(object).unwrap_or(object.len()));
    }
    // A look back of bounded length: a mile of blanks before every call must not be walked every time.
    let outside = scan.at.outside.content.as_str();
    let far = outside.floor_char_boundary(outside.len().saturating_sub(LOOK_BACK_BYTES));
    let before = outside[far..].trim_end();
    if before.ends_with('>') && !before.ends_with("</think>")
        || before.trim_end_matches(['[', ' ']).ends_with(']')
    {
        let bytes = object.len();
        scan.note(start, DiagnosticKind::WrongTags);
        return Bare::Text(bytes);
    }
    // What stood before another call is not this one's fence.
    let far = far.max(scan.at.settled.content);
    let fence = fence_start(outside[far..].trim_end()).map(|fence| far + fence);
    scan.note(start, DiagnosticKind::MissingTags);
    let mut notes = read.notes;
    let calls = calls_of_value(read.value, read.truncated, &mut notes);
    for kind in notes {
        scan.note(start, kind);
    }
    scan.at.calls.extend(calls);
    scan.at.pos = read.end;
    if let Some(fence) = fence {
        scan.note(fence, DiagnosticKind::Fence);
        let outside = &mut scan.at.outside;
        let dropped = outside.content.len() - fence;
        outside.content.truncate(fence);
        outside.text.truncate(outside.text.len() - dropped);
    }
    let outside = &scan.at.outside;
    scan.at.settled = Settled { content: outside.content.len(), text: outside.text.len() };
    Bare::Taken { fenced: fence.is_some() }
}

/// How many bytes of the text outside calls stay whatever follows: all but a fence at its end, and what may become
/// one, which a call would take away.
pub(super) fn settled_text(text: &str, settled: Settled) -> usize {
    // A fence further back than this is out of sight.
    let far = text.floor_char_boundary(text.len().saturating_sub(LOOK_BACK_BYTES + 8));
    let from = far.max(settled.text);
    let tail = &text[from..];
    let end = tail.trim_end().trim_end_matches(is_word);
    let ticks = end.bytes().rev().take(3).take_while(|&byte| byte == b'`').count();
    let may_grow = ticks == 3 || end.len() == tail.len();
    if may_grow { from + end.len() - ticks } else { text.len() }
}

/// Where a fence begins that `before` ends with, as in "```json".
fn fence_start(before: &str) -> Option<usize> {
    let fence = before.trim_end_matches(is_word);
    fence.ends_with("```").then(|| fence.len() - 3)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
