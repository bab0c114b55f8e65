//! Cross-entropy of soft-capped logits, with its gradient.

use burn::tensor::{DType, IndexingUpdateOp, Int, Tensor};

/// What [`cross_entropy`] computes.
#[derive(Clone, Debug)]
pub struct CrossEntropy {
    /// The weighted loss of each row, `[rows]`.
    pub losses: Tensor<1>,
    /// The gradient of their sum with respect to the raw logits, `[rows, vocab]`, where it was asked for.
    pub gradient: Option<Tensor<2>>,
}

/// `weightᵢ · −log softmax(cap · tanh(rawᵢ / cap))[targetᵢ]` for untracked tensors, and the gradient of the sum with respect to `raw`.
///
/// Without `softcap` the logits are `raw` itself. On `flex`, `f32` logits are overwritten by their gradient where nobody else holds them: no
/// second matrix of that size exists.
///
/// # Shapes
/// - `raw`: `[rows, vocab]`
/// - `targets`, `weights`: `[rows]`, targets below `vocab`
///
/// # Panics
/// If the shapes do not fit together, if `softcap` is not positive, or on `flex` if a target is not below `vocab`.
pub fn cross_entropy(
    raw: Tensor<2>,
    targets: &Tensor<1, Int>,
    weights: &Tensor<1>,
    softcap: Option<f64>,
    gradient: bool,
) -> CrossEntropy {
    let [rows, _] = raw.dims();
    assert!(
        targets.dims() == [rows] && weights.dims() == [rows],
        "cross_entropy: targets {:?} and weights {:?} do not fit logits {:?}",
        targets.dims(),
        weights.dims(),
        raw.dims()
    );
    assert!(softcap.is_none_or(|cap| cap > 0.0), "cross_entropy: a soft-cap of {softcap:?}");
    #[cfg(feature = "cpu")]
    if !raw.device().is_autodiff() && crate::device::is_fused(&raw) {
        return crate::flex::cross_entropy(raw, targets, weights, softcap, gradient);
    }
    composed(raw, targets, weights, softcap, gradient)
}

