//! The JSON parser: RFC 8259 and nothing more.

use super::{JsonError, JsonErrorKind, Number, Object, Value};

/// How deep arrays and objects may nest by default.
pub const MAX_DEPTH: usize = 128;

/// Limits of [`Value::parse_json_with`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonOptions {
    /// How deep arrays and objects may nest. The parser recurses: some thousands of levels fit a thread's stack.
    pub max_depth: usize,
}

impl Default for JsonOptions {
    fn default() -> Self {
        Self { max_depth: MAX_DEPTH }
    }
}

/// Parses a whole text.
pub(super) fn parse(text: &str, options: &JsonOptions) -> Result<Value, JsonError> {
    let (value, end) = parse_prefix(text, options)?;
    let rest = text[end..].trim_start_matches(WHITE_SPACE);
    match rest.chars().next() {
        None => Ok(value),
        Some(found) => Err(JsonError::at(text, text.len() - rest.len(), JsonErrorKind::Trailing { found })),
    }
}

/// Parses a whole text in which a key may stand twice: as in Python, it keeps its first place and its last value.
pub(super) fn parse_last_wins(text: &str, options: &JsonOptions) -> Result<Value, JsonError> {
    let mut parser = Parser { repeated_keys: true, ..Parser::new(text, options) };
    let value = parser.value();
    value
        .and_then(|value| {
            parser.skip_white_space();
            parser.peek().map_or(Ok(value), |_| Err(parser.unexpected("the end")))
        })
        .map_err(|kind| JsonError::at(text, parser.pos, kind))
}

/// Parses one value at the start of a text (after white space) and returns the bytes it took.
pub(crate) fn parse_prefix(text: &str, options: &JsonOptions) -> Result<(Value, usize), JsonError> {
    let mut parser = Parser::new(text, options);
    match parser.value() {
        Ok(value) => Ok((value, parser.pos)),
        Err(kind) => Err(JsonError::at(text, parser.pos, kind)),
    }
}

