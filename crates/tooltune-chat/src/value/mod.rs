//! JSON values as tool calls need them: key order kept, `5` and `5.0` apart, big integers exact.
//!
//! `serde_json::Value` cannot do all three unless a Cargo feature is switched on for the whole build of the
//! program that uses us, so the value, its parsers and its writers are ours.

mod chars;
mod error;
mod json;
mod literal;
mod literal_number;
mod number;
mod object;
mod serde_impls;
mod write;

pub use error::{JsonError, JsonErrorKind};
pub(crate) use json::parse_prefix;
pub use json::{JsonOptions, MAX_DEPTH};
pub(crate) use literal::{LiteralOptions, Repair, parse_literal_prefix};
pub(crate) use literal_number::read_number;
pub use number::Number;
pub use object::Object;

pub(crate) use chars::python_strip;
#[cfg(feature = "jinja")]
pub(crate) use chars::{is_python_printable, is_python_space};

/// A JSON value.
///
/// Equality is JSON's: the order of an object's keys does not matter, `5` is not `5.0`.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`; Python's `None`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(String),
    /// An array; Python's lists and tuples.
    Array(Vec<Value>),
    /// An object; Python's dicts with string keys.
    Object(Object),
}

impl Value {
    /// Parses one JSON text (RFC 8259) with the default [`JsonOptions`].
    ///
    /// # Errors
    /// On anything RFC 8259 does not allow, on duplicate keys, on numbers that no finite double can hold and
    /// on nesting deeper than [`MAX_DEPTH`].
    pub fn parse_json(text: &str) -> Result<Self, JsonError> {
        Self::parse_json_with(text, &JsonOptions::default())
    }

    /// Parses one JSON text with the limits of `options`.
    ///
    /// # Errors
    /// As [`Value::parse_json`].
    pub fn parse_json_with(text: &str, options: &JsonOptions) -> Result<Self, JsonError> {
        json::parse(text, options)
    }

    /// As [`Value::parse_json`], and as Python's `json.loads` does where a key stands twice: it keeps its first place
    /// and its last value.
    pub(crate) fn parse_json_last_wins(text: &str) -> Result<Self, JsonError> {
        json::parse_last_wins(text, &JsonOptions::default())
    }

    /// Parses one Python literal: what `repr` prints for dicts with string keys, lists, tuples (they become
    /// arrays), strings, numbers, `True`, `False` and `None`. Nothing is evaluated.
    ///
    /// # Errors
    /// On everything else, on duplicate keys and on nesting deeper than [`MAX_DEPTH`].
    pub fn parse_python(text: &str) -> Result<Self, JsonError> {
        literal::parse_python(text)
    }

    /// Writes JSON as Python's `json.dumps(value, ensure_ascii=False)` does: `", "` and `": "` between items.
    #[must_use]
    pub fn to_json(&self) -> String {
        write::to_json(self)
    }

    /// Writes the value as Python's `repr` does.
    #[must_use]
    pub fn to_python(&self) -> String {
        write::to_python(self)
    }

    /// The string, if this is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(s) => Some(s),
            _ => None,
        }
    }

    /// The truth value, if this is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// The number, if this is one.
    #[must_use]
    pub fn as_number(&self) -> Option<&Number> {
        match self {
            Self::Number(n) => Some(n),
            _ => None,
        }
    }

    /// The integer, if this is one that fits `i64`; `5.0` is not an integer.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Number(Number::Int(i)) => Some(*i),
            _ => None,
        }
    }

    /// The number as the nearest double, if this is a number.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        self.as_number().map(Number::to_f64)
    }

    /// The items, if this is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The object, if this is one.
    #[must_use]
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The value under `key`, if this is an object that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_object()?.get(key)
    }

    /// Whether this is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The JSON name of the value's type, for error messages.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(Number::Float(_)) => "number",
            Self::Number(_) => "integer",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }
}

impl From<&str> for Value {
    fn from(s: &str) -> Self {
        Self::String(s.to_owned())
    }
}

impl From<String> for Value {
    fn from(s: String) -> Self {
        Self::String(s)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

impl From<i64> for Value {
    fn from(i: i64) -> Self {
        Self::Number(Number::Int(i))
    }
}

/// A double that is not finite has no JSON form: it becomes `null`.
impl From<f64> for Value {
    fn from(f: f64) -> Self {
        if f.is_finite() { Self::Number(Number::Float(f)) } else { Self::Null }
    }
}

impl From<Number> for Value {
    fn from(n: Number) -> Self {
        Self::Number(n)
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Self::Array(items)
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}
