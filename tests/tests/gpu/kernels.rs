//! Each kernel's composed form on the GPU against the fused one on the CPU: values and gradients.

use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};
use tooltune_kernels::{
    attention, cross_entropy, geglu, linear, linear_transposed, lora_linear, rms_norm, rope,
};
use tooltune_lm::dtype::can_store;
use tooltune_tests::values;

use crate::{alone, compare, gpu};

/// Both sides round, in different orders.
const TOLERANCE: f32 = 1e-5;

/// Reproducible values, uniform in `-scale..scale`.
fn random<const D: usize>(shape: [usize; D], scale: f32, seed: u64) -> TensorData {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| scale * next()).collect();
    TensorData::new(values, shape)
}

/// A function of `inputs`: its value, and the gradients of its sum with fixed weights. On both devices; each must be the same.
fn same_on_both<const I: usize, const O: usize, const N: usize>(
    what: &str,
    inputs: [TensorData; N],
    f: impl Fn(&Device, [Tensor<I>; N]) -> Tensor<O>,
) {
    let on = |device: &Device| {
        let tracked = device.clone().autodiff();
        let inputs = inputs.clone().map(|data| Tensor::<I>::from_data(data, &tracked).require_grad());
        let output = f(device, inputs.clone());
        let weights = Tensor::<O>::from_data(random(output.dims(), 1.0, 99), &tracked);
        let grads = (output.clone() * weights).sum().backward();
        let mut all = vec![values(output.inner())];
        all.extend(inputs.map(|input| values(input.grad(&grads).expect("a gradient"))));
        all
    };
    let (expected, actual) = (on(&Device::flex()), on(&gpu()));
    for (index, (actual, expected)) in actual.iter().zip(&expected).enumerate() {
        let part = if index == 0 { "value".to_owned() } else { format!("gradient {index}") };
        compare(&format!("{what}, {part}"), actual, expected, TOLERANCE);
    }
}

#[test]
#[cfg_attr(not(feature = "gpu"), ignore = "no GPU backend is compiled in")]
fn attention_of_groups() {
    let _alone = alone();
    // batch, heads, kv_heads, q_len, k_len, head_dim
    for [batch, heads, kv_heads, q_len, k_len, dim] in
        [[2, 4, 2, 7, 7, 8], [1, 6, 2, 33, 70, 5], [2, 8, 4, 1, 37, 32]]
    {
        let data = [
            random([batch, heads, q_len, dim], 2.0, 1),
            random([batch, kv_heads, k_len, dim], 2.0, 2),
            random([batch, kv_heads, k_len, dim], 1.0, 3),
        ];
        // None; causal with a window; rows that see nothing.
        let masks: [Option<fn(usize, usize) -> bool>; 3] =
            [None, Some(|q, k| k > q || q - k > 5), Some(|q, k| q % 4 == 0 || k > q)];
        for (index, mask) in masks.into_iter().enumerate() {
            for softcap in [None, Some(3.0)] {
                let what = format!("attention {q_len} x {k_len}, mask {index}, soft-cap {softcap:?}");
                same_on_both(&what, data.clone(), |device, [q, k, v]| {
                    let mask = mask.map(|masked| {
                        let cell = |index: usize| masked(index / k_len % q_len, index % k_len);
                        let cells: Vec<bool> = (0..batch * q_len * k_len).map(cell).collect();
                        let data = TensorData::new(cells, [batch, 1, q_len, k_len]);
                        Tensor::<4, Bool>::from_data(data, device)
                    });
                    attention(q, k, v, mask.as_ref(), 0.4, softcap)
                });
            }
        }
    }
}

#[test]
#[cfg_attr(not(feature = "gpu"), ignore = "no GPU backend is compiled in")]
fn element_wise() {
    let _alone = alone();
    for shape in [[1, 3], [3, 5], [17, 133], [5, 2304]] {
        let data = [random(shape, 4.0, 1), random(shape, 1.0, 2)];
        same_on_both(&format!("geglu {shape:?}"), data, |_, [gate, up]| geglu(gate, up));

        let data = [random(shape, 2.0, 1), random([1, shape[1]], 0.3, 2)];
        let norm = |_: &Device, [x, weight]: [Tensor<2>; 2]| {
            let columns = weight.dims()[1];
            rms_norm(x, weight.reshape([columns]), 1e-6)
        };
        same_on_both(&format!("rms_norm {shape:?}"), data, norm);
    }
    for shape @ [batch, _, seq, dim] in [[1, 1, 1, 2], [2, 3, 5, 14], [2, 4, 33, 64]] {
        same_on_both(&format!("rope {shape:?}"), [random(shape, 1.0, 1)], |device, [x]| {
            let angles = Tensor::<3>::from_data(random([batch, seq, dim / 2], 3.0, 5), device);
            rope(x, angles.clone().cos(), angles.sin())
        });
    }
}

