//! Feeding stream parsers, and the law that they keep.
#![allow(dead_code)]

use proptest::prelude::*;
use tooltune_chat::{ParseEvent, Parsed, ToolCall, ToolCallFormat};

/// What a stream parser gave.
#[derive(Debug, Default)]
pub(crate) struct Streamed {
    pub(crate) text: String,
    pub(crate) thinking: String,
    pub(crate) calls: Vec<ToolCall>,
}

impl Streamed {
    pub(crate) fn take(&mut self, events: Vec<ParseEvent>) {
        for event in events {
            match event {
                ParseEvent::Text(text) => self.text.push_str(&text),
                ParseEvent::Thinking(thinking) => self.thinking.push_str(&thinking),
                ParseEvent::Call(call) => self.calls.push(call),
                other => panic!("an event that the law does not know: {other:?}"),
            }
        }
    }
}

/// The text in pieces of about these many bytes, again and again; whole where there are none.
pub(crate) fn pieces<'t>(text: &'t str, bytes: &[usize]) -> Vec<&'t str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    for &bytes in bytes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(rest.ceil_char_boundary(bytes.min(rest.len())));
        pieces.push(piece);
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}

/// Streams the text in these pieces and checks the law of [`tooltune_chat::StreamParser`].
pub(crate) fn check_law(
    format: &dyn ToolCallFormat,
    text: &str,
    bytes: &[usize],
) -> Result<Streamed, TestCaseError> {
    let mut parser = format.stream();
    let mut streamed = Streamed::default();
    for piece in pieces(text, bytes) {
        streamed.take(parser.push(piece));
    }
    let parsed = parser.finish();
    let name = format.name();
    prop_assert_eq!(&parsed, &format.parse(text), "{}: streamed and one shot of {:?}", name, text);
    let Parsed { calls, text: whole, thinking, .. } = parsed;
    prop_assert!(calls.starts_with(&streamed.calls), "{}: {:?} of {:?}", name, streamed.calls, calls);
    let edge = |c: char| c.is_whitespace() || c == '\u{feff}';
    let begun = streamed.text.trim_matches(edge);
    prop_assert!(whole.starts_with(begun), "{}: {:?} of {:?} in {:?}", name, begun, whole, text);
    let solid = |text: &str| text.chars().filter(|&c| !edge(c)).collect::<String>();
    let (begun, thinking) = (solid(&streamed.thinking), solid(&thinking));
    prop_assert!(thinking.starts_with(&begun), "{}: {:?} of {:?} in {:?}", name, begun, thinking, text);
    Ok(streamed)
}
