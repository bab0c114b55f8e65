//! Small records for this crate's unit tests.

use tooltune_chat::{ParseStatus, Parsed, ToolCall, Value};

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
