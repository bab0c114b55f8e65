//! Inference of `small`: reading a prompt of 128 tokens, and one more token after it, for 1 and 8 rows.
#![recursion_limit = "256"]

use burn::tensor::DType;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tooltune::gemma2::Gemma2Config;
use tooltune::lm::{KvCache, Padding, TokenBatch};
use tooltune_benches::{device, group, next_tokens, random_model, token_ids};

const PROMPT: usize = 128;

fn prefill_and_decode(criterion: &mut Criterion) {
    let device = device();
    let config = Gemma2Config::small();
    let prompt = token_ids(PROMPT, config.vocab_size);
    for (dtype_name, dtype) in [("f32", DType::F32), ("bf16", DType::BF16)] {
        let model = random_model(&config, dtype, &device);
        let mut group = group(criterion, &format!("generate/small_138m_{dtype_name}"));
        for rows in [1, 8] {
            let batch = TokenBatch::padded(&vec![prompt.clone(); rows], Padding::Left, 0);
            let fresh = || KvCache::new(config.num_hidden_layers, rows);
            group.throughput(Throughput::Elements((rows * PROMPT) as u64));
            group.bench_function(format!("prefill_{PROMPT}/rows_{rows}"), |b| {
                b.iter_batched_ref(
                    fresh,
                    |cache| next_tokens(&model, &batch, cache, &device),
                    BatchSize::PerIteration,
                );
            });
            let mut read = fresh();
            next_tokens(&model, &batch, &mut read, &device);
            let next = TokenBatch::next_tokens(&vec![5; rows], &vec![PROMPT as u32; rows]);
            group.throughput(Throughput::Elements(rows as u64));
            group.bench_function(format!("decode_1_after_{PROMPT}/rows_{rows}"), |b| {
                let cached = || read.clone();
                b.iter_batched_ref(
                    cached,
                    |cache| next_tokens(&model, &next, cache, &device),
                    BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
}

criterion_group!(benches, prefill_and_decode);
criterion_main!(benches);
