//! The values of FunctionGemma's calls: `{key:<escape>text<escape>,n:1,l:[true,null]}`.

use super::DiagnosticKind;
use super::function_gemma::Tags;
use super::hermes_parse::diagnostic_of;
use super::object_call::MAX_CALL_DEPTH;
use super::reader::{LONGEST_TAG_BYTES, TURN_TOKENS};
use crate::value::{JsonErrorKind, JsonOptions, LiteralOptions, parse_literal_prefix};
use crate::{Object, Value};

/// Characters that end a key, a name or a bare value, or may not stand in one.
const STRUCTURE: [char; 9] = ['{', '}', '[', ']', ',', '<', '"', '“', '”'];

/// Whether a key can stand without delimiters.
pub(super) fn is_plain_key(key: &str) -> bool {
    is_plain_name(key) && !key.contains(':')
}

/// Whether a name can stand without delimiters.
pub(super) fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name.trim() == name
        && !name.starts_with('\'')
        && !name.contains(|c: char| STRUCTURE.contains(&c) || c.is_control())
}

/// How the items of a bracket go on.
enum Next {
    Item,
    Close,
}

/// A reader of one call.
pub(super) struct ValueReader<'a> {
    text: &'a str,
    tags: &'static Tags,
    pub(super) pos: usize,
    depth: usize,
    /// Whether more text could change what was read.
    pub(super) cut: bool,
    /// The farthest byte that was looked for something in vain.
    pub(super) far: usize,
    pub(super) notes: Vec<DiagnosticKind>,
    /// Whether a tag of a call stands inside a string.
    pub(super) swallowed_tag: bool,
}

