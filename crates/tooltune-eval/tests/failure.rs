//! Failure modes of whole examples.

use tooltune_chat::{Hermes, Message, Object, ToolCall, ToolDefinition, Value};
use tooltune_eval::ast::{AstAccuracy, AstOptions, Category, GoldCall, Profile};
use tooltune_eval::failure::FailureMode::{
    Enum, HallucinatedParam, HallucinatedTool, IgnoredError, Malformed, MissingRequired, NoCall, Order,
    OverCall, Truncated, UngroundedAnswer, UnusableGold, WrongCount, WrongTool, WrongType, WrongValue,
};
use tooltune_eval::failure::{FailureMode, FailureReport, ValueFault, classify};
use tooltune_eval::{Record, Response};

const SCHEMA: &str = r#"{"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"},
    "unit": {"type": "string", "enum": ["c", "f"]}}, "required": ["city"]}"#;

fn tools() -> Vec<ToolDefinition> {
    let tool = |name: &str| ToolDefinition::new(name, "", Value::parse_json(SCHEMA).expect("a schema"));
    vec![tool("forecast"), tool("climate")]
}

fn gold(texts: &[&str]) -> Vec<GoldCall> {
    let read = |text: &&str| GoldCall::from_bfcl(&Value::parse_json(text).expect("JSON")).expect("gold");
    texts.iter().map(read).collect()
}

fn record(gold_texts: &[&str], text: &str) -> Record {
    let response = Response::parse(text, true, &Hermes::json());
    Record::new("r", "set", tools(), Vec::new(), response).with_accepted(gold(gold_texts))
}

fn call(name: &str, arguments: &str) -> String {
    format!("<tool_call>{{\"name\": \"{name}\", \"arguments\": {arguments}}}</tool_call>")
}

fn modes(record: &Record, conversation: &[Message]) -> Vec<FailureMode> {
    let failure = classify(record, conversation, &AstOptions::default());
    failure.map_or_else(Vec::new, |failure| {
        assert_eq!(failure.primary, failure.tags[0]);
        failure.tags
    })
}

const PARIS: &str = r#"{"forecast": {"city": ["Paris"], "days": [3, ""], "unit": ["c", ""]}}"#;

