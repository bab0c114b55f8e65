//! Jinja's source into pieces: data, `{{ … }}` and `{% … %}`, with white space trimmed as transformers has it
//! trimmed (`trim_blocks` and `lstrip_blocks`).

use super::JinjaError;
use super::token::{Scanner, Token};
use crate::value::is_python_space;

/// A piece of a template.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) kind: PieceKind,
    /// The line on which it begins, from 1.
    pub(super) line: usize,
    /// The line breaks of its source, trimmed ones included.
    pub(super) breaks: usize,
}

/// What a piece is.
#[derive(Debug)]
pub(super) enum PieceKind {
    /// Text.
    Data(String),
    /// `{{ … }}`.
    Print(Vec<Token>),
    /// `{% … %}`.
    Block(Vec<Token>),
}

/// Splits a template. Line breaks are normalised, and the last one is left out.
pub(super) fn split(source: &str) -> Result<Vec<Piece>, JinjaError> {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let source = source.strip_suffix('\n').unwrap_or(&source);
    Lexer { source, at: 0, line: 1, line_starting: true, pieces: Vec::new() }.run()
}

struct Lexer<'s> {
    source: &'s str,
    at: usize,
    /// The line of what has been put into pieces.
    line: usize,
    /// Whether what was read last ended with a line break.
    line_starting: bool,
    pieces: Vec<Piece>,
}

impl<'s> Lexer<'s> {
    fn run(mut self) -> Result<Vec<Piece>, JinjaError> {
        while let Some(found) = self.next_tag() {
            let open = &self.source[found..found + 2];
            let sign = self.source[found + 2..].chars().next().filter(|c| matches!(c, '-' | '+'));
            let inside = found + 2 + usize::from(sign.is_some());
            let data = self.before_tag(found, sign, open == "{{");
            let begin = self.at;
            if open == "{#" {
                self.push(PieceKind::Data(data), begin, found);
                self.at = inside;
                self.comment(found)?;
            } else if let Some(after) = self.raw_begin(open, inside) {
                self.push(PieceKind::Data(data), begin, found);
                self.raw(found, after)?;
            } else {
                self.push(PieceKind::Data(data), begin, found);
                let mut scanner = Scanner { source: self.source, at: inside, line: self.line };
                let tokens = scanner.tag(open == "{{")?;
                let kind = if open == "{{" { PieceKind::Print(tokens) } else { PieceKind::Block(tokens) };
                self.at = scanner.at;
                self.finish_tag(found, kind);
            }
        }
        let rest = self.source[self.at..].to_owned();
        let (begin, end) = (self.at, self.source.len());
        self.push(PieceKind::Data(rest), begin, end);
        Ok(self.pieces)
    }

    fn next_tag(&self) -> Option<usize> {
        let rest = &self.source[self.at..];
        let mut tags = rest.match_indices('{').map(|(at, _)| at);
        tags.find(|at| matches!(rest.as_bytes().get(at + 1), Some(b'{' | b'%' | b'#'))).map(|at| self.at + at)
    }

    /// The data before a tag: `-` takes away all white space, and a tag that is not printed takes away the blanks
    /// before it on its line.
    fn before_tag(&self, tag: usize, sign: Option<char>, print: bool) -> String {
        let data = &self.source[self.at..tag];
        if sign == Some('-') {
            return data.trim_end_matches(is_python_space).to_owned();
        }
        let line = data.rfind('\n').map_or(0, |at| at + 1);
        let whole_line = line > 0 || self.line_starting;
        let blank = data[line..].chars().all(is_python_space);
        if sign.is_none() && !print && whole_line && blank {
            data[..line].to_owned()
        } else {
            data.to_owned()
        }
    }

    /// Takes a comment, whose content begins at `self.at`.
    fn comment(&mut self, begin: usize) -> Result<(), JinjaError> {
        let end = self.source[self.at..].find("#}").map(|end| self.at + end);
        let end = end.ok_or_else(|| self.error(begin, "a comment has no end"))?;
        let sign = self.source[self.at..end].chars().next_back();
        self.at = end + 2;
        self.after_tag(sign);
        self.finish_tag(begin, PieceKind::Data(String::new()));
        Ok(())
    }

