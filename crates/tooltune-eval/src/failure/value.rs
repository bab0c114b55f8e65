//! What is wrong with a value.

use tooltune_chat::{Message, Value};

use super::ValueFault;
use super::answer::numbers;
use crate::ast::{Compare, first_difference};

/// Factors between units of the same quantity: time, metric steps and percent, bytes, length, mass, volume, energy,
/// speed, angle.
const FACTORS: [f64; 25] = [
    7.0,
    12.0,
    24.0,
    60.0,
    1440.0,
    3600.0,
    86_400.0,
    10.0,
    100.0,
    1000.0,
    1e6,
    1e9,
    1024.0,
    1_048_576.0,
    1.609_344,
    0.3048,
    0.9144,
    2.54,
    0.453_592_37,
    28.349_523,
    3.785_411_784,
    4.184,
    3.6,
    57.295_779_513,
    0.514_444,
];
/// Converted values are rounded; half a percent is too little to meet another factor by chance often.
const ROUNDING: f64 = 5e-3;

/// What a value may have been taken from.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    /// The messages that the model answers; empty where they are not known.
    pub(super) conversation: &'a [Message],
    /// The values of the other arguments, as the gold has them.
    pub(super) arguments: &'a [&'a Value],
}

/// What is wrong with `got`, a value for the parameter `name`, where one of the plain values `wanted` is accepted; `None`
/// where it can't be told.
pub(super) fn value_fault(
    name: &str,
    got: &Value,
    wanted: &[Value],
    sources: Sources<'_>,
) -> Option<ValueFault> {
    let leaf_faults = wanted.iter().filter_map(|wanted| {
        if same_items(got, wanted) {
            return Some(ValueFault::Format);
        }
        let (_, got, wanted) = first_difference(got, wanted);
        scalar_fault(name, got?, wanted?)
    });
    if let Some(fault) = leaf_faults.min_by_key(|fault| likelihood(*fault)) {
        return Some(fault);
    }
    let leaf = match wanted.first() {
        Some(wanted) => first_difference(got, wanted).1?,
        None => got,
    };
    origin(leaf, sources)
}

/// Of the faults that explain a value by different accepted ones, the most telling first.
fn likelihood(fault: ValueFault) -> u8 {
    match fault {
        ValueFault::Case => 0,
        ValueFault::Sign => 1,
        ValueFault::Format => 2,
        ValueFault::Unit => 3,
        ValueFault::Copied => 4,
        ValueFault::Ungrounded => 5,
    }
}

/// The same list in another order.
fn same_items(got: &Value, wanted: &Value) -> bool {
    let (Value::Array(got), Value::Array(wanted)) = (got, wanted) else { return false };
    let sorted = |items: &[Value]| {
        let mut texts: Vec<String> = items.iter().map(Value::to_json).collect();
        texts.sort_unstable();
        texts
    };
    got.len() == wanted.len() && got.len() > 1 && sorted(got) == sorted(wanted)
}

fn scalar_fault(name: &str, got: &Value, wanted: &Value) -> Option<ValueFault> {
    match (got, wanted) {
        (Value::Number(got), Value::Number(wanted)) => number_fault(got.to_f64(), wanted.to_f64()),
        (Value::String(got), Value::String(wanted)) => text_fault(name, got, wanted),
        _ => None,
    }
}

fn number_fault(got: f64, wanted: f64) -> Option<ValueFault> {
    #[expect(clippy::float_cmp, reason = "the same number with the other sign")]
    if got == -wanted && got != 0.0 {
        return Some(ValueFault::Sign);
    }
    let near = |a: f64, b: f64| (a - b).abs() <= ROUNDING * a.abs().max(b.abs());
    let scaled = got != 0.0
        && wanted != 0.0
        && FACTORS.iter().any(|factor| near(got, wanted * factor) || near(got, wanted / factor));
    let (celsius_of, fahrenheit_of) = ((wanted - 32.0) / 1.8, wanted * 1.8 + 32.0);
    let near_degree = |a: f64, b: f64| (a - b).abs() < 0.06;
    let temperature = [celsius_of, fahrenheit_of, wanted + 273.15, wanted - 273.15]
        .into_iter()
        .any(|other| near_degree(got, other));
    (scaled || temperature).then_some(ValueFault::Unit)
}

