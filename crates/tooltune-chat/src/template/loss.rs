//! Which tokens are trained.

use serde::{Deserialize, Serialize};

/// Which part of a rendered conversation has a loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LossOn {
    /// What the model must learn to write: the content, calls and thinking of its turns, and the
    /// `<end_of_turn>` that stops them.
    #[default]
    Assistant,
    /// Everything, prompts and tool results included, as the course trains.
    AllTokens,
}

impl LossOn {
    /// The weight of a token that the model writes (`true`) or reads.
    pub(crate) fn weight(self, written_by_model: bool) -> f32 {
        if written_by_model || self == Self::AllTokens { 1.0 } else { 0.0 }
    }
}
