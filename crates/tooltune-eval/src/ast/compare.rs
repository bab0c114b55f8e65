//! Values compared under the Strict and Lenient profiles.

use tooltune_chat::{Object, Value};

use super::gold::is_marker;
use super::number::same_number;
use super::python::Python;
use super::text::{same_text, similar_text};
use super::{Accepted, AstError, ParameterSchema};

/// How values are compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compare {
    lenient: bool,
    python: Python,
}

/// How a wanted value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notation {
    /// As it is.
    Plain,
    /// The values of dicts are lists of accepted values.
    Alternatives,
    /// The values of dicts are lists of accepted values, or values: gold answers have both below the first level.
    Either,
}

impl Compare {
    pub(crate) const STRICT: Self = Self { lenient: false, python: Python { tuples: false } };

    pub(super) fn new(lenient: bool, tuples: bool) -> Self {
        Self { lenient, python: Python { tuples } }
    }

    pub(super) fn is_lenient(self) -> bool {
        self.lenient
    }

    /// The values are the same as JSON, numbers by value.
    pub(crate) fn literal(self, got: &Value, wanted: &Value) -> bool {
        match (got, wanted) {
            (Value::Number(a), Value::Number(b)) => same_number(a, b),
            (Value::Array(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.literal(a, b))
            }
            (Value::Object(a), Value::Object(b)) => {
                let same =
                    |(key, a): (&str, &Value)| b.get(key).is_some_and(|wanted| self.literal(a, wanted));
                a.len() == b.len() && a.iter().all(same)
            }
            _ => got == wanted,
        }
    }

    /// Checks `got` against what is accepted for a parameter of `schema`.
    pub(super) fn check(
        self,
        schema: ParameterSchema<'_>,
        got: &Value,
        accepted: &Accepted,
    ) -> Result<(), AstError> {
        if !self.accepts(schema, got, accepted) {
            return Err(self.reason(schema, got, accepted));
        }
        let listed = |values: &[Value]| values.iter().any(|value| self.literal(got, value));
        match schema.enum_values() {
            Some(values) if !self.lenient && !listed(values) && !listed(accepted.values()) => {
                // Inside an array the enum belongs to the items, where some data sets misplace it.
                if self.python.items(got).is_some() { Ok(()) } else { Err(AstError::Enum) }
            }
            _ => Ok(()),
        }
    }

    pub(super) fn accepts(self, schema: ParameterSchema<'_>, got: &Value, accepted: &Accepted) -> bool {
        match accepted {
            Accepted::Exactly(value) => self.same(schema, got, value, Notation::Plain),
            // The author meant the empty list.
            Accepted::AnyOf(values) if values.is_empty() => {
                schema.allows_array() && self.python.items(got).is_some_and(<[Value]>::is_empty)
            }
            Accepted::AnyOf(values) => {
                let dicts = schema.is_dict() || schema.items().is_dict();
                let notation = if dicts { Notation::Alternatives } else { Notation::Either };
                values.iter().any(|value| self.same_option(schema, got, value, notation))
            }
        }
    }

    fn same_option(
        self,
        schema: ParameterSchema<'_>,
        got: &Value,
        option: &Value,
        notation: Notation,
    ) -> bool {
        if is_marker(option) {
            return is_marker(got) && schema.allows_text();
        }
        self.same(schema, got, option, notation)
    }

    pub(super) fn same_plain(self, schema: ParameterSchema<'_>, got: &Value, wanted: &Value) -> bool {
        self.same(schema, got, wanted, Notation::Plain)
    }

    fn same(self, schema: ParameterSchema<'_>, got: &Value, wanted: &Value, notation: Notation) -> bool {
        match (got, wanted) {
            (Value::String(got), Value::String(wanted)) if self.lenient => similar_text(got, wanted),
            (Value::String(got), Value::String(wanted)) if schema.allows_text() => same_text(got, wanted),
            (Value::Number(got), Value::Number(wanted)) => {
                same_number(got, wanted) || (self.lenient && nearly(got.to_f64(), wanted.to_f64()))
            }
            _ => match (self.python.items(got), self.python.items(wanted)) {
                (Some(got), Some(wanted)) => {
                    let items = schema.items();
                    // Only the dicts of a declared list of dicts are surely written with alternatives.
                    let notation = match notation {
                        Notation::Alternatives if !items.is_dict() => Notation::Either,
                        other => other,
                    };
                    got.len() == wanted.len()
                        && got.iter().zip(wanted).all(|(got, wanted)| self.same(items, got, wanted, notation))
                }
                (None, None) => match (got, wanted) {
                    (Value::Object(got), Value::Object(wanted)) => {
                        self.same_dict(schema, got, wanted, notation)
                    }
                    _ => got == wanted || (self.lenient && similar_scalar(got, wanted)),
                },
                (Some([got]), None) if self.lenient => self.same(schema.items(), got, wanted, notation),
                (None, Some([wanted])) if self.lenient => self.same(schema.items(), got, wanted, notation),
                _ => false,
            },
        }
    }

