//! How much each kind of token weighs in the loss.

use serde::{Deserialize, Serialize};

use crate::SegmentKind;

/// The weight of each kind of token in the loss; 0 is not trained.
///
/// `Default` is [`LossWeights::assistant`]. In files a weight that is left out is that preset's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossWeights {
    /// The beginning of the sequence, the headers of turns, the ends of turns that the model does not write.
    pub control: f32,
    /// Instructions.
    pub system: f32,
    /// Declarations of tools.
    pub tools: f32,
    /// What the user said.
    pub user: f32,
    /// What a tool answered.
    pub tool_result: f32,
    /// The model's thinking, with its tags.
    pub think: f32,
    /// Tags, keys and brackets of a call.
    pub call: f32,
    /// The name in a call.
    pub call_name: f32,
    /// The arguments of a call.
    pub call_arguments: f32,
    /// What the model said.
    pub answer: f32,
    /// The end of a model turn. At 0 the model never learns to stop.
    pub end_of_turn: f32,
}

impl LossWeights {
    /// What the model must learn to write: content, thinking and calls of its turns, and what ends them.
    #[must_use]
    pub const fn assistant() -> Self {
        Self {
            control: 0.0,
            system: 0.0,
            tools: 0.0,
            user: 0.0,
            tool_result: 0.0,
            think: 1.0,
            call: 1.0,
            call_name: 1.0,
            call_arguments: 1.0,
            answer: 1.0,
            end_of_turn: 1.0,
        }
    }

    /// Calls and the end of the turn alone; thinking and answers are read, not learnt.
    #[must_use]
    pub const fn calls_only() -> Self {
        Self { think: 0.0, answer: 0.0, ..Self::assistant() }
    }

    /// Every token, prompts and results included.
    #[must_use]
    pub const fn all() -> Self {
        Self { control: 1.0, system: 1.0, tools: 1.0, user: 1.0, tool_result: 1.0, ..Self::assistant() }
    }

    /// As the agents course trains: [`LossWeights::all`], because its data collator masks nothing.
    #[must_use]
    pub const fn course() -> Self {
        Self::all()
    }

    /// The weight of a segment's tokens; `written_by_model` tells a model turn's end from that of another turn.
    #[must_use]
    pub fn of(&self, kind: SegmentKind, written_by_model: bool) -> f32 {
        match kind {
            SegmentKind::EndOfTurn if written_by_model => self.end_of_turn,
            SegmentKind::Control | SegmentKind::EndOfTurn => self.control,
            SegmentKind::System => self.system,
            SegmentKind::Tools => self.tools,
            SegmentKind::User => self.user,
            SegmentKind::ToolResult => self.tool_result,
            SegmentKind::Think => self.think,
            SegmentKind::Call => self.call,
            SegmentKind::CallName => self.call_name,
            SegmentKind::CallArguments => self.call_arguments,
            SegmentKind::Answer => self.answer,
        }
    }
}

impl Default for LossWeights {
    fn default() -> Self {
        Self::assistant()
    }
}
