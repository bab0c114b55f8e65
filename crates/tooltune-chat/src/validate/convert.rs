//! Values for `serde_json`, exact or not at all.

use crate::{Number, Value};

/// Converts a value. `5` and `5.0` stay apart; an integer beyond 64 bits has no exact form there, unless a Cargo feature
/// of `serde_json` is on somewhere in the build, so it is refused always.
///
/// # Errors
/// The JSON pointer of a number that cannot be kept.
pub(super) fn to_serde_json(value: &Value) -> Result<serde_json::Value, String> {
    Ok(match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(b) => serde_json::Value::Bool(*b),
        Value::Number(number) => serde_json::Value::Number(convert_number(number).ok_or_else(String::new)?),
        Value::String(s) => serde_json::Value::String(s.clone()),
        Value::Array(items) => {
            let items = items.iter().enumerate();
            let items = items.map(|(i, item)| to_serde_json(item).map_err(|path| format!("/{i}{path}")));
            serde_json::Value::Array(items.collect::<Result<_, _>>()?)
        }
        Value::Object(object) => {
            let entries = object.iter().map(|(key, item)| {
                let item = to_serde_json(item).map_err(|path| format!("/{}{path}", escape(key)))?;
                Ok((key.to_owned(), item))
            });
            serde_json::Value::Object(entries.collect::<Result<_, String>>()?)
        }
    })
}

fn convert_number(number: &Number) -> Option<serde_json::Number> {
    match number {
        Number::Int(i) => Some((*i).into()),
        Number::BigInt(digits) => digits.parse::<u64>().ok().map(Into::into),
        Number::Float(f) => serde_json::Number::from_f64(*f),
    }
}

/// A key as a step of a JSON pointer.
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_or_refused() {
        for text in ["5", "5.0", "-0.0", "18446744073709551615", "-9223372036854775808", "1e-7", "0.1"] {
            let value = Value::parse_json(text).unwrap();
            let converted = to_serde_json(&value).unwrap();
            assert_eq!(Value::parse_json(&converted.to_string()).unwrap(), value, "{text}");
        }
        assert!(to_serde_json(&5.into()).unwrap().is_i64());
        assert!(to_serde_json(&5.0.into()).unwrap().is_f64());
        let big = Value::parse_json(r#"{"a/b": [1, {"~": 18446744073709551616}]}"#).unwrap();
        assert_eq!(to_serde_json(&big), Err("/a~1b/1/~0".to_owned()));
    }
}
