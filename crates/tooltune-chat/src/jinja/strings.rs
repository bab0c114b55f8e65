//! Python's string functions on text with origins.

use std::ops::Range;

use minijinja::Value;

use super::budget::{Budget, Fault, fault};
use super::object::{List, ListKind};
use super::text::{Builder, Origin, Text, slice_value, text_value};
use crate::value::is_python_space;

/// Which ends of a string.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    Start,
    End,
    Both,
}

/// The range that `strip` leaves: white space goes, or the characters of `chars`.
pub(super) fn strip_range(
    budget: &Budget,
    text: &Text,
    chars: Option<&str>,
    ends: Ends,
) -> Result<Range<usize>, Fault> {
    let s = text.as_str();
    let steps = chars.map_or(1, |chars| chars.len().max(1));
    budget.read(s.len().saturating_mul(steps * 2))?;
    let strips = |c: char| chars.map_or_else(|| is_python_space(c), |chars| chars.contains(c));
    let start = if ends == Ends::End { 0 } else { s.len() - s.trim_start_matches(strips).len() };
    let end = if ends == Ends::Start { s.len() } else { s.trim_end_matches(strips).len() };
    Ok(start..end.max(start))
}

/// `str.strip`, `lstrip` and `rstrip`.
pub(super) fn strip(budget: &Budget, text: &Text, chars: Option<&str>, ends: Ends) -> Result<Value, Fault> {
    slice_value(budget, text, strip_range(budget, text, chars, ends)?)
}

/// A list of parts of `text`.
pub(super) fn parts(
    budget: &Budget,
    text: &Text,
    ranges: &[Range<usize>],
    kind: ListKind,
) -> Result<Value, Fault> {
    budget.make_items(ranges.len())?;
    let items: Result<Vec<Value>, Fault> =
        ranges.iter().map(|range| slice_value(budget, text, range.clone())).collect();
    List::paid(items?, kind)
}

/// Where `part` stands in `text`, without overlaps; every character and the end where it is empty.
pub(super) fn matches(
    budget: &Budget,
    text: &Text,
    part: &str,
    most: Option<usize>,
) -> Result<Vec<Range<usize>>, Fault> {
    budget.read(text.len().saturating_add(part.len()))?;
    let found = text.as_str().match_indices(part).take(most.unwrap_or(usize::MAX));
    let mut ranges = Vec::new();
    for (at, part) in found {
        budget.make(size_of::<Range<usize>>())?;
        ranges.push(at..at + part.len());
    }
    Ok(ranges)
}

/// `str.split(separator, most)` and, from the right, `str.rsplit`.
pub(super) fn split(
    budget: &Budget,
    text: &Text,
    separator: Option<&str>,
    most: Option<usize>,
    from_right: bool,
) -> Result<Value, Fault> {
    let s = text.as_str();
    budget.read(s.len())?;
    let mut ranges = Vec::new();
    let mut keep = |range: Range<usize>| {
        ranges.push(range);
        budget.make(size_of::<Range<usize>>())
    };
    match separator {
        Some("") => return Err(fault("empty separator")),
        Some(separator) => {
            budget.read(separator.len())?;
            let most = most.map_or(usize::MAX, |most| most.saturating_add(1));
            let offset = |part: &str| part.as_ptr() as usize - s.as_ptr() as usize;
            let range = |part: &str| offset(part)..offset(part) + part.len();
            if from_right {
                s.rsplitn(most, separator).try_for_each(|part| keep(range(part)))?;
            } else {
                s.splitn(most, separator).try_for_each(|part| keep(range(part)))?;
            }
        }
        None => {
            let (mut rest, mut left) = (s, most.unwrap_or(usize::MAX));
            let offset = |part: &str| part.as_ptr() as usize - s.as_ptr() as usize;
            loop {
                // White space goes on the side that is being read; on the other only where it is reached.
                rest = if from_right {
                    rest.trim_end_matches(is_python_space)
                } else {
                    rest.trim_start_matches(is_python_space)
                };
                if rest.is_empty() {
                    break;
                }
                let cut = if from_right { rest.rfind(is_python_space) } else { rest.find(is_python_space) };
                let (piece, after) = match cut.filter(|_| left > 0) {
                    None => (rest, ""),
                    Some(cut) if from_right => {
                        let space = rest[cut..].chars().next().map_or(1, char::len_utf8);
                        (&rest[cut + space..], &rest[..cut])
                    }
                    Some(cut) => rest.split_at(cut),
                };
                keep(offset(piece)..offset(piece) + piece.len())?;
                left = left.saturating_sub(1);
                rest = after;
            }
        }
    }
    if from_right {
        ranges.reverse();
    }
    parts(budget, text, &ranges, ListKind::List)
}

