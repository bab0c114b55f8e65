//! The output head, taken apart into the linear maps whose sum it is.

use burn::tensor::{IndexingUpdateOp, Int, Tensor};
use tooltune_kernels::QuantizedWeight;

/// The output head for some rows: `logits = softcap(hidden · weightᵀ + Σ updates)`.
///
/// The parts are laid open because a trainer cannot afford all logits at once: it goes through the rows in chunks and differentiates each
/// part by hand.
#[derive(Clone, Debug)]
pub struct Head {
    /// `[vocab, hidden]`; the embedding itself when the two are tied.
    pub weight: HeadWeight,
    /// What an adapter adds.
    pub updates: Vec<HeadUpdate>,
    /// `cap · tanh(logits / cap)`, when set.
    pub softcap: Option<f64>,
}

/// The weight of a head, `[vocab, hidden]`.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "one for a forward pass, and handles of tensors are large")]
pub enum HeadWeight {
    /// In any float type.
    Float(Tensor<2>),
    /// Of 8 bits: a constant.
    Quantized(QuantizedWeight),
}

impl HeadWeight {
    /// The weight, where a gradient with respect to it is wanted.
    pub fn tracked(&self) -> Option<Tensor<2>> {
        match self {
            Self::Float(weight) if weight.is_require_grad() => Some(weight.clone()),
            _ => None,
        }
    }

    fn without_autodiff(self) -> Self {
        match self {
            Self::Float(weight) => Self::Float(weight.without_autodiff()),
            Self::Quantized(weight) => Self::Quantized(weight.without_autodiff()),
        }
    }
}

/// Adds `input · weightᵀ` to all logits, or to some columns.
#[derive(Clone, Debug)]
pub struct HeadUpdate {
    /// `[rows, features]`, one row for each row of `hidden`: computed from it, and narrow, or `hidden` itself.
    pub input: Tensor<2>,
    /// `[vocab, features]`, or `[columns, features]`.
    pub weight: Tensor<2>,
    /// The tokens whose logits change, each once; `None` for all.
    pub columns: Option<Tensor<1, Int>>,
}

impl Head {
    /// A head without updates and soft-cap.
    pub fn plain(weight: Tensor<2>) -> Self {
        Self { weight: HeadWeight::Float(weight), updates: Vec::new(), softcap: None }
    }

    /// The same with a weight of 8 bits.
    pub fn quantized(weight: QuantizedWeight) -> Self {
        Self { weight: HeadWeight::Quantized(weight), updates: Vec::new(), softcap: None }
    }

    /// The logits of `hidden`, `[rows, hidden]`, the rows that this head was made for.
    pub fn logits(self, hidden: Tensor<2>) -> Tensor<2> {
        let softcap = self.softcap;
        let raw = self.raw_logits(hidden);
        match softcap {
            Some(cap) => raw.div_scalar(cap).tanh().mul_scalar(cap),
            None => raw,
        }
    }

    /// The logits before the soft-cap, `[rows, vocab]`.
    pub fn raw_logits(self, hidden: Tensor<2>) -> Tensor<2> {
        let raw = match self.weight {
            HeadWeight::Float(weight) => tooltune_kernels::linear(hidden, weight),
            HeadWeight::Quantized(weight) => tooltune_kernels::linear_q8(hidden, &weight),
        };
        self.updates.iter().fold(raw, |raw, update| update.add_to(raw))
    }

    /// From the gradient with respect to the raw logits, `[rows, vocab]`, the weight's part of that with respect to `hidden`.
    pub fn hidden_gradient(&self, d_raw: Tensor<2>) -> Tensor<2> {
        match &self.weight {
            HeadWeight::Float(weight) => tooltune_kernels::linear_transposed(d_raw, weight.clone()),
            HeadWeight::Quantized(weight) => tooltune_kernels::linear_q8_transposed(d_raw, weight),
        }
    }

    /// This head for `count` rows from `start`.
    pub fn rows(&self, start: usize, count: usize) -> Self {
        let updates = self.updates.iter().map(|update| update.rows(start, count)).collect();
        Self { updates, ..self.clone() }
    }

    /// The same head without a part in any gradient.
    pub fn without_autodiff(mut self) -> Self {
        self.weight = self.weight.without_autodiff();
        self.updates = self.updates.into_iter().map(HeadUpdate::without_autodiff).collect();
        self
    }
}

impl HeadUpdate {
    /// Adds this update to `logits`, `[rows, vocab]`.
    pub fn add_to(&self, logits: Tensor<2>) -> Tensor<2> {
        let part = self.input.clone().matmul(self.weight.clone().transpose());
        match &self.columns {
            None => logits + part,
            Some(columns) => logits.select_assign(1, columns.clone(), part, IndexingUpdateOp::Add),
        }
    }

    /// This update for `count` rows from `start`.
    pub fn rows(&self, start: usize, count: usize) -> Self {
        Self { input: self.input.clone().narrow(0, start, count), ..self.clone() }
    }

    /// From the gradient with respect to the logits, `[rows, vocab]`, those with respect to `input` and `weight`.
    pub fn gradients(&self, d_logits: &Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let d = match &self.columns {
            None => d_logits.clone(),
            Some(columns) => d_logits.clone().select(1, columns.clone()),
        };
        let d_weight = d.clone().transpose().matmul(self.input.clone());
        (d.matmul(self.weight.clone()), d_weight)
    }

    fn without_autodiff(self) -> Self {
        Self {
            input: self.input.without_autodiff(),
            weight: self.weight.without_autodiff(),
            columns: self.columns.map(Tensor::without_autodiff),
        }
    }
}
