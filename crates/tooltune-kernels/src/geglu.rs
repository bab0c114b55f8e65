//! The gated activation of Gemma's feed-forward network.

use burn::tensor::{Tensor, activation::sigmoid};

/// `2·sqrt(2/π)`: `0.5·(1 + tanh(z)) = sigmoid(2z)`, so the factor 2 is folded into the constant.
pub(crate) const SCALE: f64 = std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::SQRT_2;
/// Coefficient of the cubic term in the tanh approximation of GELU.
pub(crate) const CUBIC: f64 = 0.044715;

/// `gelu(gate) · up`, element by element, with the tanh approximation of GELU.
///
/// ```text
/// gelu(g) = 0.5·g·(1 + tanh(sqrt(2/π)·(g + 0.044715·g³)))
/// ```
///
/// computed as `g·sigmoid(2·sqrt(2/π)·(g + 0.044715·g³))`, which is the same function without the cancellation
/// that `1 + tanh` suffers for negative `g`.
///
/// # Shapes
/// `gate`, `up` and the result: `[rows, intermediate]`.
///
/// # Panics
/// If the shapes differ.
///
/// Source: Hendrycks & Gimpel, "Gaussian Error Linear Units", and Shazeer, "GLU Variants Improve Transformer".
pub fn geglu(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    assert_eq!(gate.dims(), up.dims(), "geglu: gate and up must have the same shape");
    #[cfg(feature = "cpu")]
    if crate::device::is_fused(&gate) && crate::device::is_fused(&up) {
        return crate::flex::geglu(gate, up);
    }
    composed(gate, up)
}

/// The formula in plain Burn operations.
fn composed(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    let cube = gate.clone() * gate.clone() * gate.clone();
    gate.clone() * sigmoid((gate + cube * CUBIC) * SCALE) * up
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, device, gradients, random, values};

    /// Odd sizes; the last one is split over threads.
    const SHAPES: [[usize; 2]; 4] = [[1, 1], [3, 5], [17, 33], [129, 515]];

    #[test]
    fn matches_the_definition() {
        for shape in SHAPES {
            let (gate, up) = (random(shape, 2.0, 1), random(shape, 1.0, 2));
            let out = values(&geglu(gate.clone(), up.clone()));
            for ((&g, &u), &y) in values(&gate).iter().zip(&values(&up)).zip(&out) {
                let (g, u) = (g as f64, u as f64);
                let z = (2.0 / std::f64::consts::PI).sqrt() * (g + 0.044715 * g.powi(3));
                let exact = 0.5 * g * (1.0 + z.tanh()) * u;
                let bound = 4e-7 * exact.abs() + 1e-8 * u.abs();
                assert!((y as f64 - exact).abs() <= bound, "gelu({g})·{u}: {y}, not {exact}");
            }
        }
    }

    #[test]
    fn matches_plain_operations() {
        for shape in SHAPES {
            let inputs = [random(shape, 2.0, 1), random(shape, 1.0, 2)];
            let [gate, up] = inputs.clone();
            assert_close("forward", &geglu(gate.clone(), up.clone()), &composed(gate, up), 1e-6);
            let actual = gradients(inputs.clone(), |[gate, up]| geglu(gate, up));
            let expected = gradients(inputs, |[gate, up]| composed(gate, up));
            assert_close("d_gate", &actual[0], &expected[0], 1e-6);
            assert_close("d_up", &actual[1], &expected[1], 1e-6);
        }
    }

    #[test]
    fn gradient_is_the_slope() {
        let (gate, up) = (random([4, 7], 1.5, 3), random([4, 7], 1.0, 4));
        let [d_gate, _] = gradients([gate.clone(), up.clone()], |[gate, up]| geglu(gate, up));
        let (step, weights) = (1e-2, random([4, 7], 1.0, 99));
        let slope =
            (geglu(gate.clone() + step, up.clone()) - geglu(gate - step, up)) * weights / (2.0 * step);
        assert_close("d_gate", &d_gate, &slope, 1e-3);
    }

    #[test]
    fn one_input_tracked() {
        let (gate, up) = (random([6, 9], 1.0, 5), random([6, 9], 1.0, 6));
        let [both, _] = gradients([gate.clone(), up.clone()], |[gate, up]| geglu(gate, up));
        let [alone] = gradients([gate], |[gate]| geglu(gate, up));
        assert_close("d_gate", &alone, &both, 0.0);
    }

    #[test]
    fn views_empty_and_extremes() {
        let (gate, up) = (random([9, 6], 1.0, 7), random([6, 9], 1.0, 8));
        let view = gate.clone().transpose();
        let copy = Tensor::from_data(view.clone().into_data(), &device());
        assert_close("view", &geglu(view, up.clone()), &geglu(copy, up), 0.0);

        let empty = Tensor::<2>::zeros([0, 8], &device());
        assert_eq!(geglu(empty.clone(), empty).dims(), [0, 8]);
        let empty = Tensor::<2>::zeros([3, 0], &device());
        assert_eq!(geglu(empty.clone(), empty).dims(), [3, 0]);

        let gate = Tensor::<2>::from_floats([[-1e4, -30.0, 0.0, 30.0, 1e4]], &device());
        let [d_gate, _] = gradients([gate.clone(), gate.ones_like()], |[gate, up]| geglu(gate, up));
        let out = values(&geglu(gate.clone(), gate.ones_like()));
        assert!(out[0].abs() < 1e-20 && out[1].abs() < 1e-20, "{out:?}");
        assert_eq!(&out[2..], [0.0, 30.0, 1e4]);
        assert!(values(&d_gate).iter().all(|x| x.is_finite()));
    }
}
