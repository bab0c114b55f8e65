//! Arguments against schemas, and schemas that mean harm.
#![cfg(feature = "jsonschema")]
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use tooltune_chat::{
    ArgumentProblem, ArgumentProblemKind as Kind, ArgumentValidator, Error, MAX_SCHEMA_BYTES,
    MAX_SCHEMA_DEPTH, Object, SchemaProblem, ToolCall, ToolDefinition, Value,
};

#[path = "common/strategies.rs"]
mod strategies;

fn json(text: &str) -> Value {
    Value::parse_json(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn tool(schema: Value) -> ToolDefinition {
    ToolDefinition::new("f", "", schema)
}

fn validator(schema: &str) -> ArgumentValidator {
    ArgumentValidator::new(&[tool(json(schema))]).unwrap_or_else(|error| panic!("{error}: {schema}"))
}

fn call(arguments: Value) -> ToolCall {
    let Value::Object(arguments) = arguments else { panic!("an object") };
    ToolCall::new("f", arguments)
}

fn check(schema: &str, arguments: &str) -> Result<(), Vec<ArgumentProblem>> {
    validator(schema).check(&call(json(arguments)))
}

/// Paths and kinds, sorted.
fn found(schema: &str, arguments: &str) -> Vec<(String, &'static str)> {
    let problems = check(schema, arguments).err().unwrap_or_default();
    let mut found: Vec<_> = problems.into_iter().map(|problem| (problem.path, problem.kind.name())).collect();
    found.sort();
    found
}

fn refused(schema: Value) -> SchemaProblem {
    match ArgumentValidator::new(&[tool(schema)]) {
        Err(Error::ToolSchema { tool, problem }) => {
            assert_eq!(tool, "f");
            problem
        }
        other => panic!("{other:?}"),
    }
}

const WEATHER: &str = r#"{"type": "object", "required": ["city"], "additionalProperties": false, "properties": {
    "city": {"type": "string", "minLength": 2}, "days": {"type": "integer", "minimum": 1},
    "unit": {"enum": ["c", "f"]}, "place": {"type": "object", "properties": {"lat": {"type": "number"}}, "required": ["lat"]},
    "tags": {"type": "array", "items": {"type": ["string", "null"]}, "uniqueItems": true}}}"#;

