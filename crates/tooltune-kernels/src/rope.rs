//! Rotary position embedding, in the rotate-half layout of Hugging Face checkpoints.

use burn::tensor::{DType, Tensor};

use crate::device::in_f32;

/// Rotates the pairs `(x[i], x[i + head_dim/2])` by the angle of their position:
///
/// ```text
/// out1 = x1·cos − x2·sin        out2 = x2·cos + x1·sin
/// ```
///
/// with `x1` the first and `x2` the second half of the last dimension. The gradient is the inverse rotation.
/// `cos` and `sin` are constants: no gradient flows into them.
///
/// # Shapes
/// `x` and the result: `[batch, heads, seq, head_dim]`; `cos`, `sin`: `[batch or 1, seq, head_dim / 2]`.
///
/// # Panics
/// If `head_dim` is odd or the tables do not match `x`.
///
/// Source: Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding".
pub fn rope(x: Tensor<4>, cos: Tensor<3>, sin: Tensor<3>) -> Tensor<4> {
    let [batch, _, seq, head_dim] = x.dims();
    let [table_batch, table_seq, half] = cos.dims();
    assert_eq!(cos.dims(), sin.dims(), "rope: cos and sin must have the same shape");
    assert!(
        head_dim == 2 * half && seq == table_seq && (table_batch == batch || table_batch == 1),
        "rope: tables {:?} do not match {:?}",
        cos.dims(),
        x.dims()
    );
    if x.shape().num_elements() == 0 {
        return x;
    }
    let (cos, sin) = (cos.inner(), sin.inner());
    #[cfg(feature = "cpu")]
    if crate::device::is_fused(&x) && crate::device::is_fused(&cos) && crate::device::is_fused(&sin) {
        return crate::flex::rope(x, cos, sin);
    }
    composed(x, cos, sin)
}

/// The formula in plain Burn operations.
fn composed(x: Tensor<4>, cos: Tensor<3>, sin: Tensor<3>) -> Tensor<4> {
    in_f32(x, |x| {
        let half = cos.dims()[2];
        let cos = cos.cast(DType::F32).unsqueeze_dim::<4>(1);
        let sin = sin.cast(DType::F32).unsqueeze_dim::<4>(1);
        let (x1, x2) = (x.clone().narrow(3, 0, half), x.narrow(3, half, half));
        let out1 = x1.clone() * cos.clone() - x2.clone() * sin.clone();
        let out2 = x2 * cos + x1 * sin;
        Tensor::cat(vec![out1, out2], 3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, device, gradients, random};

    /// batch, heads, seq, head_dim; the last one is split over threads.
    const SHAPES: [[usize; 4]; 4] = [[1, 1, 1, 2], [2, 3, 5, 14], [1, 2, 9, 64], [3, 4, 67, 66]];

    fn tables(batch: usize, [_, _, seq, head_dim]: [usize; 4]) -> [Tensor<3>; 2] {
        let angles = random([batch, seq, head_dim / 2], 3.0, 5);
        [angles.clone().cos(), angles.sin()]
    }

    /// The same values, with heads next to each other in memory.
    fn heads_inside(x: Tensor<4>) -> Tensor<4> {
        Tensor::<4>::from_data(x.swap_dims(1, 2).into_data(), &device()).swap_dims(1, 2)
    }

    #[test]
    fn matches_plain_operations() {
        for shape in SHAPES {
            for batch in [1, shape[0]] {
                let [cos, sin] = tables(batch, shape);
                let x = random(shape, 1.0, 1);
                let expected = composed(x.clone(), cos.clone(), sin.clone());
                assert_close("forward", &rope(x.clone(), cos.clone(), sin.clone()), &expected, 1e-6);
                let inside = rope(heads_inside(x.clone()), cos.clone(), sin.clone());
                assert_close("heads inside", &inside, &expected, 1e-6);

                let [actual] = gradients([x.clone()], |[x]| rope(x, cos.clone(), sin.clone()));
                let [expected] = gradients([x.clone()], |[x]| composed(x, cos.clone(), sin.clone()));
                assert_close("gradient", &actual, &expected, 1e-6);
                let [inside] = gradients([heads_inside(x)], |[x]| rope(x, cos.clone(), sin.clone()));
                assert_close("gradient, heads inside", &inside, &expected, 1e-6);
            }
        }
    }

    #[test]
    fn keeps_lengths() {
        let shape = [2, 3, 5, 14];
        let [cos, sin] = tables(2, shape);
        let x = random(shape, 1.0, 1);
        let length = |x: Tensor<4>| x.square().sum_dim(3);
        assert_close("length", &length(rope(x.clone(), cos, sin)), &length(x), 1e-6);
    }

    #[test]
    fn empty() {
        let tables = Tensor::<3>::zeros([1, 0, 4], &device());
        assert_eq!(rope(Tensor::zeros([1, 2, 0, 8], &device()), tables.clone(), tables).dims(), [1, 2, 0, 8]);
    }
}
