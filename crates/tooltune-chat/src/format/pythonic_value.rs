//! Calls in Python syntax: names, keyword arguments, literals. Nothing is evaluated.

use super::DiagnosticKind;
use super::brackets::{Brackets, Until};
use super::hermes_parse::diagnostic_of;
use super::object_call::MAX_CALL_DEPTH;
use crate::value::{JsonErrorKind, LiteralOptions, parse_literal_prefix, read_number};
use crate::{Object, ToolCall, Value};

/// The longest name that is looked for where a call may begin.
pub(super) const LONGEST_NAME_BYTES: usize = 256;

/// Whether a function's name can stand without quotes.
pub(super) fn is_plain_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME_BYTES
        && name.starts_with(begins_name)
        && name.chars().all(|c| continues_name(c) || matches!(c, '.' | '-'))
}

/// Whether an argument's name can stand before a `=`.
pub(super) fn is_keyword_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME_BYTES && name.starts_with(begins_name) && name.chars().all(continues_name)
}

fn begins_name(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn continues_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A reader of one call.
pub(super) struct CallReader<'a> {
    text: &'a str,
    pub(super) pos: usize,
    depth: usize,
    /// Whether more text could change what was read.
    pub(super) cut: bool,
    pub(super) notes: Vec<DiagnosticKind>,
}

