//! Rendered text to segments.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::text::{Field, Source, Text};
use crate::{Conversation, LossWeights, Role, Segment, SegmentContent, SegmentKind};

/// A set of strings, found at a place of a text.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    tokens: HashSet<String>,
    /// By first character: the lengths, the longest first.
    lengths: HashMap<char, Vec<usize>>,
}

impl Tokens {
    pub(super) fn new<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Self {
        let mut set = Self::default();
        for token in tokens {
            if let Some(first) = token.chars().next()
                && set.tokens.insert(token.to_owned())
            {
                set.lengths.entry(first).or_default().push(token.len());
            }
        }
        for lengths in set.lengths.values_mut() {
            lengths.sort_unstable_by(|a, b| b.cmp(a));
            lengths.dedup();
        }
        set
    }

    pub(super) fn contains(&self, token: &str) -> bool {
        self.tokens.contains(token)
    }

    /// Cuts `text` at its tokens, from the left, the longest first: ranges, and whether each is a token.
    fn cut(&self, text: &str) -> Vec<(Range<usize>, bool)> {
        let mut cuts = Vec::new();
        let mut start = 0;
        for (at, first) in text.char_indices() {
            let lengths = self.lengths.get(&first).filter(|_| at >= start);
            let found = lengths.into_iter().flatten().find(|len| {
                text.get(at..at + **len).is_some_and(|candidate| self.tokens.contains(candidate))
            });
            if let Some(len) = found {
                cuts.push((start..at, false));
                cuts.push((at..at + len, true));
                start = at + len;
            }
        }
        cuts.push((start..text.len(), false));
        cuts.retain(|(range, _)| !range.is_empty());
        cuts
    }
}

/// What a piece becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Tag,
    Control,
}

/// A piece of the text, of one source.
#[derive(Clone, Debug)]
struct Piece {
    range: Range<usize>,
    form: Form,
    source: Source,
    generated: bool,
    /// The kind, where tags in a model's text say so.
    hint: Option<SegmentKind>,
}

/// What the model writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) range: Range<usize>,
    /// The message, where it is known.
    pub(super) message: Option<usize>,
}

/// How the spans of the model were found.
#[derive(Debug)]
pub(super) enum Spans {
    /// Marked by the template.
    Generation,
    /// Given.
    Known(Vec<Span>),
    /// To be found around contents.
    Contents,
}

/// Turns rendered texts into segments.
pub(super) struct Segmenter<'a> {
    pub(super) conversation: &'a Conversation,
    pub(super) controls: &'a Tokens,
    pub(super) stops: &'a Tokens,
    pub(super) model_tags: &'a Tokens,
    pub(super) loss: LossWeights,
}

