//! The leaderboard's schema dialect as JSON Schema.

use tooltune_chat::{Object, Value};

/// The JSON Schema of a schema in the leaderboard's dialect: `dict` is an object, `float` a number, `tuple` an array, and
/// `any` is no type at all. Everything else stays as it is, in its order.
#[must_use]
pub fn to_json_schema(schema: &Value) -> Value {
    let Value::Object(object) = schema else { return schema.clone() };
    let mut translated = Object::new();
    for (key, value) in object.iter() {
        let value = match (key, value) {
            ("type", Value::String(name)) => match json_type(name) {
                Some(name) => name.into(),
                None => continue,
            },
            // A union with `any` allows everything.
            ("type", Value::Array(names)) => {
                let translate = |name: &Value| match name {
                    Value::String(name) => json_type(name).map(Value::from),
                    other => Some(other.clone()),
                };
                let translated: Option<Vec<Value>> = names.iter().map(translate).collect();
                match translated {
                    Some(names) => names.into(),
                    None => continue,
                }
            }
            ("properties", Value::Object(properties)) => {
                let each = |(name, schema): (&str, &Value)| (name.to_owned(), to_json_schema(schema));
                Value::Object(properties.iter().map(each).collect())
            }
            ("items" | "additionalProperties", schema) => to_json_schema(schema),
            ("anyOf" | "oneOf" | "allOf", Value::Array(schemas)) => {
                Value::Array(schemas.iter().map(to_json_schema).collect())
            }
            (_, other) => other.clone(),
        };
        translated.insert(key, value);
    }
    translated.into()
}

/// The type's name in JSON Schema; `None` for what allows everything.
fn json_type(name: &str) -> Option<&str> {
    match name {
        "dict" => Some("object"),
        "float" => Some("number"),
        "tuple" => Some("array"),
        "any" => None,
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_translated_at_every_depth() {
        let dialect = r#"{"type": "dict", "properties": {"type": {"type": "any", "description": "kept"},
            "l": {"type": "array", "items": {"type": "tuple", "items": {"type": "float"}}},
            "d": {"type": "dict", "properties": {"x": {"type": ["float", "string"], "default": "any"}}},
            "u": {"type": ["dict", "any"], "enum": ["dict"]}}, "required": ["l"]}"#;
        let schema = r#"{"type": "object", "properties": {"type": {"description": "kept"},
            "l": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
            "d": {"type": "object", "properties": {"x": {"type": ["number", "string"], "default": "any"}}},
            "u": {"enum": ["dict"]}}, "required": ["l"]}"#;
        let parse = |text: &str| Value::parse_json(text).unwrap();
        assert_eq!(to_json_schema(&parse(dialect)).to_json(), parse(schema).to_json());
    }
}
