//! Does a call obey the tool's declaration? Whatever was wanted.

use tooltune_chat::{Number, Object, ToolCall, ToolDefinition, Value};

/// A way in which a call breaks the declaration of its tool.
///
/// Paths name an argument, and the place in it: `items[2].price`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaViolation {
    /// No tool of that name is declared.
    #[error("no function `{name}` is declared")]
    UnknownFunction {
        /// The name called.
        name: String,
    },
    /// A required argument is missing.
    #[error("`{path}` is required")]
    MissingRequired {
        /// The argument.
        path: String,
    },
    /// An argument that the declaration does not know.
    #[error("`{path}` is not declared")]
    UnknownParameter {
        /// The argument.
        path: String,
    },
    /// A value of another type than declared.
    #[error("`{path}` is of type {found}")]
    WrongType {
        /// The argument.
        path: String,
        /// The type of the value given.
        found: &'static str,
    },
    /// A value that is not among those allowed.
    #[error("`{path}` is not one of the values allowed")]
    NotInEnum {
        /// The argument.
        path: String,
    },
}

/// All violations of `call` against the declaration of its tool in `tools`, in the order of the declaration.
///
/// What is checked is what models get wrong: the function's name, required arguments, unknown arguments, types, and
/// `enum` or `const` values, in nested objects and arrays too, under `anyOf`, `oneOf` and `allOf`. Types are JSON
/// Schema's (5.0 is an integer, as the standard has it) and the names that the Berkeley leaderboard uses (`dict`,
/// `float`, `tuple`, `any`). An object whose schema lists no `properties` is free, and so is one whose
/// `additionalProperties` is true or a schema; otherwise a key that is not listed is unknown. Patterns, ranges, lengths
/// and `$ref` are not checked.
///
/// ```
/// use tooltune_chat::{Object, ToolCall, ToolDefinition, Value};
/// use tooltune_eval::schema_violations;
///
/// let schema = r#"{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}"#;
/// let tool = ToolDefinition::new("get_weather", "", Value::parse_json(schema)?);
/// let call = ToolCall::new("get_weather", [("town".to_owned(), "Paris".into())].into_iter().collect::<Object>());
/// let violations: Vec<String> = schema_violations(&call, &[tool]).iter().map(ToString::to_string).collect();
/// assert_eq!(violations, ["`city` is required", "`town` is not declared"]);
/// # Ok::<(), tooltune_chat::JsonError>(())
/// ```
#[must_use]
pub fn schema_violations(call: &ToolCall, tools: &[ToolDefinition]) -> Vec<SchemaViolation> {
    let Some(tool) = tools.iter().find(|tool| tool.name == call.name) else {
        return vec![SchemaViolation::UnknownFunction { name: call.name.clone() }];
    };
    let mut found = Vec::new();
    check_object(&call.arguments, &tool.parameters, "", &mut found);
    found
}

/// The schema that `tools` declare for an argument.
pub(crate) fn parameter_schema<'t>(
    tools: &'t [ToolDefinition],
    function: &str,
    parameter: &str,
) -> Option<&'t Value> {
    tools.iter().find(|tool| tool.name == function)?.parameters.get("properties")?.get(parameter)
}

/// Whether `value` is of the type that `schema` declares; `None` where it declares none.
pub(crate) fn has_declared_type(value: &Value, schema: &Value) -> Option<bool> {
    let types = declared_types(schema)?;
    Some(types.iter().any(|name| is_of_type(value, name)) || is_nullable_null(value, schema))
}