impl Segmenter<'_> {
    pub(super) fn segments(&self, text: &Text, spans: Spans) -> Vec<Segment> {
        let pieces = self.pieces(text);
        let (spans, exact) = match spans {
            Spans::Generation => (generation_spans(&pieces), true),
            Spans::Known(spans) => (spans, false),
            Spans::Contents => (self.content_spans(&pieces, text.as_str()), false),
        };
        let mut out = Out { text: text.as_str(), segments: Vec::new() };
        let mut pieces = split_at(pieces, &spans).into_iter().peekable();
        for span in &spans {
            while let Some(piece) = pieces.next_if(|piece| piece.range.start < span.range.start) {
                self.outside(&mut out, &piece);
            }
            let mut inside = Vec::new();
            while let Some(piece) = pieces.next_if(|piece| piece.range.start < span.range.end) {
                inside.push(piece);
            }
            self.inside(&mut out, &inside, span.message, exact);
        }
        for piece in pieces {
            self.outside(&mut out, &piece);
        }
        out.segments
    }

    fn is_model(&self, message: usize) -> bool {
        self.role(message).is_some_and(Role::is_model)
    }

    fn role(&self, message: usize) -> Option<Role> {
        self.conversation.messages.get(message).map(|message| message.role)
    }

    /// Control tokens are looked for in what the template wrote, and nowhere else.
    fn pieces(&self, text: &Text) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut inside = None;
        for (part, origin) in text.parts(0..text.len()) {
            let source = origin.source();
            let (tokens, form) = match source {
                Source::Template => (Some(self.controls), Form::Control),
                Source::Message(index, Field::Content) if self.is_model(index) => {
                    (Some(self.model_tags), Form::Tag)
                }
                _ => (None, Form::Text),
            };
            let whole = vec![(0..part.len(), false)];
            let cuts = tokens.map_or(whole, |tokens| tokens.cut(&text.as_str()[part.clone()]));
            for (cut, is_token) in cuts {
                let range = part.start + cut.start..part.start + cut.end;
                let mut hint = None;
                if form == Form::Tag {
                    let tag = &text.as_str()[range.clone()];
                    inside = match tag {
                        "<think>" if is_token => Some(SegmentKind::Think),
                        "<tool_call>" if is_token => Some(SegmentKind::Call),
                        _ => inside,
                    };
                    hint = inside;
                    if is_token && matches!(tag, "</think>" | "</tool_call>") {
                        inside = None;
                    }
                } else if form == Form::Control {
                    inside = None;
                }
                let form = if is_token { form } else { Form::Text };
                pieces.push(Piece { range, form, source, generated: origin.is_generated(), hint });
            }
        }
        pieces
    }

    fn outside(&self, out: &mut Out, piece: &Piece) {
        let (role, kind) = match piece.source {
            Source::Template | Source::Computed => (None, SegmentKind::Control),
            Source::Tools => (None, SegmentKind::Tools),
            Source::Message(index, field) => {
                let role = self.role(index);
                let content = role.map_or(SegmentKind::User, kind_of);
                let kind = match field {
                    Field::Content => piece.hint.unwrap_or(content),
                    Field::CallName => SegmentKind::CallName,
                    Field::CallArguments => SegmentKind::CallArguments,
                    Field::Other if content == SegmentKind::ToolResult => content,
                    Field::Other => SegmentKind::Call,
                };
                (role, kind)
            }
        };
        let model = matches!(
            kind,
            SegmentKind::Think
                | SegmentKind::Call
                | SegmentKind::CallName
                | SegmentKind::CallArguments
                | SegmentKind::Answer
        );
        let weight = if model { self.loss.control } else { self.loss.of(kind, false) };
        out.push(piece, role, kind, weight);
    }

    /// The pieces that the model writes in one turn. `exact` spans are the template's own and trained to the end;
    /// in others white space after the stop token is not the model's.
    fn inside(&self, out: &mut Out, pieces: &[Piece], message: Option<usize>, exact: bool) {
        let known = |piece: &Piece| match piece.source {
            Source::Message(index, _) if self.is_model(index) => Some(index),
            _ => None,
        };
        let message = message.or_else(|| pieces.iter().find_map(known));
        let role = message.and_then(|message| self.role(message)).unwrap_or(Role::Assistant);
        let calls = message
            .and_then(|message| self.conversation.messages.get(message))
            .is_some_and(|message| !message.tool_calls.is_empty());

        let is_stop = |piece: &Piece| {
            piece.form == Form::Control && self.stops.contains(&out.text[piece.range.clone()])
        };
        let is_blank = |piece: &Piece| {
            let text = &out.text[piece.range.clone()];
            piece.source == Source::Template && text.chars().all(char::is_whitespace)
        };
        let last_stop = pieces.iter().rposition(is_stop);
        let last_stop = last_stop.filter(|stop| pieces[stop + 1..].iter().all(is_blank));
        let tail = last_stop.map_or(pieces.len(), |stop| {
            let before = pieces[..stop].iter().rposition(|piece| !is_stop(piece) && !is_blank(piece));
            let tail = before.map_or(0, |before| before + 1);
            // Blanks before the stop token belong to what was said.
            tail + pieces[tail..].iter().position(is_stop).unwrap_or(0)
        });
        let is_content = |piece: &Piece| matches!(piece.source, Source::Message(_, Field::Content));
        let content_end = pieces.iter().rposition(is_content).map_or(0, |last| last + 1);

        for (at, piece) in pieces.iter().enumerate() {
            let kind = match piece.source {
                _ if at >= tail => SegmentKind::EndOfTurn,
                Source::Message(_, Field::CallName) => SegmentKind::CallName,
                Source::Message(_, Field::CallArguments) => SegmentKind::CallArguments,
                Source::Message(_, Field::Other) => SegmentKind::Call,
                Source::Message(_, Field::Content) => piece.hint.unwrap_or(SegmentKind::Answer),
                _ if calls && at >= content_end => SegmentKind::Call,
                _ => SegmentKind::Answer,
            };
            let written = exact || last_stop.is_none_or(|stop| at <= stop);
            out.push(piece, Some(role), kind, self.loss.of(kind, written));
        }
    }

    /// See [`TurnSpans::Contents`](crate::TurnSpans::Contents).
    fn content_spans(&self, pieces: &[Piece], text: &str) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let mut at = 0;
        while at < pieces.len() {
            let Source::Message(message, _) = pieces[at].source else {
                at += 1;
                continue;
            };
            let same = |piece: &Piece| matches!(piece.source, Source::Message(index, _) if index == message);
            let other = |piece: &Piece| !same(piece) && matches!(piece.source, Source::Message(..));
            let limit = pieces[at..].iter().position(other).map_or(pieces.len(), |next| at + next);
            if !self.is_model(message) {
                at = limit;
                continue;
            }
            let last = pieces[at..limit].iter().rposition(same).map_or(at, |last| at + last);
            let is_stop = |piece: &Piece| {
                piece.form == Form::Control && self.stops.contains(&text[piece.range.clone()])
            };
            let stop = pieces[last..limit].iter().position(is_stop).map_or(last, |stop| last + stop);
            let range = pieces[at].range.start..pieces[stop].range.end;
            spans.push(Span { range, message: Some(message) });
            at = limit;
        }
        spans
    }
}

