//! What the benchmarks share: the device, the shapes of `docs/benchmarks.md`, models with random weights.
//!
//! A benchmark's name holds its size. Every measured closure ends with [`sync`], because a device may still be working when a call returns.
#![recursion_limit = "256"]

pub mod lora_layer;
pub mod process;
pub mod random;

use std::cell::Cell;
use std::time::Duration;

use burn::tensor::{DType, Device, Int, Tensor};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use tooltune::gemma2::{Gemma2, Gemma2Config};
use tooltune::lm::{CausalLm, KvCache, TokenBatch};

use crate::random::Random;

/// The device under test: the GPU whose feature is enabled, or the CPU. Freed memory is kept, as programs that train do.
pub fn device() -> Device {
    tooltune::kernels::allocator::keep_freed_memory();
    #[cfg(feature = "cuda")]
    return Device::cuda(0);
    #[cfg(all(feature = "rocm", not(feature = "cuda")))]
    return Device::rocm(0);
    #[cfg(all(feature = "vulkan", not(any(feature = "cuda", feature = "rocm"))))]
    return Device::vulkan(burn::tensor::DeviceKind::DefaultDevice);
    #[cfg(all(feature = "metal", not(any(feature = "cuda", feature = "rocm", feature = "vulkan"))))]
    return Device::metal(burn::tensor::DeviceKind::DefaultDevice);
    #[cfg(all(
        feature = "wgpu",
        not(any(feature = "cuda", feature = "rocm", feature = "vulkan", feature = "metal"))
    ))]
    return Device::wgpu(burn::tensor::DeviceKind::DefaultDevice);
    #[cfg(not(any(
        feature = "cuda",
        feature = "rocm",
        feature = "vulkan",
        feature = "metal",
        feature = "wgpu"
    )))]
    return Device::flex();
}

/// Waits for the device.
///
/// # Panics
/// When an operation failed on the device.
pub fn sync(device: &Device) {
    device.sync().expect("the device did its work");
}

/// `tiny`: 5.1 M parameters, of which 4.1 M are embedding. Not [`Gemma2Config::tiny`], which is smaller.
pub fn tiny() -> Gemma2Config {
    let small = Gemma2Config::small();
    Gemma2Config {
        hidden_size: 128,
        intermediate_size: 512,
        num_hidden_layers: 4,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 32,
        query_pre_attn_scalar: 32.0,
        layer_types: small.layer_types[..4].to_vec(),
        ..small
    }
}

/// One layer of `config`, with next to no vocabulary.
pub fn one_layer(config: Gemma2Config) -> Gemma2Config {
    Gemma2Config {
        vocab_size: 256,
        num_hidden_layers: 1,
        layer_types: config.layer_types[..1].to_vec(),
        ..config
    }
}

/// A model with random weights of the config's standard deviation, its matrices in `dtype`.
///
/// # Panics
/// When `config` is invalid.
pub fn random_model(config: &Gemma2Config, dtype: DType, device: &Device) -> Gemma2 {
    let seed = Cell::new(0);
    let matrix = |shape| {
        seed.set(seed.get() + 1);
        Random::new(seed.get()).matrix(shape, config.initializer_range, dtype, device)
    };
    Gemma2::from_matrices(config, device, matrix).expect("the shape is valid")
}

/// `count` token ids below `vocab`, the same in every run.
pub fn token_ids(count: usize, vocab: usize) -> Vec<u32> {
    let id = |index: usize| 3 + (index * 7919 + 13) % (vocab - 3);
    (0..count).map(|index| id(index) as u32).collect()
}

/// The most likely token after each row, as greedy decoding computes it.
pub fn next_tokens<M: CausalLm>(
    model: &M,
    batch: &TokenBatch,
    cache: &mut KvCache,
    device: &Device,
) -> Tensor<1, Int> {
    let best = model.next_logits(batch, Some(cache)).argmax(1).reshape([batch.batch()]);
    sync(device);
    best
}

/// The middle one, or the mean of the two in the middle.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (lower, upper) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some((lower + upper) / 2.0)
}

/// A group of few samples: one iteration may take seconds.
pub fn group<'c>(criterion: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
    group
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[3.0, 1.0]), Some(2.0));
        assert_eq!(median(&[3.0, 1.0, 7.0]), Some(3.0));
    }
}
