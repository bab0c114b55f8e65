//! When two texts say the same.
//!
//! [`same_text`] (Strict) forgives what is only spelling in prose: case, the sort of straight quotes, spaces and
//! underscores and hyphens and commas between words, full stops at the end of words, the dots of initials (`U.S.A`), the
//! separators of numeric dates (`2024-04-01`, `2024/04/01`). It keeps what carries meaning: signs and decimal points,
//! dots inside words (`example.com`), slashes, operators, all other punctuation, and where words end. So `1.5` is not
//! `15`, `-5` not `5`, `/home/user` not `homeuser`. The case of a word that mixes small letters followed by capitals with
//! digits is kept too: it is an identifier or a password. Texts without letters and digits are compared exactly.
//!
//! [`similar_text`] (Lenient) also forgives where words end, all punctuation between letters, and all case.

/// The texts are the same but for spelling that carries no meaning; `wanted` decides what case means.
#[must_use]
pub fn same_text(got: &str, wanted: &str) -> bool {
    if got == wanted {
        return true;
    }
    if !has_word(got) || !has_word(wanted) {
        return false;
    }
    let case = if has_identifier(wanted) { Case::Kept } else { Case::Folded };
    Units::new(got, case).eq(Units::new(wanted, case))
}

/// The texts are the same but for form: words may be joined or split, punctuation between letters may differ.
#[must_use]
pub fn similar_text(got: &str, wanted: &str) -> bool {
    if same_text(got, wanted) || got.trim() == wanted.trim() {
        return true;
    }
    has_word(got) && has_word(wanted) && skeleton(got) == skeleton(wanted)
}

fn has_word(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}

/// A word that mixes digits with a small letter before a capital, as `aBc123`.
fn has_identifier(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|word| {
        word.chars().any(char::is_numeric)
            && word.chars().zip(word.chars().skip(1)).any(|(a, b)| a.is_lowercase() && b.is_uppercase())
    })
}

/// Letters and digits, with the signs, points and gaps that tell numbers apart.
fn skeleton(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut units = Units::new(text, Case::Folded).peekable();
    let is_digit = |c: Option<char>| c.is_some_and(char::is_numeric);
    while let Some(unit) = units.next() {
        let between = (is_digit(kept.chars().next_back()), is_digit(units.peek().copied()));
        match unit {
            c if c.is_alphanumeric() => kept.push(c),
            // A sign or a point that belongs to a number.
            '-' | '.' if between.1 => kept.push(unit),
            // A gap between numbers, whatever makes it.
            _ if between == (true, true) => kept.push(' '),
            _ => {}
        }
    }
    kept
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Folded,
    Kept,
}

/// The characters of a text that carry meaning, and one space between words however they are parted.
struct Units<'a> {
    text: &'a str,
    at: usize,
    case: Case,
    /// A word stands before, and something that parts words came after it.
    gap: bool,
    /// The last unit was part of a word.
    in_word: bool,
    /// Bytes before this offset belong to a numeric date, whose separators only part words.
    date_end: usize,
    /// The rest of a character whose small form has several.
    pending: Option<std::char::ToLowercase>,
}

impl<'a> Units<'a> {
    fn new(text: &'a str, case: Case) -> Self {
        Self { text, at: 0, case, gap: false, in_word: false, date_end: 0, pending: None }
    }

    fn before(&self) -> Option<char> {
        self.text[..self.at].chars().next_back()
    }

    fn emit(&mut self, c: char) -> char {
        if self.case == Case::Kept {
            return c;
        }
        let mut lower = c.to_lowercase();
        let first = lower.next().unwrap_or(c);
        self.pending = (lower.len() > 0).then_some(lower);
        // A small sigma has two forms.
        if first == 'ς' { 'σ' } else { first }
    }

    /// What `c`, a character that is no part of a word, means between `before` and the rest.
    fn meaning(&self, c: char, before: Option<char>, rest: &str) -> Meaning {
        let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let mut after = rest.chars();
        let next = after.next();
        match c {
            _ if self.at < self.date_end => Meaning::Gap,
            ' ' | '_' | ',' => Meaning::Gap,
            '-' if !is_word(before) && is_digit(next) => Meaning::Kept(c),
            '-' => Meaning::Gap,
            '.' if is_word(next) => {
                let is_letter = |c: Option<char>| c.is_some_and(char::is_alphabetic);
                let one_before = !is_word(self.text[..self.at].chars().rev().nth(1));
                let initials = is_letter(before) && is_letter(next) && one_before && !is_word(after.next());
                if initials { Meaning::Nothing } else { Meaning::Kept(c) }
            }
            '.' => Meaning::Gap,
            '\'' => Meaning::Kept('"'),
            other => Meaning::Kept(other),
        }
    }
}

enum Meaning {
    Nothing,
    Gap,
    Kept(char),
}

