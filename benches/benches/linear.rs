//! Rows through one frozen weight of Gemma-2-2B, forward and back, with the weight in f32, bf16 and 8 bits: many rows as in training, one as in
//! decoding.
#![recursion_limit = "256"]

use std::hint::black_box;

use burn::tensor::{DType, Distribution, Tensor};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tooltune_benches::random::Random;
use tooltune_benches::{device, group, sync};
use tooltune_kernels::{QuantizedWeight, linear, linear_q8, linear_q8_transposed, linear_transposed};

/// `up_proj`.
const OUTPUTS: usize = 9216;
const INPUTS: usize = 2304;

fn products(criterion: &mut Criterion) {
    let device = device();
    let random = |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), &device);
    for rows in [256, 8, 1] {
        let mut group = group(criterion, &format!("linear/{OUTPUTS}x{INPUTS}/rows_{rows}"));
        // Multiplications and additions.
        group.throughput(Throughput::Elements((2 * rows * OUTPUTS * INPUTS) as u64));
        for (name, dtype) in [("f32", DType::F32), ("bf16", DType::BF16)] {
            let weight = random([OUTPUTS, INPUTS]).cast(dtype);
            let (x, g) = (random([rows, INPUTS]), random([rows, OUTPUTS]));
            group.bench_function(format!("{name}/forward"), |b| {
                b.iter(|| {
                    black_box(linear(x.clone(), weight.clone()));
                    sync(&device);
                });
            });
            group.bench_function(format!("{name}/backward"), |b| {
                b.iter(|| {
                    black_box(linear_transposed(g.clone(), weight.clone()));
                    sync(&device);
                });
            });
        }
        let weight = QuantizedWeight::quantize(random([OUTPUTS, INPUTS])).expect("finite");
        let (x, g) = (random([rows, INPUTS]), random([rows, OUTPUTS]));
        group.bench_function("q8/forward", |b| {
            b.iter(|| {
                black_box(linear_q8(x.clone(), &weight));
                sync(&device);
            });
        });
        group.bench_function("q8/backward", |b| {
            b.iter(|| {
                black_box(linear_q8_transposed(g.clone(), &weight));
                sync(&device);
            });
        });
        group.finish();
    }
}

/// A weight that was last used long ago, as in a whole model: so many that no cache holds them.
const WEIGHTS: usize = 32;

fn from_memory(criterion: &mut Criterion) {
    // The second is the shape of `down_proj`.
    for [outputs, inputs] in [[OUTPUTS, INPUTS], [INPUTS, OUTPUTS]] {
        one_after_the_other(criterion, [outputs, inputs]);
    }
}

fn one_after_the_other(criterion: &mut Criterion, [outputs, inputs]: [usize; 2]) {
    let device = device();
    let weights: Vec<Tensor<2>> = (0..WEIGHTS as u64)
        .map(|seed| Random::new(seed).matrix([outputs, inputs], 0.02, DType::BF16, &device))
        .collect();
    let quantized: Vec<_> = weights
        .iter()
        .map(|weight| QuantizedWeight::quantize(weight.clone().cast(DType::F32)).expect("finite"))
        .collect();
    for rows in [512, 256, 128, 8, 1] {
        let mut random = Random::new(100);
        let x = random.matrix([rows, inputs], 1.0, DType::F32, &device);
        let g = random.matrix([rows, outputs], 1.0, DType::F32, &device);
        let mut group = group(criterion, &format!("linear/{outputs}x{inputs}/rows_{rows}"));
        group.throughput(Throughput::Elements((2 * rows * outputs * inputs) as u64));
        let mut in_turn = |name: &str, product: &dyn Fn(usize) -> Tensor<2>| {
            let mut next = (0..WEIGHTS).cycle();
            group.bench_function(format!("{name}/from_memory"), |b| {
                b.iter(|| {
                    black_box(next.next().map(product));
                    sync(&device);
                });
            });
        };
        in_turn("bf16/forward", &|index| linear(x.clone(), weights[index].clone()));
        in_turn("bf16/backward", &|index| linear_transposed(g.clone(), weights[index].clone()));
        in_turn("q8/forward", &|index| linear_q8(x.clone(), &quantized[index]));
        in_turn("q8/backward", &|index| linear_q8_transposed(g.clone(), &quantized[index]));
        group.finish();
    }
}

criterion_group!(benches, products, from_memory);
criterion_main!(benches);
