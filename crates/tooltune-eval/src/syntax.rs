//! Is the response well formed? The rates that ask about form, whatever was wanted.

use tooltune_chat::{DiagnosticKind, ParseStatus};

use crate::rate::Rate;
use crate::record::Record;
use crate::schema::{SchemaViolation, schema_violations};

/// A loop covers at least so many bytes.
const LOOP_BYTES: usize = 100;
/// A loop says the same thing at least so often.
const LOOP_TIMES: usize = 4;
/// The longest piece whose repetition is looked for, in bytes; the search takes this many passes over the text.
const LOOP_PERIOD_BYTES: usize = 256;

impl Rate {
    /// `parse_ok`: of the attempts to call, those that are exactly in the call format.
    #[must_use]
    pub fn parse_ok() -> Self {
        Self::new("parse_ok", |record| attempt_is(record, ParseStatus::Calls))
    }

    /// `recovered`: of the attempts to call, those in a broken form of which calls could still be read. What was read
    /// counts as called.
    #[must_use]
    pub fn recovered() -> Self {
        Self::new("recovered", |record| attempt_is(record, ParseStatus::Recovered)).lower_is_better()
    }

    /// `malformed`: of the attempts to call, those that can't be read.
    #[must_use]
    pub fn malformed() -> Self {
        Self::new("malformed", |record| attempt_is(record, ParseStatus::Malformed)).lower_is_better()
    }

    /// `json_validity`: of the attempts to call, those without an error of syntax inside a call. Wrong tags or keys are no
    /// error of syntax; a Python literal where the format writes JSON is one.
    #[must_use]
    pub fn json_validity() -> Self {
        Self::new("json_validity", |record| record.attempted().then(|| !record.noticed(is_syntax_error)))
    }

    /// `schema_validity`: of the records with a readable call, those in which every call obeys its tool's declaration:
    /// see [`schema_violations`].
    #[must_use]
    pub fn schema_validity() -> Self {
        Self::new("schema_validity", |record| violates(record, |_| true).map(|violates| !violates))
    }

    /// `missing_required`: of the records with a readable call, those in which a call of a declared tool lacks a required
    /// argument.
    #[must_use]
    pub fn missing_required() -> Self {
        Self::new("missing_required", |record| {
            violates(record, |v| matches!(v, SchemaViolation::MissingRequired { .. }))
        })
        .lower_is_better()
    }

    /// `hallucinated_param`: of the records with a readable call, those in which a call of a declared tool has an argument
    /// that is not in the declaration.
    #[must_use]
    pub fn hallucinated_param() -> Self {
        Self::new("hallucinated_param", |record| {
            violates(record, |v| matches!(v, SchemaViolation::UnknownParameter { .. }))
        })
        .lower_is_better()
    }

    /// `enum_violation`: of the records with a readable call, those in which an argument is none of the values that the
    /// declaration allows.
    #[must_use]
    pub fn enum_violation() -> Self {
        Self::new("enum_violation", |record| {
            violates(record, |v| matches!(v, SchemaViolation::NotInEnum { .. }))
        })
        .lower_is_better()
    }

    /// `hallucinated_function_rate`: of the records with a readable call, those that call a function which is not among
    /// the tools.
    #[must_use]
    pub fn hallucinated_function_rate() -> Self {
        Self::new("hallucinated_function_rate", |record| {
            violates(record, |v| matches!(v, SchemaViolation::UnknownFunction { .. }))
        })
        .lower_is_better()
    }

    /// `stopped`: the response was ended by a stop token, not by the length limit.
    #[must_use]
    pub fn stopped() -> Self {
        Self::new("stopped", |record| Some(record.response.stopped))
    }

    /// `truncated`: the response ran into the length limit; the opposite of [`stopped`](Self::stopped).
    #[must_use]
    pub fn truncated() -> Self {
        Self::new("truncated", |record| Some(!record.response.stopped)).lower_is_better()
    }

