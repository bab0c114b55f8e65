//! A reader for Python literals that also repairs JSON.
//!
//! One grammar holds both languages and the usual slips of a model; every departure from what `json.dumps` or
//! `repr` would have written is recorded as a [`Repair`]. [`parse_python`] refuses all repairs that Python's own
//! `ast.literal_eval` would refuse, call formats turn them into diagnostics. Nothing is evaluated.

use super::literal_number::read_number;
use super::{JsonError, JsonErrorKind, MAX_DEPTH, Object, Value};

/// A departure from what a JSON or `repr` writer would have written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Repair {
    Tuple,
    DigitSeparator,
    NumberNotation,
    TrailingComma,
    MissingComma,
    UnquotedKey,
    SmartQuotes,
    RawControl,
    BadEscape,
    LoneSurrogate,
    MixedSyntax,
    DuplicateKey(String),
    MissingBracket,
    Truncated,
}

/// What [`parse_literal_prefix`] accepts.
#[derive(Clone, Copy)]
pub(crate) struct LiteralOptions<'a> {
    /// How deep brackets may nest.
    pub(crate) max_depth: usize,
    /// Texts at which a value ends even inside brackets, which are then closed.
    pub(crate) stops: &'a [&'a str],
}

/// A value, the bytes it took, and what was repaired (with byte offsets).
#[derive(Debug)]
pub(crate) struct Literal {
    pub(crate) value: Value,
    pub(crate) end: usize,
    pub(crate) python: bool,
    pub(crate) repairs: Vec<(usize, Repair)>,
}

/// Parses a whole text as a Python literal.
pub(super) fn parse_python(text: &str) -> Result<Value, JsonError> {
    let options = LiteralOptions { max_depth: MAX_DEPTH, stops: &[] };
    let literal = parse_literal_prefix(text, &options)?;
    let rest = text[literal.end..].trim_start();
    if let Some(found) = rest.chars().next() {
        return Err(JsonError::at(text, text.len() - rest.len(), JsonErrorKind::Trailing { found }));
    }
    for (offset, repair) in literal.repairs {
        if let Some(kind) = refused_in_python(repair) {
            return Err(JsonError::at(text, offset, kind));
        }
    }
    Ok(literal.value)
}

fn refused_in_python(repair: Repair) -> Option<JsonErrorKind> {
    let what = match repair {
        Repair::Tuple | Repair::DigitSeparator | Repair::TrailingComma | Repair::NumberNotation => {
            return None;
        }
        Repair::DuplicateKey(key) => return Some(JsonErrorKind::DuplicateKey { key }),
        Repair::RawControl => return Some(JsonErrorKind::RawControl),
        Repair::BadEscape => return Some(JsonErrorKind::BadEscape),
        Repair::LoneSurrogate => return Some(JsonErrorKind::LoneSurrogate),
        Repair::MissingBracket | Repair::Truncated => return Some(JsonErrorKind::UnexpectedEnd),
        Repair::MissingComma => "a comma is missing before this",
        Repair::UnquotedKey => "a key without quotes",
        Repair::SmartQuotes => "typographic quotes do not delimit strings",
        Repair::MixedSyntax => {
            "`true`, `false` and `null` are JSON; Python writes `True`, `False` and `None`"
        }
    };
    Some(JsonErrorKind::NotAllowed { what })
}

/// Parses one value at the start of a text (after white space).
pub(crate) fn parse_literal_prefix(text: &str, options: &LiteralOptions<'_>) -> Result<Literal, JsonError> {
    let mut parser = Parser {
        text,
        pos: 0,
        depth: 0,
        options: *options,
        json_word: None,
        python_at: None,
        repairs: Vec::new(),
    };
    match parser.value() {
        Ok(value) => {
            if let (Some(json), Some(_)) = (parser.json_word, parser.python_at) {
                parser.repairs.push((json, Repair::MixedSyntax));
            }
            let python = parser.python_at.is_some();
            Ok(Literal { value, end: parser.pos, python, repairs: parser.repairs })
        }
        Err(kind) => Err(JsonError::at(text, parser.pos, kind)),
    }
}

struct Parser<'a> {
    text: &'a str,
    pos: usize,
    depth: usize,
    options: LiteralOptions<'a>,
    /// Where the first `true`, `false` or `null` stands.
    json_word: Option<usize>,
    /// Where the first single quote, `True`, `False`, `None` or tuple stands.
    python_at: Option<usize>,
    repairs: Vec<(usize, Repair)>,
}

/// How a bracket goes on after an item.
enum Next {
    Item,
    /// It closes; where a comma stands before the bracket, at which byte.
    Close(Option<usize>),
}

