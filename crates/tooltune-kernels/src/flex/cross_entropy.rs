//! Soft-capped cross-entropy of rows of logits, which become their own gradient.
//!
//! With `t = tanh(raw / cap)`, `p = softmax(cap · t)` and the weight `w` of a row:
//!
//! ```text
//! loss  = w · (log Σ exp(cap·t − max) + max − cap·t[target])
//! d_raw = w · (p − [target]) · (1 − t²)
//! ```
//!
//! Without a cap `t` is `raw`, its factor one, and `1 − t²` is one. Sums run over pieces in `f32` and over the pieces in `f64`.

use burn::tensor::{Int, Tensor, TensorData};

use super::math::{exp, tanh};
use super::parallel::for_each;
use super::simd::{LANES, fold, max, multiversion};
use crate::CrossEntropy;

/// Elements of one sum in `f32`.
const PIECE: usize = 4096;

/// [`crate::cross_entropy()`] on the `flex` device.
pub(crate) fn cross_entropy(
    raw: Tensor<2>,
    targets: &Tensor<1, Int>,
    weights: &Tensor<1>,
    softcap: Option<f64>,
    gradient: bool,
) -> CrossEntropy {
    let ([rows, vocab], device) = (raw.dims(), raw.device());
    let targets: Vec<usize> = targets.clone().into_data().iter::<i64>().map(|id| id as usize).collect();
    let weights: Vec<f32> = weights.clone().into_data().iter::<f32>().collect();
    assert!(targets.iter().all(|&target| target < vocab), "cross_entropy: a target is not below {vocab}");
    let mut data = raw.into_data();
    let values =
        data.as_mut_slice::<f32>().unwrap_or_else(|error| unreachable!("f32, contiguous: {error:?}"));
    let cap = softcap.unwrap_or(0.0) as f32;
    let mut losses = vec![0.0f32; rows];
    let items: Vec<_> = values.chunks_mut(vocab).zip(&mut losses).collect();
    for_each(rows * vocab * 4, items, |(): &mut (), row, (values, loss)| {
        let (max, sum, target) = statistics(values, cap, targets[row]);
        let weight = weights[row];
        *loss = (f64::from(weight) * (sum.ln() + f64::from(max) - f64::from(target))) as f32;
        if gradient {
            let before = values[targets[row]];
            differentiate(values, cap, max, (f64::from(weight) / sum) as f32);
            let slope = if cap > 0.0 { 1.0 - before * before } else { 1.0 };
            values[targets[row]] -= weight * slope;
        }
    });
    CrossEntropy {
        losses: Tensor::from_data(TensorData::new(losses, [rows]), &device),
        gradient: gradient.then(|| Tensor::from_data(data, &device)),
    }
}

multiversion! {
    /// Replaces a row by `t`. Gives the largest logit, the sum of `exp(logit − max)`, and the target's logit.
    fn statistics<FMA>(values: &mut [f32], cap: f32, target: usize) -> (f32, f64, f32) {
        let factor = if cap > 0.0 { cap } else { 1.0 };
        if cap > 0.0 {
            let inverse = 1.0 / cap;
            values.iter_mut().for_each(|value| *value = tanh::<FMA>(*value * inverse));
        }
        let max = factor * max(values);
        let mut sum = 0.0f64;
        for piece in values.chunks(PIECE) {
            let mut lanes = [0.0f32; LANES];
            let mut whole = piece.chunks_exact(LANES);
            for values in &mut whole {
                for (acc, &value) in lanes.iter_mut().zip(values) {
                    *acc += exp::<FMA>(factor * value - max);
                }
            }
            for (acc, &value) in lanes.iter_mut().zip(whole.remainder()) {
                *acc += exp::<FMA>(factor * value - max);
            }
            sum += f64::from(fold(lanes));
        }
        (max, sum, factor * values[target])
    }
}

multiversion! {
    /// Replaces `t` by `weight · p · (1 − t²)`; `scale` is weight by sum.
    fn differentiate<FMA>(values: &mut [f32], cap: f32, max: f32, scale: f32) {
        if cap > 0.0 {
            values.iter_mut().for_each(|value| {
                let t = *value;
                *value = exp::<FMA>(cap * t - max) * scale * (1.0 - t * t);
            });
        } else {
            values.iter_mut().for_each(|value| *value = exp::<FMA>(*value - max) * scale);
        }
    }
}
