//! An adapted projection.

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{DType, Tensor};
use tooltune_lm::{Linear, Projection};

use crate::init::Draw;
use crate::kind::Kind;
use crate::lora_embedding::LoraEmbedding;
use crate::merge::Rounding;
use crate::{InitLoraWeights, LoraConfig};

/// The trainable part: `x ↦ scaling · B(A(dropout x))`.
#[derive(Module, Debug)]
pub struct LoraAdapter {
    /// A, `[r, in_features]`, f32.
    pub lora_a: Param<Tensor<2>>,
    /// B, `[out_features, r]`, f32.
    pub lora_b: Param<Tensor<2>>,
    /// On the input of A, while training.
    pub lora_dropout: Dropout,
    /// The kind of adapter that the pair is part of.
    pub kind: Kind,
    /// `alpha / r`, or `alpha / √r`.
    #[module(skip)]
    pub scaling: f64,
}

/// A frozen projection and, where it is targeted, its adapter.
#[derive(Module, Debug)]
pub struct LoraLinear {
    /// The frozen projection.
    pub base: Linear,
    /// `None` where the config does not target this projection.
    pub adapter: Option<LoraAdapter>,
}

impl LoraLinear {
    /// Freezes `base` and, if `config` targets `path`, adds an adapter with the config's starting values.
    ///
    /// What is drawn depends on `seed` and `path` alone, not on the device.
    pub fn new(base: Linear, config: &LoraConfig, path: &str, seed: u64) -> Self {
        let base = base.freeze();
        if !config.targets(path) {
            return Self { base, adapter: None };
        }
        let adapter = LoraAdapter::new(base.features(), &base.weight.val(), config, path, seed);
        Self { base, adapter: Some(adapter) }
    }

    /// The weight that computes the same without an adapter, made in f32 and rounded once to the dtype of the base.
    pub fn merge(self) -> Linear {
        self.merge_with_rounding().0
    }

    pub(crate) fn merge_with_rounding(self) -> (Linear, Option<Rounding>) {
        let Self { base, adapter: Some(adapter) } = self else {
            return (self.base, None);
        };
        let (weight, rounding) = adapter.kind.behaviour().merge(&base.weight.val(), &adapter);
        (Linear::from_weight(weight), Some(rounding))
    }
}

impl LoraAdapter {
    /// A fresh adapter for a map between `[in_features, out_features]` whose weight is `weight`.
    pub(crate) fn new(
        [inputs, outputs]: [usize; 2],
        weight: &Tensor<2>,
        config: &LoraConfig,
        path: &str,
        seed: u64,
    ) -> Self {
        let (r, device) = (config.rank(path), weight.device());
        let draw = Draw::new(seed, path);
        let a = match config.init_lora_weights {
            InitLoraWeights::Gaussian => draw.clone().normal_matrix([r, inputs], 1.0 / r as f64, &device),
            _ => draw.clone().uniform_matrix([r, inputs], 1.0 / (inputs as f64).sqrt(), &device),
        };
        let zeros = Tensor::zeros([outputs, r], (&device, DType::F32));
        let mut adapter = Self::from_weights(a, zeros, config, path);
        (config.kind().start)(&mut adapter, weight, draw);
        adapter
    }

    /// Takes over A, `[r, in_features]`, and B, `[out_features, r]`, for the module at `path`.
    pub fn from_weights(a: Tensor<2>, b: Tensor<2>, config: &LoraConfig, path: &str) -> Self {
        Self {
            lora_a: Param::from_tensor(a),
            lora_b: Param::from_tensor(b),
            lora_dropout: DropoutConfig::new(config.lora_dropout).init(),
            kind: Kind::default(),
            scaling: config.scaling(path),
        }
    }

    /// A and B that compute what this adapter adds; of twice the rank when it subtracts what it started from.
    pub fn weights(&self) -> (Tensor<2>, Tensor<2>) {
        self.kind.behaviour().pair(self)
    }

    /// `scaling · B A`, `[out_features, in_features]`.
    pub fn delta(&self) -> Tensor<2> {
        let [outputs, _] = self.lora_b.lazy_shape().dims();
        self.delta_rows(0, outputs)
    }

    /// Some rows of [`delta`](Self::delta).
    pub(crate) fn delta_rows(&self, start: usize, count: usize) -> Tensor<2> {
        let (a, b) = self.weights();
        b.narrow(0, start, count).matmul(a).mul_scalar(self.scaling)
    }

    /// The probability of dropout for `x`: zero unless this adapter trains on it.
    pub(crate) fn dropout_of(&self, x: &Tensor<2>) -> f64 {
        let Dropout { prob, training } = &self.lora_dropout;
        if training.is_enabled() && x.device().is_autodiff() { *prob } else { 0.0 }
    }

    /// `scaling · B(A x)`, without dropout.
    pub(crate) fn update(&self, x: Tensor<2>) -> Tensor<2> {
        self.low_rank(x, &self.lora_a, &self.lora_b)
    }

    /// [`update`](Self::update) with another pair.
    pub(crate) fn low_rank(&self, x: Tensor<2>, a: &Param<Tensor<2>>, b: &Param<Tensor<2>>) -> Tensor<2> {
        x.matmul(a.val().transpose()).mul_scalar(self.scaling).matmul(b.val().transpose())
    }
}

impl Projection for LoraLinear {
    type Embedding = LoraEmbedding;

    fn project(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.adapter {
            None => self.base.project(x),
            Some(adapter) => adapter.kind.behaviour().project(&self.base, adapter, x),
        }
    }

    fn project_geglu(&self, gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
        match &self.adapter {
            None => self.base.project_geglu(gate, up),
            Some(adapter) => adapter.kind.behaviour().project_geglu(&self.base, adapter, gate, up),
        }
    }

    fn geglu_activations(&self) -> usize {
        match &self.adapter {
            None => self.base.geglu_activations(),
            Some(adapter) => adapter.kind.behaviour().geglu_activations(&self.base),
        }
    }

    fn features(&self) -> [usize; 2] {
        self.base.features()
    }
}
