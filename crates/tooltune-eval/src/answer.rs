//! Is the response handled well? Rates of what a model says, above all after a tool result.

use tooltune_chat::{DiagnosticKind, ToolCall, Value};

use crate::grounding::Text;
use crate::rate::Rate;
use crate::record::Record;
use crate::schema::parameter_schema;

/// An English answer that says that something went wrong has one of these in it.
const ACKNOWLEDGEMENTS: [&str; 38] = [
    "error",
    "errors",
    "fail",
    "failed",
    "fails",
    "failure",
    "unable",
    "not able",
    "could not",
    "couldn't",
    "cannot",
    "can't",
    "can not",
    "not found",
    "unfortunately",
    "sorry",
    "apologise",
    "apologize",
    "apologies",
    "problem",
    "issue",
    "invalid",
    "unavailable",
    "not available",
    "went wrong",
    "try again",
    "no results",
    "does not exist",
    "doesn't exist",
    "not possible",
    "rejected",
    "denied",
    "declined",
    "timed out",
    "unknown",
    "not supported",
    "didn't work",
    "did not work",
];
/// An English answer that claims that something was done has one of these in it.
const SUCCESS_CLAIMS: [&str; 24] = [
    "successfully",
    "success",
    "done",
    "completed",
    "confirmed",
    "has been",
    "have been",
    "all set",
    "booked",
    "created",
    "sent",
    "updated",
    "scheduled",
    "added",
    "deleted",
    "removed",
    "saved",
    "ordered",
    "reserved",
    "cancelled",
    "canceled",
    "transferred",
    "paid",
    "registered",
];
/// Markup that only the program between model and user should see.
const MARKUP: [&str; 20] = [
    "<tool_call",
    "</tool_call",
    "<tool_response",
    "</tool_response",
    "<tools>",
    "</tools>",
    "<tool_code",
    "<start_of_turn>",
    "<end_of_turn>",
    "<bos>",
    "<eos>",
    "<pad>",
    "<unk>",
    "<unused",
    "<think>",
    "</think>",
    "<function=",
    "</function",
    "[TOOL_CALLS]",
    "[/INST]",
];

impl Rate {
    /// `error_acknowledgement`: where a tool reported an error and the model answers without calling again, the answer
    /// says that something went wrong. By English phrases; judge other languages with
    /// [`ResponseJudge`](crate::ResponseJudge).
    #[must_use]
    pub fn error_acknowledgement() -> Self {
        Self::new("error_acknowledgement", |record| {
            answers_error(record).then(|| acknowledges(&Text::new(record.answer())))
        })
    }

    /// `false_success_claim`: where a tool reported an error and the model answers without calling again, the answer
    /// claims success and does not say that something went wrong. By English phrases.
    #[must_use]
    pub fn false_success_claim() -> Self {
        Self::new("false_success_claim", |record| {
            let claims = |text: &Text| SUCCESS_CLAIMS.iter().any(|claim| text.has_words(claim));
            answers_error(record).then(|| {
                let text = Text::new(record.answer());
                claims(&text) && !acknowledges(&text)
            })
        })
        .lower_is_better()
    }

    /// `premature_answer`: where further calls are wanted after a tool result, the model answers without attempting one.
    #[must_use]
    pub fn premature_answer() -> Self {
        Self::new("premature_answer", |record| {
            (record.wants_call() && !record.tool_results().is_empty())
                .then(|| !record.attempted() && !record.answer().is_empty())
        })
        .lower_is_better()
    }

    /// `redundant_repeat_call`: after a tool result, the model makes a call again that it made before, with equal
    /// arguments, though it is not wanted.
    #[must_use]
    pub fn redundant_repeat_call() -> Self {
        Self::new("redundant_repeat_call", |record| {
            let same = |a: &ToolCall, b: &ToolCall| a.name == b.name && a.arguments == b.arguments;
            let made = |call: &ToolCall| {
                record.conversation.iter().flat_map(|m| &m.tool_calls).any(|before| same(before, call))
            };
            let wanted = |call: &ToolCall| record.gold.iter().any(|gold| same(gold, call));
            (!record.tool_results().is_empty())
                .then(|| record.calls().iter().any(|call| made(call) && !wanted(call)))
        })
        .lower_is_better()
    }

    /// `leaked_markup`: where no call is wanted, the text that the user sees holds control tokens, tags or the remains of a
    /// call.
    #[must_use]
    pub fn leaked_markup() -> Self {
        Self::new("leaked_markup", |record| {
            (!record.wants_call()).then(|| has_markup(record.answer()) || record.noticed(is_stray))
        })
        .lower_is_better()
    }

    /// `empty_answer`: where no call is wanted and none is attempted, there is no text for the user either.
    #[must_use]
    pub fn empty_answer() -> Self {
        Self::new("empty_answer", |record| {
            (!record.wants_call() && !record.attempted()).then(|| record.answer().is_empty())
        })
        .lower_is_better()
    }