impl Iterator for Units<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        if let Some(c) = self.pending.as_mut().and_then(Iterator::next) {
            return Some(c);
        }
        self.pending = None;
        while let Some(c) = self.text[self.at..].chars().next() {
            let before = self.before();
            let rest = &self.text[self.at + c.len_utf8()..];
            if c.is_alphanumeric() {
                if self.gap && self.in_word {
                    self.gap = false;
                    return Some(' ');
                }
                if self.at >= self.date_end
                    && c.is_ascii_digit()
                    && !before.is_some_and(char::is_alphanumeric)
                {
                    self.date_end =
                        self.at + numeric_date(self.text.as_bytes().get(self.at..).unwrap_or(&[]));
                }
                self.at += c.len_utf8();
                (self.gap, self.in_word) = (false, true);
                return Some(self.emit(c));
            }
            let meaning = self.meaning(c, before, rest);
            self.at += c.len_utf8();
            match meaning {
                Meaning::Nothing => {}
                Meaning::Gap => self.gap = true,
                Meaning::Kept(c) => {
                    (self.gap, self.in_word) = (false, false);
                    return Some(c);
                }
            }
        }
        None
    }
}

/// The length of the numeric date at the start of `text`, 0 where there is none: three numbers parted by the same one of
/// `-`, `/`, `.` and space, of which either the first or the last has four digits and the others one or two.
fn numeric_date(text: &[u8]) -> usize {
    let digits = |at: usize| text[at..].iter().take(5).take_while(|byte| byte.is_ascii_digit()).count();
    let first = digits(0);
    let Some(&separator) = text.get(first).filter(|byte| matches!(byte, b'-' | b'/' | b'.' | b' ')) else {
        return 0;
    };
    let second = digits(first + 1);
    let third_at = first + 1 + second + 1;
    if !matches!(second, 1 | 2) || text.get(third_at - 1) != Some(&separator) {
        return 0;
    }
    let third = digits(third_at);
    let end = third_at + third;
    if !matches!((first, third), (4, 1 | 2) | (1 | 2, 4)) {
        return 0;
    }
    let goes_on = match text.get(end) {
        Some(byte) if byte.is_ascii_alphanumeric() => !matches!(byte, b'T' | b't'),
        Some(&byte) => byte == separator && text.get(end + 1).is_some_and(u8::is_ascii_digit),
        None => false,
    };
    if goes_on { 0 } else { end }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_is_forgiven() {
        for (a, b) in [
            ("LEONARDO DICAPRIO", "Leonardo DiCaprio"),
            ("New  York", "New York"),
            ("San Francisco CA", "San Francisco, CA"),
            ("Apple Inc", "Apple Inc."),
            ("snake case", "snake_case"),
            ("U.S.A", "USA"),
            ("U.S.A.", "USA"),
            ("2024/04/01", "2024-04-01"),
            ("on 2024.04.01 at noon", "on 2024 04 01 at noon"),
            ("2024/04/01T10:00", "2024-04-01T10:00"),
            ("April 1,2024", "April 1, 2024"),
            ("say \"hi\"", "say 'hi'"),
            ("ΟΔΟΣ", "οδος"),
            ("E4", "e4"),
            ("GLUTEN FREE", "gluten-free"),
            ("A.", "a"),
        ] {
            assert!(same_text(a, b) && same_text(b, a), "{a} {b}");
            assert!(similar_text(a, b) && similar_text(b, a), "{a} {b}");
        }
    }

    #[test]
    fn meaning_is_kept() {
        for (a, b) in [
            ("15", "1.5"),
            ("5", "-5"),
            ("110", "1-10"),
            ("1-5", "1.5"),
            ("19216811", "192.168.1.1"),
            ("-", "."),
            ("", "."),
            (" ", ","),
        ] {
            assert!(!same_text(a, b) && !same_text(b, a), "{a} {b}");
            assert!(!similar_text(a, b) && !similar_text(b, a), "{a} {b}");
        }
        for (a, b) in [
            ("", " "),
            ("1/2", "1-2"),
            ("homeuser", "/home/user"),
            ("johndoe@examplecom", "john.doe@example.com"),
            ("ab", "a*b"),
            ("3x/2", "3x**2"),
            ("env", ".env"),
            ("New\nYork", "New York"),
            ("2020–2021", "2020-2021"),
            ("1030", "10:30"),
            ("Par\u{200b}is", "Paris"),
            ("İstanbul", "istanbul"),
            ("NewYork", "New York"),
            ("1.2.2024.5", "1-2-2024-5"),
        ] {
            assert!(!same_text(a, b) && !same_text(b, a), "{a} {b}");
        }
    }

    #[test]
    fn the_case_of_identifiers_counts() {
        assert!(!same_text("AbC123", "aBc123"));
        assert!(similar_text("AbC123", "aBc123"));
        assert!(same_text("COVID19", "Covid19"));
    }

    #[test]
    fn the_lenient_rule_joins_words_but_not_numbers() {
        for (a, b) in [("NewYork", "New York"), ("home user", "/home/user"), ("it’s", "it's")] {
            assert!(similar_text(a, b), "{a} {b}");
        }
        for (a, b) in [("1 5", "15"), ("3, -5", "3, 5"), ("Rome", "Paris"), ("1.5 km", "15 km")] {
            assert!(!similar_text(a, b), "{a} {b}");
        }
    }
}
