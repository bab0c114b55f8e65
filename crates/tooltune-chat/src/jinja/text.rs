//! Strings that know where each of their characters came from.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use minijinja::Value;

use super::budget::{Budget, Fault};
use super::object::TextObject;

/// Marks a change of origin in text that minijinja holds for us. It is a noncharacter of Unicode, and refused in
/// templates and conversations.
pub(super) const MARK: char = '\u{fdd0}';
/// An origin is written after the mark as two characters of 15 bits each, from here on.
const DIGITS: u32 = 0xf_0000;
/// The bit of an origin that says: between `{% generation %}` and `{% endgeneration %}`.
const GENERATED: u32 = 1 << 29;
/// The memory of a run.
const RUN_BYTES: usize = size_of::<Run>();

/// Which part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Content,
    CallName,
    CallArguments,
    /// Ids, and the names of functions that answered.
    Other,
}

/// Where characters came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The template itself, a role, or a variable that the program gives.
    Template,
    /// What printing a number or a list made.
    Computed,
    /// The declarations of tools.
    Tools,
    /// A part of a message, by its index.
    Message(usize, Field),
}

/// A [`Source`] and whether the template marked the text as the model's, in 30 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin(u32);

impl Origin {
    pub(super) const TEMPLATE: Self = Self(0);
    pub(super) const COMPUTED: Self = Self(1);
    pub(super) const TOOLS: Self = Self(2);
    /// The number of messages that can be told apart.
    pub(super) const MAX_MESSAGES: usize = 1 << 24;

    /// A part of message `index`, which is below [`Origin::MAX_MESSAGES`].
    pub(super) fn message(index: usize, field: Field) -> Self {
        let index = u32::try_from(index.min(Self::MAX_MESSAGES)).unwrap_or(0);
        Self(3 + 4 * index + field as u32)
    }

    pub(super) fn source(self) -> Source {
        let code = self.0 & !GENERATED;
        let Some(code) = code.checked_sub(3) else {
            return [Source::Template, Source::Computed, Source::Tools][code as usize];
        };
        let field = [Field::Content, Field::CallName, Field::CallArguments, Field::Other][code as usize % 4];
        Source::Message(code as usize / 4, field)
    }

    pub(super) fn generated(self) -> Self {
        Self(self.0 | GENERATED)
    }

    pub(super) fn is_generated(self) -> bool {
        self.0 & GENERATED != 0
    }

    fn write(self, out: &mut String) {
        out.push(MARK);
        for digit in [self.0 >> 15, self.0 & 0x7fff] {
            out.extend(char::from_u32(DIGITS + digit));
        }
    }

    fn read(text: &str) -> Option<(Self, &str)> {
        let mut chars = text.chars();
        let mut digit = || u32::from(chars.next()?).checked_sub(DIGITS).filter(|digit| *digit <= 0x7fff);
        let code = (digit()? << 15) | digit()?;
        Some((Self(code), chars.as_str()))
    }
}

/// Characters of one origin, up to byte `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) end: usize,
    pub(super) origin: Origin,
}

/// A string with the origins of its characters; without runs it is all the template's.
#[derive(Clone, Debug)]
pub(super) struct Text<'a> {
    text: Cow<'a, str>,
    runs: Cow<'a, [Run]>,
    /// Marked as HTML by the filters `safe` and `escape`: what is added to it is escaped.
    markup: bool,
}

impl<'a> Text<'a> {
    /// Text that the template wrote.
    pub(super) fn template(text: &'a str) -> Self {
        Self { text: Cow::Borrowed(text), runs: Cow::Borrowed(&[]), markup: false }
    }

    /// Text of one origin.
    pub(super) fn owned(text: String, origin: Origin) -> Text<'static> {
        let runs = if text.is_empty() { Vec::new() } else { vec![Run { end: text.len(), origin }] };
        Text { text: Cow::Owned(text), runs: Cow::Owned(runs), markup: false }
    }

    /// The same text without a copy.
    pub(super) fn borrowed(&self) -> Text<'_> {
        Text { text: Cow::Borrowed(&self.text), runs: Cow::Borrowed(&self.runs), markup: self.markup }
    }

    /// Reads what [`Text::encode`] wrote.
    pub(super) fn decode(budget: &Budget, encoded: &'a str) -> Result<Self, Fault> {
        budget.read(encoded.len())?;
        if !encoded.contains(MARK) {
            return Ok(Self::template(encoded));
        }
        let mut out = Builder::new(budget);
        let mut pieces = encoded.split(MARK);
        out.push(pieces.next().unwrap_or_default(), Origin::TEMPLATE)?;
        for piece in pieces {
            // A mark without its digits is nothing that we wrote; it cannot happen, and would be data if it did.
            let (origin, text) = Origin::read(piece).unwrap_or((Origin::COMPUTED, piece));
            out.push(text, origin)?;
        }
        Ok(out.finish())
    }

    /// Writes the text with marks around everything that is not the template's, for minijinja to hold.
    pub(super) fn encode(&self, out: &mut String) {
        for (range, origin) in self.parts(0..self.text.len()) {
            if origin == Origin::TEMPLATE {
                out.push_str(&self.text[range]);
            } else {
                origin.write(out);
                out.push_str(&self.text[range]);
                Origin::TEMPLATE.write(out);
            }
        }
    }

    /// The bytes that [`Text::encode`] writes.
    pub(super) fn encoded_len(&self) -> usize {
        // Two marks, each with two characters of four bytes.
        const MARKS: usize = 2 * (MARK.len_utf8() + 8);
        let parts = self.parts(0..self.text.len());
        parts.map(|(part, origin)| part.len() + if origin == Origin::TEMPLATE { 0 } else { MARKS }).sum()
    }

    pub(super) fn into_owned(self) -> Text<'static> {
        let (text, runs) = (self.text.into_owned(), self.runs.into_owned());
        Text { text: Cow::Owned(text), runs: Cow::Owned(runs), markup: self.markup }
    }

    pub(super) fn is_markup(&self) -> bool {
        self.markup
    }

    pub(super) fn with_markup(self, markup: bool) -> Self {
        Self { markup, ..self }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// The parts of `range` with one origin each, in order.
    pub(super) fn parts(&self, range: Range<usize>) -> impl Iterator<Item = (Range<usize>, Origin)> {
        let first = self.runs.partition_point(|run| run.end <= range.start);
        let whole = Run { end: self.text.len(), origin: Origin::TEMPLATE };
        let rest = self.runs[first..].iter().copied().chain(std::iter::once(whole));
        let mut start = range.start;
        rest.map_while(move |run| {
            let end = run.end.min(range.end);
            let part = start..end;
            start = end;
            (part.start < part.end).then_some((part, run.origin))
        })
    }
}