fn composed(
    raw: Tensor<2>,
    targets: &Tensor<1, Int>,
    weights: &Tensor<1>,
    softcap: Option<f64>,
    gradient: bool,
) -> CrossEntropy {
    let ([rows, _], dtype) = (raw.dims(), raw.dtype());
    let raw = if dtype == DType::F32 { raw } else { raw.cast(DType::F32) };
    let (target, weight) = (targets.clone().reshape([rows, 1]), weights.clone().reshape([rows, 1]));
    // With a cap, t = tanh(raw / cap) is kept: the derivative of the cap is 1 − t².
    let (logits, tanh) = match softcap {
        Some(cap) => {
            let t = raw.div_scalar(cap).tanh();
            (t.clone().mul_scalar(cap), Some(t))
        }
        None => (raw, None),
    };
    let max = logits.clone().max_dim(1);
    let exp = (logits.clone() - max.clone()).exp();
    let sum = exp.clone().sum_dim(1);
    let loss = (sum.clone().log() + max - logits.gather(1, target.clone())) * weight.clone();
    let gradient = gradient.then(|| {
        let minus_one = Tensor::full([rows, 1], -1.0, (&exp.device(), DType::F32));
        let d_logits = (exp / sum).scatter(1, target, minus_one, IndexingUpdateOp::Add) * weight;
        let d_raw = match tanh {
            Some(t) => d_logits * (t.square().neg() + 1.0),
            None => d_logits,
        };
        if dtype == DType::F32 { d_raw } else { d_raw.cast(dtype) }
    });
    CrossEntropy { losses: loss.reshape([rows]), gradient }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, device, random, values};

    fn case(rows: usize, vocab: usize, scale: f64) -> (Tensor<2>, Tensor<1, Int>, Tensor<1>) {
        let targets: Vec<i32> = (0..rows).map(|row| (row * 7919 % vocab) as i32).collect();
        let weights = random([rows], 1.0, 3).abs();
        (random([rows, vocab], scale, 1), Tensor::from_data(targets.as_slice(), &device()), weights)
    }

    #[test]
    fn matches_plain_operations() {
        for (rows, vocab) in [(1, 1), (3, 5), (17, 300), (40, 9001)] {
            for cap in [None, Some(5.0), Some(30.0)] {
                let (raw, targets, weights) = case(rows, vocab, 6.0);
                let expected = composed(raw.clone(), &targets, &weights, cap, true);
                let actual = cross_entropy(raw.clone(), &targets, &weights, cap, true);
                assert_close("losses", &actual.losses, &expected.losses, 1e-5);
                let (actual, expected) =
                    (actual.gradient.expect("asked for"), expected.gradient.expect("too"));
                assert_close("gradient", &actual, &expected, 1e-5);
                let only_loss = cross_entropy(raw.clone(), &targets, &weights, cap, false);
                assert!(only_loss.gradient.is_none());
                // What somebody else holds is not overwritten.
                assert_eq!(values(&raw), values(&case(rows, vocab, 6.0).0));
            }
        }
    }

    /// In f64, one value after the other: losses and gradient.
    fn defined(raw: &[f32], targets: &[i64], weights: &[f32], cap: Option<f64>) -> [Vec<f32>; 2] {
        let (mut losses, mut gradient) = (Vec::new(), Vec::new());
        let vocab = raw.len() / targets.len();
        for ((raw, &target), &weight) in raw.chunks(vocab).zip(targets).zip(weights) {
            let (target, weight) = (target as usize, f64::from(weight));
            let capped = |&x: &f32| cap.map_or(f64::from(x), |cap| cap * (f64::from(x) / cap).tanh());
            let logits: Vec<f64> = raw.iter().map(capped).collect();
            let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logits.iter().map(|logit| (logit - max).exp()).sum();
            losses.push((weight * (sum.ln() + max - logits[target])) as f32);
            gradient.extend(logits.iter().enumerate().map(|(index, &logit)| {
                let slope = cap.map_or(1.0, |cap| 1.0 - (logit / cap).powi(2));
                let hit = if index == target { 1.0 } else { 0.0 };
                (weight * ((logit - max).exp() / sum - hit) * slope) as f32
            }));
        }
        [losses, gradient]
    }

    #[test]
    fn matches_the_definition() {
        // Plain operations round a little more: 4e-6 of the largest gradient.
        let tolerance = if cfg!(feature = "cpu") { 2e-6 } else { 1e-5 };
        for (rows, vocab) in [(1, 1), (3, 5), (17, 300), (40, 9001)] {
            for cap in [None, Some(5.0), Some(30.0)] {
                let (raw, targets, weights) = case(rows, vocab, 6.0);
                let ids: Vec<i64> = targets.clone().into_data().iter::<i64>().collect();
                let [losses, gradient] = defined(&values(&raw), &ids, &values(&weights), cap);
                let actual = cross_entropy(raw, &targets, &weights, cap, true);
                let losses = Tensor::<1>::from_floats(losses.as_slice(), &device());
                assert_close("losses", &actual.losses, &losses, tolerance);
                let gradient =
                    Tensor::<1>::from_floats(gradient.as_slice(), &device()).reshape([rows, vocab]);
                assert_close("gradient", &actual.gradient.expect("asked for"), &gradient, tolerance);
            }
        }
    }

    #[test]
    fn views_are_as_good_as_copies() {
        let (raw, targets, weights) = case(17, 300, 6.0);
        let view = Tensor::<2>::from_data(raw.clone().transpose().into_data(), &device()).transpose();
        let part = Tensor::cat(vec![raw.clone(), raw.clone()], 1).narrow(1, 300, 300);
        for cap in [None, Some(30.0)] {
            let expected = cross_entropy(raw.clone(), &targets, &weights, cap, true);
            for view in [&view, &part] {
                let actual = cross_entropy(view.clone(), &targets, &weights, cap, true);
                assert_close("losses", &actual.losses, &expected.losses, 0.0);
                let gradient = |out: CrossEntropy| out.gradient.expect("asked for");
                assert_close("gradient", &gradient(actual), &gradient(expected.clone()), 0.0);
            }
        }
    }

    #[test]
    fn other_element_types_take_plain_operations() {
        let (raw, targets, weights) = case(5, 40, 3.0);
        let expected = cross_entropy(raw.clone(), &targets, &weights, Some(30.0), true);
        let actual = cross_entropy(raw.cast(DType::BF16), &targets, &weights, Some(30.0), true);
        assert_close("losses", &actual.losses, &expected.losses, 2e-2);
        let gradient = actual.gradient.expect("asked for");
        assert_eq!(gradient.dtype(), DType::BF16);
        assert_close("gradient", &gradient.cast(DType::F32), &expected.gradient.expect("too"), 3e-2);
    }

    #[test]
    fn extreme_logits_stay_finite() {
        let (raw, targets, weights) = case(4, 50, 1e4);
        for cap in [None, Some(30.0)] {
            let out = cross_entropy(raw.clone(), &targets, &weights, cap, true);
            assert!(values(&out.losses).iter().all(|loss| loss.is_finite()));
            assert!(values(&out.gradient.expect("asked for")).iter().all(|d| d.is_finite()));
        }
    }

    #[test]
    fn what_is_not_a_number_is_not_hidden() {
        let (raw, targets, weights) = case(2, 50, 1.0);
        let raw = raw.slice_assign([0..1, 3..4], Tensor::full([1, 1], f32::NAN, &device()));
        let losses = values(&cross_entropy(raw, &targets, &weights, Some(30.0), true).losses);
        assert!(losses[0].is_nan() && losses[1].is_finite());
    }
}
