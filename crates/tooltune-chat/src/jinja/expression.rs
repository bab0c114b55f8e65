//! Jinja's expressions, rewritten so that every operator is a call of ours.
//!
//! minijinja cannot be told to check its operators, and some of them double a string, repeat one or walk a shared
//! structure at the cost of a single instruction. So a template is parsed here, by Jinja's grammar, and written anew
//! with calls (`a ~ b` as `a|op_cat(b)`): minijinja keeps names, attributes, `and`, `or`, `not`, conditions,
//! and calls of macros and functions, which make nothing.

use super::JinjaError;
use super::parser::{Code, MAX_DEPTH, Parser};
use super::token::TokenKind;

impl Parser<'_> {
    /// An expression, with a condition after it where `condition` allows one.
    pub(super) fn expression(&mut self, condition: bool) -> Result<Code, JinjaError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(format!("expressions are nested deeper than {MAX_DEPTH}")));
        }
        let mut code = self.either()?;
        while condition && self.skip_name("if") {
            let test = self.either()?;
            let other = if self.skip_name("else") { Some(self.expression(true)?) } else { None };
            let height = other.as_ref().map_or(0, |other| other.height).max(code.height).max(test.height);
            let text = match other {
                Some(other) => format!("({} if {} else {})", code.text, test.text, other.text),
                None => format!("({} if {})", code.text, test.text),
            };
            code = self.node(text, height)?;
        }
        self.depth -= 1;
        Ok(code)
    }

    /// One expression, or several between commas: a tuple.
    pub(super) fn expressions(&mut self, condition: bool) -> Result<Code, JinjaError> {
        let first = self.expression(condition)?;
        if !self.peek_is(",") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.skip(",") {
            if self.at_end() || self.peek_is(")") {
                break;
            }
            items.push(self.expression(condition)?);
        }
        self.operator(Code::constant("0".to_owned()), "tuple", &items)
    }

    fn either(&mut self) -> Result<Code, JinjaError> {
        self.joined("or", Self::both)
    }

    fn both(&mut self) -> Result<Code, JinjaError> {
        self.joined("and", Self::negation)
    }

    fn joined(
        &mut self,
        word: &str,
        operand: fn(&mut Self) -> Result<Code, JinjaError>,
    ) -> Result<Code, JinjaError> {
        let first = operand(self)?;
        if self.peek_name() != Some(word) {
            return Ok(first);
        }
        let (mut text, mut height) = self.unfolded(first)?;
        while self.skip_name(word) {
            let next = operand(self)?;
            text.push_str(&format!(" {word} {}", next.text));
            height = self.node(String::new(), height.max(next.height))?.height;
        }
        self.node(format!("({text})"), height)
    }

    /// minijinja folds literals under `and` to truth values, which Python does not.
    fn unfolded(&self, code: Code) -> Result<(String, usize), JinjaError> {
        let code = if code.constant { self.operator(code, "same", &[])? } else { code };
        Ok((code.text, code.height))
    }

    fn negation(&mut self) -> Result<Code, JinjaError> {
        let mut count = 0_usize;
        while self.skip_name("not") {
            count += 1;
        }
        let code = self.comparison()?;
        match (count, count % 2) {
            (0, _) => Ok(code),
            // An even number of them still makes a truth value.
            (_, 0) => self.node(format!("(not (not {}))", code.text), code.height + 1),
            _ => self.node(format!("(not {})", code.text), code.height),
        }
    }

    fn comparison(&mut self) -> Result<Code, JinjaError> {
        let mut left = self.sum()?;
        let mut parts: Vec<Code> = Vec::new();
        loop {
            let before = self.at;
            let operator = match self.next() {
                Some(TokenKind::Op("==")) => "eq",
                Some(TokenKind::Op("!=")) => "ne",
                Some(TokenKind::Op("<")) => "lt",
                Some(TokenKind::Op("<=")) => "le",
                Some(TokenKind::Op(">")) => "gt",
                Some(TokenKind::Op(">=")) => "ge",
                Some(TokenKind::Name(name)) if name == "in" => "in",
                Some(TokenKind::Name(name)) if name == "not" && self.skip_name("in") => "not in",
                _ => {
                    self.at = before;
                    break;
                }
            };
            if !parts.is_empty() && !left.simple && !left.constant {
                return Err(self.error("a chain of comparisons can only go through names and literals"));
            }
            let right = self.sum()?;
            let arguments = [right.clone()];
            parts.push(if operator == "not in" {
                let inside = self.operator(left, "in", &arguments)?;
                self.node(format!("(not {})", inside.text), inside.height)?
            } else {
                self.operator(left, operator, &arguments)?
            });
            left = right;
        }
        match parts.len() {
            0 => Ok(left),
            1 => Ok(parts.remove(0)),
            count => {
                let height = parts.iter().map(|part| part.height).max().unwrap_or(0) + count;
                let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
                self.node(format!("({})", texts.join(" and ")), height)
            }
        }
    }

    fn sum(&mut self) -> Result<Code, JinjaError> {
        self.binary(&[("+", "add"), ("-", "sub")], Self::concatenation)
    }

    fn concatenation(&mut self) -> Result<Code, JinjaError> {
        let first = self.product()?;
        let mut rest = Vec::new();
        while self.skip("~") {
            rest.push(self.product()?);
        }
        if rest.is_empty() { Ok(first) } else { self.operator(first, "cat", &rest) }
    }

    fn product(&mut self) -> Result<Code, JinjaError> {
        let operators = [("*", "mul"), ("/", "div"), ("//", "floordiv"), ("%", "mod")];
        self.binary(&operators, |parser| parser.binary(&[("**", "pow")], |parser| parser.unary(true)))
    }

    fn binary(
        &mut self,
        operators: &[(&str, &str)],
        operand: fn(&mut Self) -> Result<Code, JinjaError>,
    ) -> Result<Code, JinjaError> {
        let mut left = operand(self)?;
        while let Some((_, name)) = operators.iter().find(|(operator, _)| self.skip(operator)) {
            let right = operand(self)?;
            left = self.operator(left, name, &[right])?;
        }
        Ok(left)
    }

    fn unary(&mut self, filters: bool) -> Result<Code, JinjaError> {
        let mut signs = 0_usize;
        while self.peek_is("-") || self.peek_is("+") {
            signs += usize::from(self.peek_is("-"));
            self.at += 1;
        }
        let mut code = self.primary()?;
        code = self.postfix(code)?;
        for _ in 0..signs.min(2 - signs % 2) {
            code = self.operator(code, "neg", &[])?;
        }
        if filters { self.filters(code) } else { Ok(code) }
    }
}