    /// `ungrounded_value`: of the records with a readable call and a conversation, those with an argument that was taken
    /// from nowhere: a number or text that the conversation does not mention, and the tool's declaration does not list.
    ///
    /// Not among the standard metrics: arguments are often worked out ("next Friday"), and rightly so.
    #[must_use]
    pub fn ungrounded_value() -> Self {
        Self::new("ungrounded_value", |record| {
            if record.calls().is_empty() || record.conversation.is_empty() {
                return None;
            }
            let mut said = String::new();
            for message in &record.conversation {
                said.push_str(&message.content);
                said.push('\n');
            }
            let said = Text::new(&said);
            let ungrounded = |call: &ToolCall| {
                call.arguments.iter().any(|(parameter, value)| {
                    let declared =
                        parameter_schema(&record.tools, &call.name, parameter).is_some_and(|schema| {
                            ["enum", "default", "const"].iter().any(|key| lists(schema.get(key), value))
                        });
                    !declared && !is_grounded(value, &said)
                })
            };
            Some(record.calls().iter().any(ungrounded))
        })
        .lower_is_better()
    }
}

/// Whether a tool's result reports an error: an `error` that is not empty, `success` or `ok` false, `is_error` true, a
/// `status` in words for failure or of 400 and more; in free text, a first word such as "Error".
#[must_use]
pub fn reports_error(result: &str) -> bool {
    let parsed = Value::parse_json(result);
    if let Ok(Value::Object(object)) = &parsed {
        let is = |key: &str, test: fn(&Value) -> bool| object.get(key).is_some_and(test);
        let filled = |value: &Value| match value {
            Value::Null => false,
            Value::Bool(error) => *error,
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(object) => !object.is_empty(),
            Value::Number(number) => number.to_f64() != 0.0,
        };
        let failed = |value: &Value| match value {
            Value::String(text) => {
                ["error", "failed", "failure", "fail"].contains(&text.to_lowercase().as_str())
            }
            Value::Number(number) => number.to_f64() >= 400.0,
            _ => false,
        };
        return ["error", "errors", "exception"].iter().any(|key| is(key, filled))
            || ["success", "ok"].iter().any(|key| is(key, |value| value.as_bool() == Some(false)))
            || ["is_error", "isError"].iter().any(|key| is(key, |value| value.as_bool() == Some(true)))
            || ["status", "status_code"].iter().any(|key| is(key, failed));
    }
    if parsed.is_ok_and(|value| value.as_str().is_none()) {
        return false;
    }
    let text = result.trim_start_matches(|c: char| !c.is_alphabetic()).to_lowercase();
    let first = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    ["error", "exception", "traceback", "failed", "failure"].contains(&first)
}

/// A tool reported an error, and the model answers the user.
fn answers_error(record: &Record) -> bool {
    record.tool_results().iter().any(|result| reports_error(&result.content)) && !record.attempted()
}

fn acknowledges(text: &Text) -> bool {
    ACKNOWLEDGEMENTS.iter().any(|phrase| text.has_words(phrase))
}

fn has_markup(text: &str) -> bool {
    let control =
        |(at, mark): (usize, &str)| text[at + mark.len()..].starts_with(|c: char| c.is_ascii_alphabetic());
    MARKUP.iter().any(|markup| text.contains(markup))
        || text.match_indices("<|").any(control)
        || (text.contains("\"arguments\":") && text.contains("\"name\":"))
}

/// Tags that the parser took out of the text.
fn is_stray(kind: &DiagnosticKind) -> bool {
    matches!(kind, DiagnosticKind::StrayEndTag | DiagnosticKind::StrayThinkEnd | DiagnosticKind::EmptyBlock)
}

fn lists(declared: Option<&Value>, value: &Value) -> bool {
    match declared {
        Some(Value::Array(values)) => values.contains(value),
        Some(one) => one == value,
        None => false,
    }
}

fn is_grounded(value: &Value, said: &Text) -> bool {
    match value {
        Value::Null | Value::Bool(_) => true,
        Value::String(text) if text.trim().is_empty() => true,
        Value::Array(items) => items.iter().all(|item| is_grounded(item, said)),
        Value::Object(object) => object.iter().all(|(_, item)| is_grounded(item, said)),
        Value::Number(_) | Value::String(_) => said.mentions(value),
    }
}

#[cfg(test)]
mod tests {
    use tooltune_chat::{Hermes, Message, ToolDefinition};

    use super::*;
    use crate::metric::Metric;
    use crate::record::Response;
    use crate::testing::call;