#[test]
#[cfg_attr(not(feature = "gpu"), ignore = "no GPU backend is compiled in")]
fn products() {
    let _alone = alone();
    // rows, in, out, rank
    for [rows, inputs, outputs, rank] in [[1, 8, 8, 1], [5, 33, 17, 3], [64, 40, 70, 16], [130, 300, 270, 8]]
    {
        let (x, weight) = (random([rows, inputs], 1.0, 1), random([outputs, inputs], 0.3, 2));
        let name = |op: &str| format!("{op} {rows} x {inputs} x {outputs}");
        same_on_both(&name("linear"), [x.clone(), weight.clone()], |_, [x, weight]| linear(x, weight));
        let back = [random([rows, outputs], 1.0, 3), weight.clone()];
        same_on_both(&name("linear_transposed"), back, |_, [x, weight]| linear_transposed(x, weight));
        let data = [x, weight, random([rank, inputs], 0.5, 4), random([outputs, rank], 0.5, 5)];
        same_on_both(&name("lora_linear"), data, |_, [x, weight, a, b]| {
            lora_linear(x, weight, a, b, 1.5, 0.0)
        });
    }
}

/// Where the device knows a narrower type, a weight may be stored in it.
#[test]
#[cfg_attr(not(feature = "gpu"), ignore = "no GPU backend is compiled in")]
fn products_with_stored_weights() {
    let _alone = alone();
    for dtype in [DType::F16, DType::BF16] {
        if !can_store(&gpu(), dtype) {
            println!("this device cannot hold {dtype:?}");
            continue;
        }
        let weight = random([70, 40], 0.3, 2);
        same_on_both(&format!("linear, {dtype:?}"), [random([64, 40], 1.0, 1)], |device, [x]| {
            linear(x, Tensor::<2>::from_data(weight.clone(), device).cast(dtype))
        });
    }
}

#[test]
#[cfg_attr(not(feature = "gpu"), ignore = "no GPU backend is compiled in")]
fn loss_of_capped_logits() {
    let _alone = alone();
    for (rows, vocab) in [(1, 1), (3, 5), (17, 300), (40, 9001)] {
        for softcap in [None, Some(30.0)] {
            let on = |device: &Device| {
                let targets: Vec<i32> = (0..rows).map(|row| (row * 7919 % vocab) as i32).collect();
                let out = cross_entropy(
                    Tensor::from_data(random([rows, vocab], 20.0, 1), device),
                    &Tensor::<1, Int>::from_data(targets.as_slice(), device),
                    &Tensor::from_data(random([rows], 1.0, 3), device).abs(),
                    softcap,
                    true,
                );
                [values(out.losses), values(out.gradient.expect("asked for"))]
            };
            let (expected, actual) = (on(&Device::flex()), on(&gpu()));
            let what = format!("cross_entropy {rows} x {vocab}, soft-cap {softcap:?}");
            compare(&format!("{what}, losses"), &actual[0], &expected[0], TOLERANCE);
            compare(&format!("{what}, gradient"), &actual[1], &expected[1], TOLERANCE);
        }
    }
}

#[test]
#[cfg_attr(not(feature = "gpu"), ignore = "no GPU backend is compiled in")]
fn dropout_drops_its_share() {
    let _alone = alone();
    let (device, dropout, n) = (gpu(), 0.25, 128);
    // Weight 0, A and B the identity: the result is what is left of x.
    let identity = Tensor::<2>::eye(n, &device);
    let run = |seed: u64| {
        device.seed(seed);
        let x = Tensor::<2>::ones([n, n], &device.clone().autodiff()).require_grad();
        let (weight, a, b) = (identity.clone().zeros_like(), identity.clone(), identity.clone());
        let tracked = |t: Tensor<2>| t.autodiff().require_grad();
        let out = lora_linear(x.clone(), weight, tracked(a), tracked(b), 1.0, dropout);
        let gradient = x.grad(&out.clone().sum().backward()).expect("a gradient");
        (values(out.inner()), values(gradient))
    };
    let (out, gradient) = run(1);
    assert_eq!(out, gradient, "what was dropped has no gradient, and the same was");
    let factor = (1.0 / (1.0 - dropout)) as f32;
    assert!(out.iter().all(|&x| x == 0.0 || (x - factor).abs() < 1e-5));
    let dropped = out.iter().filter(|&&x| x == 0.0).count() as f64;
    let (expected, elements) = (dropout * (n * n) as f64, (n * n) as f64);
    let deviations = (dropped - expected) / (elements * dropout * (1.0 - dropout)).sqrt();
    println!("dropped {:.4} of {elements}, {deviations:.1} standard deviations off", dropped / elements);
    assert!(deviations.abs() < 5.0, "{deviations} standard deviations");
    // Every row and every column its share: no pattern.
    let share = |cells: Vec<f32>| cells.iter().filter(|&&x| x == 0.0).count() as f64 / n as f64;
    for line in 0..n {
        let row = share(out[line * n..(line + 1) * n].to_vec());
        let column = share(out.iter().skip(line).step_by(n).copied().collect());
        assert!((row - dropout).abs() < 0.25 && (column - dropout).abs() < 0.25, "{line}: {row}, {column}");
    }
    assert_eq!(run(1).0, out, "the same seed drops the same");
    assert_ne!(run(2).0, out, "another seed drops something else");
}
