//! Loss and gradients of one micro-batch, with the activations kept.

use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use tooltune_lm::CausalLm;

use crate::draws::Draws;
use crate::objective::Loss;
use crate::{Error, Objective, SampleBatch};

/// A micro-batch of a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MicroBatch<'a, M, O> {
    pub(crate) model: &'a M,
    pub(crate) objective: &'a O,
    pub(crate) batch: &'a SampleBatch,
    /// What the step's loss is divided by.
    pub(crate) weight: f64,
    pub(crate) draws: Draws<'a>,
    pub(crate) step: usize,
}

impl<M: CausalLm, O: Objective<M>> MicroBatch<'_, M, O> {
    /// Sum of the loss, and the gradients of that sum by `weight`; none where there is nothing to differentiate.
    pub(crate) fn gradients(&self, checkpointing: bool) -> Result<(f64, GradientsParams), Error> {
        if self.batch.rows.is_empty() {
            return Ok((0.0, GradientsParams::new()));
        }
        if checkpointing { self.gradients_checkpointed() } else { self.gradients_kept() }
    }

    fn gradients_kept(&self) -> Result<(f64, GradientsParams), Error> {
        let context = self.model.context(&self.batch.tokens, None);
        let mut hidden = self.embed();
        for index in 0..self.model.num_layers() {
            hidden = self.decoder_layer(self.model, index, hidden, &context);
        }
        let loss = self.loss(hidden)?;
        let gradients = |scaled: Tensor<1>| GradientsParams::from_grads(scaled.backward(), self.model);
        Ok((loss.sum, loss.surrogate.map_or_else(GradientsParams::new, gradients)))
    }

    /// The embedding of the batch.
    pub(crate) fn embed(&self) -> Tensor<3> {
        let device = self.model.device();
        self.draws.stage(&device, 0, || self.model.embed(self.batch.tokens.ids_tensor(&device)))
    }

    /// One decoder layer of `model`, the model itself or one that is the same but for its gradients. The last one's result is that of the
    /// batch's `rows`, `[1, rows, hidden]`.
    pub(crate) fn decoder_layer(
        &self,
        model: &M,
        index: usize,
        hidden: Tensor<3>,
        context: &M::Context,
    ) -> Tensor<3> {
        let device = self.model.device();
        let run = || {
            if index + 1 < model.num_layers() {
                return model.decoder_layer(index, hidden, context, None);
            }
            model.decoder_layer_rows(index, hidden, &self.batch.rows_tensor(&device), context, None)
        };
        self.draws.stage(&device, 1 + index, run)
    }

    /// The loss, which must be finite, from what the last layer gave. The surrogate is divided by `weight`, and there only
    /// when it depends on something that is trained.
    pub(crate) fn loss(&self, hidden: Tensor<3>) -> Result<Loss, Error> {
        let stage = 1 + self.model.num_layers();
        let hidden = self.model.final_norm(hidden).squeeze_dim(0);
        let run = || self.objective.loss_of_hidden(self.model, hidden, self.batch);
        let Loss { sum, surrogate } = self.draws.stage(&self.model.device(), stage, run)?;
        finite("the loss", sum, self.step, std::slice::from_ref(self.batch))?;
        let tracked = surrogate.filter(Tensor::is_tracked);
        Ok(Loss { sum, surrogate: tracked.map(|surrogate| surrogate.div_scalar(self.weight)) })
    }
}

/// An error where `value` is not a finite number.
pub(crate) fn finite(
    what: &'static str,
    value: f64,
    step: usize,
    batches: &[SampleBatch],
) -> Result<(), Error> {
    if value.is_finite() {
        return Ok(());
    }
    let samples = batches.iter().flat_map(|batch| batch.sample_ids.iter().cloned()).collect();
    Err(Error::NotFinite { what, value, step, samples })
}