    fn same_dict(
        self,
        schema: ParameterSchema<'_>,
        got: &Object,
        wanted: &Object,
        notation: Notation,
    ) -> bool {
        let member = |(key, got): (&str, &Value)| {
            let Some(wanted) = wanted.get(key) else { return false };
            let schema = schema.member(key);
            match wanted {
                Value::Array(options) if notation != Notation::Plain => {
                    options.iter().any(|option| self.same_option(schema, got, option, Notation::Either))
                        || (notation == Notation::Either && self.same_plain(schema, got, wanted))
                }
                _ if notation == Notation::Plain => self.same_plain(schema, got, wanted),
                _ => self.same(schema, got, wanted, Notation::Either),
            }
        };
        let omissible = |(key, wanted): (&str, &Value)| {
            got.contains_key(key)
                || (notation != Notation::Plain
                    && wanted.as_array().is_some_and(|options| options.iter().any(is_marker)))
        };
        got.iter().all(member) && wanted.iter().all(omissible)
    }

    /// Why `got`, which is not accepted, is not.
    fn reason(self, schema: ParameterSchema<'_>, got: &Value, accepted: &Accepted) -> AstError {
        let options = || accepted.values().iter().filter(|option| !is_marker(option));
        let same_kind = |option: &Value| match (self.python.items(got), self.python.items(option)) {
            (None, None) => std::mem::discriminant(got) == std::mem::discriminant(option),
            (got, option) => got.is_some() == option.is_some(),
        };
        if !options().any(same_kind) && options().next().is_some() {
            let admitted =
                if self.python.tuple(got).is_some() { schema.allows_array() } else { schema.admits(got) };
            if schema.is_untyped() || !admitted {
                return AstError::Type;
            }
        }
        if let Some(items) = self.python.items(got) {
            if items.iter().any(|item| !schema.items().admits(item)) {
                return AstError::NestedType;
            }
            let dicts = schema.items().is_dict() || items.iter().any(|item| item.as_object().is_some());
            let lengths = || options().filter_map(|option| self.python.items(option)).map(<[Value]>::len);
            return match dicts {
                true if lengths().all(|length| length != items.len()) => AstError::ListDictCount,
                true => AstError::DictValue,
                false => AstError::ListValue,
            };
        }
        if !schema.admits(got) {
            return AstError::Type;
        }
        match got {
            Value::String(_) => AstError::StringValue,
            Value::Object(got) => {
                let same_keys = |wanted: &Object| got.keys().all(|key| wanted.contains_key(key));
                let dicts = || options().filter_map(Value::as_object);
                let missing = |wanted: &Object| {
                    let may =
                        |value: &Value| value.as_array().is_some_and(|options| options.iter().any(is_marker));
                    wanted.iter().any(|(key, value)| !got.contains_key(key) && !may(value))
                };
                let keys_fit = dicts().any(|wanted| same_keys(wanted) && !missing(wanted));
                if keys_fit { AstError::DictValue } else { AstError::DictKey }
            }
            _ => AstError::OtherValue,
        }
    }
}

fn nearly(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * a.abs().max(b.abs())
}

/// A number or truth value, and the text that writes it.
fn similar_scalar(a: &Value, b: &Value) -> bool {
    let (text, scalar) = match (a, b) {
        (Value::String(text), scalar) | (scalar, Value::String(text)) => (text.trim(), scalar),
        _ => return false,
    };
    match scalar {
        Value::Bool(flag) => text.eq_ignore_ascii_case(if *flag { "true" } else { "false" }),
        Value::Number(number) => match Value::parse_json(text) {
            Ok(Value::Number(written)) => same_number(&written, number),
            _ => false,
        },
        _ => false,
    }
}

/// The place where `got` first differs from `wanted`, a plain value, and what stands there in each; the empty path for the
/// whole value.
pub(crate) fn first_difference<'a>(
    got: &'a Value,
    wanted: &'a Value,
) -> (String, Option<&'a Value>, Option<&'a Value>) {
    let mut path = String::new();
    let (mut got, mut wanted) = (got, wanted);
    loop {
        let step = match (got, wanted) {
            (Value::Object(a), Value::Object(b)) => a
                .iter()
                .find(|(key, value)| b.get(key) != Some(value))
                .map(|(key, value)| (format!(".{key}"), Some(value), b.get(key)))
                .or_else(|| {
                    let (key, missing) = b.iter().find(|(key, _)| !a.contains_key(key))?;
                    Some((format!(".{key}"), None, Some(missing)))
                }),
            (Value::Array(a), Value::Array(b)) => a
                .iter()
                .zip(b)
                .position(|(a, b)| a != b)
                .or_else(|| (a.len() != b.len()).then(|| a.len().min(b.len())))
                .map(|index| (format!("[{index}]"), a.get(index), b.get(index))),
            _ => None,
        };
        let Some((name, next_got, next_wanted)) = step else { return (path, Some(got), Some(wanted)) };
        path.push_str(&name);
        let (Some(next_got), Some(next_wanted)) = (next_got, next_wanted) else {
            return (path, next_got, next_wanted);
        };
        (got, wanted) = (next_got, next_wanted);
    }
}