impl<'a> CallReader<'a> {
    pub(super) fn new(text: &'a str, pos: usize) -> Self {
        Self { text, pos, depth: 0, cut: false, notes: Vec::new() }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.pos..]
    }

    pub(super) fn peek(&mut self) -> Option<char> {
        let next = self.rest().chars().next();
        self.cut |= next.is_none();
        next
    }

    pub(super) fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.pos += c.len_utf8();
        }
        found
    }

    pub(super) fn skip_white_space(&mut self) {
        let rest = self.rest();
        self.pos += rest.len() - rest.trim_start().len();
    }

    fn note(&mut self, kind: DiagnosticKind) {
        if !self.notes.contains(&kind) {
            self.notes.push(kind);
        }
    }

    pub(super) fn unexpected(&mut self, expected: &'static str) -> JsonErrorKind {
        match self.peek() {
            None => JsonErrorKind::UnexpectedEnd,
            Some(found) => JsonErrorKind::Unexpected { expected, found },
        }
    }

    /// A run of characters.
    fn run(&mut self, of: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let run = &rest[..rest.len() - rest.trim_start_matches(of).len()];
        self.pos += run.len();
        self.cut |= self.pos == self.text.len();
        run
    }

    /// A function's name, if one stands here: plain, or in quotes where it has to be.
    pub(super) fn function_name(&mut self) -> Option<String> {
        match self.peek() {
            Some('"' | '\'') => {
                let name = self.string().ok()?;
                (!name.is_empty() && !is_plain_name(&name)).then_some(name)
            }
            Some(c) if begins_name(c) => {
                let near = self.rest();
                let near = &near[..near.floor_char_boundary(LONGEST_NAME_BYTES + 1)];
                let name = near.trim_start_matches(|c| continues_name(c) || matches!(c, '.' | '-'));
                let name = &near[..near.len() - name.len()];
                self.pos += name.len();
                self.cut |= self.pos == self.text.len();
                is_plain_name(name).then(|| name.to_owned())
            }
            _ => None,
        }
    }

    /// `name(key=value, …)`.
    pub(super) fn call(&mut self) -> Result<ToolCall, JsonErrorKind> {
        let name = self.function_name().ok_or_else(|| self.unexpected("the name of a function"))?;
        self.skip_white_space();
        if !self.eat('(') {
            return Err(self.unexpected("`(`"));
        }
        let arguments = self.nested(Self::arguments)?;
        Ok(ToolCall::new(name, arguments))
    }

    fn nested<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, JsonErrorKind>,
    ) -> Result<T, JsonErrorKind> {
        if self.depth == MAX_CALL_DEPTH {
            return Err(JsonErrorKind::TooDeep { limit: MAX_CALL_DEPTH });
        }
        self.depth += 1;
        let value = inner(self);
        self.depth -= 1;
        value
    }

    fn arguments(&mut self) -> Result<Object, JsonErrorKind> {
        let mut arguments = Object::new();
        loop {
            self.skip_white_space();
            if self.eat(')') {
                return Ok(arguments);
            }
            self.cut |= self.rest() == "*";
            if self.rest().starts_with("**") {
                self.pos += 2;
                self.unpacked(&mut arguments)?;
            } else {
                let start = self.pos;
                let name = self.run(continues_name);
                self.skip_white_space();
                let keyword = is_keyword_name(name) && self.eat('=');
                if !keyword || self.peek() == Some('=') {
                    self.pos = start;
                    return Err(match self.peek() {
                        None => JsonErrorKind::UnexpectedEnd,
                        Some(_) => JsonErrorKind::NotAllowed { what: "an argument without its name" },
                    });
                }
                let value = self.value()?;
                insert_once(&mut arguments, name, value)?;
            }
            self.skip_white_space();
            if !self.eat(',') && self.peek() != Some(')') {
                return Err(self.unexpected("`,` or `)`"));
            }
        }
    }

    /// The object behind `**`, which may hold only names that no keyword can spell.
    fn unpacked(&mut self, arguments: &mut Object) -> Result<(), JsonErrorKind> {
        let Value::Object(object) = self.value()? else {
            return Err(JsonErrorKind::NotAllowed { what: "`**` before something that is no dict" });
        };
        for (name, value) in object {
            if is_keyword_name(&name) {
                return Err(JsonErrorKind::NotAllowed { what: "`**` with a name that needs none" });
            }
            insert_once(arguments, &name, value)?;
        }
        Ok(())
    }

    fn value(&mut self) -> Result<Value, JsonErrorKind> {
        self.skip_white_space();
        match self.peek() {
            None => Err(JsonErrorKind::UnexpectedEnd),
            Some('{') => self.nested(Self::object),
            Some('[') => self.nested(|reader| reader.items(']').map(|(items, _)| Value::Array(items))),
            Some('(') => self.nested(Self::tuple),
            Some('"' | '\'' | '“' | '‘') => self.strings().map(Value::String),
            Some(c) if c.is_ascii_digit() || matches!(c, '+' | '-' | '.') => self.number(),
            Some(c) if begins_name(c) => self.word(),
            Some(found) => Err(JsonErrorKind::Unexpected { expected: "a literal", found }),
        }
    }

    fn object(&mut self) -> Result<Value, JsonErrorKind> {
        self.pos += 1;
        let mut object = Object::new();
        loop {
            self.skip_white_space();
            if self.eat('}') {
                return Ok(Value::Object(object));
            }
            let key = match self.peek() {
                Some('"' | '\'' | '“' | '‘') => self.strings()?,
                None => return Err(JsonErrorKind::UnexpectedEnd),
                Some(_) => return Err(JsonErrorKind::KeyNotString),
            };
            self.skip_white_space();
            if !self.eat(':') {
                return Err(self.unexpected("`:`"));
            }
            let value = self.value()?;
            if object.insert(key.as_str(), value).is_some() {
                self.note(DiagnosticKind::DuplicateKey { key });
            }
            self.skip_white_space();
            if !self.eat(',') && self.peek() != Some('}') {
                return Err(self.unexpected("`,` or `}`"));
            }
        }
    }

    /// Items up to `close`, and whether the last has a comma behind it.
    fn items(&mut self, close: char) -> Result<(Vec<Value>, bool), JsonErrorKind> {
        self.pos += 1;
        let (mut items, mut comma) = (Vec::new(), false);
        loop {
            self.skip_white_space();
            if self.eat(close) {
                return Ok((items, comma));
            }
            items.push(self.value()?);
            self.skip_white_space();
            comma = self.eat(',');
            if !comma && self.peek() != Some(close) {
                return Err(self.unexpected("`,` or a closing bracket"));
            }
        }
    }

    fn tuple(&mut self) -> Result<Value, JsonErrorKind> {
        let (mut items, comma) = self.items(')')?;
        // `(x)` is x in brackets, as in Python.
        if items.len() == 1 && !comma {
            return Ok(items.remove(0));
        }
        self.note(DiagnosticKind::Tuple);
        Ok(Value::Array(items))
    }

    fn number(&mut self) -> Result<Value, JsonErrorKind> {
        let start = self.pos;
        self.run(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '+' | '-'));
        let read = read_number(&self.text[start..])?;
        self.pos = start + read.bytes;
        Ok(Value::Number(read.number))
    }

    /// A word of the language, a name, or a call.
    fn word(&mut self) -> Result<Value, JsonErrorKind> {
        let start = self.pos;
        let word = self.run(|c| continues_name(c) || c == '.');
        let json = match word {
            "True" => return Ok(Value::Bool(true)),
            "False" => return Ok(Value::Bool(false)),
            "None" => return Ok(Value::Null),
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" => Value::Null,
            "nan" | "inf" | "NaN" | "Infinity" => return Err(JsonErrorKind::NotFinite),
            _ => return self.name(start, word),
        };
        self.note(DiagnosticKind::MixedSyntax);
        Ok(json)
    }

    fn name(&mut self, start: usize, word: &str) -> Result<Value, JsonErrorKind> {
        match self.peek() {
            Some('"' | '\'') => Err(JsonErrorKind::NotAllowed { what: "a string with a prefix" }),
            Some('(') => {
                self.pos = start;
                let notes = std::mem::take(&mut self.notes);
                self.call()?;
                self.notes = notes;
                self.note(DiagnosticKind::NestedCall);
                Ok(Value::from(&self.text[start..self.pos]))
            }
            _ => {
                self.note(DiagnosticKind::UnquotedString);
                Ok(Value::from(word))
            }
        }
    }

    /// A string, with the strings that follow it: Python joins them.
    fn strings(&mut self) -> Result<String, JsonErrorKind> {
        let mut string = self.string()?;
        loop {
            let end = self.pos;
            self.skip_white_space();
            if !matches!(self.peek(), Some('"' | '\'')) {
                self.pos = end;
                return Ok(string);
            }
            string.push_str(&self.string()?);
            self.note(DiagnosticKind::JoinedStrings);
        }
    }

    /// A string whose quote stands here.
    fn string(&mut self) -> Result<String, JsonErrorKind> {
        let rest = self.rest();
        let quote = if rest.starts_with('"') { "\"\"\"" } else { "'''" };
        if !rest.starts_with(quote) {
            // A quote, or two, at the end may be the first of three.
            self.cut |= rest.len() < 3 && quote.starts_with(rest);
            return self.short_string(rest).map(|(string, end)| {
                self.pos += end;
                string
            });
        }
        let Some(end) = triple_end(rest, quote) else {
            self.cut = true;
            return Err(JsonErrorKind::UnexpectedEnd);
        };
        let mut short = String::from("\"");
        let mut escaped = false;
        for c in rest[3..end - 3].chars() {
            if c == '"' && !escaped {
                short.push('\\');
            }
            escaped = c == '\\' && !escaped;
            short.push(c);
        }
        short.push('"');
        let mut inside = CallReader::new(&short, 0);
        let (string, _) = inside.short_string(&short)?;
        // Line breaks are what three quotes are for.
        inside.notes.retain(|kind| *kind != DiagnosticKind::RawControl);
        inside.notes.into_iter().for_each(|kind| self.note(kind));
        self.pos += end;
        Ok(string)
    }

    /// A string in one quote on each side, and its bytes.
    fn short_string(&mut self, text: &str) -> Result<(String, usize), JsonErrorKind> {
        match parse_literal_prefix(text, &LiteralOptions { max_depth: 1, stops: &[] }) {
            Ok(literal) => {
                for (_, repair) in literal.repairs {
                    self.note(diagnostic_of(repair));
                }
                Ok((literal.value.as_str().unwrap_or_default().to_owned(), literal.end))
            }
            Err(error) => {
                // An escape sequence at the end may be cut.
                self.cut |= error.offset + 16 > text.len();
                Err(error.kind)
            }
        }
    }
}

/// The bytes of a text that begins with three quotes up to behind the three that end it.
fn triple_end(text: &str, quote: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().enumerate().skip(3).find_map(|(at, byte)| {
        let ends = !escaped && text.as_bytes()[at..].starts_with(quote.as_bytes());
        escaped = byte == b'\\' && !escaped;
        ends.then_some(at + 3)
    })
}

fn insert_once(arguments: &mut Object, name: &str, value: Value) -> Result<(), JsonErrorKind> {
    match arguments.insert(name, value) {
        None => Ok(()),
        Some(_) => Err(JsonErrorKind::DuplicateKey { key: name.to_owned() }),
    }
}

/// Where the item of a list that begins at byte `at` ends: at a comma or a closing bracket.
pub(super) fn item_end(text: &str, at: usize) -> Option<usize> {
    Brackets::new(at).advance(text, Until::Item)
}
