//! The tokens of a tag, and the checked source that is made of them.

use super::JinjaError;
use super::call::OPERATOR;
use super::text::MARK;
use super::token::{Token, TokenKind};

/// How names of our own variables begin.
const PRIVATE: &str = "_tooltune";

/// How deep expressions may be nested, and how many operators may stand side by side. minijinja compiles them
/// recursively.
pub(super) const MAX_DEPTH: usize = 40;
const MAX_HEIGHT: usize = 200;

/// A piece of the checked source.
#[derive(Clone, Debug)]
pub(super) struct Code {
    pub(super) text: String,
    /// The height of minijinja's syntax tree for it.
    pub(super) height: usize,
    /// A literal.
    pub(super) constant: bool,
    /// A name with attributes: what may be written twice, and what minijinja takes an attribute of.
    pub(super) simple: bool,
}

impl Code {
    pub(super) fn constant(text: String) -> Self {
        Self { text, height: 1, constant: true, simple: false }
    }
}

/// Reads the tokens of one tag.
pub(super) struct Parser<'t> {
    pub(super) tokens: &'t [Token],
    pub(super) at: usize,
    line: usize,
    pub(super) depth: usize,
}

impl<'t> Parser<'t> {
    pub(super) fn new(tokens: &'t [Token], line: usize) -> Self {
        Self { tokens, at: 0, line, depth: 0 }
    }

    pub(super) fn error(&self, problem: impl Into<String>) -> JinjaError {
        let line = self.tokens.get(self.at).map_or(self.line, |token| token.line);
        JinjaError::Syntax { line, problem: problem.into() }
    }

    /// Refuses string literals that spell the mark in escapes.
    pub(super) fn refuse_mark(&self, tokens: &[Token]) -> Result<(), JinjaError> {
        let marked = |token: &Token| matches!(&token.kind, TokenKind::Str(text) if text.contains(MARK));
        if tokens.iter().any(marked) {
            return Err(JinjaError::Reserved { place: "the chat template" });
        }
        Ok(())
    }

    pub(super) fn at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    pub(super) fn finish(&self) -> Result<(), JinjaError> {
        if self.at_end() { Ok(()) } else { Err(self.error("unexpected tokens at the end of a tag")) }
    }

    pub(super) fn peek(&self) -> Option<&'t TokenKind> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    pub(super) fn next(&mut self) -> Option<&'t TokenKind> {
        let token = self.peek();
        self.at += usize::from(token.is_some());
        token
    }

    pub(super) fn peek_is(&self, operator: &str) -> bool {
        matches!(self.peek(), Some(TokenKind::Op(op)) if *op == operator)
    }

    pub(super) fn skip(&mut self, operator: &str) -> bool {
        let found = self.peek_is(operator);
        self.at += usize::from(found);
        found
    }

    pub(super) fn peek_name(&self) -> Option<&'t str> {
        if let Some(TokenKind::Name(name)) = self.peek() { Some(name) } else { None }
    }

    pub(super) fn skip_name(&mut self, name: &str) -> bool {
        let found = self.peek_name() == Some(name);
        self.at += usize::from(found);
        found
    }

    pub(super) fn require(&mut self, operator: &str) -> Result<(), JinjaError> {
        if self.skip(operator) { Ok(()) } else { Err(self.error(format!("expected '{operator}'"))) }
    }

    pub(super) fn name(&mut self) -> Result<&'t str, JinjaError> {
        let name = self.peek_name().ok_or_else(|| self.error("expected a name"))?;
        self.at += 1;
        Ok(name)
    }

    /// A name that may be assigned to.
    pub(super) fn target_name(&mut self) -> Result<&'t str, JinjaError> {
        let name = self.name()?;
        self.check_name(name)?;
        match name {
            "true" | "True" | "false" | "False" | "none" | "None" | "loop" => {
                Err(self.error(format!("'{name}' cannot be assigned to")))
            }
            _ => Ok(name),
        }
    }

    pub(super) fn check_name(&self, name: &str) -> Result<(), JinjaError> {
        let keyword = matches!(name, "and" | "or" | "not" | "in" | "is" | "if" | "else" | "elif");
        if keyword || matches!(name, "self" | "super" | "varargs" | "kwargs") || name.starts_with(PRIVATE) {
            return Err(self.error(format!("the name '{name}' cannot be used here")));
        }
        Ok(())
    }

    /// `call` with operands, one level above the highest of them.
    pub(super) fn node(&self, text: String, height: usize) -> Result<Code, JinjaError> {
        if height >= MAX_HEIGHT {
            return Err(self.error(format!("more than {MAX_HEIGHT} operators in one expression")));
        }
        Ok(Code { text, height: height + 1, constant: false, simple: false })
    }

    /// `left|op_name(arguments)`.
    pub(super) fn operator(
        &self,
        mut left: Code,
        name: &str,
        arguments: &[Code],
    ) -> Result<Code, JinjaError> {
        let height = arguments.iter().map(|code| code.height).max().unwrap_or(0).max(left.height);
        left.text.push('|');
        left.text.push_str(OPERATOR);
        left.text.push_str(name);
        if !arguments.is_empty() {
            left.text.push('(');
            left.text.push_str(&list(arguments));
            left.text.push(')');
        }
        self.node(left.text, height)
    }
}

/// Code between commas.
fn list(codes: &[Code]) -> String {
    codes.iter().map(|code| code.text.as_str()).collect::<Vec<_>>().join(", ")
}

/// A string as minijinja reads it back.
pub(super) fn string_literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => literal.extend(['\\', c]),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            c => literal.push(c),
        }
    }
    literal.push('"');
    literal
}
