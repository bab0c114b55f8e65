//! The tokens inside a tag.

use super::JinjaError;
use super::lexer::skip_space;

/// A token of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// A name or keyword.
    Name(String),
    /// A string literal, its escapes read.
    Str(String),
    /// An integer literal.
    Int(i128),
    /// A float literal.
    Float(f64),
    /// An operator or punctuation.
    Op(&'static str),
}

/// A token and its line.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) line: usize,
}

/// The operators; a longer one stands before its beginnings.
const OPERATORS: [&str; 26] = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<",
    "=", ".", ":", "|", ",", ";",
];

/// Reads the tokens of one tag.
pub(super) struct Scanner<'s> {
    pub(super) source: &'s str,
    pub(super) at: usize,
    /// The line of `at`.
    pub(super) line: usize,
}

impl Scanner<'_> {
    /// The tokens up to the end of the tag, which is passed, with the white space that it takes away.
    pub(super) fn tag(&mut self, print: bool) -> Result<Vec<Token>, JinjaError> {
        let mut line = self.line;
        let mut counted = self.at;
        let mut tokens = Vec::new();
        let mut open: Vec<&str> = Vec::new();
        loop {
            self.at = skip_space(self.source, self.at);
            line += self.source[counted..self.at].matches('\n').count();
            counted = self.at;
            let rest = &self.source[self.at..];
            if open.is_empty() && self.end(rest, print) {
                return Ok(tokens);
            }
            let Some(first) = rest.chars().next() else {
                return Err(JinjaError::Syntax { line, problem: "a tag has no end".to_owned() });
            };
            let error = |problem: String| JinjaError::Syntax { line, problem };
            let kind = if first == '"' || first == '\'' {
                self.string(first).map_err(error)?
            } else if first.is_ascii_digit() {
                let after_dot = tokens.last().is_some_and(|t: &Token| t.kind == TokenKind::Op("."));
                self.number(after_dot).map_err(error)?
            } else if first == '_' || first.is_alphabetic() {
                let word = |c: char| c != '_' && !c.is_alphanumeric();
                let name = &rest[..rest.find(word).unwrap_or(rest.len())];
                if !name.is_ascii() {
                    return Err(error(format!("a name beyond ASCII: {name:?}")));
                }
                self.at += name.len();
                TokenKind::Name(name.to_owned())
            } else {
                let operator = OPERATORS.into_iter().find(|operator| rest.starts_with(operator));
                let operator = operator.ok_or_else(|| error(format!("unexpected character {first:?}")))?;
                match operator {
                    "(" | "[" | "{" => open.push(operator),
                    ")" | "]" | "}" => {
                        let expected = open.pop().map_or("", |bracket| match bracket {
                            "(" => ")",
                            "[" => "]",
                            _ => "}",
                        });
                        if expected != operator {
                            return Err(error(format!("unexpected '{operator}'")));
                        }
                    }
                    _ => {}
                }
                self.at += operator.len();
                TokenKind::Op(operator)
            };
            tokens.push(Token { kind, line });
        }
    }

    /// Passes the end of the tag, if it stands here.
    fn end(&mut self, rest: &str, print: bool) -> bool {
        let (signed, kept, plain) = if print { ("-}}", "", "}}") } else { ("-%}", "+%}", "%}") };
        if rest.starts_with(signed) {
            self.at = skip_space(self.source, self.at + signed.len());
        } else if !print && rest.starts_with(kept) {
            self.at += kept.len();
        } else if rest.starts_with(plain) {
            self.at += plain.len();
            self.at += usize::from(!print && self.source[self.at..].starts_with('\n'));
        } else {
            return false;
        }
        true
    }

    fn number(&mut self, after_dot: bool) -> Result<TokenKind, String> {
        let rest = &self.source[self.at..];
        let based = [("0x", 16), ("0X", 16), ("0o", 8), ("0O", 8), ("0b", 2), ("0B", 2)];
        if let Some((prefix, base)) = based.into_iter().find(|(prefix, _)| rest.starts_with(prefix)) {
            let digits = &rest[2..];
            let len = digits.find(|c: char| !c.is_digit(base) && c != '_').unwrap_or(digits.len());
            self.at += prefix.len() + len;
            let digits = digits[..len].replace('_', "");
            return i128::from_str_radix(&digits, base).map(TokenKind::Int).map_err(|e| e.to_string());
        }
        let digits = |at: usize| {
            let rest = &rest[at..];
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(rest.len());
            at + rest[..end].trim_end_matches('_').len()
        };
        let starts_digit = |at: usize| rest[at..].starts_with(|c: char| c.is_ascii_digit());
        let mut end = digits(0);
        let mut float = false;
        if !after_dot {
            if rest[end..].starts_with('.') && starts_digit(end + 1) {
                float = true;
                end = digits(end + 1);
            }
            if rest[end..].starts_with(['e', 'E']) {
                let sign = usize::from(rest[end + 1..].starts_with(['+', '-']));
                if starts_digit(end + 1 + sign) {
                    float = true;
                    end = digits(end + 1 + sign);
                }
            }
        }
        self.at += end;
        let text = rest[..end].replace('_', "");
        if float {
            return match text.parse::<f64>() {
                Ok(f) if f.is_finite() => Ok(TokenKind::Float(f)),
                _ => Err(format!("the number {text} is out of range")),
            };
        }
        text.parse().map(TokenKind::Int).map_err(|_| format!("the number {text} is out of range"))
    }

    /// A string literal, with Python's escapes.
    fn string(&mut self, quote: char) -> Result<TokenKind, String> {
        let mut out = String::new();
        let body = &self.source[self.at + 1..];
        let mut chars = body.char_indices();
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.at += at + 2;
                return Ok(TokenKind::Str(out));
            }
            if c != '\\' {
                out.push(c);
                continue;
            }
            let Some((at, escape)) = chars.next() else { break };
            let width = match escape {
                'x' => 2,
                'u' => 4,
                'U' => 8,
                _ => 0,
            };
            if width > 0 {
                let digits = body.get(at + 1..at + 1 + width).unwrap_or_default();
                let hex = digits.len() == width && digits.bytes().all(|b| b.is_ascii_hexdigit());
                let code = u32::from_str_radix(digits, 16).ok().filter(|_| hex).and_then(char::from_u32);
                out.push(code.ok_or_else(|| format!("a bad escape: \\{escape}{digits}"))?);
                chars.nth(width - 1);
                continue;
            }
            match escape {
                '\n' => {}
                '\\' | '\'' | '"' => out.push(escape),
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                'b' => out.push('\u{8}'),
                'f' => out.push('\u{c}'),
                'v' => out.push('\u{b}'),
                'a' => out.push('\u{7}'),
                '0'..='7' => {
                    let octal = |c: char| !('0'..='7').contains(&c);
                    let digits = &body[at..];
                    let len = digits.find(octal).unwrap_or(digits.len()).min(3);
                    out.extend(u32::from_str_radix(&digits[..len], 8).ok().and_then(char::from_u32));
                    for _ in 1..len {
                        chars.next();
                    }
                }
                'N' => return Err("characters by name are not supported".to_owned()),
                // As Python: what is no escape stays.
                other => out.extend(['\\', other]),
            }
        }
        Err("a string has no end".to_owned())
    }
}