fn kind_of(role: Role) -> SegmentKind {
    if role.is_model() {
        SegmentKind::Answer
    } else if role.is_tool() {
        SegmentKind::ToolResult
    } else if role.is_system() {
        SegmentKind::System
    } else {
        SegmentKind::User
    }
}

/// What the template marked.
fn generation_spans(pieces: &[Piece]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for piece in pieces.iter().filter(|piece| piece.generated) {
        match spans.last_mut() {
            Some(last) if last.range.end == piece.range.start => last.range.end = piece.range.end,
            _ => spans.push(Span { range: piece.range.clone(), message: None }),
        }
    }
    spans
}

/// Cuts text pieces where spans begin and end; a control token stays whole and belongs to where it begins.
fn split_at(pieces: Vec<Piece>, spans: &[Span]) -> Vec<Piece> {
    let mut cuts = spans.iter().flat_map(|span| [span.range.start, span.range.end]).peekable();
    let mut out = Vec::with_capacity(pieces.len());
    for mut piece in pieces {
        while let Some(cut) = cuts.next_if(|cut| *cut < piece.range.end) {
            if cut > piece.range.start && piece.form == Form::Text {
                out.push(Piece { range: piece.range.start..cut, ..piece.clone() });
                piece.range.start = cut;
            }
        }
        out.push(piece);
    }
    out
}

/// The segments so far; adjacent text of one kind is joined.
struct Out<'t> {
    text: &'t str,
    segments: Vec<Segment>,
}

impl Out<'_> {
    fn push(&mut self, piece: &Piece, role: Option<Role>, kind: SegmentKind, weight: f32) {
        let text = self.text[piece.range.clone()].to_owned();
        if piece.form == Form::Text
            && let Some(last) = self.segments.last_mut()
            && (last.role, last.kind, last.weight) == (role, kind, weight)
            && let SegmentContent::Text(before) = &mut last.content
        {
            before.push_str(&text);
            return;
        }
        let content = match piece.form {
            Form::Text => SegmentContent::Text(text),
            Form::Tag => SegmentContent::Tag(text),
            Form::Control => SegmentContent::Control(text),
        };
        self.segments.push(Segment { content, role, kind, weight });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_token_at_the_first_place_wins() {
        let tokens = Tokens::new(["<a>", "<a><b>", "é", ""]);
        let cuts = tokens.cut("x<a><b><a>éa");
        let texts: Vec<_> = cuts.into_iter().map(|(range, token)| (&"x<a><b><a>éa"[range], token)).collect();
        assert_eq!(texts, [("x", false), ("<a><b>", true), ("<a>", true), ("é", true), ("a", false)]);
    }
}