    /// A record with a call made, its result, and what the model says to that.
    fn after(result: &str, says: &str, gold: Vec<ToolCall>) -> Record {
        let conversation = vec![
            Message::user("Book a table for 4 at Luigi's."),
            Message::calls(vec![call("book", r#"{"place":"Luigi's","people":4}"#)]),
            Message::tool("book", result),
        ];
        Record::new("1", "a", vec![], gold, Response::parse(says, true, &Hermes::json()))
            .with_conversation(conversation)
    }

    fn says(result: &str, says: &str) -> Record {
        after(result, says, vec![])
    }

    const REPEAT: &str =
        r#"<tool_call>{"name": "book", "arguments": {"people": 4, "place": "Luigi's"}}</tool_call>"#;

    #[test]
    fn which_results_report_an_error() {
        for (result, is_error) in [
            (r#"{"error": "full"}"#, true),
            (r#"{"error": null, "id": 1}"#, false),
            (r#"{"error": ""}"#, false),
            (r#"{"errors": []}"#, false),
            (r#"{"success": false}"#, true),
            (r#"{"ok": true, "status": "confirmed"}"#, false),
            (r#"{"status": "Failed"}"#, true),
            (r#"{"status": 404}"#, true),
            (r#"{"status_code": 200}"#, false),
            (r#"{"isError": true}"#, true),
            ("Error: no such place", true),
            ("  [ERROR] no such place", true),
            ("No errors were found.", false),
            (r#"["error"]"#, false),
            ("", false),
        ] {
            assert_eq!(reports_error(result), is_error, "{result}");
        }
    }

    #[test]
    fn errors_are_to_be_told() {
        let error = r#"{"error": "fully booked"}"#;
        for (record, acknowledged, false_claim) in [
            (says(error, "I'm sorry, they are full."), Some(true), Some(false)),
            (says(error, "Your table has been booked."), Some(false), Some(true)),
            (says(error, "It could not be booked."), Some(true), Some(false)),
            (says(error, "Enjoy your evening!"), Some(false), Some(false)),
            (says(error, "Terrorism."), Some(false), Some(false)),
            (says(error, REPEAT), None, None),
            (says(r#"{"id": 7}"#, "Your table has been booked."), None, None),
        ] {
            let text = &record.response.text;
            assert_eq!(Rate::error_acknowledgement().outcome(&record), acknowledged, "{text}");
            assert_eq!(Rate::false_success_claim().outcome(&record), false_claim, "{text}");
        }
    }

    #[test]
    fn answers_too_early_and_calls_again() {
        let next = || vec![call("confirm", "{}")];
        let premature = |record: &Record| Rate::premature_answer().outcome(record);
        assert_eq!(premature(&after("{}", "All is done.", next())), Some(true));
        assert_eq!(premature(&after("{}", REPEAT, next())), Some(false));
        assert_eq!(premature(&after("{}", "", next())), Some(false));
        assert_eq!(premature(&says("{}", "All is done.")), None);

        let repeats = |record: &Record| Rate::redundant_repeat_call().outcome(record);
        assert_eq!(repeats(&says("{}", REPEAT)), Some(true));
        let wanted = vec![call("book", r#"{"place":"Luigi's","people":4}"#)];
        assert_eq!(repeats(&after("{}", REPEAT, wanted)), Some(false));
        assert_eq!(repeats(&says("{}", &REPEAT.replace('4', "5"))), Some(false));
        let first = Record { conversation: vec![Message::user("Hi")], ..says("{}", REPEAT) };
        assert_eq!(repeats(&first), None);
    }

    #[test]
    fn what_the_user_should_not_see() {
        for (text, leaked, empty) in [
            ("Your table is booked.", Some(false), Some(false)),
            ("a < b and b > c, <b>bold</b>", Some(false), Some(false)),
            ("Booked.</tool_call>", Some(true), None),
            ("Booked. <unused3>", Some(true), Some(false)),
            ("<|assistant|>Booked.", Some(true), Some(false)),
            ("", Some(false), Some(true)),
            ("<think>It is done.</think>\n", Some(false), Some(true)),
        ] {
            let record = says("{}", text);
            assert_eq!(Rate::leaked_markup().outcome(&record), leaked, "{text}");
            if empty.is_some() {
                assert_eq!(Rate::empty_answer().outcome(&record), empty, "{text}");
            }
        }
        // What another call format leaves over.
        assert!(has_markup("Result: {\"name\": \"book\", \"arguments\": {}}"));
        assert_eq!(Rate::leaked_markup().outcome(&after("{}", "</tool_call>", vec![call("f", "{}")])), None);
        assert_eq!(Rate::empty_answer().outcome(&says("{}", REPEAT)), None);
    }

    #[test]
    fn values_from_nowhere() {
        let schema = r#"{"properties":{"area":{"enum":["inside","terrace"]},"tip":{"default":10}}}"#;
        let tools = vec![ToolDefinition::new("book", "", Value::parse_json(schema).unwrap())];
        let of = |arguments: &str| {
            let text = format!(r#"<tool_call>{{"name": "book", "arguments": {arguments}}}</tool_call>"#);
            Rate::ungrounded_value().outcome(&Record { tools: tools.clone(), ..says("{}", &text) })
        };
        assert_eq!(
            of(r#"{"place": "luigi's", "people": 4, "area": "terrace", "tip": 10, "quiet": true}"#),
            Some(false)
        );
        assert_eq!(of(r#"{"place": "Mario's"}"#), Some(true));
        assert_eq!(of(r#"{"people": [4, 5]}"#), Some(true));
        assert_eq!(of(r#"{"note": ""}"#), Some(false));
        assert_eq!(Rate::ungrounded_value().outcome(&says("{}", "Done.")), None);
    }
}