/// A text under construction; every byte is paid for before it is allocated.
pub(super) struct Builder<'b> {
    budget: &'b Budget,
    text: String,
    runs: Vec<Run>,
}

impl<'b> Builder<'b> {
    pub(super) fn new(budget: &'b Budget) -> Self {
        Self { budget, text: String::new(), runs: Vec::new() }
    }

    pub(super) fn budget(&self) -> &'b Budget {
        self.budget
    }

    pub(super) fn push(&mut self, text: &str, origin: Origin) -> Result<(), Fault> {
        if text.is_empty() {
            return Ok(());
        }
        self.budget.make(text.len())?;
        self.text.push_str(text);
        let end = self.text.len();
        match self.runs.last_mut() {
            Some(last) if last.origin == origin => last.end = end,
            _ => {
                self.budget.make(RUN_BYTES)?;
                self.runs.push(Run { end, origin });
            }
        }
        Ok(())
    }

    pub(super) fn push_char(&mut self, c: char, origin: Origin) -> Result<(), Fault> {
        self.push(c.encode_utf8(&mut [0; 4]), origin)
    }

    pub(super) fn push_text(&mut self, text: &Text) -> Result<(), Fault> {
        self.push_slice(text, 0..text.len())
    }

    pub(super) fn push_slice(&mut self, text: &Text, range: Range<usize>) -> Result<(), Fault> {
        for (part, origin) in text.parts(range) {
            self.push(&text.text[part], origin)?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Text<'static> {
        Text { text: Cow::Owned(self.text), runs: Cow::Owned(self.runs), markup: false }
    }

    /// The text as a value: minijinja's own string where all of it is the template's.
    pub(super) fn into_value(self) -> Value {
        text_value(self.finish())
    }
}

/// The text as a value: minijinja's own string where all of it is the template's.
pub(super) fn text_value(text: Text<'static>) -> Value {
    if !text.markup && text.runs.iter().all(|run| run.origin == Origin::TEMPLATE) {
        Value::from(text.text.into_owned())
    } else {
        Value::from_dyn_object(Arc::new(TextObject(text)))
    }
}

/// A part of `text` as a value.
pub(super) fn slice_value(budget: &Budget, text: &Text, range: Range<usize>) -> Result<Value, Fault> {
    let mut out = Builder::new(budget);
    out.push_slice(text, range)?;
    Ok(out.into_value())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_survive_being_held_by_minijinja() {
        let budget = Budget::new(1 << 20);
        let mut out = Builder::new(&budget);
        let origins = [
            Origin::TEMPLATE,
            Origin::COMPUTED,
            Origin::TOOLS,
            Origin::message(0, Field::Content),
            Origin::message(12_345, Field::Other).generated(),
            Origin::message(Origin::MAX_MESSAGES - 1, Field::CallName),
        ];
        for (at, origin) in origins.into_iter().enumerate() {
            out.push(&"é".repeat(at + 1), origin).unwrap();
        }
        let text = out.finish();
        let mut encoded = String::new();
        text.encode(&mut encoded);
        assert_eq!(encoded.len(), text.encoded_len());
        let back = Text::decode(&budget, &encoded).unwrap();
        assert_eq!((back.as_str(), &back.runs), (text.as_str(), &text.runs));
        let parts: Vec<_> = back.parts(2..10).collect();
        assert_eq!(parts, [(2..6, Origin::COMPUTED), (6..10, Origin::TOOLS)]);
        assert_eq!(origins[4].source(), Source::Message(12_345, Field::Other));
        assert!(origins[4].is_generated() && !origins[5].is_generated());
        assert_eq!(origins[5].source(), Source::Message(Origin::MAX_MESSAGES - 1, Field::CallName));
    }
}
