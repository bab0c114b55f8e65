//! Numbers in running text, in the spellings that people and models use.

/// A number as digits: no sign of zero, no zeros in front, none at the end of the fraction. `420.50` is `420.5`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Decimal(String);

/// A number found in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The number itself.
    pub(crate) decimal: Decimal,
    /// A per cent sign follows: `12 %` may stand for 0.12.
    pub(crate) percent: bool,
    /// It numbers a list item or a paragraph, as `2.` at the start of a line.
    pub(crate) marker: bool,
}

/// Exponents beyond that are no numbers that a conversation is about; they would only cost memory.
const MAX_EXPONENT: i32 = 400;

/// What may stand between groups of three digits, beside the full stop.
const GROUP_MARKS: [char; 6] = [',', '\'', '_', '\u{a0}', '\u{202f}', '\u{2009}'];

/// The numbers in `text`, in order.
///
/// Signs, decimals, exponents, groups of three digits (`1,000`, `1'000`, `1.000.000`, with a decimal mark after them),
/// currency signs and units are understood. Digits inside a word (`A320`, `3f9a`) or in a chain of dots (a version, an
/// address) are names and no numbers; the parts of dates and times are numbers each.
pub(crate) fn numbers(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = text[at..].find(|c: char| c.is_ascii_digit()) {
        let start = at + next;
        let before = text[..start].chars().next_back();
        let skipped_word = before.is_some_and(|c| c.is_alphanumeric() && !is_time_mark(&text[..start]));
        match read(text, start) {
            Some((number, end)) if !skipped_word => {
                found.push(number);
                at = end;
            }
            _ => at = word_end(text, start),
        }
    }
    found
}

/// The number whose integer part begins at `start`, and where it ends; `None` where the digits belong to a name.
fn read(text: &str, start: usize) -> Option<(Found, usize)> {
    let (mut digits, mut end) = (String::new(), start);
    let lead = digit_run(text, start);
    digits.push_str(lead);
    end += lead.len();
    let mut mark = None;
    if lead.len() <= 3 && !(lead.len() > 1 && lead.starts_with('0')) {
        mark = text[end..].chars().next().filter(|c| GROUP_MARKS.contains(c) || *c == '.');
        while let Some(group) = mark.and_then(|mark| group_after(text, end, mark)) {
            digits.push_str(group);
            end += mark.map_or(0, char::len_utf8) + 3;
        }
    }
    // One group after a full stop is a fraction; two and more are thousands.
    let groups = (digits.len() - lead.len()) / 3;
    if mark == Some('.') && groups == 1 {
        digits.truncate(lead.len());
        end = start + lead.len();
    }
    let decimal_mark = if mark == Some('.') && groups > 1 { ',' } else { '.' };
    let mut fraction = "";
    if text[end..].starts_with(decimal_mark) {
        fraction = digit_run(text, end + 1);
        end += if fraction.is_empty() { 0 } else { 1 + fraction.len() };
    }
    let mut exponent = 0;
    if let Some((value, length)) = exponent_at(&text[end..]) {
        exponent = value;
        end += length;
    }
    let rest = &text[end..];
    let mut after = rest.chars();
    let (next, second) = (after.next(), after.next());
    // `1.2.3`: a version or an address.
    if next == Some('.') && second.is_some_and(|c| c.is_ascii_digit()) {
        return None;
    }
    // `12kg` has a unit; `3f9a` is a name, `01T10` a date and a time.
    if next.is_some_and(char::is_alphabetic)
        && !is_time_mark(&text[..end + next.map_or(0, char::len_utf8)])
        && rest.chars().take_while(|c| c.is_alphanumeric()).any(|c| c.is_ascii_digit())
    {
        return None;
    }
    let decimal = Decimal::new(is_negative(text, start), &digits, fraction, exponent)?;
    let unit = rest.trim_start_matches([' ', '\u{a0}', '\u{202f}']);
    let percent = unit.starts_with('%') || unit.starts_with("percent") || unit.starts_with("per cent");
    let line_start = text[..start].rsplit('\n').next().is_some_and(|line| line.trim().is_empty());
    let marker = line_start && fraction.is_empty() && lead.len() <= 2 && {
        let mark = rest.chars().next().filter(|c| ['.', ')', ':'].contains(c));
        mark.is_some_and(|mark| rest[mark.len_utf8()..].starts_with(|c: char| c.is_whitespace()))
    };
    Some((Found { decimal, percent, marker }, end))
}

fn digit_run(text: &str, start: usize) -> &str {
    let rest = &text[start..];
    &rest[..rest.bytes().take_while(u8::is_ascii_digit).count()]
}

/// Exactly three digits behind `mark` at `end`.
fn group_after(text: &str, end: usize, mark: char) -> Option<&str> {
    let run = text[end..].strip_prefix(mark).map(|_| digit_run(text, end + mark.len_utf8()))?;
    (run.len() == 3).then_some(run)
}

/// `e-7` and how long it is.
fn exponent_at(text: &str) -> Option<(i32, usize)> {
    let rest = text.strip_prefix(['e', 'E'])?;
    let digits = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    if length == 0 || digits[length..].starts_with(char::is_alphanumeric) {
        return None;
    }
    let end = rest.len() - digits.len() + length;
    rest[..end].parse().ok().map(|value| (value, end + 1))
}

/// A minus before the number, or before its currency sign, that is no hyphen, dash or range.
fn is_negative(text: &str, start: usize) -> bool {
    let before = text[..start].trim_end_matches(['$', '€', '£', '¥', '₹']);
    let Some(before) = before.strip_suffix(['-', '−']) else { return false };
    before.chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != ')' && c != '-')
}

