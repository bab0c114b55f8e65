//! Values as Python prints them: `str`, `repr` and `json.dumps`.

use minijinja::Value;

use super::budget::{Budget, Fault, fault};
use super::object::{Dict, List, ListKind};
use super::text::{Builder, Origin, Text};
use super::view::View;
use crate::Number;
use crate::value::is_python_printable;

/// What printing a value costs beside its text, in bytes read.
const NODE: usize = 64;

/// `str(value)`.
pub(super) fn to_text<'a>(budget: &Budget, value: &'a Value) -> Result<Text<'a>, Fault> {
    match View::of(budget, value)? {
        View::Str(text) => Ok(text),
        View::Undefined => Ok(Text::template("")),
        _ => {
            let mut out = Builder::new(budget);
            write_repr(&mut out, value, Origin::COMPUTED)?;
            Ok(out.finish())
        }
    }
}

/// `repr(value)`; `origin` is where brackets and numbers come from.
pub(super) fn write_repr(out: &mut Builder, value: &Value, origin: Origin) -> Result<(), Fault> {
    out.budget().read(NODE)?;
    match View::of(out.budget(), value)? {
        View::Undefined => out.push("Undefined", origin),
        View::None => out.push("None", origin),
        View::Bool(b) => out.push(if b { "True" } else { "False" }, origin),
        View::Int(i) => out.push(&i.to_string(), origin),
        View::Big(digits) => out.push(digits, origin),
        View::Float(f) => out.push(&float_text(f, ["inf", "-inf", "nan"]), origin),
        View::Str(text) => write_string_repr(out, &text),
        View::List(list) => {
            let origin = inner(list.origin, origin);
            let (open, close) = if list.kind == ListKind::Tuple { ("(", ")") } else { ("[", "]") };
            out.push(open, origin)?;
            for (at, item) in list.items.iter().enumerate() {
                if at > 0 {
                    out.push(", ", origin)?;
                }
                write_repr(out, item, origin)?;
            }
            if list.kind == ListKind::Tuple && list.items.len() == 1 {
                out.push(",", origin)?;
            }
            out.push(close, origin)
        }
        View::Dict(dict) => {
            let origin = inner(dict.origin, origin);
            out.push("{", origin)?;
            for (at, (key, item)) in dict.entries.values().enumerate() {
                if at > 0 {
                    out.push(", ", origin)?;
                }
                write_repr(out, key, origin)?;
                out.push(": ", origin)?;
                write_repr(out, item, origin)?;
            }
            out.push("}", origin)
        }
        View::Other => Err(fault("a macro, function, loop or namespace has no text")),
    }
}

/// What a container was made from tells more than that it stands in one that was computed.
fn inner(own: Origin, outer: Origin) -> Origin {
    if own == Origin::COMPUTED { outer } else { own }
}

/// The digits of a float, with the names of what has none.
fn float_text(f: f64, names: [&str; 3]) -> String {
    if f.is_finite() {
        Number::Float(f).to_text()
    } else {
        names[if f.is_nan() { 2 } else { usize::from(f < 0.0) }].to_owned()
    }
}

fn write_string_repr(out: &mut Builder, text: &Text) -> Result<(), Fault> {
    let s = text.as_str();
    let quote = if s.contains('\'') && !s.contains('"') { '"' } else { '\'' };
    write_quoted(out, text, quote, |c, escaped| {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if c == quote => escaped.extend(['\\', c]),
            c if is_python_printable(c) => return false,
            c if u32::from(c) <= 0xff => escaped.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if u32::from(c) <= 0xffff => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => escaped.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
        true
    })
}

/// Writes `text` between quotes; `escape` writes what stands for a character, or returns false to keep it. What
/// stands for a character has its origin, and the quotes have that of what they enclose.
fn write_quoted(
    out: &mut Builder,
    text: &Text,
    quote: char,
    escape: impl Fn(char, &mut String) -> bool,
) -> Result<(), Fault> {
    let s = text.as_str();
    let first = text.parts(0..s.len()).next().map_or(Origin::COMPUTED, |(_, origin)| origin);
    out.push_char(quote, first)?;
    let mut last = first;
    let mut escaped = String::new();
    for (part, origin) in text.parts(0..s.len()) {
        let mut plain = part.start;
        for (at, c) in s[part.clone()].char_indices() {
            escaped.clear();
            if escape(c, &mut escaped) {
                let at = part.start + at;
                out.push(&s[plain..at], origin)?;
                out.push(&escaped, origin)?;
                plain = at + c.len_utf8();
            }
        }
        out.push(&s[plain..part.end], origin)?;
        last = origin;
    }
    out.push_char(quote, last)
}

