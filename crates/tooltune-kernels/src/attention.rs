//! Grouped-query attention with mask and soft-cap.

use burn::tensor::{Bool, DType, Tensor, activation::softmax};

/// What a masked score becomes: finite, so that a fully masked row averages `v` instead of giving NaN.
const MASKED: f64 = -1e30;

/// `softmax(mask(softcap(scale · q·kᵀ))) · v`, head by head.
///
/// ```text
/// softcap(s) = cap·tanh(s / cap)          (identity when `softcap` is None)
/// ```
///
/// Consecutive groups of `heads / kv_heads` query heads share one key/value head, which is never repeated in
/// memory. Scores and softmax are `f32`; the result has the element type of `q`. A row whose keys are all masked
/// gives the mean of `v` and no gradient to `q` and `k`, never NaN.
///
/// # Shapes
/// - `q` and the result: `[batch, heads, q_len, head_dim]`
/// - `k`, `v`: `[batch, kv_heads, k_len, head_dim]`
/// - `mask`: `[batch or 1, 1, q_len, k_len]`, `true` where a query
///   may *not* see a key
///
/// # Panics
/// If the shapes do not fit together, or `heads` is not a multiple of `kv_heads`.
///
/// Sources: Ainslie et al., "GQA"; the soft-cap of the Gemma 2 report.
pub fn attention(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    mask: Option<&Tensor<4, Bool>>,
    scale: f64,
    softcap: Option<f64>,
) -> Tensor<4> {
    check_shapes(&q, &k, &v, mask);
    if q.shape().num_elements() == 0 || k.dims()[2] == 0 {
        return q * 0.0;
    }
    #[cfg(feature = "cpu")]
    if [&q, &k, &v].into_iter().all(crate::device::is_fused) {
        return crate::flex::attention(q, k, v, mask, scale, softcap);
    }
    composed(q, k, v, mask, scale, softcap)
}

fn check_shapes(q: &Tensor<4>, k: &Tensor<4>, v: &Tensor<4>, mask: Option<&Tensor<4, Bool>>) {
    let [batch, heads, q_len, head_dim] = q.dims();
    let [k_batch, kv_heads, k_len, k_dim] = k.dims();
    assert_eq!(k.dims(), v.dims(), "attention: k and v must have the same shape");
    assert!(
        batch == k_batch && head_dim == k_dim && kv_heads > 0 && heads.is_multiple_of(kv_heads),
        "attention: q {:?} does not fit k {:?}",
        q.dims(),
        k.dims()
    );
    if let Some(mask) = mask {
        let [mask_batch, one, mask_q, mask_k] = mask.dims();
        assert!(
            (mask_batch == batch || mask_batch == 1) && one == 1 && mask_q == q_len && mask_k == k_len,
            "attention: mask {:?} does not fit q {:?} and k {:?}",
            mask.dims(),
            q.dims(),
            k.dims()
        );
    }
}

