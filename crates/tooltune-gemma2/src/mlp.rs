//! The gated feed-forward network.

use burn::module::Module;
use burn::tensor::Tensor;
use tooltune_lm::Projection;

/// `down_proj(gelu_tanh(gate_proj(x)) · up_proj(x))` (Shazeer, 2020, "GLU Variants Improve Transformer").
#[derive(Module, Debug)]
pub struct Gemma2Mlp<P: Module> {
    /// `hidden → intermediate`.
    pub gate_proj: P,
    /// `hidden → intermediate`.
    pub up_proj: P,
    /// `intermediate → hidden`.
    pub down_proj: P,
}

impl<P: Projection> Gemma2Mlp<P> {
    /// `[batch, seq, hidden] → [batch, seq, hidden]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, seq, hidden] = x.dims();
        let rows = x.reshape([batch * seq, hidden]);
        let gate = self.gate_proj.project(rows.clone());
        let up = self.up_proj.project(rows);
        self.down_proj.project_geglu(gate, up).reshape([batch, seq, hidden])
    }
}