#[test]
fn calls() {
    let asked = [Message::user("The weather in Rome and Paris for 3 days?")];
    for (text, expected) in [
        (call("forecast", r#"{"city": "paris"}"#), vec![]),
        ("It is sunny.".to_owned(), vec![NoCall]),
        ("<tool_call>{\"name\": forecast</tool_call>".to_owned(), vec![Malformed]),
        ("<tool_call>{\"name\": \"fore".to_owned(), vec![Truncated]),
        (call("climate", r#"{"city": "Paris"}"#), vec![WrongTool]),
        (call("oracle", r#"{"city": "Paris"}"#), vec![HallucinatedTool]),
        (call("forecast", r#"{"days": 3}"#), vec![MissingRequired]),
        (call("forecast", r#"{"city": "Paris", "zip": 1}"#), vec![HallucinatedParam]),
        (call("forecast", r#"{"city": "Rome"}"#), vec![WrongValue(Some(ValueFault::Copied))]),
        (call("forecast", r#"{"city": "Oslo"}"#), vec![WrongValue(Some(ValueFault::Ungrounded))]),
        (call("forecast", r#"{"city": "Paris", "days": -3}"#), vec![WrongValue(Some(ValueFault::Sign))]),
        (call("forecast", r#"{"city": "Paris", "days": "3"}"#), vec![WrongType]),
        (call("forecast", r#"{"city": "Paris", "unit": "C"}"#), vec![Enum]),
        (call("forecast", r#"{"city": "Paris", "unit": "k"}"#), vec![Enum]),
        (
            call("forecast", r#"{"city": "Oslo", "days": "3", "zip": 1}"#),
            vec![HallucinatedParam, WrongValue(Some(ValueFault::Ungrounded)), WrongType],
        ),
        (call("forecast", r#"{"city": "Paris"}"#).repeat(2), vec![WrongCount]),
        (
            call("forecast", r#"{"city": "Paris"}"#) + &call("oracle", "{}"),
            vec![HallucinatedTool, WrongCount],
        ),
    ] {
        assert_eq!(modes(&record(&[PARIS], &text), &asked), expected, "{text}");
    }
}

#[test]
fn where_no_call_is_wanted() {
    assert_eq!(modes(&record(&[], "Hello."), &[]), []);
    assert_eq!(modes(&record(&[], &call("forecast", r#"{"city": "Paris"}"#)), &[]), [OverCall]);
    assert_eq!(modes(&record(&[], &call("oracle", "{}")), &[]), [OverCall, HallucinatedTool]);
    assert_eq!(modes(&record(&[], "<tool_call>oops</tool_call>"), &[]), [OverCall, Malformed]);
    assert_eq!(modes(&record(&[], "forecast(city='Paris')"), &[]), [OverCall, Malformed]);
}

#[test]
fn parallel_calls_are_paired_before_they_are_judged() {
    let both = [PARIS, r#"{"forecast": {"city": ["Rome"], "days": [5]}}"#];
    let (rome, paris) = (r#"{"city": "Rome", "days": 6}"#, r#"{"city": "Paris"}"#);
    let text = call("forecast", rome) + &call("forecast", paris);
    let failure = classify(&record(&both, &text), &[], &AstOptions::default()).expect("a failure");
    assert_eq!(failure.findings.len(), 1, "{failure:?}");
    assert_eq!(failure.findings[0].parameter.as_deref(), Some("days"));
    assert_eq!(failure.findings[0].expected, [Value::from(5)]);

    let right =
        call("forecast", r#"{"city": "Rome", "days": 5}"#) + &call("forecast", r#"{"city": "Paris"}"#);
    assert_eq!(modes(&record(&both, &right), &[]), []);
    let mut ordered = AstOptions::default();
    ordered.ordered = true;
    let failure = classify(&record(&both, &right), &[], &ordered).expect("a failure");
    assert_eq!(failure.primary, Order);
}

#[test]
fn a_text_that_ran_into_the_limit_is_tagged() {
    let mut cut = record(&[PARIS], "Let me think about");
    cut.response.stopped = false;
    assert_eq!(modes(&cut, &[]), [NoCall, Truncated]);
    let mut right = record(&[PARIS], &call("forecast", r#"{"city": "Paris"}"#));
    right.response.stopped = false;
    assert_eq!(modes(&right, &[]), []);
}

#[test]
fn answers_to_tool_results() {
    let after = |result: &str| {
        vec![Message::user("How warm?"), Message::calls(vec![]), Message::tool("forecast", result)]
    };
    assert_eq!(modes(&record(&[], "It is 21.5 degrees."), &after("{\"t\": 21.5}")), []);
    assert_eq!(modes(&record(&[], "It is 25 degrees."), &after("{\"t\": 21.5}")), [UngroundedAnswer]);
    assert_eq!(modes(&record(&[], "It is lovely."), &after("{\"error\": \"offline\"}")), [IgnoredError]);
}

/// The Bfcl profile fails examples that Strict passes, and the mode says why; broken data have a mode of their own.
#[test]
fn the_profile_decides_what_fails() {
    let tool = r#"{"type": "dict", "properties": {"n": {"type": "integer"}}, "required": ["n"]}"#;
    let tools = vec![ToolDefinition::new("f", "", Value::parse_json(tool).expect("a schema"))];
    let arguments: Object = [("n".to_owned(), Value::from(3))].into_iter().collect();
    let response = Response::parse(call("f", "{\"n\": 3.0}"), true, &Hermes::json());
    let record = Record::new("r", "set", tools, vec![ToolCall::new("f", arguments)], response);
    assert_eq!(classify(&record, &[], &AstOptions::new(Profile::Strict)), None);
    let failure = classify(&record, &[], &AstOptions::new(Profile::Bfcl)).expect("a failure");
    assert_eq!(failure.tags, [WrongType]);
    let mut schemaless = record;
    schemaless.tools = vec![ToolDefinition::new("f", "", Value::Null)];
    let failure =
        classify(&schemaless, &[], &AstOptions::new(Profile::Bfcl)).expect("the score has it as wrong");
    assert_eq!(failure.tags, [UnusableGold]);
    assert_eq!(failure.findings[0].tool, None, "broken data are no tool's failure");
    // The leaderboard takes what can't be read for silence.
    let garbled = self::record(&[], "<tool_call>oops</tool_call>");
    assert_eq!(classify(&garbled, &[], &AstOptions::new(Profile::Bfcl)), None);
    let any = self::record(&[], "No.").with_category(Category::Relevance);
    assert_eq!(modes(&any, &[]), [NoCall]);
}

/// A call is a failure exactly where the profile's score has it as wrong.
#[test]
fn failures_add_up_with_the_score() {
    let texts = [
        String::new(),
        "It is sunny.".to_owned(),
        "<tool_call>oops</tool_call>".to_owned(),
        "forecast(city='Paris')".to_owned(),
        call("forecast", r#"{"city": "Paris"}"#),
        call("forecast", r#"{"city": "Paris", "days": 3.0}"#),
        call("forecast", r#"{"city": "Paris", "days": "3"}"#),
        call("forecast", "{}"),
        call("climate", r#"{"city": "Paris"}"#),
        call("oracle", "{}"),
        call("forecast", r#"{"city": "Paris"}"#).repeat(2),
    ];
    let categories = [None, Some(Category::Relevance), Some(Category::Irrelevance), Some(Category::Simple)];
    let mut failing = 0;
    for profile in [Profile::Bfcl, Profile::Strict, Profile::Lenient] {
        for (text, category) in texts.iter().flat_map(|text| categories.map(|category| (text, category))) {
            for gold in [&[][..], &[PARIS], &[PARIS, PARIS]] {
                let mut record = record(gold, text);
                record.category = category;
                let failure = classify(&record, &[], &AstOptions::new(profile));
                let right = AstAccuracy::new(AstOptions::new(profile)).is_right(&record);
                assert_eq!(failure.is_none(), right, "{profile:?} {category:?} {gold:?} {text}: {failure:?}");
                failing += usize::from(!right);
            }
        }
    }
    assert!(failing > 100, "{failing}");
}

#[test]
fn a_report_counts_by_mode_tool_and_parameter() {
    let mut report = FailureReport::new(AstOptions::default());
    let mut add = |id: &str, gold: &[&str], text: &str| {
        let mut record = record(gold, text);
        record.id = id.to_owned();
        report.add(&record, &[]);
    };
    add("right", &[PARIS], &call("forecast", r#"{"city": "Paris"}"#));
    add("silent", &[PARIS], "No.");
    add("value", &[PARIS], &call("forecast", r#"{"city": "Paris", "days": 4, "unit": "k"}"#));
    add("again", &[PARIS], &call("forecast", r#"{"city": "Paris", "days": 9}"#));
    add("called", &[], &call("climate", r#"{"city": "Paris"}"#));
    assert_eq!(report.examples(), 5);

    let modes: Vec<_> = report.modes().iter().map(|m| (m.mode, m.primary, m.tagged)).collect();
    assert_eq!(
        modes,
        [(NoCall, 1, 1), (OverCall, 1, 1), (WrongValue(None), 2, 2), (Enum, 0, 1)],
        "primary modes add up to the failing examples"
    );
    let tools: Vec<_> =
        report.tools().iter().map(|t| (t.tool.clone(), t.examples, t.failing, t.modes.len())).collect();
    assert_eq!(tools, [("climate".to_owned(), 0, 1, 1), ("forecast".to_owned(), 4, 3, 3)]);
    let parameters = report.parameters();
    assert_eq!((parameters[0].parameter.as_str(), parameters[0].count), ("days", 2));

    let jsonl = report.to_jsonl().expect("JSON");
    let lines: Vec<Value> = jsonl.lines().map(|line| Value::parse_json(line).expect("a JSON line")).collect();
    let ids: Vec<_> = lines.iter().map(|line| line.get("id").and_then(Value::as_str)).collect();
    assert_eq!(ids, [Some("silent"), Some("value"), Some("again"), Some("called")]);
    assert_eq!(lines[1].get("primary").and_then(Value::as_str), Some("wrong_value"));

    let weights = report.resampling_weights();
    assert!(weights.iter().all(|weight| weight.tool == "forecast"));
    assert!((weights.iter().map(|weight| weight.share).sum::<f64>() - 1.0).abs() < 1e-12);
}