/// The options of `json.dumps` that transformers' `tojson` takes.
pub(super) struct Json {
    pub(super) ensure_ascii: bool,
    /// The white space of one level; `None` writes all on one line.
    pub(super) indent: Option<String>,
    pub(super) item_separator: String,
    pub(super) key_separator: String,
    pub(super) sort_keys: bool,
}

impl Json {
    pub(super) fn write(&self, out: &mut Builder, value: &Value) -> Result<(), Fault> {
        self.write_value(out, value, Origin::COMPUTED, 0)
    }

    fn write_value(
        &self,
        out: &mut Builder,
        value: &Value,
        origin: Origin,
        level: usize,
    ) -> Result<(), Fault> {
        out.budget().read(NODE)?;
        match View::of(out.budget(), value)? {
            View::None => out.push("null", origin),
            View::Bool(b) => out.push(if b { "true" } else { "false" }, origin),
            View::Int(i) => out.push(&i.to_string(), origin),
            View::Big(digits) => out.push(digits, origin),
            View::Float(f) => out.push(&float_text(f, ["Infinity", "-Infinity", "NaN"]), origin),
            View::Str(text) => self.write_string(out, &text),
            View::List(list) => self.write_list(out, list, inner(list.origin, origin), level),
            View::Dict(dict) => self.write_dict(out, dict, inner(dict.origin, origin), level),
            other @ (View::Undefined | View::Other) => {
                Err(fault(format!("Object of type {} is not JSON serializable", other.type_name())))
            }
        }
    }

    fn write_list(&self, out: &mut Builder, list: &List, origin: Origin, level: usize) -> Result<(), Fault> {
        if list.items.is_empty() {
            return out.push("[]", origin);
        }
        out.push("[", origin)?;
        for (at, item) in list.items.iter().enumerate() {
            if at > 0 {
                out.push(&self.item_separator, origin)?;
            }
            self.write_break(out, origin, level + 1)?;
            self.write_value(out, item, origin, level + 1)?;
        }
        self.write_break(out, origin, level)?;
        out.push("]", origin)
    }

    fn write_dict(&self, out: &mut Builder, dict: &Dict, origin: Origin, level: usize) -> Result<(), Fault> {
        if dict.entries.is_empty() {
            return out.push("{}", origin);
        }
        let mut entries: Vec<&(Value, Value)> = dict.entries.values().collect();
        if self.sort_keys {
            super::sequence::sort_by(out.budget(), &mut entries, |entry| &entry.0)?;
        }
        out.push("{", origin)?;
        for (at, (key, item)) in entries.into_iter().enumerate() {
            if at > 0 {
                out.push(&self.item_separator, origin)?;
            }
            self.write_break(out, origin, level + 1)?;
            match View::of(out.budget(), key)? {
                View::Str(text) => self.write_string(out, &text)?,
                _ => {
                    out.push("\"", origin)?;
                    self.write_value(out, key, origin, level)?;
                    out.push("\"", origin)?;
                }
            }
            out.push(&self.key_separator, origin)?;
            self.write_value(out, item, origin, level + 1)?;
        }
        self.write_break(out, origin, level)?;
        out.push("}", origin)
    }

    fn write_break(&self, out: &mut Builder, origin: Origin, level: usize) -> Result<(), Fault> {
        if let Some(indent) = &self.indent {
            out.push("\n", origin)?;
            for _ in 0..level {
                out.push(indent, origin)?;
            }
        }
        Ok(())
    }

    fn write_string(&self, out: &mut Builder, text: &Text) -> Result<(), Fault> {
        write_quoted(out, text, '"', |c, escaped| {
            match c {
                '"' => escaped.push_str("\\\""),
                '\\' => escaped.push_str("\\\\"),
                '\n' => escaped.push_str("\\n"),
                '\r' => escaped.push_str("\\r"),
                '\t' => escaped.push_str("\\t"),
                '\u{8}' => escaped.push_str("\\b"),
                '\u{c}' => escaped.push_str("\\f"),
                c if c < ' ' => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
                c if self.ensure_ascii && c > '~' => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        escaped.push_str(&format!("\\u{unit:04x}"));
                    }
                }
                _ => return false,
            }
            true
        })
    }
}
