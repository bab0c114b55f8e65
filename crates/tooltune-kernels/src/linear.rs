//! Rows through a weight matrix.

use burn::tensor::Tensor;

/// `x Wᵀ`, for a weight stored as in a checkpoint.
///
/// Weight and activations may differ in element type; the result has that of `x`. On `flex` a weight in bf16 stays as it is, whatever its
/// size: more than a few rows of `f32` activations are rounded to bf16 on the way in and sums are `f32`, a few rows are not rounded. Anywhere
/// else the weight is converted to the type of `x` first.
///
/// # Shapes
/// - `x`: `[rows, in]`
/// - `weight`: `[out, in]`
/// - result: `[rows, out]`
///
/// # Panics
/// If the shapes do not fit together.
pub fn linear(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let ([_, width], [_, inputs]) = (x.dims(), weight.dims());
    assert_eq!(width, inputs, "linear: x {:?} does not fit weight {:?}", x.dims(), weight.dims());
    #[cfg(feature = "cpu")]
    if is_stored_in_bf16(&x, &weight) {
        return crate::flex::bf16_linear(x, weight, crate::flex::Direction::Forward);
    }
    let weight = in_type_of(&x, weight);
    x.matmul(weight.transpose())
}

/// `x W`, the way back of [`linear`]: what its gradient does.
///
/// # Shapes
/// - `x`: `[rows, out]`
/// - `weight`: `[out, in]`
/// - result: `[rows, in]`
///
/// # Panics
/// If the shapes do not fit together.
pub fn linear_transposed(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let ([_, width], [outputs, _]) = (x.dims(), weight.dims());
    assert_eq!(width, outputs, "linear_transposed: x {:?} does not fit weight {:?}", x.dims(), weight.dims());
    #[cfg(feature = "cpu")]
    if is_stored_in_bf16(&x, &weight) {
        return crate::flex::bf16_linear(x, weight, crate::flex::Direction::Backward);
    }
    let weight = in_type_of(&x, weight);
    x.matmul(weight)
}

#[cfg(feature = "cpu")]
fn is_stored_in_bf16(x: &Tensor<2>, weight: &Tensor<2>) -> bool {
    weight.dtype() == burn::tensor::DType::BF16
        && weight.shape().num_elements() > 0
        && crate::device::is_fused(x)
}

fn in_type_of(x: &Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    if weight.dtype() == x.dtype() { weight } else { weight.cast(x.dtype()) }
}

#[cfg(test)]
mod tests {
    use burn::tensor::DType;

    use super::*;
    use crate::testing::{assert_close, gradients, random};

    fn both(weight: &Tensor<2>, f: fn(Tensor<2>, Tensor<2>) -> Tensor<2>, rows: [usize; 2]) {
        let wide = weight.clone().cast(DType::F32);
        for rows in [[rows[0], rows[1]], [3, rows[1]]] {
            let x = random(rows, 1.0, 5);
            assert_close("value", &f(x.clone(), weight.clone()), &f(x.clone(), wide.clone()), 1e-2);
            let [actual] = gradients([x.clone()], |[x]| f(x, weight.clone()));
            let [expected] = gradients([x], |[x]| f(x, wide.clone()));
            assert_close("gradient", &actual, &expected, 1e-2);
        }
    }

    #[test]
    fn a_weight_in_bf16_is_close_to_the_same_in_f32() {
        let weight = random([70, 50], 1.0, 4).cast(DType::BF16);
        both(&weight, linear, [40, 50]);
        both(&weight, linear_transposed, [40, 70]);
    }

    #[test]
    fn views_change_nothing() {
        let weight = random([70, 50], 1.0, 4).cast(DType::BF16);
        let x = random([40, 50], 1.0, 5);
        let plain = linear(x.clone(), weight.clone());
        let view = random([50, 40], 1.0, 5).transpose();
        let view = linear(x.clone() + (view.clone() - view), weight.clone().transpose().transpose());
        assert_close("view", &view, &plain, 1e-6);
        let part = linear(x.clone(), weight.clone().narrow(0, 10, 20));
        assert_close("part", &part, &plain.narrow(1, 10, 20), 1e-6);
    }

    #[test]
    fn a_tracked_weight_gets_its_gradient() {
        let stored = random([5, 6], 1.0, 2).cast(DType::BF16);
        for (x, f) in
            [(random([20, 6], 1.0, 1), linear as fn(_, _) -> _), (random([20, 5], 1.0, 3), linear_transposed)]
        {
            let gradient = |weight: Tensor<2>| {
                let weight = weight.autodiff().require_grad();
                let out: Tensor<2> = f(x.clone().autodiff(), weight.clone());
                let factors = random(out.dims(), 1.0, 9).autodiff();
                weight.grad(&(out * factors).sum().backward()).expect("a gradient")
            };
            let actual = gradient(stored.clone());
            assert_eq!(actual.dtype(), DType::BF16);
            assert_close(
                "weight",
                &actual.cast(DType::F32),
                &gradient(stored.clone().cast(DType::F32)),
                1e-2,
            );
        }
    }

    #[test]
    fn nothing_in_nothing_out() {
        let weight = random([5, 6], 1.0, 2).cast(DType::BF16);
        assert_eq!(linear(random([0, 6], 1.0, 1), weight.clone()).dims(), [0, 5]);
        assert_eq!(linear_transposed(random([0, 5], 1.0, 1), weight).dims(), [0, 6]);
    }

    #[test]
    #[should_panic(expected = "does not fit weight")]
    fn shapes_must_fit() {
        linear(random([2, 5], 1.0, 1), random([5, 6], 1.0, 2));
    }
}
