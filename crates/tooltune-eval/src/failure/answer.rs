//! What an answer makes of tool results.

use tooltune_chat::{Message, Value};

/// The numbers in a text. Thousands separators are read past (`1,000.5`); a sign counts where no letter or digit stands
/// before it; a dot counts as a decimal point where a digit follows.
pub(super) fn numbers(text: &str) -> Vec<f64> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !digit(at) {
            at += 1;
            continue;
        }
        let start = at;
        let mut literal = String::new();
        let signed = start > 0 && bytes[start - 1] == b'-';
        if signed && !(start > 1 && bytes[start - 2].is_ascii_alphanumeric()) {
            literal.push('-');
        }
        let mut point = false;
        // Digits since the last separator: at most three before the first one, then always three.
        let (mut run, mut groups) = (0, 0);
        while at < bytes.len() {
            let group = |from: usize| (from..from + 3).all(digit) && !digit(from + 3);
            match bytes[at] {
                byte if byte.is_ascii_digit() => {
                    literal.push(char::from(byte));
                    run += 1;
                }
                b',' if !point && (run == 3 || (groups == 0 && run < 3)) && group(at + 1) => {
                    (run, groups) = (0, groups + 1);
                }
                b'.' if !point && digit(at + 1) => {
                    point = true;
                    literal.push('.');
                }
                _ => break,
            }
            at += 1;
        }
        found.extend(literal.parse::<f64>().ok());
    }
    found
}

/// The tool results that the model answers: the tool messages at the end of the conversation.
fn results(conversation: &[Message]) -> &[Message] {
    let others = conversation.iter().rposition(|m| !m.role.is_tool()).map_or(0, |last| last + 1);
    &conversation[others..]
}

/// The answer to tool results has a number that the conversation does not support, as it is or rounded to the decimals
/// shown. Numbers below ten without decimals are not judged: they count things as often as they state facts.
pub(super) fn is_ungrounded(answer: &str, conversation: &[Message]) -> bool {
    if results(conversation).is_empty() {
        return false;
    }
    let known: Vec<f64> = conversation.iter().flat_map(|message| numbers(&message.content)).collect();
    let called: Vec<f64> = conversation
        .iter()
        .flat_map(|message| &message.tool_calls)
        .flat_map(|call| numbers(&Value::Object(call.arguments.clone()).to_json()))
        .collect();
    numbers(answer).into_iter().any(|number| {
        let small = number.fract() == 0.0 && number.abs() < 10.0;
        let supports = |known: &f64| {
            let decimals = (0..=6).find(|places| {
                let scale = 10_f64.powi(*places);
                ((number * scale).round() - number * scale).abs() < 1e-6 * scale.max(1.0)
            });
            let scale = 10_f64.powi(decimals.unwrap_or(6));
            let rounded = |value: f64| (value * scale).round() / scale;
            let same = |value: f64| (rounded(value) - number).abs() <= 1e-9 * number.abs().max(1.0);
            // A share may be shown in percent, and a loss without its sign.
            same(*known) || same(*known * 100.0) || same(-*known)
        };
        !small && !known.iter().chain(&called).any(supports)
    })
}

/// A tool result reports an error and the answer does not say that something went wrong.
pub(super) fn ignores_error(answer: &str, conversation: &[Message]) -> bool {
    let failed = results(conversation).iter().any(|message| reports_error(&message.content));
    failed && !admits_failure(answer)
}

/// A result is an object with an error in it, or a text that begins with one.
fn reports_error(result: &str) -> bool {
    if let Ok(Value::Object(object)) = Value::parse_json(result.trim()) {
        let fails = |value: &Value| {
            let status = value.as_str().map(str::to_ascii_lowercase);
            matches!(status.as_deref(), Some("error" | "failed" | "failure"))
        };
        let set = |value: &Value| match value {
            Value::Null | Value::Bool(false) => false,
            Value::String(text) => !text.is_empty(),
            _ => true,
        };
        return ["error", "errors", "exception"].iter().any(|key| object.get(key).is_some_and(set))
            || object.get("status").is_some_and(fails)
            || object.get("success").and_then(Value::as_bool) == Some(false);
    }
    let start = result.trim_start().to_ascii_lowercase();
    ["error", "exception", "traceback", "failed"].iter().any(|word| start.starts_with(word))
}

fn admits_failure(answer: &str) -> bool {
    const SIGNS: [&str; 17] = [
        "error",
        "fail",
        "unable",
        "sorry",
        "apolog",
        "unfortunately",
        "problem",
        "issue",
        "cannot",
        "can't",
        "can’t",
        "could not",
        "couldn't",
        "couldn’t",
        "not found",
        "not available",
        "unavailable",
    ];
    let answer = answer.to_lowercase();
    SIGNS.iter().any(|sign| answer.contains(sign))
}

#[cfg(test)]
mod tests {
    use tooltune_chat::Message;

    use super::*;

    #[test]
    fn numbers_are_found() {
        for (text, expected) in [
            ("It costs 1,234.50 or -7 %.", vec![1234.5, -7.0]),
            ("2023-04-15", vec![2023.0, 4.0, 15.0]),
            ("1, 2 and 3,4", vec![1.0, 2.0, 3.0, 4.0]),
            ("v1.2.3 at .5", vec![1.2, 3.0, 5.0]),
            ("1,000,000", vec![1_000_000.0]),
            ("none", vec![]),
        ] {
            assert_eq!(numbers(text), expected, "{text}");
        }
    }

    #[test]
    fn numbers_need_support() {
        let asked = |result: &str| {
            vec![Message::user("How far is it?"), Message::calls(vec![]), Message::tool("distance", result)]
        };
        let conversation = asked(r#"{"km": 420.5}"#);
        for answer in ["It is 420.5 km.", "About 421 km.", "Two steps: 1. go", "It is far."] {
            assert!(!is_ungrounded(answer, &conversation), "{answer}");
        }
        assert!(is_ungrounded("It is 510 km.", &conversation));
        assert!(!is_ungrounded("It is 510 km.", &conversation[..1]), "there is no result to answer");
    }

    #[test]
    fn errors_must_be_admitted() {
        let after = |result: &str| vec![Message::user("Go."), Message::tool("go", result)];
        for result in [r#"{"error": "no route"}"#, "Error: no route", r#"{"success": false}"#] {
            assert!(ignores_error("All done!", &after(result)), "{result}");
            assert!(!ignores_error("Unfortunately there is no route.", &after(result)), "{result}");
        }
        for result in [r#"{"error": null, "km": 3}"#, r#"{"status": "ok"}"#, "The error rate is 3."] {
            assert!(!ignores_error("All done!", &after(result)), "{result}");
        }
    }
}