/// The text ends in the `T` of `2024-05-01T10:00`.
fn is_time_mark(before: &str) -> bool {
    let Some(date) = before.strip_suffix('T') else { return false };
    let day = date.bytes().rev().take_while(u8::is_ascii_digit).count();
    day == 2 && date[..date.len() - day].ends_with('-')
}

/// Behind the letters, digits and single dots at `start`.
fn word_end(text: &str, start: usize) -> usize {
    let mut previous = '\0';
    for (offset, c) in text[start..].char_indices() {
        let inside = c.is_alphanumeric() || (c == '.' && previous.is_alphanumeric());
        if !inside {
            return start + offset;
        }
        previous = c;
    }
    text.len()
}

impl Decimal {
    /// From integer digits, fraction digits and a power of ten; `None` beyond reason.
    fn new(negative: bool, integer: &str, fraction: &str, exponent: i32) -> Option<Self> {
        if exponent.abs() > MAX_EXPONENT {
            return None;
        }
        let mut digits = format!("{integer}{fraction}");
        let mut point = integer.len() as i64 + i64::from(exponent);
        if point < 0 {
            digits.insert_str(0, &"0".repeat(point.unsigned_abs() as usize));
            point = 0;
        }
        let point = point as usize;
        while digits.len() < point {
            digits.push('0');
        }
        let (integer, fraction) = digits.split_at(point);
        let (integer, fraction) = (integer.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let zero = integer.is_empty() && fraction.is_empty();
        let sign = if negative && !zero { "-" } else { "" };
        let integer = if integer.is_empty() { "0" } else { integer };
        let mark = if fraction.is_empty() { "" } else { "." };
        Some(Self(format!("{sign}{integer}{mark}{fraction}")))
    }

    /// A hundredth of the number: what it is with a per cent sign.
    pub(crate) fn hundredth(&self) -> Option<Self> {
        let unsigned = self.0.trim_start_matches('-');
        let (integer, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        Self::new(unsigned.len() < self.0.len(), integer, fraction, -2)
    }

    /// The number's digits.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digits(text: &str) -> Vec<String> {
        numbers(text).into_iter().map(|found| found.decimal.0).collect()
    }

    #[test]
    fn spellings_of_the_same_number() {
        for (text, same) in [
            ("420.50", "420.5"),
            ("$420.5", "420.5"),
            ("€ 420.500", "420.5"),
            ("420.50USD", "420.5"),
            ("1,000", "1000"),
            ("1'000", "1000"),
            ("1\u{202f}000", "1000"),
            ("1,234,567.80", "1234567.8"),
            ("1.234.567,80", "1234567.8"),
            ("1.000", "1"),
            ("007", "7"),
            ("1e5", "100000"),
            ("2.5e-3", "0.0025"),
            ("100000.0", "100000"),
            ("-5", "-5"),
            ("−5 °C", "-5"),
            ("-$5.00", "-5"),
            ("-0", "0"),
            ("0.0", "0"),
            ("12kg", "12"),
            ("(3)", "3"),
            ("5pm", "5"),
            ("It is 7.", "7"),
        ] {
            assert_eq!(digits(text), [same], "{text}");
        }
    }

    #[test]
    fn what_is_several_and_what_is_none() {
        for (text, expected) in [
            ("2024-05-01", vec!["2024", "5", "1"]),
            ("2024-05-01T10:30:00Z", vec!["2024", "5", "1", "10", "30", "0"]),
            ("3-5 days", vec!["3", "5"]),
            ("1,2 and 3", vec!["1", "2", "3"]),
            ("1,0000", vec!["1", "0"]),
            ("2024,100", vec!["2024", "100"]),
            ("A320 and 3f9a", vec![]),
            ("version 1.2.3, from 192.168.0.1", vec![]),
            ("no digits", vec![]),
            ("1e999999999999", vec![]),
            ("x1 y2 3", vec!["3"]),
        ] {
            assert_eq!(digits(text), expected, "{text}");
        }
    }

    #[test]
    fn per_cent_and_list_markers() {
        let of = |text: &str| numbers(text).iter().map(|n| (n.percent, n.marker)).collect::<Vec<_>>();
        assert_eq!(of("12% or 12 percent, not 12 pence"), [(true, false), (true, false), (false, false)]);
        assert_eq!(
            of("1. First\n 2) Second\n3.5 is none\n4.\n2024. No"),
            [(false, true), (false, true), (false, false), (false, true), (false, false)]
        );
        assert_eq!(numbers("12%")[0].decimal.hundredth().unwrap().as_str(), "0.12");
        assert_eq!(numbers("-250")[0].decimal.hundredth().unwrap().as_str(), "-2.5");
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in ".*") {
            numbers(&text);
        }

        #[test]
        fn digits_and_marks_are_read(text in "[-0-9.,'eETx%$ \\u{202f}\\n]{0,60}") {
            numbers(&text);
        }

        #[test]
        fn written_numbers_are_found(number in -1e6..1e6_f64, whole in any::<i32>()) {
            let rounded = (number * 100.0).round() / 100.0;
            let found = |text: String| numbers(&text).first().map(|n| n.decimal.0.parse::<f64>().unwrap());
            prop_assert_eq!(found(format!("It costs {rounded:.2} today.")), Some(rounded));
            prop_assert_eq!(found(format!("({whole})")), Some(f64::from(whole)));
        }
    }
}