    /// `turn_overrun`: the model went on after the end of its turn, into another one.
    #[must_use]
    pub fn turn_overrun() -> Self {
        Self::new("turn_overrun", |record| {
            Some(record.noticed(|kind| matches!(kind, DiagnosticKind::Overrun)))
        })
        .lower_is_better()
    }

    /// `repetition_loop`: the response says the same thing over and over: a piece of at most 256 bytes, with a letter or a
    /// digit in it, four times or more in a row and over 100 bytes or more.
    #[must_use]
    pub fn repetition_loop() -> Self {
        Self::new("repetition_loop", |record| Some(has_loop(&record.response.text))).lower_is_better()
    }

    /// `hallucinated_tool_response`: the model wrote a tool's answer itself.
    #[must_use]
    pub fn hallucinated_tool_response() -> Self {
        Self::new("hallucinated_tool_response", |record| {
            Some(record.noticed(|kind| matches!(kind, DiagnosticKind::InventedResult)))
        })
        .lower_is_better()
    }
}

fn attempt_is(record: &Record, status: ParseStatus) -> Option<bool> {
    record.attempted().then(|| record.response.parsed.status == status)
}

/// Whether a call breaks its tool's declaration in a way that `is` accepts; `None` without a readable call, and where a
/// call is wanted but no tool is given, so that nothing can be known.
fn violates(record: &Record, is: fn(&SchemaViolation) -> bool) -> Option<bool> {
    let known = !record.tools.is_empty() || !record.wants_call();
    (known && !record.calls().is_empty())
        .then(|| record.calls().iter().any(|call| schema_violations(call, &record.tools).iter().any(is)))
}

fn is_syntax_error(kind: &DiagnosticKind) -> bool {
    use DiagnosticKind as Kind;
    matches!(
        kind,
        Kind::OtherDialect
            | Kind::Tuple
            | Kind::DigitSeparator
            | Kind::NumberNotation
            | Kind::TrailingComma
            | Kind::MissingComma
            | Kind::UnquotedKey
            | Kind::SmartQuotes
            | Kind::RawControl
            | Kind::BadEscape
            | Kind::LoneSurrogate
            | Kind::MixedSyntax
            | Kind::DuplicateKey { .. }
            | Kind::MissingBracket
            | Kind::Truncated
            | Kind::JunkInBlock
            | Kind::BadBlock { .. }
            | Kind::TruncatedCall
            | Kind::WorkLimit
    )
}

/// Somewhere the text repeats itself. Rules and rows of dots are no loop: they say nothing.
fn has_loop(text: &str) -> bool {
    let bytes = text.as_bytes();
    // Beyond that period four repetitions don't fit.
    let longest = LOOP_PERIOD_BYTES.min(bytes.len() / LOOP_TIMES);
    (1..=longest).any(|period| {
        let enough = LOOP_BYTES.max(LOOP_TIMES * period) - period;
        let mut run = 0;
        (period..bytes.len()).any(|at| {
            run = if bytes[at] == bytes[at - period] { run + 1 } else { 0 };
            run == enough && bytes[at - period..at].iter().any(|b| b.is_ascii_alphanumeric() || !b.is_ascii())
        })
    })
}

#[cfg(test)]
mod tests {
    use tooltune_chat::{Hermes, ToolDefinition, Value};

    use super::*;
    use crate::metric::Metric;
    use crate::record::Response;
    use crate::testing::{counts, malformed, record, response, silent, well_formed};

    fn written(text: &str) -> Record {
        let schema =
            r#"{"type":"object","properties":{"x":{"type":"integer","enum":[1,2]}},"required":["x"]}"#;
        let tool = ToolDefinition::new("f", "", Value::parse_json(schema).unwrap());
        Record {
            tools: vec![tool],
            response: Response::parse(text, true, &Hermes::json()),
            ..record(&["f"], silent())
        }
    }

    fn called(inside: &str) -> Record {
        written(&format!("<tool_call>{inside}</tool_call>"))
    }

