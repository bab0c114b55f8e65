//! Arguments into Rust types, tools from them.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tooltune_chat::{Error, ToolCall, Value};

#[path = "common/strategies.rs"]
mod strategies;

fn call(arguments: &str) -> ToolCall {
    let Value::Object(arguments) = Value::parse_json(arguments).unwrap() else { panic!("an object") };
    ToolCall::new("f", arguments)
}

/// The one argument `x`, of type `T`.
#[derive(Debug, Deserialize)]
struct X<T> {
    x: T,
}

fn x<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let result = call(&format!("{{\"x\": {text}}}")).arguments_as::<X<T>>();
    result.map(|x| x.x).map_err(|error| match error {
        Error::Arguments { tool, path, problem } => {
            assert_eq!(tool, "f");
            format!("{path}: {problem}")
        }
        other => panic!("{other}"),
    })
}

#[test]
fn numbers_are_exact_or_refused() {
    assert_eq!(x::<i64>("5"), Ok(5));
    assert_eq!(x::<i64>("-9223372036854775808"), Ok(i64::MIN));
    assert_eq!(x::<u64>("18446744073709551615"), Ok(u64::MAX));
    assert_eq!(x::<i128>("-170141183460469231731687303715884105728"), Ok(i128::MIN));
    assert_eq!(x::<u128>("340282366920938463463374607431768211455"), Ok(u128::MAX));
    assert_eq!(x::<u128>("7"), Ok(7));
    assert_eq!(x::<f64>("5"), Ok(5.0));
    assert_eq!(x::<f64>("0.1"), Ok(0.1));
    assert_eq!(x::<f64>("9007199254740992"), Ok(9_007_199_254_740_992.0));
    assert_eq!(x::<f64>("36893488147419103232"), Ok(36_893_488_147_419_103_232.0));
    assert_eq!(x::<f32>("0.1"), Ok(0.1));
    assert_eq!(x::<f32>("16777216"), Ok(16_777_216.0));
    for (result, problem) in [
        (x::<i64>("5.0").map(|_| ()), "/x: invalid type: floating point `5.0`, expected i64"),
        (x::<u8>("256").map(|_| ()), "/x: invalid value: integer `256`, expected u8"),
        (x::<u8>("-1").map(|_| ()), "/x: invalid value: integer `-1`, expected u8"),
        (
            x::<i64>("9223372036854775808").map(|_| ()),
            "/x: invalid value: integer `9223372036854775808`, expected i64",
        ),
        (
            x::<u128>("340282366920938463463374607431768211456").map(|_| ()),
            "/x: invalid value: integer `340282366920938463463374607431768211456`, expected at most 128 bits",
        ),
        (
            x::<f64>("9007199254740993").map(|_| ()),
            "/x: invalid value: number `9007199254740993`, expected a number that a float of 64 bits can hold",
        ),
        (
            x::<f64>("36893488147419103233").map(|_| ()),
            "/x: invalid value: number `36893488147419103233`, expected a number that a float of 64 bits can hold",
        ),
        (
            x::<f32>("16777217").map(|_| ()),
            "/x: invalid value: number `16777217`, expected a number that a float of 32 bits can hold",
        ),
        (
            x::<f32>("1e39").map(|_| ()),
            "/x: invalid value: number `1e+39`, expected a number that a float of 32 bits can hold",
        ),
        (x::<String>("5").map(|_| ()), "/x: invalid type: integer `5`, expected a string"),
        (x::<bool>("\"true\"").map(|_| ()), "/x: invalid type: string \"true\", expected a boolean"),
        (x::<f64>("\"1\"").map(|_| ()), "/x: invalid type: string \"1\", expected f64"),
    ] {
        assert_eq!(result, Err(problem.to_owned()));
    }
    // A million digits are a sentence in the error, not a hang.
    assert!(x::<f64>(&"9".repeat(100_000)).is_err());
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Shape {
    Point,
    Circle(f64),
    Box { width: u32, height: u32 },
    Line(i32, i32),
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Strict {
    name: String,
    #[serde(default)]
    tags: Vec<String>,
    at: Option<(f64, f64)>,
    counts: BTreeMap<String, u8>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Id(u32);

#[test]
fn shapes_of_types() {
    assert_eq!(x::<Shape>("\"point\""), Ok(Shape::Point));
    assert_eq!(x::<Shape>("{\"point\": null}"), Ok(Shape::Point));
    assert_eq!(x::<Shape>("{\"circle\": 2}"), Ok(Shape::Circle(2.0)));
    assert_eq!(
        x::<Shape>("{\"box\": {\"width\": 1, \"height\": 2}}"),
        Ok(Shape::Box { width: 1, height: 2 })
    );
    assert_eq!(x::<Shape>("{\"line\": [1, -2]}"), Ok(Shape::Line(1, -2)));
    assert_eq!(x::<Option<Id>>("null"), Ok(None));
    assert_eq!(x::<Option<Id>>("7"), Ok(Some(Id(7))));
    assert_eq!(x::<(u8, String)>("[1, \"a\"]"), Ok((1, "a".to_owned())));
    assert_eq!(x::<char>("\"é\""), Ok('é'));
    assert_eq!(x::<()>("null"), Ok(()));
    let text = r#"{"name": "n", "at": [1, 2.5], "counts": {"a": 1}}"#;
    let strict = Strict {
        name: "n".to_owned(),
        tags: Vec::new(),
        at: Some((1.0, 2.5)),
        counts: BTreeMap::from([("a".to_owned(), 1)]),
    };
    assert_eq!(call(text).arguments_as::<Strict>().unwrap(), strict);
    assert_eq!(
        x::<Vec<HashMap<String, Value>>>("[{\"a\": [1, 1.0]}]").unwrap()[0]["a"].to_json(),
        "[1, 1.0]"
    );
}

#[test]
fn errors_name_the_place() {
    let error = |text: &str| call(text).arguments_as::<Strict>().unwrap_err().to_string();
    let start = "the arguments of \"f\"";
    assert_eq!(error("{}"), format!("{start}: missing field `name`"));
    assert_eq!(
        error(r#"{"name": "n", "x": 1, "counts": {}}"#),
        format!("{start}: unknown field `x`, expected one of `name`, `tags`, `at`, `counts`")
    );
    assert_eq!(
        error(r#"{"name": "n", "tags": ["a", 5.0], "counts": {}}"#),
        format!("{start} at /tags/1: invalid type: floating point `5.0`, expected a string")
    );
    assert_eq!(
        error(r#"{"name": "n", "counts": {"a/b~c": "x"}}"#),
        format!("{start} at /counts/a~1b~0c: invalid type: string \"x\", expected u8")
    );
    assert_eq!(
        error(r#"{"name": "n", "at": [1, 2, 3], "counts": {}}"#),
        format!("{start} at /at: invalid length 3, expected 2 items")
    );
    assert_eq!(
        error(r#"{"name": "n", "at": [1], "counts": {}}"#),
        format!("{start} at /at: invalid length 1, expected a tuple of size 2")
    );
    for (text, problem) in [
        ("{\"circle\": \"a\"}", "/x/circle: invalid type: string \"a\", expected f64"),
        ("{\"box\": {\"width\": 1}}", "/x/box: missing field `height`"),
        ("{\"line\": {}}", "/x/line: invalid type: object, expected tuple variant Shape::Line"),
        ("{\"point\": 1}", "/x/point: invalid type: integer, expected null, for a variant without content"),
        ("{\"point\": null, \"circle\": 1}", "/x: invalid length 2, expected one key, the name of a variant"),
        ("{}", "/x: invalid length 0, expected one key, the name of a variant"),
        ("\"square\"", "/x: unknown variant `square`, expected one of `point`, `circle`, `box`, `line`"),
        ("\"circle\"", "/x: invalid type: unit variant, expected newtype variant"),
        ("5", "/x: invalid type: integer `5`, expected enum Shape"),
    ] {
        assert_eq!(x::<Shape>(text).unwrap_err(), problem, "{text}");
    }
}

proptest! {
    /// What fits a value reads back as itself; numbers too large for serde are refused.
    #[test]
    fn values_read_back(arguments in strategies::object()) {
        let call = ToolCall::new("f", arguments);
        match call.arguments_as::<Value>() {
            Ok(value) => prop_assert_eq!(value, Value::Object(call.arguments.clone())),
            Err(error) => prop_assert!(error.to_string().contains("at most 128 bits"), "{}", error),
        }
    }
}

#[cfg(feature = "schemars")]
mod tools {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use tooltune_chat::{Error, ToolDefinition, ToolSchemaStyle, Value};

    /// Finds flights.
    ///
    /// Nonstop first.
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "read by the schema alone")]
    struct FindFlights {
        /// Where from.
        from: Airport,
        to: Airport,
        passengers: u8,
        price: Option<f64>,
        #[serde(default)]
        classes: Vec<Class>,
        /// Not the title of a schema.
        title: String,
    }

    /// An airport.
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "read by the schema alone")]
    struct Airport {
        code: String,
    }

    #[derive(Serialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    #[expect(dead_code, reason = "read by the schema alone")]
    enum Class {
        Economy,
        Business,
    }

    #[derive(Deserialize, JsonSchema)]
    struct Tree {
        value: i64,
        children: Vec<Tree>,
    }

    #[test]
    fn schemas_are_short_and_whole() {
        let tool = ToolDefinition::from_type::<FindFlights>("find_flights", None).unwrap();
        assert_eq!(tool.description, "Finds flights.\n\nNonstop first.");
        let expected = r#"{"type": "object", "properties": {
            "from": {"description": "Where from.", "type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]},
            "to": {"description": "An airport.", "type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]},
            "passengers": {"type": "integer", "minimum": 0, "maximum": 255},
            "price": {"type": ["number", "null"]},
            "classes": {"type": "array", "items": {"type": "string", "enum": ["economy", "business"]}, "default": []},
            "title": {"description": "Not the title of a schema.", "type": "string"}},
            "required": ["from", "to", "passengers", "title"]}"#;
        assert_eq!(tool.parameters, Value::parse_json(expected).unwrap(), "{}", tool.parameters.to_json());
        // Properties stand in the order of the fields.
        let keys: Vec<_> = tool.parameters.get("properties").unwrap().as_object().unwrap().keys().collect();
        assert_eq!(keys, ["from", "to", "passengers", "price", "classes", "title"]);
        let given = ToolDefinition::from_type::<FindFlights>("find_flights", Some("Flights.")).unwrap();
        assert_eq!((given.description.as_str(), &given.parameters), ("Flights.", &tool.parameters));
        assert_eq!(ToolDefinition::from_value(&tool.to_value()).unwrap(), tool);
        assert!(ToolSchemaStyle::Compact.write(&tool).to_json().contains(r#""from": {"code": "string"}"#));
    }

    #[test]
    fn types_within_themselves_stay_references() {
        let tool = ToolDefinition::from_type::<Tree>("grow", Some("Grows.")).unwrap();
        let items = tool.parameters.get("properties").unwrap().get("children").unwrap().get("items").unwrap();
        let reference = items.get("$ref").unwrap().as_str().unwrap();
        assert!(reference.starts_with('#'), "{reference}");
        assert!(!tool.parameters.to_json().contains("title"));
        let text =
            r#"{"value": 1, "children": [{"value": 2, "children": []}, {"value": "x", "children": []}]}"#;
        let error =
            super::call(text).arguments_as::<Tree>().map(|tree| tree.value + tree.children.len() as i64);
        assert!(error.unwrap_err().to_string().contains("at /children/1/value: "));
    }

    #[test]
    fn what_has_no_named_arguments_is_refused() {
        #[derive(JsonSchema)]
        struct Nothing {}
        #[derive(JsonSchema)]
        struct Unit;
        let nothing = ToolDefinition::from_type::<Nothing>("now", None).unwrap();
        assert_eq!(nothing.parameters.to_json(), r#"{"type": "object", "properties": {}}"#);
        assert_eq!(nothing.description, "");
        let refused = |result: Result<ToolDefinition, Error>| matches!(result, Err(Error::BadTool { .. }));
        assert!(refused(ToolDefinition::from_type::<Unit>("f", None)));
        assert!(refused(ToolDefinition::from_type::<String>("f", None)));
        assert!(refused(ToolDefinition::from_type::<Vec<Nothing>>("f", None)));
        assert!(refused(ToolDefinition::from_type::<Class>("f", None)));
        assert!(refused(ToolDefinition::from_type::<serde_json::Value>("f", None)));
        assert!(refused(ToolDefinition::from_type::<Nothing>("", None)));
    }
}
