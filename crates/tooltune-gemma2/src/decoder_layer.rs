//! One decoder layer.

use burn::module::Module;
use burn::tensor::{Bool, Int, Tensor};
use tooltune_lm::{KvCache, LayerActivations, Projection};

use crate::Gemma2Config;
use crate::attention::{Gemma2Attention, Rotary};
use crate::mlp::Gemma2Mlp;
use crate::rms_norm::GemmaRmsNorm;

/// Attention and feed-forward, each between two norms and added to the residual stream.
#[derive(Module, Debug)]
pub struct Gemma2DecoderLayer<P: Module> {
    /// Attention.
    pub self_attn: Gemma2Attention<P>,
    /// Feed-forward.
    pub mlp: Gemma2Mlp<P>,
    /// Before attention.
    pub input_layernorm: GemmaRmsNorm,
    /// After attention, before the residual addition.
    pub post_attention_layernorm: GemmaRmsNorm,
    /// Before feed-forward.
    pub pre_feedforward_layernorm: GemmaRmsNorm,
    /// After feed-forward, before the residual addition.
    pub post_feedforward_layernorm: GemmaRmsNorm,
}

impl<P: Projection> Gemma2DecoderLayer<P> {
    /// `[batch, seq, hidden] → [batch, seq, hidden]`, or `[1, rows, hidden]` if only some rows of `batch · seq` are wanted; see
    /// [`Gemma2Attention::forward`] for the other arguments.
    pub fn forward(
        &self,
        x: Tensor<3>,
        rotary: &Rotary,
        hidden_keys: Option<&Tensor<4, Bool>>,
        cache: Option<(&mut KvCache, usize)>,
        rows: Option<&Tensor<1, Int>>,
    ) -> Tensor<3> {
        let normed = self.input_layernorm.forward(x.clone());
        let attended = self.self_attn.forward(normed, rotary, hidden_keys, cache, rows);
        let x = match rows {
            Some(rows) => {
                let [batch, seq, hidden] = x.dims();
                x.reshape([batch * seq, hidden]).select(0, rows.clone()).unsqueeze()
            }
            None => x,
        };
        let x = x + self.post_attention_layernorm.forward(attended);
        let transformed = self.mlp.forward(self.pre_feedforward_layernorm.forward(x.clone()));
        x + self.post_feedforward_layernorm.forward(transformed)
    }

    /// What the fused kernels of tooltune-kernels and the projections keep for the backward pass.
    pub(crate) fn activations(&self, config: &Gemma2Config) -> LayerActivations {
        let (hidden, intermediate) = (config.hidden_size, config.intermediate_size);
        let (queries, keys) = (config.q_features(), config.kv_features());
        let (attention, mlp) = (&self.self_attn, &self.mlp);
        let norms = 4 * hidden;
        // Rotated queries and keys, values, and two statistics for each head.
        let attended = queries + 2 * keys + 2 * config.num_attention_heads;
        let mut out = LayerActivations {
            kept: norms + attended + mlp.down_proj.geglu_activations(),
            // Gradients of the gated product, of gate and up, and what two paths through a projection add up to.
            working: 4 * intermediate + 4 * hidden,
        };
        out.add_projections(hidden, &[&attention.q_proj, &attention.k_proj, &attention.v_proj]);
        out.add_projections(queries, &[&attention.o_proj]);
        out.add_projections(hidden, &[&mlp.gate_proj, &mlp.up_proj]);
        out
    }
}
