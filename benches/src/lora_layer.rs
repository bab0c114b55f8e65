//! One decoder layer with adapters of several kinds, run forward and backward: what `benches/lora.rs` times and `benches/lora_memory.rs`
//! measures the memory of.

use burn::module::{Lora, Module, ParamGroup};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Distribution, Tensor};
use tooltune::gemma2::{Gemma2, Gemma2Config};
use tooltune::lm::{CausalLm, Linear, Projection, TokenBatch};
use tooltune::lora::{LoraConfig, LoraLinear, attach, config::ALL_PROJECTIONS, merge};

use crate::{one_layer, random_model, sync, token_ids};

/// Tokens in the layer's input.
pub const TOKENS: usize = 256;

/// Ranks that are compared.
pub const RANKS: [usize; 3] = [8, 16, 64];

/// The shapes whose layer is measured, by name.
pub fn shapes() -> [(&'static str, Gemma2Config); 2] {
    [("small", one_layer(Gemma2Config::small())), ("2b", one_layer(Gemma2Config::gemma2_2b()))]
}

/// What adapts the layer's seven projections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Ours: two thin products on the activations.
    ActivationSide {
        /// The rank.
        r: usize,
    },
    /// Burn's `apply_lora`: `W + s · A B`, composed at every forward pass.
    BurnApplyLora {
        /// The rank.
        r: usize,
    },
    /// An adapter merged into the weights, which costs what none does.
    Merged,
}

impl Variant {
    /// All of them.
    pub fn all() -> Vec<Self> {
        let adapted = RANKS.into_iter().flat_map(|r| [Self::ActivationSide { r }, Self::BurnApplyLora { r }]);
        adapted.chain([Self::Merged]).collect()
    }

    /// For the name of a benchmark.
    pub fn name(self) -> String {
        match self {
            Self::ActivationSide { r } => format!("activation_side_r{r}"),
            Self::BurnApplyLora { r } => format!("burn_apply_lora_r{r}"),
            Self::Merged => "merged".to_owned(),
        }
    }
}

/// A model of one layer.
#[derive(Debug)]
pub enum Layer {
    /// With our adapters.
    Ours(Box<Gemma2<LoraLinear>>),
    /// Plain projections, or Burn's adapters on them.
    Plain(Box<Gemma2<Linear>>),
}

impl Layer {
    /// The layer of `config` as `variant` has it.
    ///
    /// # Panics
    /// When the rank does not fit the shape.
    pub fn new(config: &Gemma2Config, variant: Variant, device: &Device) -> Self {
        let base = random_model(config, DType::F32, device).freeze();
        let lora = |r| LoraConfig { r, ..LoraConfig::default() };
        match variant {
            Variant::ActivationSide { r } => {
                Self::Ours(Box::new(attach(base, &lora(r), 1).expect("the rank fits")))
            }
            Variant::BurnApplyLora { r } => {
                let projections = ParamGroup::from_any_predicates(ALL_PROJECTIONS.to_vec());
                let config = Lora::new(r, lora(r).lora_alpha).set_param_group(projections);
                Self::Plain(Box::new(base.apply_lora(config)))
            }
            Variant::Merged => {
                let adapted = attach(base, &lora(16), 1).expect("the rank fits");
                Self::Plain(Box::new(merge(adapted).model.freeze()))
            }
        }
    }
}

/// The input of a layer.
#[derive(Debug)]
pub struct Input {
    batch: TokenBatch,
    hidden: Tensor<3>,
    device: Device,
}

impl Input {
    /// Random activations on `device`.
    pub fn new(config: &Gemma2Config, device: &Device) -> Self {
        let batch = TokenBatch::single(&token_ids(TOKENS, config.vocab_size));
        let normal = Distribution::Normal(0.0, 1.0);
        let hidden = Tensor::random([1, TOKENS, config.hidden_size], normal, device);
        Self { batch, hidden, device: device.clone() }
    }

    /// Runs the layer as one in the middle of a model: its input has a gradient too. Gives the number of gradients of its parameters.
    pub fn forward_backward(&self, layer: &Layer) -> usize {
        match layer {
            Layer::Ours(model) => self.both(model.as_ref()),
            Layer::Plain(model) => self.both(model.as_ref()),
        }
    }

    /// Runs the layer as in generation.
    pub fn forward(&self, layer: &Layer) {
        match layer {
            Layer::Ours(model) => drop(self.run(model.as_ref(), self.hidden.clone())),
            Layer::Plain(model) => drop(self.run(model.as_ref(), self.hidden.clone())),
        }
        sync(&self.device);
    }

    fn both<P: Projection>(&self, model: &Gemma2<P>) -> usize {
        let out = self.run(model, self.hidden.clone().detach().require_grad());
        let gradients = GradientsParams::from_grads(out.square().sum().backward(), model);
        sync(&self.device);
        gradients.len()
    }

    fn run<P: Projection>(&self, model: &Gemma2<P>, hidden: Tensor<3>) -> Tensor<3> {
        model.decoder_layer(0, hidden, &model.context(&self.batch, None), None)
    }
}