fn check_object(object: &Object, schema: &Value, path: &str, found: &mut Vec<SchemaViolation>) {
    let inside = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    for name in required(schema) {
        if !object.contains_key(name) {
            found.push(SchemaViolation::MissingRequired { path: inside(name) });
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let additional = schema.get("additionalProperties");
    for (key, value) in object.iter() {
        match (properties.and_then(|known| known.get(key)), additional) {
            (Some(property), _) => check_value(value, property, &inside(key), found),
            (None, Some(schema @ Value::Object(_))) => check_value(value, schema, &inside(key), found),
            (None, Some(Value::Bool(true))) => {}
            (None, Some(Value::Bool(false))) => {
                found.push(SchemaViolation::UnknownParameter { path: inside(key) });
            }
            (None, _) if properties.is_some() => {
                found.push(SchemaViolation::UnknownParameter { path: inside(key) });
            }
            (None, _) => {}
        }
    }
}

fn check_value(value: &Value, schema: &Value, path: &str, found: &mut Vec<SchemaViolation>) {
    if is_nullable_null(value, schema) {
        return;
    }
    if has_declared_type(value, schema) == Some(false) {
        found.push(SchemaViolation::WrongType { path: path.to_owned(), found: value.type_name() });
        return;
    }
    let allowed = schema.get("enum").and_then(Value::as_array);
    let constant = schema.get("const");
    if allowed.is_some_and(|allowed| !allowed.iter().any(|one| same(one, value)))
        || constant.is_some_and(|constant| !same(constant, value))
    {
        found.push(SchemaViolation::NotInEnum { path: path.to_owned() });
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(choices) = schema.get(key).and_then(Value::as_array).filter(|all| !all.is_empty()) {
            check_any(value, choices, path, found);
        }
    }
    for part in schema.get("allOf").and_then(Value::as_array).unwrap_or_default() {
        check_value(value, part, path, found);
    }
    match value {
        Value::Object(object) => check_object(object, schema, path, found),
        Value::Array(items) => {
            if let Some(item @ Value::Object(_)) = schema.get("items") {
                for (index, value) in items.iter().enumerate() {
                    check_value(value, item, &format!("{path}[{index}]"), found);
                }
            }
        }
        _ => {}
    }
}

/// One choice must fit; where none does, what is wrong with the choice that is least wrong is reported.
fn check_any(value: &Value, choices: &[Value], path: &str, found: &mut Vec<SchemaViolation>) {
    let violations = choices.iter().map(|choice| {
        let mut found = Vec::new();
        check_value(value, choice, path, &mut found);
        found
    });
    let is_type_error = |found: &Vec<SchemaViolation>| matches!(found.first(), Some(SchemaViolation::WrongType { path: at, .. }) if at == path);
    // A choice of another type is further off than one with a wrong value.
    let least = violations.min_by_key(|found| (is_type_error(found), found.len()));
    found.extend(least.unwrap_or_default());
}

fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Value::as_array).unwrap_or_default().iter().filter_map(Value::as_str)
}

fn declared_types(schema: &Value) -> Option<Vec<&str>> {
    match schema.get("type")? {
        Value::String(name) => Some(vec![name.as_str()]),
        Value::Array(names) => Some(names.iter().filter_map(Value::as_str).collect()),
        _ => None,
    }
}

fn is_nullable_null(value: &Value, schema: &Value) -> bool {
    value.is_null() && schema.get("nullable").and_then(Value::as_bool) == Some(true)
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "string" => matches!(value, Value::String(_)),
        "integer" | "int" => value.as_number().is_some_and(is_whole),
        "number" | "float" | "double" => matches!(value, Value::Number(_)),
        "boolean" | "bool" => matches!(value, Value::Bool(_)),
        "array" | "list" | "tuple" => matches!(value, Value::Array(_)),
        "object" | "dict" => matches!(value, Value::Object(_)),
        "null" => value.is_null(),
        // `any`, and names of other languages' types, which can't be judged.
        _ => true,
    }
}

fn is_whole(number: &Number) -> bool {
    match number {
        Number::Float(f) => f.fract() == 0.0,
        _ => true,
    }
}

