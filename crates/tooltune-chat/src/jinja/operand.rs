//! The operands of Jinja's expressions: literals, names, attributes, calls, filters and tests.

use super::JinjaError;
use super::call::{FILTER, OPERATOR, TEST, find};
use super::filter::FILTERS;
use super::parser::{Code, Parser, string_literal};
use super::predicate::TESTS;
use super::token::TokenKind;

impl Parser<'_> {
    pub(super) fn primary(&mut self) -> Result<Code, JinjaError> {
        match self.next() {
            Some(TokenKind::Name(name)) => Ok(match name.as_str() {
                "true" | "True" => Code::constant("true".to_owned()),
                "false" | "False" => Code::constant("false".to_owned()),
                "none" | "None" => Code::constant("none".to_owned()),
                name => {
                    self.at -= 1;
                    self.check_name(name)?;
                    self.at += 1;
                    Code { text: name.to_owned(), height: 1, constant: false, simple: true }
                }
            }),
            Some(TokenKind::Str(text)) => {
                let mut text = text.clone();
                while let Some(TokenKind::Str(more)) = self.peek() {
                    text.push_str(more);
                    self.at += 1;
                }
                Ok(Code::constant(string_literal(&text)))
            }
            Some(TokenKind::Int(i)) => Ok(Code::constant(i.to_string())),
            // The shortest digits that read back equal, always with a fraction or an exponent.
            Some(TokenKind::Float(f)) => Ok(Code::constant(format!("{f:?}"))),
            Some(TokenKind::Op("(")) => {
                let empty = Code::constant("0".to_owned());
                let code = if self.peek_is(")") {
                    self.operator(empty, "tuple", &[])?
                } else {
                    self.expressions(true)?
                };
                self.require(")")?;
                Ok(Code { simple: false, ..code })
            }
            Some(TokenKind::Op("[")) => {
                let items = self.items("]", Self::one)?;
                self.operator(Code::constant("0".to_owned()), "list", &items)
            }
            Some(TokenKind::Op("{")) => {
                let pairs = self.items("}", |parser, items| {
                    parser.one(items)?;
                    parser.require(":")?;
                    parser.one(items)
                })?;
                self.operator(Code::constant("0".to_owned()), "dict", &pairs)
            }
            _ => {
                self.at -= usize::from(self.at > 0);
                Err(self.error("expected an expression"))
            }
        }
    }

    fn one(&mut self, items: &mut Vec<Code>) -> Result<(), JinjaError> {
        items.push(self.expression(true)?);
        Ok(())
    }

    /// Items between commas, up to `close`.
    fn items(
        &mut self,
        close: &str,
        item: fn(&mut Self, &mut Vec<Code>) -> Result<(), JinjaError>,
    ) -> Result<Vec<Code>, JinjaError> {
        let mut items = Vec::new();
        while !self.skip(close) {
            item(self, &mut items)?;
            if !self.peek_is(close) {
                self.require(",")?;
            }
        }
        Ok(items)
    }

    /// Attributes, items, slices and calls.
    pub(super) fn postfix(&mut self, mut code: Code) -> Result<Code, JinjaError> {
        loop {
            if self.skip(".") {
                match self.next() {
                    Some(TokenKind::Int(index)) => {
                        code = self.operator(code, "item", &[Code::constant(index.to_string())])?;
                    }
                    Some(TokenKind::Name(name)) if self.peek_is("(") => code = self.method(code, name)?,
                    Some(TokenKind::Name(name)) if code.simple => {
                        code.text.push('.');
                        code.text.push_str(name);
                        code = Code { simple: true, ..self.node(code.text, code.height)? };
                    }
                    Some(TokenKind::Name(name)) => {
                        code = self.operator(code, "attr", &[Code::constant(string_literal(name))])?;
                    }
                    _ => return Err(self.error("expected a name or a number after '.'")),
                }
            } else if self.skip("[") {
                code = self.subscript(code)?;
            } else if self.peek_is("(") {
                let function = code.simple && !code.text.contains('.');
                if !function {
                    return Err(self.error("only functions, macros and methods can be called"));
                }
                let (arguments, height) = self.arguments()?;
                code = self.node(format!("{}({arguments})", code.text), height)?;
            } else {
                return Ok(code);
            }
        }
    }

    fn method(&mut self, code: Code, name: &str) -> Result<Code, JinjaError> {
        let (arguments, height) = self.arguments()?;
        if code.text == "loop" {
            if name != "cycle" || arguments.is_empty() {
                return Err(self.error("of the loop's methods only cycle(…) can be called"));
            }
            return self.node(format!("loop.cycle({arguments})"), height);
        }
        let separator = if arguments.is_empty() { "" } else { ", " };
        let name = string_literal(name);
        let text = format!("{}|{OPERATOR}method({name}{separator}{arguments})", code.text);
        self.node(text, height.max(code.height))
    }

    fn subscript(&mut self, code: Code) -> Result<Code, JinjaError> {
        let mut bounds: Vec<Option<Code>> = vec![None];
        while !self.skip("]") {
            if self.skip(":") {
                bounds.push(None);
            } else if bounds.last().is_some_and(Option::is_none) {
                let bound = self.expression(true)?;
                bounds.pop();
                bounds.push(Some(bound));
            } else {
                return Err(self.error("expected ']'"));
            }
        }
        if bounds.len() > 3 {
            return Err(self.error("too many ':' between '[' and ']'"));
        }
        if bounds.len() > 1 {
            bounds.resize(3, None);
            let none = || Code::constant("none".to_owned());
            let bounds: Vec<Code> = bounds.into_iter().map(|bound| bound.unwrap_or_else(none)).collect();
            return self.operator(code, "slice", &bounds);
        }
        match bounds.pop().flatten() {
            Some(key) => self.operator(code, "item", &[key]),
            None => Err(self.error("expected an index")),
        }
    }

    /// The arguments of a call, with the brackets, as text and height.
    fn arguments(&mut self) -> Result<(String, usize), JinjaError> {
        self.require("(")?;
        let mut texts = Vec::new();
        let (mut height, mut named) = (0, false);
        while !self.skip(")") {
            let is_named = self.peek_name().is_some()
                && matches!(self.tokens.get(self.at + 1), Some(next) if next.kind == TokenKind::Op("="));
            let mut text = String::new();
            if is_named {
                text = format!("{}=", self.name()?);
                self.require("=")?;
            } else if named {
                return Err(self.error("a positional argument after a named one"));
            }
            named = is_named;
            let code = self.expression(true)?;
            height = height.max(code.height);
            texts.push(text + &code.text);
            if !self.peek_is(")") {
                self.require(",")?;
            }
        }
        Ok((texts.join(", "), height))
    }

    /// Filters and tests.
    pub(super) fn filters(&mut self, mut code: Code) -> Result<Code, JinjaError> {
        loop {
            if self.skip("|") {
                let (filter, height) = self.filter()?;
                code = self.node(format!("{}|{filter}", code.text), height.max(code.height))?;
            } else if self.skip_name("is") {
                code = self.test(code)?;
            } else {
                return Ok(code);
            }
        }
    }

    /// A filter's name and arguments.
    pub(super) fn filter(&mut self) -> Result<(String, usize), JinjaError> {
        let name = self.name()?;
        let known = find(FILTERS, name).is_some();
        let (arguments, height) = if self.peek_is("(") { self.arguments()? } else { Default::default() };
        let code = if known { format!("{FILTER}{name}({arguments})") } else { missing("filter", name) };
        Ok((code, height))
    }

    fn test(&mut self, code: Code) -> Result<Code, JinjaError> {
        let negated = self.skip_name("not");
        let name = self.name()?;
        let word = |name| matches!(name, "else" | "or" | "and" | "is" | "if" | "not" | "in" | "recursive");
        let (arguments, height) = match self.peek() {
            Some(TokenKind::Op("(")) => self.arguments()?,
            Some(TokenKind::Name(name)) if word(name.as_str()) => (String::new(), 0),
            Some(TokenKind::Name(_) | TokenKind::Str(_) | TokenKind::Int(_) | TokenKind::Float(_))
            | Some(TokenKind::Op("[" | "{")) => {
                let code = self.primary()?;
                let code = self.postfix(code)?;
                (code.text, code.height)
            }
            _ => (String::new(), 0),
        };
        let call = match find(TESTS, name) {
            Some(_) => format!("{TEST}{name}({arguments})"),
            None => missing("test", name),
        };
        let text = format!("{}|{call}", code.text);
        let test = self.node(text, height.max(code.height))?;
        if negated { self.node(format!("(not {})", test.text), test.height) } else { Ok(test) }
    }
}

/// The call of a filter or test that is not known: an error where it is reached.
fn missing(what: &str, name: &str) -> String {
    format!("{OPERATOR}missing({})", string_literal(&format!("no {what} named '{name}'")))
}