const WHITE_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// The position on error is the position of the error.
struct Parser<'a> {
    text: &'a str,
    pos: usize,
    depth: usize,
    max_depth: usize,
    repeated_keys: bool,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, options: &JsonOptions) -> Self {
        Self { text, pos: 0, depth: 0, max_depth: options.max_depth, repeated_keys: false }
    }

    fn value(&mut self) -> Result<Value, JsonErrorKind> {
        self.skip_white_space();
        match self.peek() {
            None => Err(JsonErrorKind::UnexpectedEnd),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b) if b.is_ascii_alphabetic() => self.word(),
            Some(_) => Err(self.unexpected("a value")),
        }
    }

    fn nested(
        &mut self,
        inner: fn(&mut Self) -> Result<Value, JsonErrorKind>,
    ) -> Result<Value, JsonErrorKind> {
        if self.depth == self.max_depth {
            return Err(JsonErrorKind::TooDeep { limit: self.max_depth });
        }
        self.depth += 1;
        self.pos += 1;
        let value = inner(self);
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Result<Value, JsonErrorKind> {
        let mut object = Object::new();
        self.skip_white_space();
        if self.eat(b'}') {
            return Ok(Value::Object(object));
        }
        loop {
            self.skip_white_space();
            let key_start = self.pos;
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a key in double quotes"));
            }
            let key = self.string()?;
            if object.contains_key(&key) && !self.repeated_keys {
                self.pos = key_start;
                return Err(JsonErrorKind::DuplicateKey { key });
            }
            self.skip_white_space();
            if !self.eat(b':') {
                return Err(self.unexpected("`:`"));
            }
            let value = self.value()?;
            object.insert(key, value);
            self.skip_white_space();
            if self.eat(b'}') {
                return Ok(Value::Object(object));
            }
            if !self.eat(b',') {
                return Err(self.unexpected("`,` or `}`"));
            }
        }
    }

    fn array(&mut self) -> Result<Value, JsonErrorKind> {
        let mut items = Vec::new();
        self.skip_white_space();
        if self.eat(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value()?);
            self.skip_white_space();
            if self.eat(b']') {
                return Ok(Value::Array(items));
            }
            if !self.eat(b',') {
                return Err(self.unexpected("`,` or `]`"));
            }
        }
    }

    fn string(&mut self) -> Result<String, JsonErrorKind> {
        self.pos += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.pos..];
            // Copy up to the next byte that means something; all of those are ASCII.
            let plain = rest.bytes().position(|b| b == b'"' || b == b'\\' || b < 0x20);
            let plain = plain.unwrap_or(rest.len());
            out.push_str(&rest[..plain]);
            self.pos += plain;
            match self.peek() {
                None => return Err(JsonErrorKind::UnexpectedEnd),
                Some(b'"') => {
                    self.pos += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => return Err(JsonErrorKind::RawControl),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonErrorKind> {
        let start = self.pos;
        self.pos += 1;
        let c = match self.peek() {
            None => return Err(JsonErrorKind::UnexpectedEnd),
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.pos += 1;
                let unicode = self.unicode_escape();
                return unicode.inspect_err(|_| self.pos = start);
            }
            Some(_) => {
                self.pos = start;
                return Err(JsonErrorKind::BadEscape);
            }
        };
        self.pos += 1;
        Ok(c)
    }

    /// The rest of `\uXXXX`, with the second half where it is a surrogate pair.
    fn unicode_escape(&mut self) -> Result<char, JsonErrorKind> {
        let first = self.hex4()?;
        if let Some(c) = char::from_u32(first) {
            return Ok(c);
        }
        if first >= 0xdc00 || !self.text[self.pos..].starts_with("\\u") {
            return Err(JsonErrorKind::LoneSurrogate);
        }
        self.pos += 2;
        let second = self.hex4()?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(JsonErrorKind::LoneSurrogate);
        }
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
            .ok_or(JsonErrorKind::LoneSurrogate)
    }

    fn hex4(&mut self) -> Result<u32, JsonErrorKind> {
        let digits = self.text.as_bytes().get(self.pos..self.pos + 4).ok_or(JsonErrorKind::BadEscape)?;
        let mut code = 0;
        for &digit in digits {
            code = code * 16 + char::from(digit).to_digit(16).ok_or(JsonErrorKind::BadEscape)?;
        }
        self.pos += 4;
        Ok(code)
    }

    fn number(&mut self) -> Result<Value, JsonErrorKind> {
        let start = self.pos;
        let negative = self.eat(b'-');
        let digits_start = self.pos;
        let digits = self.digits();
        let leading_zero = self.text.as_bytes().get(digits_start) == Some(&b'0');
        let mut valid = digits == 1 || (digits > 1 && !leading_zero);
        let mut integer = true;
        if self.eat(b'.') {
            integer = false;
            valid &= self.digits() > 0;
        }
        if self.eat(b'e') || self.eat(b'E') {
            integer = false;
            let _ = self.eat(b'+') || self.eat(b'-');
            valid &= self.digits() > 0;
        }
        let text = &self.text[start..self.pos];
        let number = if !valid {
            Err(JsonErrorKind::BadNumber)
        } else if integer {
            Ok(Number::from_digits(negative, &self.text[digits_start..self.pos]))
        } else {
            match text.parse::<f64>() {
                Ok(f) if f.is_finite() => Ok(Number::Float(f)),
                _ => Err(JsonErrorKind::NotFinite),
            }
        };
        number.map(Value::Number).inspect_err(|_| {
            self.pos = start;
        })
    }

    fn digits(&mut self) -> usize {
        let count = self.text[self.pos..].bytes().take_while(u8::is_ascii_digit).count();
        self.pos += count;
        count
    }

    fn word(&mut self) -> Result<Value, JsonErrorKind> {
        let rest = &self.text[self.pos..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let value = match &rest[..end] {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "NaN" | "Infinity" => return Err(JsonErrorKind::NotFinite),
            word => return Err(JsonErrorKind::UnknownWord { word: word.chars().take(32).collect() }),
        };
        self.pos += end;
        Ok(value)
    }

    fn skip_white_space(&mut self) {
        let rest = &self.text.as_bytes()[self.pos..];
        self.pos += rest.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')).count();
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.pos).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.pos += usize::from(found);
        found
    }

    fn unexpected(&self, expected: &'static str) -> JsonErrorKind {
        match self.text[self.pos..].chars().next() {
            None => JsonErrorKind::UnexpectedEnd,
            Some(found) => JsonErrorKind::Unexpected { expected, found },
        }
    }
}
