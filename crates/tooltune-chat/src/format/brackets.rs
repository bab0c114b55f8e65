//! Brackets matched with strings in mind, while the text arrives.

/// What [`Brackets::advance`] looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// The end of the bracket that opens first.
    Closed,
    /// The comma, or the closing bracket of what is around, that ends an item.
    Item,
    /// The line break outside brackets that ends a line.
    Line,
}

/// A walk over a text that knows its depth in brackets and whether it is in a string.
#[derive(Clone, Debug)]
pub(super) struct Brackets {
    at: usize,
    depth: usize,
    /// The quote that ends the string, and whether three of them do.
    quote: Option<(u8, bool)>,
}

impl Brackets {
    /// Begins at byte `at`, outside brackets and strings.
    pub(super) fn new(at: usize) -> Self {
        Self { at, depth: 0, quote: None }
    }

    /// Goes on to what `until` says and returns where it is (behind the bracket for [`Until::Closed`]), or `None`
    /// where the text ends before; the next call then goes on from there.
    pub(super) fn advance(&mut self, text: &str, until: Until) -> Option<usize> {
        let bytes = text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            if let Some((quote, triple)) = self.quote {
                if byte == b'\\' {
                    // Where the escaped byte has not arrived, the walk waits before the back-slash.
                    bytes.get(self.at + 1)?;
                    self.at += 2;
                } else if byte == quote && triple {
                    let three = bytes.get(self.at..self.at + 3)?;
                    let ends = three.iter().all(|&b| b == quote);
                    self.at += if ends { 3 } else { 1 };
                    self.quote = self.quote.filter(|_| !ends);
                } else {
                    self.at += 1;
                    self.quote = self.quote.filter(|_| byte != quote);
                }
                continue;
            }
            match byte {
                b'"' | b'\'' => {
                    let triple = match (bytes.get(self.at + 1), bytes.get(self.at + 2)) {
                        (None, _) => return None,
                        (Some(&second), None) if second == byte => return None,
                        (second, third) => second == Some(&byte) && third == Some(&byte),
                    };
                    self.quote = Some((byte, triple));
                    self.at += if triple { 3 } else { 1 };
                    continue;
                }
                b'(' | b'[' | b'{' => self.depth += 1,
                b')' | b']' | b'}' if self.depth == 0 && until == Until::Item => return Some(self.at),
                b')' | b']' | b'}' if self.depth == 0 => {}
                b')' | b']' | b'}' => {
                    self.depth -= 1;
                    if self.depth == 0 && until == Until::Closed {
                        self.at += 1;
                        return Some(self.at);
                    }
                }
                b',' if self.depth == 0 && until == Until::Item => return Some(self.at),
                b'\n' if self.depth == 0 && until == Until::Line => return Some(self.at),
                _ => {}
            }
            self.at += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_hide_brackets_and_any_cut_gives_the_same() {
        for (text, until, want) in [
            ("f(a='(', b=[1, 2])]", Until::Item, Some(18)),
            ("f(a=\"it's\\\")\", b=1), g()", Until::Item, Some(19)),
            ("f(a=\"\"\"x\"y)\"\"\") ,", Until::Item, Some(16)),
            ("f(a='') ]", Until::Item, Some(8)),
            ("{\"a\": \"}\"}; {", Until::Closed, Some(10)),
            ("f(\n)\n", Until::Line, Some(4)),
            ("f(a=\"b)", Until::Item, None),
        ] {
            assert_eq!(Brackets::new(0).advance(text, until), want, "{text}");
            let mut walk = Brackets::new(0);
            let pieces = (0..=text.len()).find_map(|end| walk.advance(&text[..end], until));
            assert_eq!(pieces, want, "{text}");
        }
    }
}
