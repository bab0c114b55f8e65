//! What Python makes of values: the types, equality and text comparison that the leaderboard's checker rests on.

use tooltune_chat::{Number, Value};

use super::number::same_number;

/// The type that Python's `type()` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PyType {
    None,
    Bool,
    Int,
    Float,
    Str,
    List,
    Tuple,
    Dict,
}

/// Reads values as Python's; `tuples` says whether `{"__tuple__": […]}` is a tuple.
#[derive(Clone, Copy, Debug)]
pub(super) struct Python {
    pub(super) tuples: bool,
}

impl Python {
    pub(super) fn type_of(self, value: &Value) -> PyType {
        match value {
            Value::Null => PyType::None,
            Value::Bool(_) => PyType::Bool,
            Value::Number(Number::Float(_)) => PyType::Float,
            Value::Number(_) => PyType::Int,
            Value::String(_) => PyType::Str,
            Value::Array(_) => PyType::List,
            Value::Object(_) if self.tuple(value).is_some() => PyType::Tuple,
            Value::Object(_) => PyType::Dict,
        }
    }

    /// The items of a tuple.
    pub(super) fn tuple(self, value: &Value) -> Option<&[Value]> {
        let object = value.as_object().filter(|object| self.tuples && object.len() == 1)?;
        object.get("__tuple__")?.as_array()
    }

    /// The items of a list or tuple.
    pub(super) fn items(self, value: &Value) -> Option<&[Value]> {
        value.as_array().or_else(|| self.tuple(value))
    }

    /// `a == b`: `True` is 1, 1 is 1.0, a tuple is no list.
    pub(super) fn equal(self, a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::String(a), Value::String(b)) => a == b,
            (Value::Null, Value::Null) => true,
            (Value::Number(a), Value::Number(b)) => same_number(a, b),
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Bool(flag), Value::Number(number)) | (Value::Number(number), Value::Bool(flag)) => {
                same_number(&Number::Int(i64::from(*flag)), number)
            }
            (Value::Array(a), Value::Array(b)) => self.all_equal(a, b),
            (Value::Object(x), Value::Object(y)) => match (self.tuple(a), self.tuple(b)) {
                (Some(a), Some(b)) => self.all_equal(a, b),
                (None, None) => {
                    let same = |(key, x): (&str, &Value)| y.get(key).is_some_and(|y| self.equal(x, y));
                    x.len() == y.len() && x.iter().all(same)
                }
                _ => false,
            },
            _ => false,
        }
    }

    fn all_equal(self, a: &[Value], b: &[Value]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.equal(a, b))
    }

    /// `a == b` where texts that stand here are standardised first.
    pub(super) fn equal_standardised(self, a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::String(a), Value::String(b)) => same_standardised(a, b),
            _ => self.equal(a, b),
        }
    }
}

/// The texts are the same after the checker's standardisation: without spaces and `,./-_*^`, in lower case, with `"` for
/// `'`.
pub(super) fn same_standardised(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    if a.is_ascii() && b.is_ascii() {
        return ascii(a).eq(ascii(b));
    }
    standardised(a) == standardised(b)
}

fn ascii(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().filter(|&byte| !removed(byte)).map(|byte| match byte {
        b'\'' => b'"',
        other => other.to_ascii_lowercase(),
    })
}

fn removed(byte: u8) -> bool {
    matches!(byte, b' ' | b',' | b'.' | b'/' | b'-' | b'_' | b'*' | b'^')
}

/// Lower case of a whole text, because that of a final sigma depends on its place.
fn standardised(text: &str) -> String {
    let kept: String = text.chars().filter(|&c| !u8::try_from(c).is_ok_and(removed)).collect();
    kept.to_lowercase().replace('\'', "\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standardisation() {
        for (a, b) in [("U.S.A.", "usa"), ("it's", "IT\"S"), ("a_b - c", "ABC"), ("", "./"), ("ΟΔΟΣ", "οδος")]
        {
            assert!(same_standardised(a, b), "{a} {b}");
        }
        for (a, b) in [("a+b", "ab"), ("10:30", "1030"), ("İ", "i"), ("a\u{3000}b", "ab")] {
            assert!(!same_standardised(a, b), "{a} {b}");
        }
    }

    #[test]
    fn equality_is_pythons() {
        let value = |text: &str| Value::parse_json(text).unwrap();
        let python = Python { tuples: true };
        for (a, b, same) in [
            ("true", "1", true),
            ("false", "0.0", true),
            ("[1, {\"a\": true}]", "[1.0, {\"a\": 1}]", true),
            ("{\"__tuple__\": [1]}", "[1]", false),
            ("{\"__tuple__\": [1]}", "{\"__tuple__\": [true]}", true),
            ("null", "false", false),
            ("\"A\"", "\"a\"", false),
            ("{\"a\": 1}", "{\"a\": 1, \"b\": 1}", false),
        ] {
            assert_eq!(python.equal(&value(a), &value(b)), same, "{a} {b}");
        }
        assert_eq!(python.type_of(&value("{\"__tuple__\": [1]}")), PyType::Tuple);
        assert_eq!(Python { tuples: false }.type_of(&value("{\"__tuple__\": [1]}")), PyType::Dict);
    }
}
