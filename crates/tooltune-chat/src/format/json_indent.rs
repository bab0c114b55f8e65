//! Indented JSON, as `json.dumps(value, ensure_ascii=False, indent=4)` writes it.

use crate::Value;

/// Writes `value` with each item on a line of its own; empty containers stay on one line.
pub(super) fn to_json_indented(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, 1);
    out
}

fn write(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Array(items) if !items.is_empty() => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                begin_item(out, index, depth);
                write(out, item, depth + 1);
            }
            line(out, depth - 1);
            out.push(']');
        }
        Value::Object(object) if !object.is_empty() => {
            out.push('{');
            for (index, (key, item)) in object.iter().enumerate() {
                begin_item(out, index, depth);
                out.push_str(&Value::from(key).to_json());
                out.push_str(": ");
                write(out, item, depth + 1);
            }
            line(out, depth - 1);
            out.push('}');
        }
        other => out.push_str(&other.to_json()),
    }
}

fn begin_item(out: &mut String, index: usize, depth: usize) {
    if index > 0 {
        out.push(',');
    }
    line(out, depth);
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.push_str(&"    ".repeat(depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_stand_on_lines_of_their_own() {
        let value = Value::parse_json(r#"{"a": [1, {"b": []}], "é": {}}"#).unwrap();
        assert_eq!(
            to_json_indented(&value),
            "{\n    \"a\": [\n        1,\n        {\n            \"b\": []\n        }\n    ],\n    \"é\": {}\n}"
        );
    }
}
