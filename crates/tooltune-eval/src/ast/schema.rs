//! A parameter's schema, in JSON Schema or in the leaderboard's dialect.

use tooltune_chat::{Number, Object, Value};

use super::compare::Compare;

/// A schema, or the lack of one, which allows everything.
///
/// Read are `type` (also a list of types, and `dict`, `float`, `tuple`, `any`), `nullable`, `anyOf` and `oneOf`, `enum`,
/// `const`, `default`, `items`, `properties`, `required`, `additionalProperties: false`. What else a schema says is not
/// judged here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParameterSchema<'a>(Option<&'a Object>);

/// Something in a value that its schema does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) kind: ViolationKind,
    /// The place inside the value, as `.street[2]`.
    pub(crate) path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ViolationKind {
    Type,
    Enum,
    Missing,
    Unknown,
}

/// Values nest at most as deep as the JSON parser allows; schemas may come from elsewhere.
const MAX_DEPTH: usize = 128;

impl<'a> ParameterSchema<'a> {
    pub(crate) fn new(schema: Option<&'a Value>) -> Self {
        Self(schema.and_then(Value::as_object))
    }

    fn key(self, key: &str) -> Option<&'a Value> {
        self.0?.get(key)
    }

    /// The schema of the property `name`; `None` where it is not declared.
    pub(crate) fn property(self, name: &str) -> Option<Self> {
        self.key("properties")?.get(name).map(|schema| Self::new(Some(schema)))
    }

    pub(crate) fn declares_properties(self) -> bool {
        self.key("properties").is_some()
    }

    /// The schema of what stands under `name`: without a declaration it allows everything.
    pub(crate) fn member(self, name: &str) -> Self {
        self.property(name).unwrap_or(Self(None))
    }

    pub(crate) fn items(self) -> Self {
        Self::new(self.key("items"))
    }

    pub(crate) fn required(self) -> impl Iterator<Item = &'a str> {
        let names = self.key("required").and_then(Value::as_array).unwrap_or_default();
        names.iter().filter_map(Value::as_str)
    }

    pub(crate) fn requires(self, name: &str) -> bool {
        self.required().any(|required| required == name)
    }

    pub(crate) fn default(self) -> Option<&'a Value> {
        self.key("default")
    }

    pub(crate) fn enum_values(self) -> Option<&'a [Value]> {
        self.key("enum")?.as_array()
    }

    fn alternatives(self) -> impl Iterator<Item = Self> {
        let of = move |key| self.key(key).and_then(Value::as_array).unwrap_or_default();
        of("anyOf").iter().chain(of("oneOf")).map(|schema| Self::new(Some(schema)))
    }

    /// The names of types that the schema allows; empty where it does not say.
    fn types(self) -> impl Iterator<Item = &'a str> {
        let (one, many) = match self.key("type") {
            Some(Value::String(name)) => (Some(name.as_str()), &[][..]),
            Some(Value::Array(names)) => (None, names.as_slice()),
            _ => (None, &[][..]),
        };
        one.into_iter().chain(many.iter().filter_map(Value::as_str))
    }

    /// The schema says nothing about types.
    pub(crate) fn is_untyped(self) -> bool {
        let known = self.types().any(|name| kind_of(name).is_some());
        let any = self.types().any(|name| kind_of(name).is_none());
        (any || !known) && self.alternatives().next().is_none()
    }

    /// The schema is one of objects, and says so.
    pub(crate) fn is_dict(self) -> bool {
        self.types().any(|name| kind_of(name) == Some(Kind::Object))
    }

    pub(crate) fn allows_text(self) -> bool {
        self.allows(Kind::Text)
    }

    pub(crate) fn allows_array(self) -> bool {
        self.allows(Kind::Array)
    }

    fn allows(self, kind: Kind) -> bool {
        self.is_untyped()
            || self.types().any(|name| kind_of(name) == Some(kind))
            || self.alternatives().any(|schema| schema.allows(kind))
    }

    /// The type of `value` is allowed; what is inside is not looked at.
    pub(crate) fn admits(self, value: &Value) -> bool {
        if self.is_untyped() {
            return true;
        }
        let nullable = self.key("nullable").and_then(Value::as_bool) == Some(true);
        match value {
            Value::Null => nullable || self.allows(Kind::Null),
            Value::Bool(_) => self.allows(Kind::Boolean),
            Value::Number(Number::Float(float)) if float.fract() != 0.0 => self.allows(Kind::Number),
            Value::Number(_) => self.allows(Kind::Integer) || self.allows(Kind::Number),
            Value::String(_) => self.allows(Kind::Text),
            Value::Array(_) => self.allows(Kind::Array),
            Value::Object(_) => self.allows(Kind::Object),
        }
    }

    /// Everything in `value` that the schema does not allow.
    pub(crate) fn violations(self, value: &Value) -> Vec<Violation> {
        let mut found = Vec::new();
        self.visit(value, &mut String::new(), 0, &mut found);
        found
    }

    fn visit(self, value: &Value, path: &mut String, depth: usize, found: &mut Vec<Violation>) {
        let mut report = |kind, path: &str| found.push(Violation { kind, path: path.to_owned() });
        if depth > MAX_DEPTH {
            return;
        }
        if !self.admits(value) {
            return report(ViolationKind::Type, path);
        }
        let literal = |wanted: &Value| Compare::STRICT.literal(value, wanted);
        let constant = self.key("const").is_none_or(literal);
        if !constant || self.enum_values().is_some_and(|values| !values.iter().any(literal)) {
            return report(ViolationKind::Enum, path);
        }
        let length = path.len();
        match value {
            Value::Object(object) => {
                for name in self.required().filter(|name| !object.contains_key(name)) {
                    report(ViolationKind::Missing, &format!("{path}.{name}"));
                }
                let closed = self.key("additionalProperties").and_then(Value::as_bool) == Some(false);
                for (name, member) in object.iter() {
                    path.push('.');
                    path.push_str(name);
                    match self.property(name) {
                        Some(schema) => schema.visit(member, path, depth + 1, found),
                        None if closed => {
                            found.push(Violation { kind: ViolationKind::Unknown, path: path.clone() });
                        }
                        None => {}
                    }
                    path.truncate(length);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push_str(&format!("[{index}]"));
                    self.items().visit(item, path, depth + 1, found);
                    path.truncate(length);
                }
            }
            _ => {}
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    Boolean,
    Integer,
    Number,
    Text,
    Array,
    Object,
}

/// The kind that a type's name means; `None` for `any` and for names that no dialect has.
fn kind_of(name: &str) -> Option<Kind> {
    Some(match name {
        "string" => Kind::Text,
        "integer" => Kind::Integer,
        "number" | "float" => Kind::Number,
        "boolean" => Kind::Boolean,
        "array" | "tuple" => Kind::Array,
        "object" | "dict" => Kind::Object,
        "null" => Kind::Null,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_dialects_are_read() {
        for (schema, value, allowed) in [
            (r#"{"type": "dict"}"#, "{}", true),
            (r#"{"type": "object"}"#, "[]", false),
            (r#"{"type": "float"}"#, "1", true),
            (r#"{"type": "integer"}"#, "1.0", true),
            (r#"{"type": "integer"}"#, "1.5", false),
            (r#"{"type": "integer"}"#, "true", false),
            (r#"{"type": "any"}"#, "null", true),
            (r#"{"type": ["string", "null"]}"#, "null", true),
            (r#"{"type": ["string", "null"]}"#, "1", false),
            (r#"{"anyOf": [{"type": "string"}, {"type": "integer"}]}"#, "1", true),
            (r#"{"anyOf": [{"type": "string"}, {"type": "integer"}]}"#, "[]", false),
            (r#"{"type": "string", "nullable": true}"#, "null", true),
            ("{}", "[1]", true),
        ] {
            let schema = Value::parse_json(schema).unwrap();
            let value = Value::parse_json(value).unwrap();
            assert_eq!(ParameterSchema::new(Some(&schema)).admits(&value), allowed, "{schema:?} {value:?}");
        }
    }

    #[test]
    fn violations_are_found_at_their_place() {
        let schema = r#"{"type": "object", "properties": {"a": {"type": "array", "items": {"type": "integer"}},
            "b": {"enum": ["x", "y"]}, "c": {"type": "dict", "properties": {"d": {"type": "float"}},
            "additionalProperties": false}}, "required": ["a", "z"]}"#;
        let schema = Value::parse_json(schema).unwrap();
        let value = r#"{"a": [1, "2"], "b": "z", "c": {"d": true, "e": 1}, "other": 1}"#;
        let value = Value::parse_json(value).unwrap();
        let found: Vec<_> = ParameterSchema::new(Some(&schema))
            .violations(&value)
            .into_iter()
            .map(|violation| (violation.kind, violation.path))
            .collect();
        assert_eq!(
            found,
            [
                (ViolationKind::Missing, ".z".to_owned()),
                (ViolationKind::Type, ".a[1]".to_owned()),
                (ViolationKind::Enum, ".b".to_owned()),
                (ViolationKind::Type, ".c.d".to_owned()),
                (ViolationKind::Unknown, ".c.e".to_owned()),
            ]
        );
    }
}