    /// Where the content of a raw block begins, if `{% raw %}` stands here.
    fn raw_begin(&self, open: &str, inside: usize) -> Option<usize> {
        let after = skip_space(self.source, inside);
        let rest = self.source[after..].strip_prefix("raw").filter(|_| open == "{%")?;
        let rest = rest.trim_start_matches(is_python_space);
        let rest = match rest.strip_prefix("-%}") {
            Some(rest) => rest.trim_start_matches(is_python_space),
            None => rest.strip_prefix("%}")?,
        };
        Some(self.source.len() - rest.len())
    }

    /// Takes a raw block, whose content begins at `content`.
    fn raw(&mut self, begin: usize, content: usize) -> Result<(), JinjaError> {
        let source = self.source;
        self.at = content;
        self.line_starting = source[..content].ends_with('\n');
        for (at, _) in source[content..].match_indices("{%") {
            let tag = content + at;
            let sign = source[tag + 2..].chars().next().filter(|c| matches!(c, '-' | '+'));
            let name = skip_space(source, tag + 2 + usize::from(sign.is_some()));
            let Some(rest) = source[name..].strip_prefix("endraw") else { continue };
            let rest = rest.trim_start_matches(is_python_space);
            let close = ["-%}", "+%}", "%}"].into_iter().find(|close| rest.starts_with(close));
            let Some(close) = close else { continue };
            let data = self.before_tag(tag, sign, false);
            self.at = source.len() - rest.len() + close.len();
            self.after_tag(close.chars().next());
            self.finish_tag(begin, PieceKind::Data(data));
            return Ok(());
        }
        Err(self.error(begin, "{% raw %} has no end"))
    }

    /// What follows a block's or comment's end: `-` takes away white space, `+` keeps the line break.
    fn after_tag(&mut self, sign: Option<char>) {
        let rest = &self.source[self.at..];
        self.at = match sign {
            Some('-') => skip_space(self.source, self.at),
            Some('+') => self.at,
            _ => self.at + usize::from(rest.starts_with('\n')),
        };
    }

    /// Puts a tag that ends at `self.at` into a piece.
    fn finish_tag(&mut self, begin: usize, kind: PieceKind) {
        let end = self.at;
        self.line_starting = self.source[..end].ends_with('\n');
        self.push(kind, begin, end);
    }

    fn push(&mut self, kind: PieceKind, begin: usize, end: usize) {
        let breaks = self.source[begin..end].matches('\n').count();
        self.pieces.push(Piece { kind, line: self.line, breaks });
        self.line += breaks;
    }

    fn error(&self, at: usize, problem: &str) -> JinjaError {
        let line = 1 + self.source[..at].matches('\n').count();
        JinjaError::Syntax { line, problem: problem.to_owned() }
    }
}

/// The first place at or after `at` without white space.
pub(super) fn skip_space(source: &str, at: usize) -> usize {
    source.len() - source[at..].trim_start_matches(is_python_space).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(source: &str) -> Vec<String> {
        let texts = split(source).unwrap().into_iter().filter_map(|piece| match piece.kind {
            PieceKind::Data(text) => Some(text).filter(|text| !text.is_empty()),
            _ => None,
        });
        texts.collect()
    }

    #[test]
    fn white_space_is_trimmed_as_in_transformers() {
        assert_eq!(data("a\n  {% if x %}\n  b\n  {%- endif %}\nc\n"), ["a\n", "  b", "c"]);
        assert_eq!(data("a \n {{- x }} \n b"), ["a", " \n b"]);
        assert_eq!(data("  {%+ if x +%}\n y {% endif -%} \n z"), ["  ", "\n y ", "z"]);
        assert_eq!(data("a {# c #}\n b {#- d -#} \n e\r\n\r\nf\r"), ["a ", " b", "e\n\nf"]);
        assert_eq!(data("  {% raw %}\n {{ x }} {% raw2 %}{% endraw %}\ny"), ["\n {{ x }} {% raw2 %}", "y"]);
        assert_eq!(data("x {%- raw -%} \n {%y%} {%- endraw -%} \n z"), ["x", "{%y%}", "z"]);
        assert!(split("{# open").is_err() && split("{% raw %}{% endraw").is_err());
    }
}