#[test]
fn problems_are_typed_and_placed() {
    for (arguments, expected) in [
        (r#"{"city": "Oslo"}"#, vec![]),
        (r#"{"city": "Oslo", "days": 2, "unit": "c", "place": {"lat": 5}, "tags": ["a", null]}"#, vec![]),
        ("{}", vec![("", "missing required")]),
        (r#"{"city": 5}"#, vec![("/city", "wrong type")]),
        (r#"{"city": "O"}"#, vec![("/city", "other")]),
        (r#"{"city": "Oslo", "unit": "k"}"#, vec![("/unit", "not in enum")]),
        (r#"{"city": "Oslo", "days": 2.5}"#, vec![("/days", "wrong type")]),
        (r#"{"city": "Oslo", "days": 0}"#, vec![("/days", "other")]),
        (r#"{"city": "Oslo", "a": 1, "b": 2}"#, vec![("", "unknown key"), ("", "unknown key")]),
        (r#"{"city": "Oslo", "place": {}}"#, vec![("/place", "missing required")]),
        (r#"{"city": "Oslo", "tags": ["a", 1, "a"]}"#, vec![("/tags", "other"), ("/tags/1", "wrong type")]),
        (
            r#"{"days": "x", "c": null}"#,
            vec![("", "missing required"), ("", "unknown key"), ("/days", "wrong type")],
        ),
        (r#"{"city": "Oslo", "days": 18446744073709551616}"#, vec![("/days", "number too large")]),
        (
            r#"{"city": "Oslo", "tags": [[1, {"~/": -9223372036854775809}]]}"#,
            vec![("/tags/0/1/~0~1", "number too large")],
        ),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|(path, kind)| (path.to_owned(), kind)).collect();
        assert_eq!(found(WEATHER, arguments), expected, "{arguments}");
    }
    let problems = check(WEATHER, r#"{"city": true, "x~/": 1}"#).unwrap_err();
    let kinds: Vec<_> = problems.iter().map(|problem| problem.kind.clone()).collect();
    assert!(kinds.contains(&Kind::WrongType { expected: vec!["string".to_owned()], found: "boolean" }));
    assert!(kinds.contains(&Kind::UnknownKey { key: "x~/".to_owned() }));
    assert!(problems.iter().any(|problem| problem.to_string() == r#"/city: true is not of type "string""#));
    let missing = check(WEATHER, "{}").unwrap_err().remove(0);
    assert_eq!(missing.kind, Kind::MissingRequired { key: "city".to_owned() });
    let long = format!("{{\"city\": \"Oslo\", \"unit\": \"{}\"}}", "é".repeat(5000));
    assert!(check(WEATHER, &long).unwrap_err()[0].message.chars().count() <= 300);
}

#[test]
fn tools_are_told_apart() {
    let named = |name: &str, schema: &str| ToolDefinition::new(name, "", json(schema));
    let tools = [named("a", r#"{"required": ["x"]}"#), named("b", "{}")];
    let validator = ArgumentValidator::new(&tools).unwrap();
    assert!(validator.check(&ToolCall::new("b", Object::new())).is_ok());
    assert_eq!(
        validator.check(&ToolCall::new("a", Object::new())).unwrap_err()[0].kind.name(),
        "missing required"
    );
    assert_eq!(validator.check(&ToolCall::new("c", Object::new())).unwrap_err()[0].kind, Kind::UnknownTool);
    let twice = ArgumentValidator::new(&[named("a", "{}"), named("a", "{}")]);
    assert!(matches!(twice, Err(Error::BadTool { .. })));
    assert!(ArgumentValidator::new(&[]).unwrap().check(&ToolCall::new("a", Object::new())).is_err());
}

/// JSON Schema compares numbers by value; what is exact stays exact on the way there.
#[test]
fn numbers() {
    let integer = r#"{"properties": {"x": {"type": "integer"}}}"#;
    assert_eq!(found(integer, r#"{"x": 5.0}"#), []);
    assert_eq!(found(integer, r#"{"x": 18446744073709551615}"#), []);
    let limit = r#"{"properties": {"x": {"maximum": 9007199254740992}}}"#;
    assert_eq!(found(limit, r#"{"x": 9007199254740993}"#), [("/x".to_owned(), "other")]);
    let options = r#"{"properties": {"x": {"enum": [9007199254740993]}}}"#;
    assert_eq!(found(options, r#"{"x": 9007199254740992}"#), [("/x".to_owned(), "not in enum")]);
    let big = json(r#"{"properties": {"x": {"maximum": 18446744073709551616}}}"#);
    assert_eq!(refused(big), SchemaProblem::Number { path: "/properties/x/maximum".to_owned() });
}

#[test]
fn schemas_of_many_shapes() {
    let one_of = r#"{"properties": {"x": {"oneOf": [{"type": "string"}, {"type": "integer"}]}}}"#;
    let conditional =
        r#"{"if": {"required": ["a"]}, "then": {"required": ["b"]}, "properties": {"c": {"const": 1}}}"#;
    let defs = r##"{"$defs": {"a b": {"type": "string"}}, "properties": {"x": {"$ref": "#/$defs/a%20b"}}}"##;
    let tree = r##"{"properties": {"value": {"type": "integer"}, "left": {"$ref": "#"}, "right": {"$ref": "#"},
        "more": {"type": "array", "items": {"$ref": "#"}}}, "additionalProperties": false}"##;
    let tuple =
        r#"{"properties": {"x": {"prefixItems": [{"type": "string"}], "items": {"type": "integer"}}}}"#;
    let closed = r#"{"allOf": [{"properties": {"a": true}}], "properties": {"b": true}, "unevaluatedProperties": false}"#;
    let old = r##"{"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"s": {"type": "string"}},
        "properties": {"x": {"$ref": "#/definitions/s"}, "y": {"items": [{"type": "null"}]}}}"##;
    let data = r#"{"properties": {"$ref": {"type": "string"}, "pattern": {"type": "string"}, "$id": {"type": "integer"}}}"#;
    for (schema, arguments, expected) in [
        ("true", "{}", vec![]),
        ("false", "{}", vec![("", "other")]),
        (one_of, r#"{"x": 1}"#, vec![]),
        (one_of, r#"{"x": true}"#, vec![("/x", "other")]),
        (conditional, r#"{"a": 1, "b": 1}"#, vec![]),
        (conditional, r#"{"a": 1, "c": 2}"#, vec![("", "missing required"), ("/c", "not in enum")]),
        (defs, r#"{"x": 1}"#, vec![("/x", "wrong type")]),
        (tree, r#"{"left": {"right": {"value": 1}, "more": [{}]}}"#, vec![]),
        (
            tree,
            r#"{"left": {"more": [{}, {"value": "x", "y": 1}]}}"#,
            vec![("/left/more/1", "unknown key"), ("/left/more/1/value", "wrong type")],
        ),
        (tuple, r#"{"x": ["a", 1, "b"]}"#, vec![("/x/2", "wrong type")]),
        (closed, r#"{"a": 1, "b": 2}"#, vec![]),
        (closed, r#"{"a": 1, "c": 2}"#, vec![("", "unknown key")]),
        (old, r#"{"x": 1, "y": [1]}"#, vec![("/x", "wrong type"), ("/y/0", "wrong type")]),
        (data, r#"{"$ref": 1, "pattern": "(", "$id": 1}"#, vec![("/$ref", "wrong type")]),
        (r#"{"properties": {"x": {"pattern": "^a+$"}}}"#, r#"{"x": "ab"}"#, vec![("/x", "other")]),
        (r#"{"properties": {"x": {"format": "email"}}}"#, r#"{"x": "no"}"#, vec![]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|(path, kind)| (path.to_owned(), kind)).collect();
        assert_eq!(found(schema, arguments), expected, "{schema} {arguments}");
    }
}

#[test]
fn nothing_is_fetched() {
    for reference in [
        "http://127.0.0.1:9/x.json",
        "https://example.com/x",
        "file:///etc/hostname",
        "other.json#/a",
        "#anchor",
        "",
    ] {
        let schema = json(&format!("{{\"properties\": {{\"x\": {{\"$ref\": {reference:?}}}}}}}"));
        assert_eq!(refused(schema), SchemaProblem::Foreign { reference: reference.to_owned() });
    }
    for reference in ["#/$defs/none", "#/properties/x/1", "#/%", "#/%zz", "#/%ff"] {
        let schema = json(&format!("{{\"properties\": {{\"x\": {{\"$ref\": {reference:?}}}}}}}"));
        assert_eq!(refused(schema), SchemaProblem::Dangling { reference: reference.to_owned() });
    }
    let dialect = refused(json(r#"{"$schema": "http://127.0.0.1:9/meta"}"#));
    assert!(matches!(dialect, SchemaProblem::Dialect { .. }));
    for keyword in ["$dynamicRef", "$recursiveRef", "$schema", "$id"] {
        let schema = json(&format!("{{\"properties\": {{\"x\": {{{keyword:?}: \"#a\"}}}}}}"));
        assert_eq!(refused(schema), SchemaProblem::Unsupported { keyword: keyword.to_owned() });
    }
    let with_id = r##"{"$id": "http://example.com/a", "$defs": {"s": {"type": "string"}}, "properties": {"x": {"$ref": "#/$defs/s"}}}"##;
    assert_eq!(found(with_id, r#"{"x": 1}"#), [("/x".to_owned(), "wrong type")]);
}

/// `levels` objects around a leaf, by way of `key`.
fn nested(key: &str, levels: usize, leaf: Value) -> Value {
    (0..levels).fold(leaf, |inner, _| {
        let mut object = Object::new();
        object.insert(key, inner);
        object.into()
    })
}

#[test]
fn large_deep_and_broken_schemas_are_refused() {
    let filled = |bytes: usize| {
        let empty = json(r#"{"description": ""}"#).to_json().len();
        json(&format!("{{\"description\": \"{}\"}}", "x".repeat(bytes - empty)))
    };
    assert!(ArgumentValidator::new(&[tool(filled(MAX_SCHEMA_BYTES))]).is_ok());
    let bytes = MAX_SCHEMA_BYTES + 1;
    assert_eq!(refused(filled(bytes)), SchemaProblem::TooLarge { bytes, limit: MAX_SCHEMA_BYTES });
    assert!(ArgumentValidator::new(&[tool(nested("not", MAX_SCHEMA_DEPTH, true.into()))]).is_ok());
    for levels in [MAX_SCHEMA_DEPTH + 1, 5000] {
        let deep = nested("not", levels, true.into());
        assert_eq!(refused(deep), SchemaProblem::TooDeep { limit: MAX_SCHEMA_DEPTH });
    }
    let object = |items: Vec<(String, Value)>| Value::Object(items.into_iter().collect());
    let patterns = |n: usize| {
        let items = (0..n).map(|i| (format!("p{i}"), json(r#"{"pattern": "a"}"#)));
        nested("properties", 1, object(items.collect()))
    };
    assert!(ArgumentValidator::new(&[tool(patterns(64))]).is_ok());
    assert_eq!(refused(patterns(65)), SchemaProblem::TooMany { what: "patterns", limit: 64 });
    for bad in [
        r#"{"type": "strnig"}"#,
        r#"{"type": 5}"#,
        r#"{"properties": []}"#,
        r#"{"required": "x"}"#,
        r#"{"minimum": "x"}"#,
        r#"{"pattern": "("}"#,
        r#"{"pattern": "(?=a)"}"#,
        r#"{"pattern": "((a{1000}){1000}){1000}"}"#,
        r#"{"patternProperties": {"(": true}}"#,
        "[]",
        "5",
        "null",
    ] {
        assert!(matches!(refused(json(bad)), SchemaProblem::Invalid { .. }), "{bad}");
    }
}

/// Definitions `d0` to `d{n}`, each made from a reference to the next one.
fn chain(n: usize, link: impl Fn(Value) -> Value, last: Value) -> Value {
    let reference = |i: usize| json(&format!("{{\"$ref\": \"#/$defs/d{i}\"}}"));
    let mut definitions: Object = (0..n).map(|i| (format!("d{i}"), link(reference(i + 1)))).collect();
    definitions.insert(format!("d{n}"), last);
    let mut schema = Object::new();
    schema.insert("$defs", definitions);
    schema.insert("$ref", "#/$defs/d0");
    schema.into()
}

fn keyword(key: &str, items: Vec<Value>) -> Value {
    let mut object = Object::new();
    object.insert(key, items);
    object.into()
}

/// Each of these takes a naive validator exponential time, or all of its stack.
#[test]
fn schemas_that_multiply_are_refused_in_time() {
    let start = Instant::now();
    for keyword_name in ["allOf", "anyOf", "oneOf"] {
        let twice = |reference: Value| keyword(keyword_name, vec![reference.clone(), reference]);
        for last in [r#"{"type": "object"}"#, r#"{"type": "string"}"#] {
            assert_eq!(refused(chain(30, twice, json(last))), SchemaProblem::TooCostly);
        }
        let items = (0..70).map(|i| (format!("d{i}"), json(&format!("{{\"$ref\": \"#/$defs/e{i}\"}}"))));
        let mut schema = Object::new();
        schema.insert(
            "$defs",
            Value::Object(items.chain((0..70).map(|i| (format!("e{i}"), true.into()))).collect()),
        );
        assert_eq!(refused(schema.into()), SchemaProblem::TooMany { what: "references", limit: 32 });
    }
    for circle in [
        r##"{"$ref": "#"}"##,
        r##"{"allOf": [{"$ref": "#"}]}"##,
        r##"{"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"not": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"}"##,
    ] {
        assert_eq!(refused(json(circle)), SchemaProblem::Circular);
    }
    // These are fine until the value is deep.
    let doubling = r##"{"properties": {"x": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}}"##;
    let fork = |reference: Value| {
        let mut object = Object::new();
        object.insert("x", keyword("anyOf", vec![reference.clone(), reference]));
        nested("properties", 1, object.into())
    };
    let validators = [
        validator(doubling),
        ArgumentValidator::new(&[tool(chain(30, fork, json(r#"{"type": "string"}"#)))]).unwrap(),
    ];
    for validator in &validators {
        for depth in 1..=127 {
            let result = validator.check(&call(nested("x", depth, Object::new().into())));
            let too_much = |problem: &ArgumentProblem| problem.kind == Kind::TooMuchWork;
            assert!(depth < 30 || result.unwrap_err().iter().any(too_much), "{depth}");
        }
    }
    assert!(validators[0].check(&call(nested("x", 5, Object::new().into()))).is_ok());
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

/// The deepest recursion that the limits allow, on a thread's ordinary stack.
#[test]
fn long_chains_do_not_exhaust_the_stack() {
    let levels = MAX_SCHEMA_DEPTH - 4;
    let deep = |key: &'static str| move |reference: Value| nested(key, levels, reference);
    for key in ["not", "additionalProperties", "items", "if"] {
        let schema = chain(30, deep(key), true.into());
        assert!(schema.to_json().len() < MAX_SCHEMA_BYTES);
        if let Ok(validator) = ArgumentValidator::new(&[tool(schema)]) {
            let _ = validator.check(&call(nested("x", 126, Object::new().into())));
        }
    }
    let linked =
        validator(r##"{"additionalProperties": {"allOf": [{"allOf": [{"allOf": [{"$ref": "#"}]}]}]}}"##);
    for depth in [1, 50, 126] {
        let _ = linked.check(&call(nested("x", depth, Object::new().into())));
    }
    assert!(linked.check(&call(nested("x", 20, Object::new().into()))).is_ok());
    let free = validator("{}");
    assert!(free.check(&call(nested("x", 127, Object::new().into()))).is_ok());
    let deep = free.check(&call(nested("x", 3000, Object::new().into()))).unwrap_err();
    assert_eq!(deep[0].kind, Kind::TooMuchWork);
}

/// Long texts and lists are linear work.
#[test]
fn large_arguments_are_checked_in_time() {
    let start = Instant::now();
    let text = "a".repeat(100_000);
    let slow = validator(r#"{"properties": {"x": {"pattern": "^(a|a)*(a|aa)+$"}}}"#);
    assert_eq!(slow.check(&call(json(&format!("{{\"x\": \"{text}!\"}}")))).unwrap_err()[0].path, "/x");
    let items = vec!["\"a\""; 100_000].join(",");
    let list = validator(r#"{"properties": {"x": {"type": "array", "items": {"enum": ["a", "b"]}}}}"#);
    assert!(list.check(&call(json(&format!("{{\"x\": [{items}]}}")))).is_ok());
    let wrong = validator(r#"{"properties": {"x": {"type": "array", "items": {"type": "integer"}}}}"#);
    assert_eq!(wrong.check(&call(json(&format!("{{\"x\": [{items}]}}")))).unwrap_err().len(), 100_000);
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

proptest! {
    /// Any value is a schema or an error, and any arguments get an answer.
    #[test]
    fn any_schema_and_any_arguments(schema in strategies::value(), arguments in strategies::object()) {
        if let Ok(validator) = ArgumentValidator::new(&[tool(schema)]) {
            let _ = validator.check(&ToolCall::new("f", arguments));
        }
    }
}
