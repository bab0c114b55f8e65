//! Inference of `small`: reading a prompt of 128 tokens, and one more token after it, for 1 and 8 rows.
#![recursion_limit = "256"]

use burn::tensor::DType;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tooltune::gemma2::Gemma2Config;
use tooltune::lm::{CausalLm, KvCache, Padding, TokenBatch, quantize};
use tooltune_benches::{device, group, next_tokens, random_model, token_ids};

const PROMPT: usize = 128;

fn prefill_and_decode(criterion: &mut Criterion) {
    let device = device();
    let config = Gemma2Config::small();
    let prompt = token_ids(PROMPT, config.vocab_size);
    for (name, dtype) in [("f32", DType::F32), ("bf16", DType::BF16)] {
        measure(criterion, name, &random_model(&config, dtype, &device), &prompt);
    }
    let model = quantize(random_model(&config, DType::BF16, &device)).expect("finite");
    measure(criterion, "q8", &model, &prompt);
}

fn measure<M: CausalLm>(criterion: &mut Criterion, name: &str, model: &M, prompt: &[u32]) {
    let device = model.device();
    let mut group = group(criterion, &format!("generate/small_138m_{name}"));
    for rows in [1, 8] {
        let batch = TokenBatch::padded(&vec![prompt; rows], Padding::Left, 0);
        let fresh = || KvCache::new(model.num_layers(), rows);
        group.throughput(Throughput::Elements((rows * PROMPT) as u64));
        group.bench_function(format!("prefill_{PROMPT}/rows_{rows}"), |b| {
            b.iter_batched_ref(
                fresh,
                |cache| next_tokens(model, &batch, cache, &device),
                BatchSize::PerIteration,
            );
        });
        let mut read = fresh();
        next_tokens(model, &batch, &mut read, &device);
        let next = TokenBatch::next_tokens(&vec![5; rows], &vec![PROMPT as u32; rows]);
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(format!("decode_1_after_{PROMPT}/rows_{rows}"), |b| {
            let cached = || read.clone();
            b.iter_batched_ref(
                cached,
                |cache| next_tokens(model, &next, cache, &device),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, prefill_and_decode);
criterion_main!(benches);
