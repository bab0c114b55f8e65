//! What models get wrong in the formats of Llama 3.1, Llama 4, FunctionGemma and OpenAI, and what is no call at all.
#![allow(clippy::unwrap_used)]

use tooltune_chat::{
    DiagnosticKind, FunctionGemma, JsonErrorKind, Llama31, OpenAi, ParseEvent, ParseStatus, Pythonic,
    Severity, ToolCallFormat,
};

#[test]
fn slips_are_repaired_and_reported() {
    use DiagnosticKind as D;
    let (llama, pythonic, gemma, openai) =
        (Llama31::new(), Pythonic::new(), FunctionGemma::new(), OpenAi::new());
    for (format, text, kind) in [
        (&llama as &dyn ToolCallFormat, "{\"name\": \"f\", \"parameters\": null}", D::ArgumentsNull),
        (&llama, "{\"name\": \"f\", \"parameters\": {\"x\": 1,}}", D::TrailingComma),
        (
            &llama,
            "{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": {}}}",
            D::FunctionWrapper,
        ),
        (&llama, "```json\n{\"name\": \"f\", \"parameters\": {}}\n```", D::Fence),
        (&llama, "<|python_tag|>{\"name\": \"f\"", D::TruncatedCall),
        (&llama, "{\"name\": \"f\", \"parameters\": {\"x\": 1}", D::Truncated),
        (&llama, "{\"name\": \"f\", \"parameters\": {}}<|eot_id|>user", D::Overrun),
        (
            &llama,
            "{\"name\": \"f\", \"parameters\": {\"x\": 1, \"x\": 2}}",
            D::DuplicateKey { key: "x".to_owned() },
        ),
        (
            &pythonic,
            "[f(x=1), 5]",
            D::BadBlock {
                error: JsonErrorKind::Unexpected { expected: "the name of a function", found: '5' },
            },
        ),
        (&pythonic, "[f(x=1)", D::MissingBracket),
        (&pythonic, "[f(x=(1, 2))]", D::Tuple),
        (&pythonic, "[f(x={'a': 1, 'a': 2})]", D::DuplicateKey { key: "a".to_owned() }),
        (&pythonic, "`[f(x=1)]`", D::QuotedCalls),
        (&pythonic, "```python\n[f(x=1)]\n```", D::Fence),
        (&pythonic, "f(x=1), f(x=2)", D::MissingList),
        (&gemma, "<start_function_call>call:f{x:1}", D::MissingEndTag),
        (
            &gemma,
            "<start_function_call>call:f{x:1,x:2}<end_function_call>",
            D::DuplicateKey { key: "x".to_owned() },
        ),
        (&gemma, "<start_function_call>call:f{x:1}}<end_function_call>", D::JunkInBlock),
        (&gemma, "<start_function_call>call:f<end_function_call>", D::ArgumentsMissing),
        (&gemma, "<start_function_call>call:f{x:True}<end_function_call>", D::MixedSyntax),
        (&gemma, "<start_function_call>call:f{<escape>x<escape>:1}<end_function_call>", D::WrongQuotes),
        (&gemma, "<start_function_call>call:f{x:1}<end_function_call> done", D::TextBeside),
        (
            &gemma,
            "<start_function_call>call:f{}<end_function_call><start_function_response>response:f{}<end_function_response>",
            D::InventedResult,
        ),
        (&openai, "[{\"name\": \"f\", \"arguments\": \"{}\"}]", D::MissingWrapper),
        (&openai, "[{\"function\": {\"name\": \"f\", \"arguments\": {}}}]", D::ArgumentsAsObject),
        (&openai, "{\"function\": {\"name\": \"f\", \"arguments\": \"{}\"}}", D::MissingList),
        (&openai, "[{\"function\": {\"name\": \"f\", \"arguments\": \"{}\"}}", D::Truncated),
    ] {
        let parsed = format.parse(text);
        assert!(parsed.diagnostics.iter().any(|d| d.kind == kind), "{text}\n{parsed:?}");
        assert!(parsed.clone().into_strict().is_err(), "{text}");
        let status = if kind.severity() == Severity::Lost && parsed.calls.is_empty() {
            ParseStatus::Malformed
        } else {
            ParseStatus::Recovered
        };
        assert_eq!(parsed.status, status, "{text}\n{parsed:?}");
        assert!(parsed.calls.iter().all(|call| call.name == "f"), "{text}\n{parsed:?}");
    }
    let message = "{\"content\": \"Hi.\", \"tool_calls\": [{\"id\": \"c\", \"function\": {\"name\": \"f\", \"arguments\": \"{}\"}}]}";
    let parsed = openai.parse(message).into_strict().unwrap();
    assert_eq!((parsed.text.as_str(), parsed.calls[0].id.as_deref()), ("Hi.", Some("c")));
}

#[test]
fn what_is_no_call_is_text() {
    for (format, text) in [
        (
            &Llama31::new() as &dyn ToolCallFormat,
            "The JSON {\"name\": \"Rex\"} is no call; {nor} is {this: 1}.",
        ),
        (&Pythonic::new(), "See [the docs](https://x.y/z), [1], and print(x) or `f(x=1)`."),
        (&Pythonic::new(), "Use Python:\n```python\nprint(x)\n```\nDone."),
        (&FunctionGemma::new(), "Please call: me{ later }, <b>now</b>. I recall:f{x:1}."),
        (&OpenAi::new(), "[{\"id\": 1}, {\"id\": 2}] and {\"name\": \"Rex\"} and [1, 2]"),
    ] {
        let parsed = format.parse(text);
        assert_eq!(parsed.status, ParseStatus::NoAttempt, "{parsed:?}");
        assert_eq!(parsed.text, text);
        assert!(parsed.diagnostics.is_empty(), "{parsed:?}");
        let mut stream = format.stream();
        for c in text.chars() {
            let events = stream.push(&c.to_string());
            assert!(events.iter().all(|event| matches!(event, ParseEvent::Text(_))));
        }
    }
}
