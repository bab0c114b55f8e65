//! Building Gemma turns, shared by the templates.

use super::{BOS, END_OF_TURN, LossWeights, START_OF_TURN};
use crate::format::mistral::TOOL_CALLS;
use crate::value::python_strip;
use crate::{CallPiece, Role, Segment, SegmentContent, SegmentKind};

const THINK_START: &str = "<think>";
const THINK_END: &str = "</think>";
const CALL_START: &str = "<tool_call>";
const CALL_END: &str = "</tool_call>";
const MISTRAL_THINK_START: &str = "[THINK]";
const MISTRAL_THINK_END: &str = "[/THINK]";

/// A list of segments under construction.
pub(super) struct Turns {
    segments: Vec<Segment>,
    loss: LossWeights,
    role: Option<Role>,
}

impl Turns {
    /// Begins a sequence: the one BOS.
    pub(super) fn new(loss: LossWeights) -> Self {
        let mut turns = Self { segments: Vec::new(), loss, role: None };
        turns.control(BOS, SegmentKind::Control);
        turns
    }

    /// Begins a turn: `<start_of_turn>name\n`.
    pub(super) fn begin(&mut self, role: Role, name: &str) {
        self.role = Some(role);
        self.control(START_OF_TURN, SegmentKind::Control);
        self.push(SegmentContent::Text(format!("{name}\n")), SegmentKind::Control);
    }

    /// Text that the model writes in a model turn, and reads elsewhere.
    pub(super) fn text(&mut self, text: &str, kind: SegmentKind) {
        self.push(SegmentContent::Text(text.to_owned()), kind);
    }

    /// What a call format wrote.
    pub(super) fn pieces(&mut self, pieces: Vec<SegmentContent>, kind: SegmentKind) {
        for piece in pieces {
            self.push(piece, kind);
        }
    }

    /// Text in which `tags` become [`SegmentContent::Tag`]; thinking and calls between their tags get their own
    /// kind where `kind` is [`SegmentKind::Answer`].
    pub(super) fn tagged_text(&mut self, text: &str, tags: &[&str], kind: SegmentKind) {
        let mut inside = kind;
        let mut start = 0;
        for (at, _) in text.match_indices(['<', '[']) {
            let tag = tags.iter().find(|tag| text[at..].starts_with(**tag));
            let Some(tag) = tag.filter(|_| at >= start) else { continue };
            self.text(&text[start..at], inside);
            if kind == SegmentKind::Answer {
                match *tag {
                    THINK_START | MISTRAL_THINK_START => inside = SegmentKind::Think,
                    CALL_START | TOOL_CALLS => inside = SegmentKind::Call,
                    _ => {}
                }
            }
            self.pieces(vec![SegmentContent::Tag((*tag).to_owned())], inside);
            if matches!(*tag, THINK_END | CALL_END | MISTRAL_THINK_END) {
                inside = kind;
            }
            start = at + tag.len();
        }
        self.text(&text[start..], inside);
    }

    /// The calls of a model turn, as a call format wrote them.
    pub(super) fn calls(&mut self, pieces: Vec<CallPiece>) {
        for CallPiece { content, kind } in pieces {
            self.push(content, kind);
        }
    }

    /// Ends a turn: `<end_of_turn>`, then `extra` control tokens, then a line break.
    pub(super) fn end(&mut self, extra: &[&str], train_newline: bool) {
        for token in [END_OF_TURN].iter().chain(extra) {
            self.push(SegmentContent::Control((*token).to_owned()), SegmentKind::EndOfTurn);
        }
        let trained = train_newline && self.in_model_turn();
        let weight = self.loss.of(SegmentKind::EndOfTurn, trained);
        self.push_weighted(SegmentContent::Text("\n".to_owned()), SegmentKind::EndOfTurn, weight);
        self.role = None;
    }

    /// The finished list, with the header of a model turn where the model is to go on.
    pub(super) fn finish(mut self, add_generation_prompt: bool) -> Vec<Segment> {
        if add_generation_prompt {
            self.begin(Role::Model, "model");
        }
        self.segments
    }

    fn control(&mut self, token: &str, kind: SegmentKind) {
        self.push(SegmentContent::Control(token.to_owned()), kind);
    }

    fn in_model_turn(&self) -> bool {
        self.role.is_some_and(Role::is_model)
    }

    fn push(&mut self, content: SegmentContent, kind: SegmentKind) {
        let weight = self.loss.of(kind, self.in_model_turn());
        self.push_weighted(content, kind, weight);
    }

    fn push_weighted(&mut self, content: SegmentContent, kind: SegmentKind, weight: f32) {
        if !content.as_str().is_empty() {
            self.segments.push(Segment { content, role: self.role, kind, weight });
        }
    }
}

/// The kind of a message's text.
pub(super) fn kind_of(role: Role) -> SegmentKind {
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

/// Jinja's `trim`.
pub(super) fn trim(text: &str) -> &str {
    python_strip(text)
}
