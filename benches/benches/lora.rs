//! One Gemma-2 decoder layer, forward and backward, with rank 16 on its seven projections: our activation-side adapters against Burn's own
//! `apply_lora`, which composes `W + s · A B` at every forward pass and forms a gradient of the whole weight. The layer without any adapter
//! shows what is left to gain.
#![recursion_limit = "256"]

use burn::module::{Lora, Module, ParamGroup};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Distribution, Tensor};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tooltune::gemma2::{Gemma2, Gemma2Config};
use tooltune::lm::{CausalLm, Projection, TokenBatch};
use tooltune::lora::{LoraConfig, attach, config::ALL_PROJECTIONS};
use tooltune_benches::{device, group, one_layer, random_model, sync, token_ids};

const TOKENS: usize = 256;

fn layer(criterion: &mut Criterion) {
    let device = device().autodiff();
    for (name, config) in [("small", Gemma2Config::small()), ("2b", Gemma2Config::gemma2_2b())] {
        let config = one_layer(config);
        let lora = LoraConfig::default();
        let base = random_model(&config, DType::F32, &device).freeze();
        let ours = attach(base.clone(), &lora, 1).expect("the rank fits");
        let projections = ParamGroup::from_any_predicates(ALL_PROJECTIONS.to_vec());
        let burns = base.clone().apply_lora(Lora::new(lora.r, lora.lora_alpha).set_param_group(projections));
        // Both must train the same number of tensors, or the comparison is of different things.
        let input = Input::new(&config, &device);
        assert_eq!(input.forward_backward(&ours), 14);
        assert_eq!(input.forward_backward(&burns), 14);

        let mut group =
            group(criterion, &format!("lora/layer_{name}_hidden_{}_tokens_{TOKENS}", config.hidden_size));
        group.throughput(Throughput::Elements(TOKENS as u64));
        group.bench_function("activation_side", |b| b.iter(|| input.forward_backward(&ours)));
        group.bench_function("burn_apply_lora", |b| b.iter(|| input.forward_backward(&burns)));
        group.bench_function("no_adapter", |b| b.iter(|| input.forward_backward(&base)));
        group.finish();
    }
}

struct Input {
    batch: TokenBatch,
    hidden: Tensor<3>,
    device: Device,
}

impl Input {
    fn new(config: &Gemma2Config, device: &Device) -> Self {
        let batch = TokenBatch::single(&token_ids(TOKENS, config.vocab_size));
        let normal = Distribution::Normal(0.0, 1.0);
        Self {
            batch,
            hidden: Tensor::random([1, TOKENS, config.hidden_size], normal, device),
            device: device.clone(),
        }
    }

    /// Runs the layer as one in the middle of a model: its input has a gradient too. Gives the number of gradients of its parameters.
    fn forward_backward<P: Projection>(&self, model: &Gemma2<P>) -> usize {
        let context = model.context(&self.batch, None);
        let hidden = self.hidden.clone().detach().require_grad();
        let out = model.decoder_layer(0, hidden, &context, None);
        let gradients = GradientsParams::from_grads(out.square().sum().backward(), model);
        sync(&self.device);
        gradients.len()
    }
}

criterion_group!(benches, layer);
criterion_main!(benches);
