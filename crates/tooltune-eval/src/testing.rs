//! Small records for this crate's unit tests.

use proptest::prelude::*;
use tooltune_chat::{Hermes, Message, ParseStatus, Parsed, ToolCall, ToolDefinition, Value};

use crate::metric::Metric;
use crate::rate::Rate;
use crate::record::{Record, Response};

pub(crate) fn call(name: &str, arguments: &str) -> ToolCall {
    let arguments = Value::parse_json(arguments).unwrap().as_object().unwrap().clone();
    ToolCall::new(name, arguments)
}

pub(crate) fn response(status: ParseStatus, calls: Vec<ToolCall>) -> Response {
    Response::new(
        "",
        true,
        Parsed {
            status,
            calls,
            content: String::new(),
            text: String::new(),
            thinking: String::new(),
            diagnostics: Vec::new(),
        },
    )
}

/// Calls of functions without arguments.
pub(crate) fn well_formed(names: &[&str]) -> Response {
    response(ParseStatus::Calls, names.iter().map(|name| call(name, "{}")).collect())
}

/// A malformed attempt of which a part, the right call at that, could be read.
pub(crate) fn malformed() -> Response {
    response(ParseStatus::Malformed, vec![call("f", "{}")])
}

pub(crate) fn silent() -> Response {
    response(ParseStatus::NoAttempt, Vec::new())
}

pub(crate) fn record(gold: &[&str], response: Response) -> Record {
    let gold = gold.iter().map(|name| call(name, "{}")).collect();
    Record::new("id", "group", Vec::new(), gold, response)
}

/// A record with a name, for scorecards and comparisons.
pub(crate) fn example(id: &str, group: &str, gold: &[&str], response: Response) -> Record {
    Record { id: id.to_owned(), group: group.to_owned(), ..record(gold, response) }
}

/// Numerator and denominator of a rate over `records`.
pub(crate) fn counts(mut rate: Rate, records: &[Record]) -> (u64, u64) {
    records.iter().for_each(|record| rate.update(record));
    let value = rate.value();
    assert_eq!(value.n, records.len() as u64);
    assert_eq!(value.value.is_some(), value.denominator > 0.0);
    assert_eq!(value.interval.is_some(), value.denominator > 0.0);
    (value.numerator as u64, value.denominator as u64)
}

/// What a model may write: answers, calls right and wrong, markup, nonsense.
const WRITTEN: [&str; 16] = [
    "",
    "It is 21.5 degrees in Paris.",
    "Sorry, that failed.",
    "It has been booked for 7.",
    r#"<tool_call>{"name": "f", "arguments": {"a": 1, "b": "x"}}</tool_call>"#,
    r#"<tool_call>{"name": "f", "arguments": {"a": 2, "b": "x", "c": 3}}</tool_call>"#,
    r#"<tool_call>{"name": "f", "arguments": {"a": "1"}}</tool_call>"#,
    r#"<tool_call>{"name": "g", "arguments": {}}</tool_call>"#,
    r#"<tool_call>{"name": "h", "arguments": {"a": 1}}</tool_call>"#,
    r#"<tool_call>{"name": "f", "arguments": {"a": 1,}}</tool_call>"#,
    r#"<tool_call>{"name": "g", "arguments": {}}</tool_call><tool_call>{"name": "f", "arguments": {"b": "x"}}</tool_call>"#,
    "<tool_call>nonsense</tool_call>",
    "Done.</tool_call>",
    "<tool_response>{}</tool_response>",
    "Hello.<end_of_turn>\n<start_of_turn>user",
    "no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no ",
];

/// Records of all kinds, some of them in dialogues.
pub(crate) fn records() -> impl Strategy<Value = Vec<Record>> {
    let schema = r#"{"type":"object","properties":{"a":{"type":"integer","enum":[1,2]},"b":{"type":"string"}},"required":["a"]}"#;
    let declared =
        ["f", "g"].map(|name| ToolDefinition::new(name, "", Value::parse_json(schema).unwrap())).to_vec();
    let gold = prop::sample::subsequence(
        vec![call("f", r#"{"a":1,"b":"x"}"#), call("f", r#"{"a":2}"#), call("g", "{}")],
        0..=2,
    );
    let asked = || Message::user("Is it 21.5 degrees in Paris?");
    let made = || Message::calls(vec![call("f", r#"{"a":1,"b":"x"}"#)]);
    let conversation = prop::sample::select(vec![
        vec![],
        vec![asked()],
        vec![asked(), made(), Message::tool("f", r#"{"city": "Paris", "value": 21.50, "items": [1, 2]}"#)],
        vec![asked(), made(), Message::tool("f", r#"{"error": "no such place"}"#)],
    ]);
    let turn = prop::option::of((prop::sample::select(vec!["x", "y", "z"]), 0..2_u32, 0..3_u32));
    let written = prop::sample::select(WRITTEN.to_vec());
    let one = (any::<u16>(), gold, conversation, turn, written, any::<bool>(), any::<bool>()).prop_map(
        move |(id, gold, conversation, turn, written, stopped, with_tools)| {
            let response = Response::parse(written, stopped, &Hermes::json());
            let tools = if with_tools { declared.clone() } else { Vec::new() };
            let record =
                Record::new(format!("r{id}"), "group", tools, gold, response).with_conversation(conversation);
            let state_match = stopped.then_some(with_tools);
            let record = Record { state_match, cut_short: !stopped && with_tools, ..record };
            match turn {
                Some((dialogue, trial, index)) => record.in_dialogue(dialogue, trial, index),
                None => record,
            }
        },
    );
    prop::collection::vec(one, 0..20)
}
