//! Loss and gradients of one micro-batch, with the layers computed again in the backward pass.
//!
//! The forward pass keeps nothing of a layer but its input. The backward pass goes from the last layer to the first: it runs the layer
//! again, tracked, from the kept input `x`, and differentiates `layer(x) · g`, where `g` is the gradient of what came after it. So only one
//! layer's activations exist at a time. Below the lowest trained layer nothing is kept and nothing is run again.

use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Gradients, Tensor};
use tooltune_lm::CausalLm;

use crate::micro_batch::MicroBatch;
use crate::{Error, Objective};

impl<M: CausalLm, O: Objective<M>> MicroBatch<'_, M, O> {
    /// As [`gradients`](Self::gradients).
    pub(crate) fn gradients_checkpointed(&self) -> Result<(f64, GradientsParams), Error> {
        let layers = self.model.num_layers();
        let context = self.model.context(&self.batch.tokens, None);
        let embedded = self.embed();
        // Where gradients must get to: the lowest layer that is run again, and whether it hands on a gradient.
        let trained = |index: &usize| embedded.is_tracked() || self.model.is_layer_trained(*index);
        let lowest = (0..layers).find(trained).unwrap_or(layers);
        let leaf = |index: usize, hidden: Tensor<3>| {
            if index > lowest || embedded.is_tracked() { hidden.require_grad() } else { hidden }
        };

        // Unlike that of `valid`, this model still has its dropout.
        let untracked = self.model.clone().no_grad();
        let mut hidden = embedded.clone().detach();
        let mut inputs = Vec::with_capacity(layers - lowest);
        for index in 0..layers {
            if index >= lowest {
                inputs.push(hidden.clone());
            }
            hidden = self.decoder_layer(&untracked, index, hidden, &context);
        }

        let mut collected = GradientsAccumulator::new();
        let mut collect = |mut grads: Gradients, leaf: &Tensor<3>| {
            collected.accumulate(self.model, GradientsParams::from_module(&mut grads, self.model));
            leaf.grad_remove(&mut grads)
        };
        let hidden = leaf(layers, hidden);
        let loss = self.loss(hidden.clone())?;
        let mut gradient = loss.surrogate.and_then(|surrogate| collect(surrogate.backward(), &hidden));
        for (index, input) in (lowest..layers).zip(inputs).rev() {
            let Some(g) = gradient else { break };
            let input = leaf(index, input);
            let output = self.decoder_layer(self.model, index, input.clone(), &context);
            gradient = collect((output * Tensor::from_inner(g)).sum().backward(), &input);
        }
        if let Some(g) = gradient {
            collect((embedded.clone() * Tensor::from_inner(g)).sum().backward(), &embedded);
        }
        Ok((loss.sum, collected.grads()))
    }
}
