//! Parts of incremental parsers: how much of a text that is still being written can already be relied on.

use crate::value::{JsonError, JsonErrorKind};

/// The tag that `text` begins with.
pub(super) fn tag_at<'t>(text: &str, tags: &[&'t str]) -> Option<&'t str> {
    tags.iter().copied().find(|tag| text.starts_with(tag))
}

/// Whether `text` may still grow into one of the tags: it is the beginning of one, and not all of it.
pub(super) fn may_become_tag(text: &str, tags: &[&str]) -> bool {
    tags.iter().any(|tag| tag.len() > text.len() && tag.starts_with(text))
}

/// Whether an error stays the same however the text goes on: the parser found it without seeing the end.
///
/// `stops` are the texts at which the parser lets a value end. Errors inside a word or a number stand at its
/// beginning, hence the look for its end; no escape sequence is longer than 16 bytes.
pub(super) fn is_final(error: &JsonError, text: &str, stops: &[&str]) -> bool {
    let rest = text.get(error.offset..).unwrap_or_default();
    let in_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '.' | '$');
    match error.kind {
        JsonErrorKind::UnexpectedEnd => false,
        JsonErrorKind::BadEscape | JsonErrorKind::LoneSurrogate => rest.len() > 16,
        _ => rest.contains(|c| !in_word(c)) && !may_become_tag(rest, stops),
    }
}

/// The shortest piece of a value that is read only to see whether it can become one.
const FIRST_TRY_BYTES: usize = 64;

/// Says when it is worth reading a value whose text is still arriving: at its last closing bracket, where a tag may
/// have cut it, and each time it has doubled in length. Strings are skipped, in either quotes. Its work is linear,
/// and so is that of the reads it asks for between closing brackets.
#[derive(Clone, Debug)]
pub(super) struct ValueWatch {
    start: usize,
    pos: usize,
    depth: usize,
    /// The opening quote of the string that it is in.
    quote: Option<char>,
    escaped: bool,
    next_try: usize,
    due: bool,
}

impl ValueWatch {
    /// A watch of the value that begins at byte `start`.
    pub(super) fn new(start: usize) -> Self {
        Self {
            start,
            pos: start,
            depth: 0,
            quote: None,
            escaped: false,
            next_try: FIRST_TRY_BYTES,
            due: false,
        }
    }

    /// The value that this watches.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Whether the value should be read from `text`, which is all there is so far.
    pub(super) fn is_due(&mut self, text: &str) -> bool {
        let limit = self.start + self.next_try;
        while !self.due && self.pos < text.len() {
            self.due = self.take(text) || self.pos >= limit;
        }
        self.due
    }

    /// The value was read and `text` was too short for it.
    pub(super) fn tried(&mut self, text: &str) {
        while self.pos < text.len() {
            self.take(text);
        }
        self.next_try = FIRST_TRY_BYTES.max(2 * (text.len() - self.start));
        self.due = false;
    }

    /// Takes one character and says whether the value may end with it.
    fn take(&mut self, text: &str) -> bool {
        let Some(c) = text[self.pos..].chars().next() else { return false };
        self.pos += c.len_utf8();
        if std::mem::take(&mut self.escaped) {
            return false;
        }
        match (self.quote, c) {
            (Some(_), '\\') => self.escaped = true,
            (Some(quote), c) if closes(quote, c) => self.quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '“' | '”' | '„' | '‘' | '’') => self.quote = Some(c),
            (None, '{' | '[' | '(') => self.depth += 1,
            (None, '}' | ']' | ')') => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            (None, '>' | '`') => return true,
            // What begins with neither bracket nor quote can mostly be refused at once.
            (None, _) => return self.pos == self.start + c.len_utf8(),
        }
        false
    }
}

fn closes(open: char, c: char) -> bool {
    match open {
        '“' | '”' | '„' => matches!(c, '”' | '“'),
        '‘' | '’' => matches!(c, '’' | '‘'),
        open => c == open,
    }
}

/// Hands out a growing text as it will stand in the end, where the edges are trimmed: white space waits for what
/// follows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Release {
    seen: usize,
    given: usize,
    begun: bool,
}

impl Release {
    /// What was not yet given of the first `certain` bytes.
    pub(super) fn take<'t>(&mut self, text: &'t str, certain: usize) -> Option<&'t str> {
        // White space at the end may have been taken back.
        let from = self.seen.min(certain);
        self.seen = certain;
        let new = &text[from..certain];
        let solid = new.trim_end_matches(is_trimmed).len();
        if solid == 0 {
            return None;
        }
        if !self.begun {
            self.begun = true;
            self.given = certain - new.trim_start_matches(is_trimmed).len();
        }
        let piece = text.get(self.given..from + solid);
        self.given = from + solid;
        piece
    }
}

/// What is trimmed from the edges of texts: white space and the byte order mark.
pub(super) fn is_trimmed(c: char) -> bool {
    c.is_whitespace() || c == '\u{feff}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_their_beginnings() {
        let tags = ["<a>", "<ab>", "</a>"];
        assert_eq!(tag_at("<ab>c", &tags), Some("<ab>"));
        assert_eq!(tag_at("<abc>", &tags), None);
        assert!(may_become_tag("<", &tags) && may_become_tag("<ab", &tags));
        assert!(!may_become_tag("<a>", &tags) && !may_become_tag("<ac", &tags));
    }

    #[test]
    fn values_are_due_where_they_end() {
        for value in ["{\"a\": [1, \"}\\\"]\"]}", "{'it': \"isn't }\", 'b': (1, 2)}", "[“a]”, 'b']"] {
            let mut watch = ValueWatch::new(0);
            let mut due: Vec<usize> = Vec::new();
            let ends = value.char_indices().map(|(at, c)| at + c.len_utf8());
            for end in ends {
                if watch.is_due(&value[..end]) {
                    due.push(end);
                    watch.tried(&value[..end]);
                }
            }
            assert_eq!(due, [value.len()], "{value}");
        }
    }

    #[test]
    fn values_that_do_not_end_are_tried_where_they_double() {
        let text = "{\"".to_owned() + &"x".repeat(1000);
        let mut watch = ValueWatch::new(0);
        let mut due = Vec::new();
        for end in 1..=text.len() {
            if watch.is_due(&text[..end]) {
                due.push(end);
                watch.tried(&text[..end]);
            }
        }
        assert_eq!(due, [64, 128, 256, 512]);
    }

    #[test]
    fn edges_wait() {
        let mut release = Release::default();
        let text = " \u{feff}\n a b \n c \n";
        let mut given = String::new();
        for end in (0..=text.len()).filter(|&end| text.is_char_boundary(end)) {
            given.extend(release.take(text, end));
            assert!(given.is_empty() || given.ends_with(['a', 'b', 'c']), "{given:?}");
        }
        assert_eq!(given, "a b \n c");
    }
}