/// Equality as JSON Schema has it: 5 and 5.0 are the same value.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(Number::Float(x)), Value::Number(y))
        | (Value::Number(y), Value::Number(Number::Float(x))) => *x == y.to_f64(),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::call;

    fn violations(schema: &str, arguments: &str) -> Vec<String> {
        let tool = ToolDefinition::new("f", "", Value::parse_json(schema).unwrap());
        schema_violations(&call("f", arguments), &[tool]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn types() {
        for (schema, good, bad) in [
            (r#"{"type":"string"}"#, vec![r#""x""#], vec!["1", "null", "[]"]),
            (
                r#"{"type":"integer"}"#,
                vec!["5", "5.0", "99999999999999999999"],
                vec!["5.5", r#""5""#, "true"],
            ),
            (r#"{"type":"number"}"#, vec!["5", "5.5"], vec![r#""5""#, "false"]),
            (r#"{"type":"float"}"#, vec!["5", "5.5"], vec!["[5.5]"]),
            (r#"{"type":["string","null"]}"#, vec![r#""x""#, "null"], vec!["1"]),
            (r#"{"type":"string","nullable":true}"#, vec!["null"], vec!["1"]),
            (r#"{"type":"any"}"#, vec!["1", "null", "{}"], vec![]),
            ("{}", vec!["1", "null"], vec![]),
            (r#"{"enum":["a",5]}"#, vec![r#""a""#, "5", "5.0"], vec![r#""A""#, r#""5""#]),
            (r#"{"const":true}"#, vec!["true"], vec!["false", "1"]),
            (r#"{"anyOf":[{"type":"integer"},{"type":"null"}]}"#, vec!["1", "null"], vec![r#""1""#]),
            (r#"{"oneOf":[{"enum":["a"]},{"type":"integer"}]}"#, vec![r#""a""#, "7"], vec![r#""b""#]),
            (r#"{"allOf":[{"type":"string"},{"enum":["a"]}]}"#, vec![r#""a""#], vec![r#""b""#, "1"]),
            (r#"{"type":"array","items":{"type":"integer"}}"#, vec!["[]", "[1]"], vec!["[1,\"2\"]", "1"]),
            (r#"{"type":"dict"}"#, vec![r#"{"free":1}"#], vec!["[]"]),
        ] {
            let schema = format!(r#"{{"type":"object","properties":{{"x":{schema}}}}}"#);
            for value in good {
                let found = violations(&schema, &format!(r#"{{"x":{value}}}"#));
                assert!(found.is_empty(), "{schema}: {value}: {found:?}");
            }
            for value in bad {
                assert!(!violations(&schema, &format!(r#"{{"x":{value}}}"#)).is_empty(), "{schema}: {value}");
            }
        }
    }

    #[test]
    fn violations_name_the_place() {
        let schema = r#"{"type":"object","properties":{"order":{"type":"object","properties":{"items":{"type":"array",
            "items":{"type":"object","properties":{"price":{"type":"number"},"kind":{"enum":["a"]}},"required":["price"]}}},
            "required":["items","to"]}},"required":["order"]}"#;
        assert_eq!(
            violations(
                schema,
                r#"{"order":{"items":[{"price":1,"kind":"a"},{"kind":"b","x":1},{"price":"1"}]},"y":0}"#
            ),
            [
                "`order.to` is required",
                "`order.items[1].price` is required",
                "`order.items[1].kind` is not one of the values allowed",
                "`order.items[1].x` is not declared",
                "`order.items[2].price` is of type string",
                "`y` is not declared",
            ]
        );
        assert_eq!(violations(schema, "{}"), ["`order` is required"]);
    }

    #[test]
    fn unknown_keys() {
        let with = |more: &str| format!(r#"{{"type":"object"{more}}}"#);
        let unknown = |more: &str| violations(&with(more), r#"{"x":1}"#).len();
        assert_eq!(unknown(r#","properties":{}"#), 1);
        assert_eq!(unknown(r#","properties":{},"additionalProperties":true"#), 0);
        assert_eq!(unknown(r#","properties":{},"additionalProperties":{"type":"integer"}"#), 0);
        assert_eq!(unknown(r#","additionalProperties":{"type":"string"}"#), 1);
        assert_eq!(unknown(r#","additionalProperties":false"#), 1);
        assert_eq!(unknown(""), 0);
        let other = ToolDefinition::new("g", "", Object::new());
        assert_eq!(
            schema_violations(&call("f", "{}"), &[other]),
            [SchemaViolation::UnknownFunction { name: "f".to_owned() }]
        );
    }

    #[test]
    fn nonsense_in_a_schema_is_no_panic() {
        for schema in [
            "null",
            "[]",
            r#"{"properties":[]}"#,
            r#"{"required":{"x":1},"properties":{"x":null}}"#,
            r#"{"properties":{"x":{"type":5,"enum":7,"anyOf":[],"items":[1]}}}"#,
        ] {
            assert!(violations(schema, r#"{"x":[1]}"#).is_empty(), "{schema}");
        }
    }
}
