//! The three profiles side by side, and what a verdict tells.

use tooltune_chat::{ToolCall, ToolDefinition, Value};
use tooltune_eval::ast::{
    Accepted, AstError, AstOptions, Category, GoldCall, ModelOutput, Profile, SchemaError, ast_match,
};

fn json(text: &str) -> Value {
    Value::parse_json(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn call(arguments: &str) -> ToolCall {
    ToolCall::new("f", json(arguments).as_object().expect("arguments").clone())
}

fn gold(parameters: &str) -> GoldCall {
    GoldCall::from_bfcl(&json(&format!("{{\"f\": {parameters}}}"))).expect("gold")
}

fn verdicts(schema: &str, accepted: &GoldCall, arguments: &str) -> [bool; 3] {
    let tools = [ToolDefinition::new("f", "", json(schema))];
    let (gold, calls) = ([accepted.clone()], [call(arguments)]);
    [Profile::Bfcl, Profile::Strict, Profile::Lenient].map(|profile| {
        ast_match(&tools, &gold, ModelOutput::Calls(&calls), &AstOptions::new(profile)).valid()
    })
}

/// One parameter `x` of the schema `property`; the call gives it `got`.
#[test]
fn one_value() {
    for (property, accepted, got, expected) in [
        (r#"{"type": "integer"}"#, "[5]", "5", [true, true, true]),
        (r#"{"type": "integer"}"#, "[5]", "5.0", [false, true, true]),
        (r#"{"type": "integer"}"#, "[5]", "\"5\"", [false, false, true]),
        (r#"{"type": "integer"}"#, "[5]", "6", [false, false, false]),
        (r#"{"type": "integer"}"#, "[1]", "true", [false, false, false]),
        (r#"{"type": "boolean"}"#, "[true]", "\"True\"", [false, false, true]),
        (r#"{"type": "float"}"#, "[0.3]", "0.30000000000000004", [false, false, true]),
        (r#"{"type": "string"}"#, "[\"New York\"]", "\"new-york\"", [true, true, true]),
        (r#"{"type": "string"}"#, "[\"New York\"]", "\"NewYork\"", [true, false, true]),
        (r#"{"type": "string"}"#, "[\"1.5\"]", "\"15\"", [true, false, false]),
        (r#"{"type": "string", "enum": ["km"]}"#, "[\"km\"]", "\"KM\"", [true, false, true]),
        (r#"{"type": "array", "items": {"type": "string"}}"#, "[[\"a\"]]", "\"a\"", [false, false, true]),
        (r#"{"type": "array", "items": {"type": "string"}}"#, "[[\"a\", \"b\"]]", "[\"a\"]", [false; 3]),
        // JSON Schema: the leaderboard's checker fails on it.
        (r#"{"type": "number"}"#, "[5]", "5.0", [false, true, true]),
        (r#"{"type": ["string", "null"]}"#, "[null]", "null", [false, true, true]),
        (r#"{"type": ["string", "null"]}"#, "[\"a\"]", "null", [false, false, false]),
        (r#"{"anyOf": [{"type": "string"}, {"type": "integer"}]}"#, "[\"a\", 5]", "5", [false, true, true]),
        (r#"{"type": "array"}"#, "[[1, \"a\"]]", "[1, \"A\"]", [false, true, true]),
        (
            r#"{"type": "object", "properties": {"y": {"type": "object"}}}"#,
            r#"[{"y": [{"z": [1, 2]}]}]"#,
            r#"{"y": {"z": 2.0}}"#,
            [false, true, true],
        ),
        (r#"{"type": "object"}"#, r#"[{"y": ["a", ""]}]"#, "{}", [false, true, true]),
        // Below the first level lists may be alternatives or values.
        (r#"{"type": "dict"}"#, r#"[{"y": [["a", "b"]]}]"#, r#"{"y": ["a", "b"]}"#, [true, true, true]),
        (r#"{"type": "dict"}"#, r#"[{"y": ["a", "b"]}]"#, r#"{"y": ["a", "b"]}"#, [false, false, false]),
        (r#"{"type": "any"}"#, r#"[{"y": ["a", "b"]}]"#, r#"{"y": ["a", "b"]}"#, [true, true, true]),
    ] {
        let schema = format!(r#"{{"type": "dict", "properties": {{"x": {property}}}, "required": ["x"]}}"#);
        let gold = gold(&format!("{{\"x\": {accepted}}}"));
        assert_eq!(
            verdicts(&schema, &gold, &format!("{{\"x\": {got}}}")),
            expected,
            "{property} {accepted} {got}"
        );
    }
}

#[test]
fn what_may_be_left_out() {
    let schema = r#"{"type": "dict", "properties": {"a": {"type": "integer"},
        "u": {"type": "string", "default": "m"}, "v": {"type": "string"}}, "required": ["a"]}"#;
    for (accepted, arguments, expected) in [
        (r#"{"a": [1]}"#, r#"{"a": 1, "u": "m"}"#, [false, true, true]),
        (r#"{"a": [1]}"#, r#"{"a": 1, "u": "k"}"#, [false, false, true]),
        (r#"{"a": [1]}"#, r#"{"a": 1, "v": null}"#, [false, true, true]),
        (r#"{"a": [1]}"#, r#"{"a": 1, "w": "k"}"#, [false, false, false]),
        (r#"{"a": [1], "u": ["m"]}"#, r#"{"a": 1}"#, [false, true, true]),
        (r#"{"a": [1], "v": ["m"]}"#, r#"{"a": 1}"#, [false, false, false]),
        (r#"{"a": [1], "v": ["m", ""]}"#, r#"{"a": 1}"#, [true, true, true]),
        (r#"{"a": [1], "v": ["m", ""]}"#, r#"{"a": 1, "v": null}"#, [false, true, true]),
        (r#"{"a": [1, ""]}"#, "{}", [false, true, true]),
        (r#"{"a": [1]}"#, "{}", [false, false, false]),
    ] {
        assert_eq!(verdicts(schema, &gold(accepted), arguments), expected, "{accepted} {arguments}");
    }
    // A plain answer has no marks: an empty text is an empty text.
    let plain =
        GoldCall::new("f").with("a", Accepted::Exactly(1.into())).with("v", Accepted::Exactly("".into()));
    assert_eq!(verdicts(schema, &plain, r#"{"a": 1}"#), [false, false, false]);
    assert_eq!(verdicts(schema, &plain, r#"{"a": 1, "v": ""}"#), [true, true, true]);
}

#[test]
fn a_verdict_says_what_and_where() {
    let schema = r#"{"type": "object", "properties": {"to": {"type": "object", "properties": {
        "street": {"type": "array", "items": {"type": "string"}}}}}, "required": ["to"]}"#;
    let tools = [ToolDefinition::new("f", "", json(schema))];
    let gold = [gold(r#"{"to": [{"street": [["a", "b"]]}]}"#)];
    let calls = [call(r#"{"to": {"street": ["a", "c"]}}"#)];
    let strict = AstOptions::new(Profile::Strict);
    let verdict = ast_match(&tools, &gold, ModelOutput::Calls(&calls), &strict);
    let error = verdict.error.expect("an error");
    assert_eq!((error.kind, error.call, error.gold), (AstError::DictValue, Some(0), Some(0)));
    assert_eq!((error.parameter, error.path.as_str()), (Some("to"), ".street[1]"));
    assert_eq!(
        error.to_string(),
        "value_error:dict_value at call 0, to.street[1]: got {\"street\": [\"a\", \"c\"]}, \
         expected {\"street\": [[\"a\", \"b\"]]}"
    );
    let bfcl = AstOptions::new(Profile::Bfcl);
    let verdict = ast_match(&tools, &gold, ModelOutput::Calls(&calls), &bfcl);
    assert_eq!(verdict.error_kind(), Some(AstError::Schema(SchemaError::UnknownType)));
    assert_eq!(SchemaError::UnknownType.python_exception(), "KeyError");
}

#[test]
fn parallel_calls() {
    let schema = r#"{"type": "dict", "properties": {"n": {"type": "integer"}}, "required": ["n"]}"#;
    let tools = [ToolDefinition::new("f", "", json(schema))];
    let gold = [gold(r#"{"n": [1, 2]}"#), gold(r#"{"n": [1]}"#)];
    let judge = |calls: &[ToolCall], options: &AstOptions| {
        let verdict = ast_match(&tools, &gold, ModelOutput::Calls(calls), options);
        let place = verdict.error.as_ref().map(|error| (error.kind, error.gold, error.call));
        (place, verdict.sub_error_types().join(" "))
    };
    let strict = AstOptions::new(Profile::Strict);
    let (one, two) = (call("{\"n\": 1}"), call("{\"n\": 2}"));
    // Greedy pairing gives the first call to the first wanted one.
    let calls = [one.clone(), two];
    assert_eq!(judge(&calls, &strict), (None, String::new()));
    assert_eq!(
        judge(&calls, &AstOptions::new(Profile::Bfcl)).0,
        Some((AstError::CannotFindMatch, Some(1), None))
    );
    let mut ordered = strict.clone();
    ordered.ordered = true;
    assert_eq!(judge(&calls, &ordered).0, Some((AstError::WrongOrder, Some(1), Some(0))));
    // Either wanted call could stand for the one that is right.
    let unknown = ToolCall::new("g", one.arguments.clone());
    let (error, causes) = judge(&[one.clone(), unknown], &strict);
    assert_eq!(error.map(|error| error.0), Some(AstError::CannotFindMatch));
    assert_eq!(causes, "simple_function_checker:unknown_function");
    assert_eq!(judge(&[one], &strict).0, Some((AstError::WrongCount(Category::Parallel), None, None)));
}