/// The lines of a string as `str.splitlines` sees them, with or without what ends them.
pub(super) fn line_ranges(budget: &Budget, s: &str, keep_ends: bool) -> Result<Vec<Range<usize>>, Fault> {
    budget.read(s.len())?;
    let mut ranges = Vec::new();
    let mut start = 0;
    let mut chars = s.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if !is_line_break(c) {
            continue;
        }
        let mut next = at + c.len_utf8();
        if c == '\r' && chars.peek().is_some_and(|(_, c)| *c == '\n') {
            chars.next();
            next += 1;
        }
        budget.make(size_of::<Range<usize>>())?;
        ranges.push(start..if keep_ends { next } else { at });
        start = next;
    }
    if start < s.len() {
        ranges.push(start..s.len());
    }
    Ok(ranges)
}

pub(super) fn is_line_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// `str.splitlines`.
pub(super) fn split_lines(budget: &Budget, text: &Text, keep_ends: bool) -> Result<Value, Fault> {
    parts(budget, text, &line_ranges(budget, text.as_str(), keep_ends)?, ListKind::List)
}

/// `str.replace(old, new, most)`.
pub(super) fn replace(
    budget: &Budget,
    text: &Text,
    old: &str,
    new: &Text,
    most: Option<usize>,
) -> Result<Value, Fault> {
    let mut out = Builder::new(budget);
    let mut at = 0;
    for found in matches(budget, text, old, most)? {
        out.push_slice(text, at..found.start)?;
        out.push_text(new)?;
        at = found.end;
    }
    out.push_slice(text, at..text.len())?;
    Ok(out.into_value())
}

/// `str.partition`, and `rpartition` from the right.
pub(super) fn partition(
    budget: &Budget,
    text: &Text,
    separator: &str,
    from_right: bool,
) -> Result<Value, Fault> {
    let s = text.as_str();
    budget.read(s.len().saturating_add(separator.len()))?;
    if separator.is_empty() {
        return Err(fault("empty separator"));
    }
    let found = if from_right { s.rfind(separator) } else { s.find(separator) };
    let ranges = match found {
        Some(at) => [0..at, at..at + separator.len(), at + separator.len()..s.len()],
        None if from_right => [0..0, 0..0, 0..s.len()],
        None => [0..s.len(), s.len()..s.len(), s.len()..s.len()],
    };
    parts(budget, text, &ranges, ListKind::Tuple)
}

/// `separator.join(texts)`.
pub(super) fn join(budget: &Budget, separator: &Text, texts: &[Text]) -> Result<Value, Fault> {
    let mut out = Builder::new(budget);
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            out.push_text(separator)?;
        }
        out.push_text(text)?;
    }
    Ok(out.into_value())
}

/// Writes for each character of `text` what `map` makes of it, with the origin of the character.
fn map_chars<I: IntoIterator<Item = char>>(
    budget: &Budget,
    text: &Text,
    map: impl FnMut(usize, char) -> I,
) -> Result<Value, Fault> {
    map_text(budget, text, map).map(text_value)
}

