//! Calls outside tags: bare objects, fenced objects, objects between tags of another kind.

use super::diagnostic::DiagnosticKind;
use super::hermes::CALL_START;
use super::hermes_parse::Scan;
use super::object_call::{calls_of_value, looks_like_call};
use crate::Value;

/// What became of a brace outside tags.
pub(super) enum Bare {
    /// It began a call, which was taken.
    Taken,
    /// It is text, with this many bytes.
    Text(usize),
}

/// How far before a call its tags or fence are looked for.
const LOOK_BACK_BYTES: usize = 256;

/// Takes the call that begins at the scan's position, if one does.
pub(super) fn bare_call(scan: &mut Scan<'_>) -> Bare {
    let start = scan.pos;
    let Ok(read) = scan.read_value(start) else { return Bare::Text(1) };
    let bytes = read.end - start;
    if !matches!(&read.value, Value::Object(object) if looks_like_call(object)) {
        // Tags inside an object that is no call still count.
        let object = &scan.text[start..read.end];
        return Bare::Text(object.find(CALL_START).unwrap_or(bytes));
    }
    // A look back of bounded length: a mile of blanks before every call must not be walked every time.
    let outside = scan.outside.content.as_str();
    let far = outside.floor_char_boundary(outside.len().saturating_sub(LOOK_BACK_BYTES));
    let before = outside[far..].trim_end();
    if before.ends_with('>') && !before.ends_with("</think>")
        || before.trim_end_matches(['[', ' ']).ends_with(']')
    {
        scan.note(start, DiagnosticKind::WrongTags);
        return Bare::Text(bytes);
    }
    let fence = fence_start(before).map(|fence| far + fence);
    scan.note(start, DiagnosticKind::MissingTags);
    let mut notes = read.notes;
    let calls = calls_of_value(read.value, read.truncated, &mut notes);
    for kind in notes {
        scan.note(start, kind);
    }
    scan.calls.extend(calls);
    scan.pos = read.end;
    if let Some(fence) = fence {
        scan.note(fence, DiagnosticKind::Fence);
        let dropped = scan.outside.content.len() - fence;
        scan.outside.content.truncate(fence);
        let text = &mut scan.outside.text;
        text.truncate(text.len() - dropped);
        let rest = scan.rest();
        if let Some(after) = rest.trim_start().strip_prefix("```") {
            scan.pos += rest.len() - after.len();
        }
    }
    Bare::Taken
}

/// Where a fence begins that `before` ends with, as in "```json".
fn fence_start(before: &str) -> Option<usize> {
    let fence = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
    fence.ends_with("```").then(|| fence.len() - 3)
}
