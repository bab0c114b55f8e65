//! Segments: the pieces of a rendered conversation, each with where it came from.

use serde::{Deserialize, Serialize};

use crate::Role;

/// What a piece of a rendered conversation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SegmentKind {
    /// Scaffolding: the beginning of the sequence and the headers of turns.
    Control,
    /// Instructions.
    System,
    /// Declarations of tools.
    Tools,
    /// What the user said.
    User,
    /// The model's thinking, with its tags.
    Think,
    /// What a call is written in: tags, keys and brackets.
    Call,
    /// The name in a call.
    CallName,
    /// The arguments of a call.
    CallArguments,
    /// What a tool answered.
    ToolResult,
    /// What the model said.
    Answer,
    /// The end of a model turn. The ends of other turns are [`SegmentKind::Control`] to the loss.
    EndOfTurn,
}

impl SegmentKind {
    /// Every kind, in the order in which a conversation shows them.
    pub const ALL: [Self; 11] = [
        Self::Control,
        Self::System,
        Self::Tools,
        Self::User,
        Self::Think,
        Self::Call,
        Self::CallName,
        Self::CallArguments,
        Self::ToolResult,
        Self::Answer,
        Self::EndOfTurn,
    ];

    /// Whether the model writes it: thinking, calls and answers. The end of a turn is written by whoever speaks.
    #[must_use]
    pub fn is_written_by_model(self) -> bool {
        matches!(self, Self::Think | Self::Call | Self::CallName | Self::CallArguments | Self::Answer)
    }

    /// A short name for tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::System => "system",
            Self::Tools => "tools",
            Self::User => "user",
            Self::Think => "think",
            Self::Call => "call",
            Self::CallName => "call name",
            Self::CallArguments => "call arguments",
            Self::ToolResult => "tool result",
            Self::Answer => "answer",
            Self::EndOfTurn => "end of turn",
        }
    }
}

/// What a segment holds. The cases are what keeps content from forging control tokens: only a template or
/// a call format makes [`SegmentContent::Control`] and [`SegmentContent::Tag`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SegmentContent {
    /// A control token by its text; encoding fails where the tokenizer lacks it.
    Control(String),
    /// A tag of a call format, as `<tool_call>`: one token where the tokenizer has it as a control token, plain
    /// text where it has not.
    Tag(String),
    /// Text; never encodes to a control token, whatever it says.
    Text(String),
    /// Text that is never encoded together with the text before it, where a model was trained on texts that were
    /// encoded one by one: with a sentencepiece tokenizer each of them begins with a blank of its own.
    TextApart(String),
}

impl SegmentContent {
    /// The text that the segment stands for.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Control(s) | Self::Tag(s) | Self::Text(s) | Self::TextApart(s) => s,
        }
    }
}

/// A part of a call as a format writes it: the content and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallPiece {
    /// The piece itself.
    pub content: SegmentContent,
    /// [`SegmentKind::Call`], [`SegmentKind::CallName`] or [`SegmentKind::CallArguments`].
    pub kind: SegmentKind,
}

impl CallPiece {
    /// A tag of the format.
    pub fn tag(tag: impl Into<String>) -> Self {
        Self { content: SegmentContent::Tag(tag.into()), kind: SegmentKind::Call }
    }

    /// Text that belongs to the format: keys, brackets, white space.
    pub fn frame(text: impl Into<String>) -> Self {
        Self { content: SegmentContent::Text(text.into()), kind: SegmentKind::Call }
    }

    /// The name, as the format writes it.
    pub fn name(text: impl Into<String>) -> Self {
        Self { content: SegmentContent::Text(text.into()), kind: SegmentKind::CallName }
    }

    /// The arguments, as the format writes them.
    pub fn arguments(text: impl Into<String>) -> Self {
        Self { content: SegmentContent::Text(text.into()), kind: SegmentKind::CallArguments }
    }
}

/// A piece of a rendered conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// The piece itself.
    pub content: SegmentContent,
    /// The role of the message it belongs to; `None` outside turns.
    pub role: Option<Role>,
    /// What it is for.
    pub kind: SegmentKind,
    /// The weight of its tokens in the loss; 0 is not trained.
    pub weight: f32,
}

/// The text of a rendered conversation, control tokens included: what a Jinja template would print.
#[must_use]
pub fn segments_to_text(segments: &[Segment]) -> String {
    segments.iter().map(|segment| segment.content.as_str()).collect()
}
