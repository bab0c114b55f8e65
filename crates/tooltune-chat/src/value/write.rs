//! Writers: JSON as `json.dumps(ensure_ascii=False)` and Python's `repr`.

use std::fmt::Write;

use super::Value;
use super::chars::is_python_printable;

/// What differs between the two languages.
struct Style {
    null: &'static str,
    boolean: [&'static str; 2],
    string: fn(&mut String, &str),
}

const JSON: Style = Style { null: "null", boolean: ["false", "true"], string: json_string };
const PYTHON: Style = Style { null: "None", boolean: ["False", "True"], string: python_string };

pub(super) fn to_json(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value, &JSON);
    out
}

pub(super) fn to_python(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value, &PYTHON);
    out
}

fn write_value(out: &mut String, value: &Value, style: &Style) {
    match value {
        Value::Null => out.push_str(style.null),
        Value::Bool(b) => out.push_str(style.boolean[usize::from(*b)]),
        Value::Number(n) => out.push_str(&n.to_text()),
        Value::String(s) => (style.string)(out, s),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_value(out, item, style);
            }
            out.push(']');
        }
        Value::Object(object) => {
            out.push('{');
            for (i, (key, item)) in object.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                (style.string)(out, key);
                out.push_str(": ");
                write_value(out, item, style);
            }
            out.push('}');
        }
    }
}

fn json_string(out: &mut String, s: &str) {
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => push_escape(out, 'u', 4, c),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn python_string(out: &mut String, s: &str) {
    // As CPython: double quotes only where they save escapes.
    let quote = if s.contains('\'') && !s.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in s.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if is_python_printable(c) => out.push(c),
            c if u32::from(c) <= 0xff => push_escape(out, 'x', 2, c),
            c if u32::from(c) <= 0xffff => push_escape(out, 'u', 4, c),
            c => push_escape(out, 'U', 8, c),
        }
    }
    out.push(quote);
}

fn push_escape(out: &mut String, letter: char, width: usize, c: char) {
    // Writing to a String cannot fail.
    let _ = write!(out, "\\{letter}{:0width$x}", u32::from(c));
}