    #[test]
    fn the_parse_rates_share_the_attempts_out() {
        let recovered = || response(ParseStatus::Recovered, vec![crate::testing::call("f", "{}")]);
        let records = [
            record(&["f"], well_formed(&["f"])),
            record(&[], recovered()),
            record(&["f"], recovered()),
            record(&["f"], malformed()),
            record(&["f"], silent()),
        ];
        assert_eq!(counts(Rate::parse_ok(), &records), (1, 4));
        assert_eq!(counts(Rate::recovered(), &records), (2, 4));
        assert_eq!(counts(Rate::malformed(), &records), (1, 4));
        // A recovered call is a call.
        assert_eq!(counts(Rate::exact_calls(), &records), (2, 4));
    }

    #[test]
    fn json_validity_is_about_syntax_alone() {
        for (record, valid) in [
            (called(r#"{"name": "f", "arguments": {"x": 1}}"#), true),
            (called(r#"{"name": "no_such", "arguments": {"y": "1"}}"#), true),
            (called(r#"{"function": "f", "parameters": {}}"#), true),
            (called(r#"{"name": "f", "arguments": {"x": 1,}}"#), false),
            (called(r#"{'name': 'f', 'arguments': {}}"#), false),
            (called(r#"{"name": "f", "arguments": "#), false),
            (called("f(1)"), false),
        ] {
            assert_eq!(Rate::json_validity().outcome(&record), Some(valid), "{}", record.response.text);
        }
        assert_eq!(Rate::json_validity().outcome(&written("Hello.")), None);
    }

    #[test]
    fn schema_rates() {
        let of = |arguments: &str| called(&format!(r#"{{"name": "f", "arguments": {arguments}}}"#));
        let records = [
            of(r#"{"x": 1}"#),
            of("{}"),
            of(r#"{"x": 1, "y": 2}"#),
            of(r#"{"x": 3}"#),
            of(r#"{"x": "1"}"#),
            called(r#"{"name": "g", "arguments": {}}"#),
            written("Hello."),
            called("nonsense"),
        ];
        assert_eq!(counts(Rate::schema_validity(), &records), (1, 6));
        assert_eq!(counts(Rate::missing_required(), &records), (1, 6));
        assert_eq!(counts(Rate::hallucinated_param(), &records), (1, 6));
        assert_eq!(counts(Rate::enum_violation(), &records), (1, 6));
        assert_eq!(counts(Rate::hallucinated_function_rate(), &records), (1, 6));
        // Without declarations nothing is known; unless no call was wanted, then there was nothing to call.
        let unknown = [record(&["f"], well_formed(&["f"])), record(&[], well_formed(&["f"]))];
        assert_eq!(counts(Rate::hallucinated_function_rate(), &unknown), (1, 1));
    }

    #[test]
    fn how_the_response_ends() {
        let mut endless = silent();
        endless.stopped = false;
        let records = [
            record(&[], endless),
            record(&["f"], silent()),
            written("Hi.<end_of_turn>\n<start_of_turn>user"),
        ];
        assert_eq!(counts(Rate::stopped(), &records), (2, 3));
        assert_eq!(counts(Rate::truncated(), &records), (1, 3));
        assert_eq!(counts(Rate::turn_overrun(), &records), (1, 3));
        let invented = written("<tool_response>{}</tool_response>It is fine.");
        assert_eq!(counts(Rate::hallucinated_tool_response(), &[invented, written("Hi.")]), (1, 2));
    }

    #[test]
    fn loops() {
        let long = "The weather is nice today, and the next sentence will say so again. ";
        for (text, is_loop) in [
            ("no ".repeat(40), true),
            (format!("Well. {}", long.repeat(4)), true),
            (format!("{}And so on.", long.repeat(5)), true),
            (long.repeat(3), false),
            ("ha".repeat(10), false),
            ("-".repeat(300), false),
            ("| --- | --- |\n".repeat(30), false),
            ((0..200).map(|i| format!("{i}, ")).collect(), false),
            ("0".repeat(100), true),
            ("0".repeat(99), false),
            ("天".repeat(40), true),
            (String::new(), false),
        ] {
            assert_eq!(has_loop(&text), is_loop, "{text}");
        }
    }
}
