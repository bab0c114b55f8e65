//! An adapted projection.

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{DType, Device, Tensor, TensorData};
use tooltune_lm::{Linear, Projection};

use crate::LoraConfig;

/// The trainable part: `x ↦ scaling · B(A(dropout x))`.
#[derive(Module, Debug)]
pub struct LoraAdapter {
    /// A, `[r, in_features]`, f32.
    pub lora_a: Param<Tensor<2>>,
    /// B, `[out_features, r]`, f32.
    pub lora_b: Param<Tensor<2>>,
    /// On the input of A, while training.
    pub lora_dropout: Dropout,
    /// `lora_alpha / r`.
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
    /// Freezes `base` and, if `config` targets `path`, adds an adapter with A as PEFT draws it, uniform in ±1/√in, and B zero.
    ///
    /// The draw depends on `seed` and `path` alone, not on the device.
    pub fn new(base: Linear, config: &LoraConfig, path: &str, seed: u64) -> Self {
        let base = base.freeze();
        let [inputs, outputs] = base.features();
        let device = base.weight.lazy_device();
        let adapter = config.targets(path).then(|| {
            let a = uniform([config.r, inputs], 1.0 / (inputs as f64).sqrt(), keyed(seed, path), &device);
            LoraAdapter::from_weights(a, Tensor::zeros([outputs, config.r], (&device, DType::F32)), config)
        });
        Self { base, adapter }
    }

    /// `base.weight + scaling · B A`, computed in f32 and rounded once to the dtype of the weight.
    pub fn merge(self) -> Linear {
        let Self { base, adapter } = self;
        match adapter {
            None => base,
            Some(adapter) => shift(base, adapter.delta()),
        }
    }
}

impl LoraAdapter {
    /// Takes over A, `[r, in_features]`, and B, `[out_features, r]`.
    pub fn from_weights(a: Tensor<2>, b: Tensor<2>, config: &LoraConfig) -> Self {
        Self {
            lora_a: Param::from_tensor(a),
            lora_b: Param::from_tensor(b),
            lora_dropout: DropoutConfig::new(config.lora_dropout).init(),
            scaling: config.scaling(),
        }
    }

    /// `scaling · B A`, `[out_features, in_features]`.
    pub fn delta(&self) -> Tensor<2> {
        self.lora_b.val().matmul(self.lora_a.val()).mul_scalar(self.scaling)
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let low = self.lora_dropout.forward(x).matmul(self.lora_a.val().transpose());
        low.mul_scalar(self.scaling).matmul(self.lora_b.val().transpose())
    }
}

impl Projection for LoraLinear {
    fn project(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.adapter {
            None => self.base.project(x),
            Some(adapter) => self.base.project(x.clone()) + adapter.forward(x),
        }
    }

    fn features(&self) -> [usize; 2] {
        self.base.features()
    }
}

/// Adds `delta` to a weight.
pub(crate) fn shift(base: Linear, delta: Tensor<2>) -> Linear {
    let weight = base.weight.val();
    let dtype = weight.dtype();
    let shifted = weight.cast(DType::F32) + delta;
    // A parameter must be a leaf of the graph.
    Linear::from_weight(shifted.cast(dtype).detach())
}

/// FNV-1a over the path, mixed with the seed.
fn keyed(seed: u64, path: &str) -> u64 {
    path.bytes().fold(seed ^ 0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

/// Uniform in ±`bound`, from SplitMix64 (Steele et al., 2014).
fn uniform(shape: [usize; 2], bound: f64, mut state: u64, device: &Device) -> Tensor<2> {
    let mut draw = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let unit = ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64;
        ((2.0 * unit - 1.0) * bound) as f32
    };
    let values: Vec<f32> = (0..shape[0] * shape[1]).map(|_| draw()).collect();
    Tensor::from_data(TensorData::new(values, shape), (device, DType::F32))
}
