//! JSON over several lines, as Hugging Face's libraries write their files.

use crate::Value;

/// Writes `value` with two blanks for each level, as `json.dumps(value, indent=2, ensure_ascii=False)` does.
pub(super) fn to_pretty_json(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, 0);
    out
}

fn write(out: &mut String, value: &Value, level: usize) {
    match value {
        Value::Array(items) if !items.is_empty() => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                new_line(out, i > 0, level + 1);
                write(out, item, level + 1);
            }
            new_line(out, false, level);
            out.push(']');
        }
        Value::Object(object) if !object.is_empty() => {
            out.push('{');
            for (i, (key, item)) in object.iter().enumerate() {
                new_line(out, i > 0, level + 1);
                out.push_str(&Value::from(key).to_json());
                out.push_str(": ");
                write(out, item, level + 1);
            }
            new_line(out, false, level);
            out.push('}');
        }
        leaf => out.push_str(&leaf.to_json()),
    }
}

fn new_line(out: &mut String, comma: bool, level: usize) {
    out.push_str(if comma { ",\n" } else { "\n" });
    for _ in 0..level {
        out.push_str("  ");
    }
}
