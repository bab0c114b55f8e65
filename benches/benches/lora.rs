//! One Gemma-2 decoder layer with adapters on its seven projections, of rank 8, 16 and 64: our activation-side ones against Burn's own
//! `apply_lora`, which composes `W + s · A B` at every forward pass and forms a gradient of the whole weight, and against the merged layer,
//! which shows what is left to gain. Training runs forward and backward; generation runs forward alone.
#![recursion_limit = "256"]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tooltune_benches::lora_layer::{Input, Layer, TOKENS, Variant, shapes};
use tooltune_benches::{device, group};

/// A and B of the seven projections.
const TRAINED: usize = 14;

fn train(criterion: &mut Criterion) {
    let device = device().autodiff();
    for (name, config) in shapes() {
        let input = Input::new(&config, &device);
        let mut group =
            group(criterion, &format!("lora/layer_{name}_hidden_{}_tokens_{TOKENS}", config.hidden_size));
        group.throughput(Throughput::Elements(TOKENS as u64));
        for variant in Variant::all() {
            let layer = Layer::new(&config, variant, &device);
            // All must train the same number of tensors, or the comparison is of different things.
            let trained = if variant == Variant::Merged { 0 } else { TRAINED };
            assert_eq!(input.forward_backward(&layer), trained, "{}", variant.name());
            group.bench_function(variant.name(), |b| b.iter(|| input.forward_backward(&layer)));
        }
        group.finish();
    }
}

fn generate(criterion: &mut Criterion) {
    let device = device();
    for (name, config) in shapes() {
        let input = Input::new(&config, &device);
        let mut group =
            group(criterion, &format!("lora/forward_{name}_hidden_{}_tokens_{TOKENS}", config.hidden_size));
        group.throughput(Throughput::Elements(TOKENS as u64));
        for variant in Variant::all() {
            let layer = Layer::new(&config, variant, &device);
            group.bench_function(variant.name(), |b| b.iter(|| input.forward(&layer)));
        }
        group.finish();
    }
}

criterion_group!(benches, train, generate);
criterion_main!(benches);