impl Parser<'_> {
    fn value(&mut self) -> Result<Value, JsonErrorKind> {
        self.skip_white_space();
        match self.peek() {
            None => Err(JsonErrorKind::UnexpectedEnd),
            Some('{') => self.nested(Self::object),
            Some('[') => self.nested(|p| {
                let (items, comma) = p.items(']')?;
                p.repairs.extend(comma.map(|at| (at, Repair::TrailingComma)));
                Ok(Value::Array(items))
            }),
            Some('(') => self.nested(Self::tuple),
            Some(c) if closing_quotes(c).is_some() => self.string().map(Value::String),
            Some(c) if c.is_ascii_digit() || matches!(c, '+' | '-' | '.') => self.number(),
            Some(c) if c.is_alphabetic() || c == '_' => self.word(),
            Some(found) => Err(JsonErrorKind::Unexpected { expected: "a value", found }),
        }
    }

    fn nested(
        &mut self,
        inner: fn(&mut Self) -> Result<Value, JsonErrorKind>,
    ) -> Result<Value, JsonErrorKind> {
        if self.depth == self.options.max_depth {
            return Err(JsonErrorKind::TooDeep { limit: self.options.max_depth });
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
        if self.eat('}') {
            return Ok(Value::Object(object));
        }
        loop {
            self.skip_white_space();
            let key_start = self.pos;
            let key = self.key()?;
            self.skip_white_space();
            if !self.eat(':') {
                return Err(self.unexpected("`:`"));
            }
            let value = self.value()?;
            if object.insert(key.as_str(), value).is_some() {
                self.repairs.push((key_start, Repair::DuplicateKey(key)));
            }
            if let Next::Close(comma) = self.next_item('}')? {
                self.repairs.extend(comma.map(|at| (at, Repair::TrailingComma)));
                return Ok(Value::Object(object));
            }
        }
    }

    fn key(&mut self) -> Result<String, JsonErrorKind> {
        match self.peek() {
            None => Err(JsonErrorKind::UnexpectedEnd),
            Some(c) if closing_quotes(c).is_some() => self.string(),
            Some(c) if c.is_alphabetic() || c == '_' || c == '$' => {
                let word = self.take_word();
                if matches!(word.as_str(), "None" | "True" | "False" | "null" | "true" | "false") {
                    self.pos -= word.len();
                    return Err(JsonErrorKind::KeyNotString);
                }
                self.repairs.push((self.pos - word.len(), Repair::UnquotedKey));
                Ok(word)
            }
            Some(c) if c.is_ascii_digit() || matches!(c, '-' | '+' | '(') => Err(JsonErrorKind::KeyNotString),
            Some(_) => Err(self.unexpected("a key")),
        }
    }

    fn tuple(&mut self) -> Result<Value, JsonErrorKind> {
        let start = self.pos - 1;
        let (mut items, comma) = self.items(')')?;
        self.python_at.get_or_insert(start);
        // `(x)` is x in brackets, `(x,)` is a tuple: as in Python.
        if items.len() == 1 && comma.is_none() {
            return Ok(items.remove(0));
        }
        self.repairs.push((start, Repair::Tuple));
        Ok(Value::Array(items))
    }

    /// Items up to `close`, and the byte of a comma right before it.
    fn items(&mut self, close: char) -> Result<(Vec<Value>, Option<usize>), JsonErrorKind> {
        let mut items = Vec::new();
        self.skip_white_space();
        if self.eat(close) {
            return Ok((items, None));
        }
        loop {
            items.push(self.value()?);
            if let Next::Close(comma) = self.next_item(close)? {
                return Ok((items, comma));
            }
        }
    }

    /// What follows an item: a comma, the closing bracket, or one of them missing.
    fn next_item(&mut self, close: char) -> Result<Next, JsonErrorKind> {
        let item_end = self.pos;
        self.skip_white_space();
        if self.eat(close) {
            return Ok(Next::Close(None));
        }
        let comma = self.pos;
        if self.eat(',') {
            self.skip_white_space();
            return Ok(if self.eat(close) { Next::Close(Some(comma)) } else { Next::Item });
        }
        match self.peek() {
            None => {
                // A number or a word at the very end may be cut itself; a closed string or bracket is not.
                let last = self.text[..item_end].chars().next_back();
                let cut = item_end == self.pos && last.is_some_and(|c| c.is_alphanumeric() || c == '.');
                if cut {
                    return Err(JsonErrorKind::UnexpectedEnd);
                }
                self.repairs.push((self.pos, Repair::Truncated));
                Ok(Next::Close(None))
            }
            Some(_) if self.options.stops.iter().any(|stop| self.text[self.pos..].starts_with(stop)) => {
                self.repairs.push((self.pos, Repair::MissingBracket));
                Ok(Next::Close(None))
            }
            Some(c) if self.begins_item(c, close) => {
                self.repairs.push((self.pos, Repair::MissingComma));
                Ok(Next::Item)
            }
            Some(_) => Err(self.unexpected("`,` or a closing bracket")),
        }
    }

    fn begins_item(&self, c: char, close: char) -> bool {
        let word = c.is_alphabetic() || c == '_';
        closing_quotes(c).is_some() || if close == '}' { word } else { matches!(c, '{' | '[') }
    }

    fn string(&mut self) -> Result<String, JsonErrorKind> {
        let start = self.pos;
        let open = self.bump().unwrap_or('"');
        let close = closing_quotes(open).unwrap_or(&['"']);
        match open {
            '"' => {}
            '\'' => {
                self.python_at.get_or_insert(start);
            }
            _ => self.repairs.push((start, Repair::SmartQuotes)),
        }
        let mut out = String::new();
        while let Some(c) = self.bump() {
            if close.contains(&c) {
                return Ok(out);
            }
            match c {
                '\\' => self.escape(open, &mut out)?,
                c if c < ' ' => {
                    if self.repairs.last().is_none_or(|(at, last)| *at < start || *last != Repair::RawControl)
                    {
                        self.repairs.push((self.pos - 1, Repair::RawControl));
                    }
                    out.push(c);
                }
                c => out.push(c),
            }
        }
        Err(JsonErrorKind::UnexpectedEnd)
    }

    /// The rest of an escape sequence, of either language.
    fn escape(&mut self, quote: char, out: &mut String) -> Result<(), JsonErrorKind> {
        let start = self.pos - 1;
        let c = self.bump().ok_or(JsonErrorKind::UnexpectedEnd)?;
        let c = match c {
            '"' | '\'' | '\\' => c,
            '/' if quote != '\'' => c,
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\n' => return Ok(()),
            'x' => self.hex(2).and_then(char::from_u32).ok_or(JsonErrorKind::BadEscape)?,
            'u' => self.hex(4).map(|code| self.unicode(start, code)).ok_or(JsonErrorKind::BadEscape)?,
            'U' => self.hex(8).and_then(char::from_u32).ok_or(JsonErrorKind::BadEscape)?,
            '0'..='7' => {
                self.pos -= 1;
                let rest = &self.text[self.pos..];
                let octal = rest.bytes().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
                self.pos += octal;
                let code = u32::from_str_radix(&rest[..octal], 8).ok().and_then(char::from_u32);
                code.ok_or(JsonErrorKind::BadEscape)?
            }
            c => {
                self.repairs.push((start, Repair::BadEscape));
                out.push('\\');
                c
            }
        };
        out.push(c);
        Ok(())
    }

    /// `\uXXXX`, with its second half where it is a surrogate pair.
    fn unicode(&mut self, start: usize, code: u32) -> char {
        if (0xd800..0xdc00).contains(&code) && self.text[self.pos..].starts_with("\\u") {
            let back = self.pos;
            self.pos += 2;
            if let Some(low) = self.hex(4).filter(|low| (0xdc00..0xe000).contains(low)) {
                let pair = char::from_u32(0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00));
                return pair.unwrap_or(char::REPLACEMENT_CHARACTER);
            }
            self.pos = back;
        }
        char::from_u32(code).unwrap_or_else(|| {
            self.repairs.push((start, Repair::LoneSurrogate));
            char::REPLACEMENT_CHARACTER
        })
    }

    fn hex(&mut self, width: usize) -> Option<u32> {
        let digits = self.text.get(self.pos..self.pos + width)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        self.pos += width;
        u32::from_str_radix(digits, 16).ok()
    }

    fn number(&mut self) -> Result<Value, JsonErrorKind> {
        let read = read_number(&self.text[self.pos..])?;
        if read.separators {
            self.repairs.push((self.pos, Repair::DigitSeparator));
        }
        if read.unusual {
            self.repairs.push((self.pos, Repair::NumberNotation));
        }
        self.pos += read.bytes;
        Ok(Value::Number(read.number))
    }

    fn word(&mut self) -> Result<Value, JsonErrorKind> {
        let start = self.pos;
        let word = self.take_word();
        match word.as_str() {
            "None" | "True" | "False" => self.python_at.get_or_insert(start),
            "null" | "true" | "false" => self.json_word.get_or_insert(start),
            "NaN" | "Infinity" | "nan" | "inf" => {
                self.pos = start;
                return Err(JsonErrorKind::NotFinite);
            }
            _ => {
                self.pos = start;
                return Err(JsonErrorKind::UnknownWord { word: word.chars().take(32).collect() });
            }
        };
        Ok(match word.as_str() {
            "True" | "true" => Value::Bool(true),
            "False" | "false" => Value::Bool(false),
            _ => Value::Null,
        })
    }

    fn take_word(&mut self) -> String {
        let rest = &self.text[self.pos..];
        let end = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '.')));
        let word = rest[..end.unwrap_or(rest.len())].to_owned();
        self.pos += word.len();
        word
    }

    fn skip_white_space(&mut self) {
        let rest = &self.text[self.pos..];
        self.pos += rest.len() - rest.trim_start().len();
    }

    fn peek(&self) -> Option<char> {
        self.text[self.pos..].chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        Some(c)
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.pos += c.len_utf8();
        }
        found
    }

    fn unexpected(&self, expected: &'static str) -> JsonErrorKind {
        self.peek()
            .map_or(JsonErrorKind::UnexpectedEnd, |found| JsonErrorKind::Unexpected { expected, found })
    }
}

/// The quotes that end a string which begins with `open`, or `None` where `open` begins no string.
fn closing_quotes(open: char) -> Option<&'static [char]> {
    match open {
        '"' => Some(&['"']),
        '\'' => Some(&['\'']),
        '“' | '”' | '„' => Some(&['”', '“']),
        '‘' | '’' => Some(&['’', '‘']),
        _ => None,
    }
}
