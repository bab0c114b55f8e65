//! Building segments, whatever the control tokens of the model are.

use super::LossWeights;
use crate::{CallPiece, Message, Role, Segment, SegmentContent, SegmentKind, ToolCallFormat};

const THINK_START: &str = "<think>";
const THINK_END: &str = "</think>";
const CALL_START: &str = "<tool_call>";
const CALL_END: &str = "</tool_call>";

/// A list of segments under construction.
pub(super) struct Builder {
    segments: Vec<Segment>,
    loss: LossWeights,
    role: Option<Role>,
}

impl Builder {
    pub(super) fn new(loss: LossWeights) -> Self {
        Self { segments: Vec::new(), loss, role: None }
    }

    /// Who speaks in what follows; `None` outside turns.
    pub(super) fn speaker(&mut self, role: Option<Role>) {
        self.role = role;
    }

    /// A control token that begins something.
    pub(super) fn control(&mut self, token: &str) {
        self.push(SegmentContent::Control(token.to_owned()), SegmentKind::Control);
    }

    /// A control token that ends a turn.
    pub(super) fn end(&mut self, token: &str) {
        self.push(SegmentContent::Control(token.to_owned()), SegmentKind::EndOfTurn);
    }

    /// Text behind the end of a turn, which has a loss only in model turns and where asked for.
    pub(super) fn after_end(&mut self, text: &str, trained: bool) {
        let trained = trained && self.role.is_some_and(Role::is_model);
        let weight = self.loss.of(SegmentKind::EndOfTurn, trained);
        self.push_weighted(SegmentContent::Text(text.to_owned()), SegmentKind::EndOfTurn, weight);
        self.role = None;
    }

    pub(super) fn text(&mut self, text: &str, kind: SegmentKind) {
        self.push(SegmentContent::Text(text.to_owned()), kind);
    }

    /// What a call format wrote.
    pub(super) fn pieces(&mut self, pieces: impl IntoIterator<Item = SegmentContent>, kind: SegmentKind) {
        for piece in pieces {
            self.push(piece, kind);
        }
    }

    /// What a model turn says: its text, and its calls on the next line. In the text the format's tags become
    /// [`SegmentContent::Tag`], and thinking and calls between their tags have kinds of their own.
    pub(super) fn model_turn(&mut self, content: &str, message: &Message, format: &dyn ToolCallFormat) {
        let mut kind = SegmentKind::Answer;
        let mut start = 0;
        for (at, _) in content.match_indices('<') {
            let tag = format.special_tokens().iter().find(|tag| content[at..].starts_with(**tag));
            let Some(tag) = tag.filter(|_| at >= start) else { continue };
            self.text(&content[start..at], kind);
            match *tag {
                THINK_START => kind = SegmentKind::Think,
                CALL_START => kind = SegmentKind::Call,
                _ => {}
            }
            self.push(SegmentContent::Tag((*tag).to_owned()), kind);
            if matches!(*tag, THINK_END | CALL_END) {
                kind = SegmentKind::Answer;
            }
            start = at + tag.len();
        }
        self.text(&content[start..], kind);
        if !message.tool_calls.is_empty() {
            if !content.is_empty() {
                self.text("\n", SegmentKind::Call);
            }
            for CallPiece { content, kind } in format.write_calls(&message.tool_calls) {
                self.push(content, kind);
            }
        }
    }

    pub(super) fn finish(self) -> Vec<Segment> {
        self.segments
    }

    fn push(&mut self, content: SegmentContent, kind: SegmentKind) {
        let weight = self.loss.of(kind, self.role.is_some_and(Role::is_model));
        self.push_weighted(content, kind, weight);
    }

    fn push_weighted(&mut self, content: SegmentContent, kind: SegmentKind, weight: f32) {
        if !content.as_str().is_empty() {
            self.segments.push(Segment { content, role: self.role, kind, weight });
        }
    }
}