fn text_fault(name: &str, got: &str, wanted: &str) -> Option<ValueFault> {
    if got.to_lowercase() == wanted.to_lowercase() {
        return Some(ValueFault::Case);
    }
    let (got_numbers, wanted_numbers) = (numbers(got), numbers(wanted));
    if let ([a], [b]) = (&got_numbers[..], &wanted_numbers[..])
        && number_fault(*a, *b) == Some(ValueFault::Sign)
    {
        return Some(ValueFault::Sign);
    }
    // Signs and points make other numbers, so they are compared before the words are.
    let (got_words, wanted_words) = (words(got), words(wanted));
    let letters = |words: &[String]| words.concat();
    let sorted = |words: &[String]| {
        let mut sorted = words.to_vec();
        sorted.sort_unstable();
        sorted
    };
    let reordered = sorted(&got_words) == sorted(&wanted_words);
    if !got_words.is_empty() && (letters(&got_words) == letters(&wanted_words) || reordered) {
        return Some(ValueFault::Format);
    }
    let is_unit = name.split(['_', '.']).any(|part| matches!(part, "unit" | "units"));
    if is_unit {
        return Some(ValueFault::Unit);
    }
    match (&got_numbers[..], &wanted_numbers[..]) {
        ([a], [b]) if number_fault(*a, *b) == Some(ValueFault::Unit) => Some(ValueFault::Unit),
        #[expect(clippy::float_cmp, reason = "the same number in another unit")]
        ([a], [b]) if a == b && begins_with_number(got) && begins_with_number(wanted) => {
            Some(ValueFault::Unit)
        }
        _ => None,
    }
}

fn begins_with_number(text: &str) -> bool {
    text.trim_start().trim_start_matches(['-', '+']).starts_with(|c: char| c.is_ascii_digit())
}

/// Letters and digits in lower case, word by word; numbers without leading zeros.
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| {
            let plain = word.trim_start_matches('0');
            if plain.is_empty() || !word.chars().all(|c| c.is_ascii_digit()) { word } else { plain }
                .to_lowercase()
        })
        .collect()
}

/// Where a wrong value comes from.
fn origin(got: &Value, sources: Sources<'_>) -> Option<ValueFault> {
    if !matches!(got, Value::Number(_) | Value::String(_)) {
        return None;
    }
    if sources.arguments.iter().any(|argument| Compare::STRICT.literal(got, argument)) {
        return Some(ValueFault::Copied);
    }
    if sources.conversation.is_empty() {
        return None;
    }
    let stands_in = |message: &Message| match got {
        Value::Number(number) => {
            let number = number.to_f64();
            numbers(&message.content)
                .iter()
                .any(|found| (found - number).abs() <= f64::EPSILON * number.abs())
        }
        Value::String(text) => contains_words(&message.content, text),
        _ => false,
    };
    let found = sources.conversation.iter().any(stands_in);
    Some(if found { ValueFault::Copied } else { ValueFault::Ungrounded })
}

/// The words of `part` stand one after another in `text`.
fn contains_words(text: &str, part: &str) -> bool {
    let padded = |text: &str| format!(" {} ", words(text).join(" "));
    let part = padded(part);
    part.trim().is_empty() || padded(text).contains(&part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(name: &str, got: &str, wanted: &str, message: &str) -> Option<ValueFault> {
        let value = |text: &str| Value::parse_json(text).unwrap();
        let conversation = if message.is_empty() { vec![] } else { vec![Message::user(message)] };
        let sources = Sources { conversation: &conversation, arguments: &[] };
        value_fault(name, &value(got), &[value(wanted)], sources)
    }

    #[test]
    fn faults_by_example() {
        use ValueFault::{Case, Copied, Format, Sign, Ungrounded, Unit};
        for (name, got, wanted, expected) in [
            ("n", "5", "-5", Some(Sign)),
            ("n", "\"-5\"", "\"5\"", Some(Sign)),
            ("id", "\"ABC1\"", "\"abC1\"", Some(Case)),
            ("day", "\"15/04/2023\"", "\"2023-04-15\"", Some(Format)),
            ("day", "\"2023-4-15\"", "\"2023-04-15\"", Some(Format)),
            ("city", "\"NewYork\"", "\"New York\"", Some(Format)),
            ("l", "[2, 1]", "[1, 2]", Some(Format)),
            ("n", "5000", "5", Some(Unit)),
            ("n", "3.107", "5", Some(Unit)),
            ("t", "68", "20", Some(Unit)),
            ("d", "\"5 km\"", "\"5 miles\"", Some(Unit)),
            ("temp_unit", "\"celsius\"", "\"kelvin\"", Some(Unit)),
            ("o", "{\"a\": {\"b\": 4}}", "{\"a\": {\"b\": -4}}", Some(Sign)),
            ("city", "\"big apple\"", "\"New York\"", Some(Copied)),
            ("n", "3", "17", Some(Copied)),
            ("city", "\"Rome\"", "\"New York\"", Some(Ungrounded)),
            ("n", "4", "17", Some(Ungrounded)),
            ("b", "true", "false", None),
        ] {
            let message = "Please, 3 tickets for the Big Apple.";
            assert_eq!(fault(name, got, wanted, message), expected, "{got} {wanted}");
        }
        // Without a conversation nothing can be said about where a value comes from.
        assert_eq!(fault("city", "\"Rome\"", "\"Paris\"", ""), None);
    }
}
