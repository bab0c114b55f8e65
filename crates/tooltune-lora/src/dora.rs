//! DoRA (Liu et al., 2024): a learned magnitude for each output beside the low-rank update of the direction.

use burn::module::{Module, Param};
use burn::tensor::{DType, Tensor};
use tooltune_lm::{Linear, Projection};

use crate::LoraAdapter;

/// `y = magnitude ⊙ (W + scaling · B A) x / ‖W + scaling · B A‖`, the norm taken of each row, and constant in the backward pass (section 4.3
/// of the paper, and PEFT).
#[derive(Module, Debug)]
pub struct Magnitude {
    /// `lora_magnitude_vector`, `[out_features]`, f32.
    pub weight: Param<Tensor<1>>,
}

/// Rows of `W + scaling · B A` that exist at a time while their norms are taken.
const NORM_ROWS: usize = 512;

impl Magnitude {
    /// The magnitudes that change nothing: the norms.
    pub(crate) fn of(weight: &Tensor<2>, adapter: &LoraAdapter) -> Self {
        Self { weight: Param::from_tensor(row_norms(weight, adapter).detach()) }
    }

    /// `magnitude / norm`, `[out_features]`.
    pub(crate) fn scale(&self, weight: &Tensor<2>, adapter: &LoraAdapter) -> Tensor<1> {
        self.weight.val() / row_norms(weight, adapter)
    }

    pub(crate) fn project(&self, base: &Linear, adapter: &LoraAdapter, x: Tensor<2>) -> Tensor<2> {
        let scale = self.scale(&base.weight.val(), adapter).unsqueeze_dim(0);
        if adapter.lora_dropout.prob == 0.0 {
            return (base.project(x.clone()) + adapter.update(x)) * scale;
        }
        // As PEFT: what is dropped is dropped from everything that the adapter adds, the rescaled part of W x included.
        let dropped = adapter.lora_dropout.forward(x.clone());
        let added = base.project(dropped.clone()) * (scale.clone() - 1.0) + adapter.update(dropped) * scale;
        base.project(x) + added
    }
}

/// Norms of the rows of `weight + scaling · B A`, `[out_features]`, untracked. The sum exists in pieces only.
fn row_norms(weight: &Tensor<2>, adapter: &LoraAdapter) -> Tensor<1> {
    let [rows, _] = weight.dims();
    let weight = weight.clone().detach();
    let (a, b) = adapter.weights();
    let (a, b) = (a.detach(), b.detach().mul_scalar(adapter.scaling));
    let piece = |start: usize| {
        let count = NORM_ROWS.min(rows - start);
        let sum = weight.clone().narrow(0, start, count).cast(DType::F32)
            + b.clone().narrow(0, start, count).matmul(a.clone());
        sum.square().sum_dim(1).sqrt().reshape([count])
    };
    Tensor::cat((0..rows).step_by(NORM_ROWS).map(piece).collect(), 0)
}