impl<'a> ValueReader<'a> {
    pub(super) fn new(text: &'a str, pos: usize, tags: &'static Tags) -> Self {
        Self { text, tags, pos, depth: 0, cut: false, far: pos, notes: Vec::new(), swallowed_tag: false }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.pos..]
    }

    /// Whether `tag` stands here.
    pub(super) fn at(&mut self, tag: &str) -> bool {
        let rest = self.rest();
        self.cut |= rest.len() < tag.len() && tag.starts_with(rest);
        rest.starts_with(tag)
    }

    /// Whether what ends a call, or can only stand behind one, stands here.
    pub(super) fn at_stop(&mut self) -> bool {
        let tags = self.tags;
        let own = [tags.call_end, tags.call_start, tags.result_start];
        own.into_iter().chain(TURN_TOKENS).any(|tag| self.at(tag))
    }

    pub(super) fn peek(&mut self) -> Option<char> {
        let next = self.rest().chars().next();
        self.cut |= next.is_none();
        next
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.pos += c.len_utf8();
        }
        found
    }

    pub(super) fn note(&mut self, kind: DiagnosticKind) {
        if !self.notes.contains(&kind) {
            self.notes.push(kind);
        }
    }

    pub(super) fn skip_white_space(&mut self) {
        let rest = self.rest();
        let blank = rest.len() - rest.trim_start().len();
        if blank > 0 {
            self.note(DiagnosticKind::StrayWhiteSpace);
            self.pos += blank;
        }
        self.cut |= self.rest().is_empty();
    }

    pub(super) fn unexpected(&mut self, expected: &'static str) -> JsonErrorKind {
        match self.peek() {
            None => JsonErrorKind::UnexpectedEnd,
            Some(found) => JsonErrorKind::Unexpected { expected, found },
        }
    }

    /// The text ends inside something.
    fn ends(&mut self) -> JsonErrorKind {
        self.cut = true;
        self.far = self.text.len();
        JsonErrorKind::UnexpectedEnd
    }

    /// A name or a key: plain, between string tokens, or in quotes.
    pub(super) fn word(&mut self, is_plain: fn(&str) -> bool, ends: char) -> Result<String, JsonErrorKind> {
        let delimited = match self.peek() {
            _ if self.at(self.tags.string) => Some(self.tagged_string()?),
            Some('"' | '\'' | '“' | '”') => Some(self.quoted_string()?),
            _ => None,
        };
        if let Some(word) = delimited {
            if is_plain(&word) {
                self.note(DiagnosticKind::WrongQuotes);
            }
            return Ok(word);
        }
        let rest = self.rest();
        let stop = |c: char| c == ends || STRUCTURE.contains(&c) || matches!(c, '\n' | '\r');
        let Some(end) = rest.find(stop) else {
            return Err(self.ends());
        };
        let word = rest[..end].trim_end();
        self.pos += word.len();
        if word.is_empty() {
            return Err(self.unexpected("a key"));
        }
        Ok(word.to_owned())
    }

    /// `{…}`, whose brace stands here.
    pub(super) fn object(&mut self) -> Result<Object, JsonErrorKind> {
        self.open()?;
        let mut object = Object::new();
        self.skip_white_space();
        if !self.eat('}') {
            while !self.at_stop() {
                let key = self.word(is_plain_key, ':')?;
                self.skip_white_space();
                if !self.eat(':') {
                    return Err(self.unexpected("`:`"));
                }
                self.skip_white_space();
                let value = self.value()?;
                if object.insert(key.as_str(), value).is_some() {
                    self.note(DiagnosticKind::DuplicateKey { key });
                }
                if let Next::Close = self.next_item('}')? {
                    self.depth -= 1;
                    return Ok(object);
                }
            }
            self.note(DiagnosticKind::MissingBracket);
        }
        self.depth -= 1;
        Ok(object)
    }

    fn array(&mut self) -> Result<Value, JsonErrorKind> {
        self.open()?;
        let mut items = Vec::new();
        self.skip_white_space();
        if !self.eat(']') {
            loop {
                items.push(self.value()?);
                if let Next::Close = self.next_item(']')? {
                    break;
                }
            }
        }
        self.depth -= 1;
        Ok(Value::Array(items))
    }

    fn open(&mut self) -> Result<(), JsonErrorKind> {
        if self.depth == MAX_CALL_DEPTH {
            return Err(JsonErrorKind::TooDeep { limit: MAX_CALL_DEPTH });
        }
        self.depth += 1;
        self.pos += 1;
        Ok(())
    }

    /// What follows an item.
    fn next_item(&mut self, close: char) -> Result<Next, JsonErrorKind> {
        self.skip_white_space();
        if self.eat(close) {
            return Ok(Next::Close);
        }
        if self.eat(',') {
            self.skip_white_space();
            if self.eat(close) {
                self.note(DiagnosticKind::TrailingComma);
                return Ok(Next::Close);
            }
            return Ok(Next::Item);
        }
        if self.peek().is_none() {
            self.note(DiagnosticKind::Truncated);
            return Ok(Next::Close);
        }
        if self.at_stop() {
            self.note(DiagnosticKind::MissingBracket);
            return Ok(Next::Close);
        }
        Err(self.unexpected("`,` or a closing bracket"))
    }

    fn value(&mut self) -> Result<Value, JsonErrorKind> {
        match self.peek() {
            _ if self.at(self.tags.string) => self.tagged_string().map(Value::String),
            Some('{') => self.object().map(Value::Object),
            Some('[') => self.array(),
            Some('"' | '\'' | '“' | '”') => {
                let string = self.quoted_string()?;
                // What holds the token itself has no other form.
                if !string.contains(self.tags.string) {
                    self.note(DiagnosticKind::WrongQuotes);
                }
                Ok(Value::String(string))
            }
            _ => self.bare_value(),
        }
    }

    /// A number, a word, or a string that lacks its delimiters.
    fn bare_value(&mut self) -> Result<Value, JsonErrorKind> {
        let rest = self.rest();
        let Some(end) = rest.find(|c: char| STRUCTURE.contains(&c) || matches!(c, '\n' | '\r')) else {
            return Err(self.ends());
        };
        let word = rest[..end].trim_end();
        let value = match Value::parse_json_with(word, &JsonOptions { max_depth: 1 }) {
            Ok(value) => value,
            Err(error) if error.kind == JsonErrorKind::NotFinite => return Err(error.kind),
            Err(_) if word.is_empty() => return Err(self.unexpected("a value")),
            Err(_) => self.bare_word(word),
        };
        self.pos += word.len();
        Ok(value)
    }

    fn bare_word(&mut self, word: &str) -> Value {
        let (kind, value) = match word {
            "None" => (DiagnosticKind::MixedSyntax, Value::Null),
            "True" => (DiagnosticKind::MixedSyntax, Value::Bool(true)),
            "False" => (DiagnosticKind::MixedSyntax, Value::Bool(false)),
            _ => (DiagnosticKind::UnquotedString, Value::from(word)),
        };
        self.note(kind);
        value
    }

    /// A string whose opening token stands here.
    fn tagged_string(&mut self) -> Result<String, JsonErrorKind> {
        let token = self.tags.string;
        let inside = &self.rest()[token.len()..];
        let Some(end) = inside.find(token) else {
            return Err(self.ends());
        };
        let string = &inside[..end];
        self.pos += end + 2 * token.len();
        self.look_for_tags(string);
        Ok(string.to_owned())
    }

    /// A string in quotes, which stand here.
    fn quoted_string(&mut self) -> Result<String, JsonErrorKind> {
        let rest = self.rest();
        match parse_literal_prefix(rest, &LiteralOptions { max_depth: 1, stops: &[] }) {
            Ok(literal) => {
                self.pos += literal.end;
                self.look_for_tags(&rest[..literal.end]);
                for (_, repair) in literal.repairs {
                    self.note(diagnostic_of(repair));
                }
                Ok(literal.value.as_str().unwrap_or_default().to_owned())
            }
            Err(error) => {
                self.cut |= error.offset + LONGEST_TAG_BYTES > rest.len();
                self.far = self.far.max(self.pos + error.offset);
                Err(error.kind)
            }
        }
    }

    fn look_for_tags(&mut self, string: &str) {
        self.swallowed_tag |= string.contains(self.tags.call_start) || string.contains(self.tags.call_end);
    }
}
