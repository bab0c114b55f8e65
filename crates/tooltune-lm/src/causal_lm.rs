//! The trait of a decoder-only language model.

use burn::module::{Module, ModuleVisitor};
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::activations::trained_inputs;
use crate::{Head, KvCache, LayerActivations, TokenBatch};

/// A decoder-only language model, one stage at a time.
///
/// Trainers and generation are written against the stages, so that they can skip the head where no loss is wanted, or keep only what they
/// need between layers. [`forward`](Self::forward) strings them together.
pub trait CausalLm: Module {
    /// What the layers need besides the residual stream (rotary tables, masks), made once per batch.
    type Context;

    /// Size of the vocabulary.
    fn vocab_size(&self) -> usize;

    /// Number of decoder layers, at least one.
    fn num_layers(&self) -> usize;

    /// Width of the residual stream.
    fn hidden_size(&self) -> usize;

    /// The device that the weights are on.
    fn device(&self) -> Device;

    /// Prepares a batch that continues what is in `cache`.
    fn context(&self, batch: &TokenBatch, cache: Option<&KvCache>) -> Self::Context;

    /// `[batch, seq]` ids → `[batch, seq, hidden]`, scaled as the model wants it.
    fn embed(&self, ids: Tensor<2, Int>) -> Tensor<3>;

    /// One decoder layer on the residual stream, `[batch, seq, hidden]`.
    fn decoder_layer(
        &self,
        index: usize,
        hidden: Tensor<3>,
        context: &Self::Context,
        cache: Option<&mut KvCache>,
    ) -> Tensor<3>;

    /// One decoder layer of whose result only some rows of `batch · seq` are wanted, as of the last one: `[1, rows, hidden]`. These tokens
    /// see all the others as ever. A model that overrides this computes nothing else for the others.
    ///
    /// # Panics
    /// When a row is out of range.
    fn decoder_layer_rows(
        &self,
        index: usize,
        hidden: Tensor<3>,
        rows: &Tensor<1, Int>,
        context: &Self::Context,
        cache: Option<&mut KvCache>,
    ) -> Tensor<3> {
        let hidden = self.decoder_layer(index, hidden, context, cache);
        let [batch, seq, width] = hidden.dims();
        hidden.reshape([batch * seq, width]).select(0, rows.clone()).unsqueeze()
    }

    /// The norm after the last layer, `[batch, seq, hidden]`.
    fn final_norm(&self, hidden: Tensor<3>) -> Tensor<3>;

    /// The output head for `hidden`, `[rows, hidden]` after the final norm.
    fn head(&self, hidden: &Tensor<2>) -> Head;

    /// Shows the parameters of one decoder layer.
    fn visit_layer<V: ModuleVisitor>(&self, index: usize, visitor: &mut V);

    /// What one decoder layer keeps for its backward pass.
    fn layer_activations(&self, index: usize) -> LayerActivations;

    /// Has this decoder layer parameters that require a gradient?
    fn is_layer_trained(&self, index: usize) -> bool {
        !trained_inputs(|visitor| self.visit_layer(index, visitor)).is_empty()
    }

    /// Everything before the head: `[batch, seq, hidden]` after the final norm.
    fn hidden_states(&self, batch: &TokenBatch, mut cache: Option<&mut KvCache>) -> Tensor<3> {
        let context = self.context(batch, cache.as_deref());
        let mut hidden = self.embed(batch.ids_tensor(&self.device()));
        for index in 0..self.num_layers() {
            hidden = self.decoder_layer(index, hidden, &context, cache.as_deref_mut());
        }
        if let Some(cache) = cache {
            cache.advance(batch);
        }
        self.final_norm(hidden)
    }

    /// As [`hidden_states`](Self::hidden_states), of some tokens only, given as rows of `batch · seq`: `[rows, hidden]`.
    ///
    /// # Panics
    /// When a row is out of range.
    fn hidden_rows(
        &self,
        batch: &TokenBatch,
        rows: &Tensor<1, Int>,
        mut cache: Option<&mut KvCache>,
    ) -> Tensor<2> {
        let context = self.context(batch, cache.as_deref());
        let mut hidden = self.embed(batch.ids_tensor(&self.device()));
        let last = self.num_layers() - 1;
        for index in 0..last {
            hidden = self.decoder_layer(index, hidden, &context, cache.as_deref_mut());
        }
        hidden = self.decoder_layer_rows(last, hidden, rows, &context, cache.as_deref_mut());
        if let Some(cache) = cache {
            cache.advance(batch);
        }
        self.final_norm(hidden).squeeze_dim(0)
    }

    /// Logits after the last token of every row of the batch, `[batch, vocab]`: what generation needs.
    ///
    /// # Panics
    /// When the rows have no tokens.
    fn next_logits(&self, batch: &TokenBatch, cache: Option<&mut KvCache>) -> Tensor<2> {
        let ends = (1..=batch.batch()).map(|row| i32::try_from(row * batch.seq() - 1).unwrap_or(i32::MAX));
        let ends = Tensor::from_data(TensorData::new(ends.collect(), [batch.batch()]), &self.device());
        self.logits(self.hidden_rows(batch, &ends, cache))
    }

    /// `[rows, hidden]` after the final norm → `[rows, vocab]` logits.
    fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.head(&hidden).logits(hidden)
    }

    /// All logits, `[batch, seq, vocab]`. Training and generation never need them all: they call the stages.
    fn forward(&self, batch: &TokenBatch) -> Tensor<3> {
        let hidden = self.hidden_states(batch, None);
        let [rows, seq, width] = hidden.dims();
        self.logits(hidden.reshape([rows * seq, width])).reshape([rows, seq, self.vocab_size()])
    }
}
