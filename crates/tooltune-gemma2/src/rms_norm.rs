//! Gemma's RMSNorm.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

/// `y = x / sqrt(mean(x²) + eps) · (1 + weight)`, in f32.
///
/// The scale is stored as its distance from one, unlike in most models; hence a name of its own.
#[derive(Module, Debug)]
pub struct GemmaRmsNorm {
    /// `[hidden]`.
    pub weight: Param<Tensor<1>>,
    /// Keeps the root away from zero.
    #[module(skip)]
    pub eps: f64,
}

impl GemmaRmsNorm {
    /// The identity scale, `weight = 0`.
    pub fn new(hidden_size: usize, eps: f64, device: &Device) -> Self {
        Self { weight: Param::from_tensor(Tensor::zeros([hidden_size], device)), eps }
    }

    /// Normalises the last axis of `x`, `[batch, seq, hidden]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, seq, hidden] = x.dims();
        let rows = x.reshape([batch * seq, hidden]);
        let weight = self.weight.val();
        let weight = if weight.dtype() == rows.dtype() { weight } else { weight.cast(rows.dtype()) };
        tooltune_kernels::rms_norm(rows, weight, self.eps).reshape([batch, seq, hidden])
    }
}
