//! Gemma's root-mean-square norm.

use burn::tensor::{DType, Tensor};

use crate::device::in_f32;

/// `x · rsqrt(mean(x²) + eps) · (1 + weight)`, row by row, in `f32` whatever the element type of `x`.
///
/// Gemma stores the weight as a deviation from one. The result has the element type of `x`.
///
/// # Shapes
/// `x` and the result: `[rows, hidden]`; `weight`: `[hidden]`.
///
/// # Panics
/// If `weight` does not have one element for each column of `x`.
///
/// Source: Zhang & Sennrich, "Root Mean Square Layer Normalization"; the `1 + weight` of the Gemma reports.
pub fn rms_norm(x: Tensor<2>, weight: Tensor<1>, eps: f64) -> Tensor<2> {
    assert_eq!(x.dims()[1], weight.dims()[0], "rms_norm: weight must have one element for each column");
    if x.shape().num_elements() == 0 {
        return x;
    }
    #[cfg(feature = "cpu")]
    if crate::device::is_fused(&x) && crate::device::is_fused(&weight) {
        return crate::flex::rms_norm(x, weight, eps);
    }
    composed(x, weight, eps)
}

/// The formula in plain Burn operations.
fn composed(x: Tensor<2>, weight: Tensor<1>, eps: f64) -> Tensor<2> {
    in_f32(x, |x| {
        let inverse = (x.clone().square().mean_dim(1) + eps).sqrt().recip();
        x * inverse * (weight.cast(DType::F32) + 1.0).unsqueeze::<2>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, device, gradients, random, values};

    const EPS: f64 = 1e-6;

    /// Odd sizes; the last two are split over threads.
    const SHAPES: [[usize; 2]; 5] = [[1, 3], [3, 5], [17, 33], [129, 515], [3, 40_000]];

    /// The gradient with respect to x and weight of `sum(output · weights)`.
    fn both(shape: [usize; 2], f: impl FnOnce(Tensor<2>, Tensor<1>) -> Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let weight = random([shape[1]], 0.3, 2).autodiff().require_grad();
        let x = random(shape, 2.0, 1).autodiff().require_grad();
        let output = f(x.clone(), weight.clone());
        let grads = (output * random(shape, 1.0, 99).autodiff()).sum().backward();
        (x.grad(&grads).expect("x"), weight.grad(&grads).expect("weight"))
    }

    #[test]
    fn matches_the_definition() {
        // Burn's own mean of a long row may add up in one long chain.
        let tolerance = if cfg!(feature = "cpu") { 1e-6 } else { 1e-5 };
        for shape in SHAPES {
            let (x, weight) = (random(shape, 2.0, 1), random([shape[1]], 0.3, 2));
            let out = values(&rms_norm(x.clone(), weight.clone(), EPS));
            let (x, weight) = (values(&x), values(&weight));
            for (x, out) in x.chunks(shape[1]).zip(out.chunks(shape[1])) {
                let mean = x.iter().map(|&x| (x as f64).powi(2)).sum::<f64>() / shape[1] as f64;
                for ((&x, &w), &y) in x.iter().zip(&weight).zip(out) {
                    let exact = x as f64 / (mean + EPS).sqrt() * (1.0 + w as f64);
                    assert!((y as f64 - exact).abs() <= tolerance * exact.abs(), "{y}, not {exact}");
                }
            }
        }
    }

    #[test]
    fn matches_plain_operations() {
        for shape in SHAPES {
            let (x, weight) = (random(shape, 2.0, 1), random([shape[1]], 0.3, 2));
            let expected = composed(x.clone(), weight.clone(), EPS);
            assert_close("forward", &rms_norm(x, weight, EPS), &expected, 5e-6);
            let (d_x, d_weight) = both(shape, |x, weight| rms_norm(x, weight, EPS));
            let (expected_x, expected_weight) = both(shape, |x, weight| composed(x, weight, EPS));
            assert_close("d_x", &d_x, &expected_x, 1e-5);
            assert_close("d_weight", &d_weight, &expected_weight, 1e-5);
        }
    }

    #[test]
    fn gradient_is_the_slope() {
        let (x, weight) = (random([4, 7], 1.5, 3), random([7], 0.3, 4));
        let [d_x] = gradients([x.clone()], |[x]| rms_norm(x, weight.clone(), EPS));
        let (step, weights) = (1e-2, random([4, 7], 1.0, 99));
        let direction = random([4, 7], 1.0, 5);
        let moved = |sign: f64| {
            let x = x.clone() + direction.clone() * (sign * step);
            (rms_norm(x, weight.clone(), EPS) * weights.clone()).sum()
        };
        let slope = (moved(1.0) - moved(-1.0)) / (2.0 * step);
        assert_close("slope", &(d_x * direction.clone()).sum(), &slope, 2e-3);
    }

    #[test]
    fn views_and_empty() {
        let (x, weight) = (random([9, 6], 1.0, 7), random([9], 0.3, 8));
        let view = x.transpose();
        let copy = Tensor::from_data(view.clone().into_data(), &device());
        assert_close("view", &rms_norm(view, weight.clone(), EPS), &rms_norm(copy, weight.clone(), EPS), 0.0);
        assert_eq!(rms_norm(Tensor::zeros([0, 9], &device()), weight, EPS).dims(), [0, 9]);
        let no_columns = Tensor::<1>::zeros([0], &device());
        assert_eq!(rms_norm(Tensor::zeros([3, 0], &device()), no_columns, EPS).dims(), [3, 0]);
    }

    #[test]
    fn zeros_stay_zero() {
        let x = Tensor::<2>::zeros([2, 8], &device());
        let [d_x] = gradients([x.clone()], |[x]| rms_norm(x, Tensor::zeros([8], &device()), EPS));
        assert!(values(&d_x).iter().all(|x| x.is_finite()));
        assert_eq!(values(&rms_norm(x, Tensor::zeros([8], &device()), EPS)), vec![0.0; 16]);
    }
}
