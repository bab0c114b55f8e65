//! What is minimised.

use burn::tensor::Tensor;
use tooltune_lm::CausalLm;

use crate::cross_entropy::{Gradients, chunked_cross_entropy};
use crate::gradients::read;
use crate::{Error, SampleBatch};

/// The loss of a batch: its value, and a tensor to differentiate.
#[derive(Clone, Debug)]
pub struct Loss {
    /// Sum of the weighted losses of the batch's trained tokens.
    pub sum: f64,
    /// A scalar whose gradient is that of the sum; `None` on a device without gradients, or when nothing is trained. Its own value means
    /// nothing.
    pub surrogate: Option<Tensor<1>>,
}

/// Something to minimise: a sum over the trained tokens of a batch, never a mean, so that a step over several batches weighs every token
/// alike.
///
/// It sees the final hidden states, not how they came about: the trainer may have kept the activations of the layers or not.
pub trait Objective<M: CausalLm>: Sync {
    /// The loss of `batch`, for which `model` has computed `hidden`, `[rows, hidden]` after the final norm: that of the batch's `rows`, in their
    /// order. There is no other, as nothing is computed in the last layer for tokens without a target.
    ///
    /// # Errors
    /// [`Error::TensorRead`].
    fn loss_of_hidden(&self, model: &M, hidden: Tensor<2>, batch: &SampleBatch) -> Result<Loss, Error>;

    /// Rows whose logits exist at a time, for the estimate of memory.
    fn chunk_rows(&self) -> usize;

    /// The loss of `batch` under `model`. A batch of which nothing is trained costs nothing.
    ///
    /// # Errors
    /// [`Error::TensorRead`].
    fn loss(&self, model: &M, batch: &SampleBatch) -> Result<Loss, Error> {
        if batch.rows.is_empty() {
            return Ok(Loss { sum: 0.0, surrogate: None });
        }
        let rows = batch.rows_tensor(&model.device());
        self.loss_of_hidden(model, model.hidden_rows(&batch.tokens, &rows, None), batch)
    }
}

/// Cross-entropy of the trained tokens. Hidden states without a target never reach the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskedCrossEntropy {
    /// Rows whose logits exist at a time.
    pub chunk_rows: usize,
}

impl Default for MaskedCrossEntropy {
    fn default() -> Self {
        Self { chunk_rows: 128 }
    }
}

impl<M: CausalLm> Objective<M> for MaskedCrossEntropy {
    fn chunk_rows(&self) -> usize {
        self.chunk_rows
    }

    fn loss_of_hidden(&self, model: &M, hidden: Tensor<2>, batch: &SampleBatch) -> Result<Loss, Error> {
        if batch.rows.is_empty() {
            return Ok(Loss { sum: 0.0, surrogate: None });
        }
        let device = model.device();
        let head = model.head(&hidden);
        let updates = head.updates.clone();
        let tracked_weight = head.weight.tracked();
        let gradients = match (device.is_autodiff(), tracked_weight.is_some()) {
            (false, _) => Gradients::None,
            (true, false) => Gradients::Hidden,
            (true, true) => Gradients::HiddenAndWeight,
        };
        let plain = device.clone().without_autodiff();
        let head = head.without_autodiff();
        let (targets, weights) = (batch.targets_tensor(&plain), batch.weights_tensor(&plain));
        let inner = hidden.clone().without_autodiff();
        let loss = chunked_cross_entropy(&inner, &head, &targets, &weights, self.chunk_rows, gradients);
        // d(hidden · g) / d hidden = g: the chain rule takes over where the chunks end.
        let mut surrogate = loss.hidden_gradient.map(|g| (hidden * Tensor::from_inner(g)).sum());
        if let (Some(weight), Some(gradient)) = (tracked_weight, loss.weight_gradient) {
            let term = (weight * Tensor::from_inner(gradient)).sum();
            surrogate = surrogate.map(|sum| sum + term);
        }
        for (update, (input, weight)) in updates.into_iter().zip(loss.update_gradients) {
            let terms = (update.input * Tensor::from_inner(input)).sum()
                + (update.weight * Tensor::from_inner(weight)).sum();
            surrogate = surrogate.map(|sum| sum + terms);
        }
        let sum = read(Tensor::cat(loss.chunk_sums, 0))?.iter().map(|part| f64::from(*part)).sum();
        Ok(Loss { sum, surrogate })
    }
}