/// The formula in plain Burn operations.
fn composed(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    mask: Option<&Tensor<4, Bool>>,
    scale: f64,
    softcap: Option<f64>,
) -> Tensor<4> {
    let [batch, heads, q_len, head_dim] = q.dims();
    let [_, kv_heads, k_len, _] = k.dims();
    let dtype = q.dtype();
    // The query heads of a group become rows of one product with their shared keys.
    let grouped = [batch, kv_heads, heads / kv_heads * q_len, head_dim];
    let scores = (q * scale).reshape(grouped).matmul(k.swap_dims(2, 3));
    let mut scores = scores.cast(DType::F32).reshape([batch, heads, q_len, k_len]);
    if let Some(cap) = softcap {
        scores = (scores / cap).tanh() * cap;
    }
    if let Some(mask) = mask {
        scores = scores.mask_fill(mask.clone().expand([batch, heads, q_len, k_len]), MASKED);
    }
    let probabilities = softmax(scores, 3).cast(dtype);
    probabilities
        .reshape([batch, kv_heads, heads / kv_heads * q_len, k_len])
        .matmul(v)
        .reshape([batch, heads, q_len, head_dim])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, device, gradients, random, values};

    /// batch, heads, kv_heads, q_len, k_len, head_dim: one block, several, a lone query, a lone key.
    const SIZES: [[usize; 6]; 6] = [
        [1, 1, 1, 1, 1, 1],
        [2, 4, 2, 7, 7, 8],
        [1, 6, 2, 70, 133, 5],
        [3, 2, 1, 65, 65, 16],
        [2, 8, 4, 1, 37, 32],
        [1, 2, 2, 9, 1, 3],
    ];

    fn inputs([batch, heads, kv_heads, q_len, k_len, dim]: [usize; 6]) -> [Tensor<4>; 3] {
        [
            random([batch, heads, q_len, dim], 2.0, 1),
            random([batch, kv_heads, k_len, dim], 2.0, 2),
            random([batch, kv_heads, k_len, dim], 1.0, 3),
        ]
    }

    /// A mask for `masked(batch, query, key)`.
    fn mask_of(
        batch: usize,
        q_len: usize,
        k_len: usize,
        masked: impl Fn(usize, usize, usize) -> bool,
    ) -> Tensor<4, Bool> {
        let keys = |b, q| (0..k_len).map(move |k| (b, q, k));
        let all = (0..batch).flat_map(|b| (0..q_len).flat_map(move |q| keys(b, q)));
        let bytes: Vec<bool> = all.map(|(b, q, k)| masked(b, q, k)).collect();
        Tensor::<1, Bool>::from_data(bytes.as_slice(), &device()).reshape([batch, 1, q_len, k_len])
    }

    /// None, causal, packed documents with a sliding window, holes, and rows that see nothing.
    fn masks([batch, _, _, q_len, k_len, _]: [usize; 6]) -> Vec<Option<Tensor<4, Bool>>> {
        let mask = |f: fn(usize, usize, usize) -> bool| Some(mask_of(batch, q_len, k_len, f));
        vec![
            None,
            mask(|_, q, k| k > q),
            mask(|b, q, k| k > q || q / (20 + b) != k / (20 + b) || q - k > 11),
            mask(|b, q, k| (q * 7 + k * 3 + b) % 5 < 2),
            mask(|b, q, k| (q + b) % 4 == 0 || k > q),
            Some(mask_of(1, q_len, k_len, |_, q, k| k > q + 2)),
        ]
    }

    #[test]
    fn matches_plain_operations() {
        for sizes in SIZES {
            let scale = (sizes[5] as f64).powf(-0.5);
            for mask in masks(sizes) {
                for cap in [None, Some(3.0)] {
                    let mask = mask.as_ref();
                    let [q, k, v] = inputs(sizes);
                    let actual = attention(q.clone(), k.clone(), v.clone(), mask, scale, cap);
                    assert_close("forward", &actual, &composed(q, k, v, mask, scale, cap), 2e-6);
                    let actual = gradients_of(sizes, |q, k, v| attention(q, k, v, mask, scale, cap));
                    let expected = gradients_of(sizes, |q, k, v| composed(q, k, v, mask, scale, cap));
                    for (name, (actual, expected)) in
                        ["d_q", "d_k", "d_v"].into_iter().zip(actual.iter().zip(&expected))
                    {
                        assert_close(name, actual, expected, 1e-5);
                    }
                }
            }
        }
    }

    fn gradients_of(
        sizes: [usize; 6],
        f: impl FnOnce(Tensor<4>, Tensor<4>, Tensor<4>) -> Tensor<4>,
    ) -> [Tensor<4>; 3] {
        gradients(inputs(sizes), |[q, k, v]| f(q, k, v))
    }

    #[test]
    fn matches_the_definition() {
        let (scale, cap) = (0.3, 5.0);
        let [q, k, v] = inputs([1, 1, 1, 5, 6, 4]);
        let out = values(&attention(q.clone(), k.clone(), v.clone(), None, scale, Some(cap)));
        let [q, k, v] = [q, k, v].map(|x| values(&x));
        for (query, out) in q.chunks(4).zip(out.chunks(4)) {
            let dot =
                |key: &[f32]| -> f64 { query.iter().zip(key).map(|(&a, &b)| a as f64 * b as f64).sum() };
            let weights: Vec<f64> =
                k.chunks(4).map(|key| (cap * (scale * dot(key) / cap).tanh()).exp()).collect();
            for (column, &actual) in out.iter().enumerate() {
                let sum: f64 = weights.iter().zip(v.chunks(4)).map(|(w, v)| w * v[column] as f64).sum();
                let exact = sum / weights.iter().sum::<f64>();
                assert!((actual as f64 - exact).abs() < 1e-6, "{actual}, not {exact}");
            }
        }
    }

    #[test]
    fn gradients_are_the_slopes() {
        let sizes = [1, 2, 1, 5, 6, 4];
        let run = |[q, k, v]: [Tensor<4>; 3]| attention(q, k, v, None, 0.4, Some(4.0));
        let actual = gradients(inputs(sizes), run);
        let weights = random([1, 2, 5, 4], 1.0, 99);
        let step = 1e-2;
        for (input, actual) in actual.iter().enumerate() {
            let direction = random(actual.dims(), 1.0, 7);
            let moved = |sign: f64| {
                let mut inputs = inputs(sizes);
                inputs[input] = inputs[input].clone() + direction.clone() * (sign * step);
                (run(inputs) * weights.clone()).sum()
            };
            let slope = (moved(1.0) - moved(-1.0)) / (2.0 * step);
            assert_close("slope", &(actual.clone() * direction.clone()).sum(), &slope, 2e-3);
        }
    }

    #[test]
    fn rows_that_see_nothing_average() {
        let [q, k, v] = inputs([1, 2, 1, 3, 5, 4]);
        let mask = mask_of(1, 3, 5, |_, q, _| q == 1);
        let out = attention(q, k, v.clone(), Some(&mask), 1.0, Some(50.0)).narrow(2, 1, 1);
        assert_close("mean", &out, &v.mean_dim(2).expand([1, 2, 1, 4]), 1e-6);
    }

    #[test]
    fn views_and_tracking_change_nothing() {
        let sizes = [2, 4, 2, 70, 70, 8];
        let [q, k, v] = inputs(sizes);
        let plain = attention(q.clone(), k.clone(), v.clone(), None, 0.5, None);
        let views = [&q, &k, &v].map(|x| {
            let swapped = x.clone().swap_dims(1, 2);
            Tensor::<4>::from_data(swapped.into_data(), &device()).swap_dims(1, 2)
        });
        let [a, b, c] = views;
        assert_close("views", &attention(a, b, c, None, 0.5, None), &plain, 1e-6);
        let columns = [&q, &k, &v].map(|x| {
            let swapped = x.clone().swap_dims(2, 3);
            Tensor::<4>::from_data(swapped.into_data(), &device()).swap_dims(2, 3)
        });
        let [a, b, c] = columns;
        assert_close("columns", &attention(a, b, c, None, 0.5, None), &plain, 1e-6);
        let q = q.autodiff().require_grad();
        let grads = {
            let nothing = Tensor::<4>::zeros([1, 1, 70, 70], &device().autodiff()).greater_elem(0.0);
            let out = attention(q.clone(), k, v, Some(&nothing), 0.5, None);
            assert_close("tracked", &out.clone().inner(), &plain, 1e-6);
            out.sum().backward()
        };
        assert!(q.grad(&grads).is_some());
    }

    #[test]
    fn nothing_to_attend_to() {
        let [q, k, v] = inputs([2, 4, 2, 3, 5, 4]);
        let no_keys = Tensor::<4>::zeros([2, 2, 0, 4], &device());
        let out = attention(q, no_keys.clone(), no_keys, None, 1.0, None);
        assert_eq!(values(&out), vec![0.0; 2 * 4 * 3 * 4]);
        let no_queries = Tensor::<4>::zeros([2, 4, 0, 4], &device());
        let out = attention(no_queries, k, v, None, 1.0, None);
        assert_eq!(out.dims(), [2, 4, 0, 4]);
    }
}
