//! Observers of a run.

use burn::optim::GradientsParams;
use serde::{Deserialize, Serialize};

use crate::{Error, MemoryEstimate, TrainingSummary};

/// What is known when a run starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStart {
    /// Steps that will be made.
    pub total_steps: usize,
    /// Samples that are trained on.
    pub samples: usize,
    /// Ids of samples dropped because no token of theirs is trained.
    pub untrained: Vec<String>,
    /// Ids of samples dropped because they are longer than `max_length`.
    pub too_long: Vec<String>,
    /// Samples that are evaluated on.
    pub evaluation_samples: usize,
    /// Ids of evaluation samples dropped for one of the same two reasons.
    pub evaluation_dropped: Vec<String>,
    /// The memory that the run will need, and whether layers are computed again to need less.
    pub memory: MemoryEstimate,
}

/// One optimizer step, as `metrics.jsonl` holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Counted from 1.
    pub step: usize,
    /// Passes over the data, as a fraction.
    pub epoch: f64,
    /// Mean loss of the step's trained tokens, before the update.
    pub loss: f64,
    /// The learning rate that the step used.
    pub lr: f64,
    /// Global gradient norm before clipping.
    pub grad_norm: f64,
    /// Tokens seen since the start, padding not counted.
    pub tokens: u64,
    /// Of these, tokens with a loss.
    pub trained_tokens: u64,
    /// Tokens of this step by its duration.
    pub tokens_per_sec: f64,
    /// Peak memory of the process so far, where the system tells.
    pub peak_memory_bytes: Option<u64>,
    /// Mean loss on the evaluation samples, when it was measured after this step.
    pub eval_loss: Option<f64>,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    #[default]
    Continue,
    /// End the run after this step, as if it had been the last: the evaluation at the end is made.
    Stop,
}

/// Watches a run. Every method does nothing by default.
pub trait TrainerCallback<M> {
    /// Before the first step.
    fn on_start(&mut self, _start: &RunStart) {}

    /// After the backward passes of a step, before clipping and the update. `step` is counted from 1.
    ///
    /// # Errors
    /// An error ends the run.
    fn on_gradients(&mut self, _step: usize, _model: &M, _gradients: &GradientsParams) -> Result<(), Error> {
        Ok(())
    }

    /// After a step.
    ///
    /// # Errors
    /// An error ends the run.
    fn on_step(&mut self, _report: &StepReport, _model: &M) -> Result<Control, Error> {
        Ok(Control::Continue)
    }

    /// When a step fails, with the model as it was before that step: the last chance to save it. The run then ends with `error`.
    fn on_error(&mut self, _step: usize, _model: &M, _error: &Error) {}

    /// After the last step.
    fn on_end(&mut self, _summary: &TrainingSummary) {}
}
