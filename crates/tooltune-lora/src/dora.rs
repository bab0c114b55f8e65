//! DoRA (Liu et al., 2024): a learned magnitude for each output beside the low-rank update of the direction.

use burn::module::{Module, Param};
use burn::tensor::{DType, Tensor};
use tooltune_lm::{Linear, Projection};

use crate::LoraAdapter;
use crate::kind::{Behaviour, Kind, KindChoice};
use crate::lora::Lora;
use crate::merge::{Rounding, merge_rows};

/// `y = magnitude ⊙ (W + scaling · B A) x / ‖W + scaling · B A‖`, the norm taken of each row, and constant in the backward pass (section 4.3
/// of the paper, and PEFT).
#[derive(Module, Debug)]
pub struct Dora {
    /// `lora_magnitude_vector`, `[out_features]`, f32.
    pub magnitude: Param<Tensor<1>>,
}

const MAGNITUDE: &str = "lora_magnitude_vector";

/// Rows of `W + scaling · B A` that exist at a time while their norms are taken.
const NORM_ROWS: usize = 512;

impl Dora {
    pub(crate) const CHOICE: KindChoice = KindChoice {
        switch: ("use_dora", "true"),
        is_chosen: |config| config.use_dora,
        // The magnitudes that change nothing: the norms.
        start: |adapter, weight, _| adapter.kind = Self::of(row_norms(weight, adapter).detach()),
        vectors: &[MAGNITUDE],
        restore: |vectors| vectors.into_iter().next().map_or(Kind::default(), Self::of),
        ..Lora::CHOICE
    };

    fn of(magnitude: Tensor<1>) -> Kind {
        Kind::Dora(Self { magnitude: Param::from_tensor(magnitude) })
    }

    /// `magnitude / norm`, `[out_features]`.
    fn scale(&self, weight: &Tensor<2>, adapter: &LoraAdapter) -> Tensor<1> {
        self.magnitude.val() / row_norms(weight, adapter)
    }
}

impl Behaviour for Dora {
    fn project(&self, base: &Linear, adapter: &LoraAdapter, x: Tensor<2>) -> Tensor<2> {
        let scale = self.scale(&base.weight.val(), adapter).unsqueeze_dim(0);
        if adapter.lora_dropout.prob == 0.0 {
            return (base.project(x.clone()) + adapter.update(x)) * scale;
        }
        // As PEFT: what is dropped is dropped from everything that the adapter adds, the rescaled part of W x included.
        let dropped = adapter.lora_dropout.forward(x.clone());
        let added = base.project(dropped.clone()) * (scale.clone() - 1.0) + adapter.update(dropped) * scale;
        base.project(x) + added
    }

    fn merge(&self, weight: &Tensor<2>, adapter: &LoraAdapter) -> (Tensor<2>, Rounding) {
        let scale = self.scale(weight, adapter);
        merge_rows(weight, |rows, start, count| {
            (rows + adapter.delta_rows(start, count)) * scale.clone().narrow(0, start, count).unsqueeze_dim(1)
        })
    }

    fn vectors(&self) -> Vec<(&'static str, &Param<Tensor<1>>)> {
        vec![(MAGNITUDE, &self.magnitude)]
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