fn map_text<I: IntoIterator<Item = char>>(
    budget: &Budget,
    text: &Text,
    mut map: impl FnMut(usize, char) -> I,
) -> Result<Text<'static>, Fault> {
    let mut out = Builder::new(budget);
    let mut mapped = String::new();
    for (part, origin) in text.parts(0..text.len()) {
        for (at, c) in text.as_str()[part.clone()].char_indices() {
            mapped.extend(map(part.start + at, c));
            if mapped.len() > 4096 {
                out.push(&mapped, origin)?;
                mapped.clear();
            }
        }
        out.push(&mapped, origin)?;
        mapped.clear();
    }
    Ok(out.finish())
}

/// The text as HTML; what is marked as such stays.
pub(super) fn escape(budget: &Budget, text: &Text) -> Result<Text<'static>, Fault> {
    let escaped = map_text(budget, text, |_, c| {
        let entity = match c {
            _ if text.is_markup() => "",
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&#34;",
            '\'' => "&#39;",
            _ => "",
        };
        entity.chars().chain(entity.is_empty().then_some(c))
    })?;
    Ok(escaped.with_markup(true))
}

/// `str.upper`.
pub(super) fn upper(budget: &Budget, text: &Text) -> Result<Value, Fault> {
    map_chars(budget, text, |_, c| c.to_uppercase())
}

/// `str.lower`: a sigma at the end of a word has its own form.
pub(super) fn lower(budget: &Budget, text: &Text) -> Result<Value, Fault> {
    let s = text.as_str();
    map_chars(budget, text, |at, c| {
        let last = c == 'Σ' && is_final_sigma(s, at);
        c.to_lowercase().map(move |lower| if last { 'ς' } else { lower })
    })
}

fn is_final_sigma(s: &str, at: usize) -> bool {
    // As far as a word of ordinary text reaches; beyond that the scan would not be linear.
    const NEAR: usize = 64;
    let letter = |c: &char| !matches!(c, '\'' | '\u{ad}' | '\u{300}'..='\u{36f}');
    let before = s[..at].chars().rev().take(NEAR).find(letter);
    let after = s[at + 'Σ'.len_utf8()..].chars().take(NEAR).find(letter);
    before.is_some_and(char::is_alphabetic) && !after.is_some_and(char::is_alphabetic)
}

/// A character with an upper and a lower form.
pub(super) fn is_cased(c: char) -> bool {
    c.is_lowercase() || c.is_uppercase()
}

/// `str.title`: an upper-case letter after everything that has no case.
pub(super) fn title(budget: &Budget, text: &Text) -> Result<Value, Fault> {
    let mut inside = false;
    map_chars(budget, text, |_, c| {
        let mapped = with_case(c, !inside);
        inside = is_cased(c);
        mapped
    })
}

/// Jinja's `title` filter: words begin after white space, hyphens and opening brackets.
pub(super) fn title_filter(budget: &Budget, text: &Text) -> Result<Value, Fault> {
    let mut inside = false;
    map_chars(budget, text, |_, c| {
        let breaks = is_python_space(c) || matches!(c, '-' | '(' | '{' | '[' | '<');
        let mapped = with_case(c, !inside);
        inside = !breaks;
        mapped
    })
}

/// `str.capitalize`.
pub(super) fn capitalize(budget: &Budget, text: &Text) -> Result<Value, Fault> {
    map_chars(budget, text, |at, c| with_case(c, at == 0))
}

fn with_case(c: char, upper: bool) -> impl Iterator<Item = char> {
    let (lower, upper) = if upper { (0, usize::MAX) } else { (usize::MAX, 0) };
    c.to_lowercase().take(lower).chain(c.to_uppercase().take(upper))
}

/// `text` with `left` and `right` copies of `fill` around it.
pub(super) fn pad(
    budget: &Budget,
    text: &Text,
    fill: char,
    left: usize,
    right: usize,
) -> Result<Value, Fault> {
    let mut out = Builder::new(budget);
    for _ in 0..left {
        out.push_char(fill, Origin::COMPUTED)?;
    }
    out.push_text(text)?;
    for _ in 0..right {
        out.push_char(fill, Origin::COMPUTED)?;
    }
    Ok(out.into_value())
}
