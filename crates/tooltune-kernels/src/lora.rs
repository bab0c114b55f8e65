//! A frozen projection with a low-rank adapter, as one operation.

use burn::tensor::{Distribution, Tensor};

/// `x Wᵀ + scaling · (dropout(x) Aᵀ) Bᵀ` (Hu et al., 2021, "LoRA").
///
/// What the adapter adds goes straight into the product of the frozen weight, and its gradient into the gradient of that product: no
/// tensor of either size is made in between. Dropout zeroes an element of the input of A with probability `dropout` and divides the others
/// by `1 − dropout`; which ones is decided by a hash of the element's place and a seed drawn from the device, again in the backward pass, so
/// that no mask is kept.
///
/// On `flex`, with `x`, A and B in `f32` and W in `f32` or bf16 (see [`linear`](crate::linear())). Anything else is composed of plain operations.
///
/// # Shapes
/// - `x`: `[rows, in]`
/// - `weight`: `[out, in]`
/// - `lora_a`: `[r, in]`, `lora_b`: `[out, r]`
/// - result: `[rows, out]`
///
/// # Panics
/// If the shapes do not fit together, r is zero, or `dropout` is not in `[0, 1)`.
pub fn lora_linear(
    x: Tensor<2>,
    weight: Tensor<2>,
    lora_a: Tensor<2>,
    lora_b: Tensor<2>,
    scaling: f64,
    dropout: f64,
) -> Tensor<2> {
    check(&x, &weight, &lora_a, &lora_b, dropout);
    #[cfg(feature = "cpu")]
    if is_fused(&x, &weight, &lora_a, &lora_b) {
        let dropout = (dropout > 0.0).then(|| (dropout, draw_seed(&x)));
        return crate::flex::lora_linear(x, weight, lora_a, lora_b, scaling, dropout);
    }
    composed(x, weight, lora_a, lora_b, scaling, dropout)
}

/// [`lora_linear`] of [`geglu`](crate::geglu())`(gate, up)`: the last projection of a gated feed-forward network.
///
/// For the gradients gate and up alone are kept, not what lies between, which is computed again; beside a weight in bf16, whose product
/// rounds to bf16 anyway, they are kept in bf16, and the gradients of gate, up and A are off by that rounding.
///
/// # Shapes
/// - `gate`, `up`: `[rows, in]`
/// - the others and the result: as [`lora_linear`]
///
/// # Panics
/// As [`lora_linear`], or if the shapes of `gate` and `up` differ.
pub fn geglu_lora_linear(
    gate: Tensor<2>,
    up: Tensor<2>,
    weight: Tensor<2>,
    lora_a: Tensor<2>,
    lora_b: Tensor<2>,
    scaling: f64,
    dropout: f64,
) -> Tensor<2> {
    #[cfg(feature = "cpu")]
    if is_fused(&gate, &weight, &lora_a, &lora_b) && crate::device::is_fused(&up) {
        assert_eq!(gate.dims(), up.dims(), "geglu_lora_linear: gate and up must have the same shape");
        check(&gate, &weight, &lora_a, &lora_b, dropout);
        let dropout = (dropout > 0.0).then(|| (dropout, draw_seed(&gate)));
        return crate::flex::geglu_lora_linear([gate, up], weight, lora_a, lora_b, scaling, dropout);
    }
    lora_linear(crate::geglu(gate, up), weight, lora_a, lora_b, scaling, dropout)
}

/// # Panics
/// If the shapes do not fit together, r is zero, or `dropout` is not in `[0, 1)`.
fn check(x: &Tensor<2>, weight: &Tensor<2>, lora_a: &Tensor<2>, lora_b: &Tensor<2>, dropout: f64) {
    let ([_, width], [outputs, inputs]) = (x.dims(), weight.dims());
    let ([rank, a_width], [b_height, b_rank]) = (lora_a.dims(), lora_b.dims());
    assert!(
        width == inputs && a_width == inputs && b_height == outputs && b_rank == rank && rank > 0,
        "lora_linear: x {:?}, weight {:?}, A {:?} and B {:?} do not fit together",
        x.dims(),
        weight.dims(),
        lora_a.dims(),
        lora_b.dims()
    );
    assert!((0.0..1.0).contains(&dropout), "lora_linear: dropout {dropout} is not in [0, 1)");
}

#[cfg(feature = "cpu")]
fn is_fused(x: &Tensor<2>, weight: &Tensor<2>, lora_a: &Tensor<2>, lora_b: &Tensor<2>) -> bool {
    use burn::tensor::DType;
    [x, lora_a, lora_b].into_iter().all(crate::device::is_fused)
        && matches!(weight.dtype(), DType::F32 | DType::BF16)
        && weight.shape().num_elements() > 0
}

/// 64 bits of the device's generator: who seeds the device decides what is dropped.
#[cfg(feature = "cpu")]
fn draw_seed(x: &Tensor<2>) -> u64 {
    let device = x.device().without_autodiff();
    let parts = Tensor::<1>::random([4], Distribution::Uniform(0.0, 65536.0), &device).into_data();
    parts.iter::<f32>().fold(0, |seed, part| seed << 16 | (part as u64).min(0xffff))
}

fn composed(
    x: Tensor<2>,
    weight: Tensor<2>,
    lora_a: Tensor<2>,
    lora_b: Tensor<2>,
    scaling: f64,
    dropout: f64,
) -> Tensor<2> {
    let dropped = if dropout > 0.0 {
        let kept = x.random_like(Distribution::Bernoulli(1.0 - dropout));
        x.clone() * kept * (1.0 / (1.0 - dropout))
    } else {
        x.clone()
    };
    let dtype = dropped.dtype();
    let [lora_a, lora_b] = [lora_a, lora_b].map(|w| if w.dtype() == dtype { w } else { w.cast(dtype) });
    let low = dropped.matmul(lora_a.transpose());
    crate::linear(x, weight) + low.mul_scalar(scaling).matmul(lora_b.transpose())
}

#[cfg(test)]
mod tests {
    use burn::tensor::DType;

    use super::*;
    use crate::testing::{assert_close, device, random, seeded, values};

    /// rows, in, out, rank: one row, a block of rows, several, odd sizes.
    const SIZES: [[usize; 4]; 5] =
        [[1, 8, 8, 1], [5, 33, 17, 3], [64, 40, 70, 16], [130, 300, 270, 8], [300, 20, 530, 4]];

    type Op = fn(Tensor<2>, Tensor<2>, Tensor<2>, Tensor<2>, f64, f64) -> Tensor<2>;

    /// The result, and the gradients of x, weight, A and B.
    fn run(op: Op, [rows, inputs, outputs, rank]: [usize; 4], weight: DType, dropout: f64) -> [Tensor<2>; 5] {
        let tracked = |x: Tensor<2>| x.autodiff().require_grad();
        let x = tracked(random([rows, inputs], 1.0, 1));
        let w = tracked(random([outputs, inputs], 0.3, 2).cast(weight));
        let (a, b) = (tracked(random([rank, inputs], 0.5, 3)), tracked(random([outputs, rank], 0.5, 4)));
        let out = op(x.clone(), w.clone(), a.clone(), b.clone(), 1.5, dropout);
        let grads = (out.clone() * random([rows, outputs], 1.0, 99).autodiff()).sum().backward();
        let [x, w, a, b] = [x, w, a, b].map(|t| t.grad(&grads).expect("a gradient").cast(DType::F32));
        [out.inner(), x, w, a, b]
    }

    #[test]
    fn matches_plain_operations() {
        for sizes in SIZES {
            for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::BF16, 2e-2)] {
                let actual = run(lora_linear, sizes, dtype, 0.0);
                let expected = run(composed, sizes, DType::F32, 0.0);
                let names = ["result", "d_x", "d_weight", "d_a", "d_b"];
                for ((name, actual), expected) in names.iter().zip(&actual).zip(&expected) {
                    assert_close(name, actual, expected, tolerance);
                }
            }
        }
    }

    /// gate and up into the last projection, in one step and in two: result and gradients of gate, up, weight, A and B.
    #[test]
    fn geglu_in_between_is_as_in_two_steps() {
        for sizes in SIZES {
            for (dtype, tolerance) in [(DType::F32, 1e-6), (DType::BF16, 1e-2)] {
                for dropout in [0.0, 0.4] {
                    let [rows, inputs, outputs, rank] = sizes;
                    let run = |one_step: bool| {
                        let tracked = |x: Tensor<2>| x.autodiff().require_grad();
                        let gate = tracked(random([rows, inputs], 1.5, 1));
                        let up = tracked(random([rows, inputs], 1.0, 2));
                        let w = tracked(random([outputs, inputs], 0.3, 3).cast(dtype));
                        let a = tracked(random([rank, inputs], 0.5, 4));
                        let b = tracked(random([outputs, rank], 0.5, 5));
                        let _drawing = seeded(9);
                        let [g, u, w_, a_, b_] = [&gate, &up, &w, &a, &b].map(Clone::clone);
                        let out = match one_step {
                            true => geglu_lora_linear(g, u, w_, a_, b_, 1.5, dropout),
                            false => lora_linear(crate::geglu(g, u), w_, a_, b_, 1.5, dropout),
                        };
                        let grads =
                            (out.clone() * random([rows, outputs], 1.0, 99).autodiff()).sum().backward();
                        let [g, u, w, a, b] =
                            [gate, up, w, a, b].map(|t| t.grad(&grads).expect("a gradient").cast(DType::F32));
                        [out.inner(), g, u, w, a, b]
                    };
                    let names = ["result", "d_gate", "d_up", "d_weight", "d_a", "d_b"];
                    for ((name, one), two) in names.iter().zip(run(true)).zip(run(false)) {
                        assert_close(name, &one, &two, if *name == "result" { 1e-6 } else { tolerance });
                    }
                }
            }
        }
    }

    /// With W and B such that the result shows what reached A: the mask itself.
    #[test]
    fn dropout_drops_its_share_and_the_gradient_knows_which() {
        let (rows, inputs, prob) = (200, 300, 0.3);
        let eye = Tensor::<2>::eye(inputs, &device());
        let _drawing = seeded(5);
        let x = Tensor::<2>::ones([rows, inputs], &device()).autodiff().require_grad();
        let zero = Tensor::zeros([inputs, inputs], &device());
        let out = lora_linear(x.clone(), zero, eye.clone(), eye, 1.0, prob);
        let mask = values(&out.clone().inner());
        let kept = mask.iter().filter(|&&value| value != 0.0).count() as f64 / mask.len() as f64;
        // Five standard deviations of 60,000 draws.
        assert!((kept - (1.0 - prob)).abs() < 0.01, "{kept} kept");
        assert!(mask.iter().all(|&v| v == 0.0 || (f64::from(v) - 1.0 / (1.0 - prob)).abs() < 1e-6));
        for lines in [mask.chunks(inputs).map(|row| row.to_vec()).collect::<Vec<_>>(), {
            (0..inputs).map(|column| mask.iter().skip(column).step_by(inputs).copied().collect()).collect()
        }] {
            for line in lines {
                let kept = line.iter().filter(|&&v| v != 0.0).count() as f64 / line.len() as f64;
                assert!((kept - 0.7).abs() < 0.2, "{kept} of a line");
            }
        }
        let grads = out.sum().backward();
        assert_eq!(values(&x.grad(&grads).expect("a gradient")), mask);
    }

    /// The gradients with dropout are those of a run whose input was dropped beforehand.
    #[test]
    fn gradients_with_dropout_are_the_slopes() {
        let sizes = [70, 30, 40, 4];
        let dropping: Op = |x, w, a, b, s, p| {
            let _drawing = seeded(11);
            lora_linear(x, w, a, b, s, p)
        };
        let [_, d_x, _, d_a, d_b] = run(dropping, sizes, DType::F32, 0.4);
        let [rows, inputs, outputs, rank] = sizes;
        let inputs_of = || {
            [random([rows, inputs], 1.0, 1), random([rank, inputs], 0.5, 3), random([outputs, rank], 0.5, 4)]
        };
        for (index, gradient) in [d_x, d_a, d_b].into_iter().enumerate() {
            let direction = random(gradient.dims(), 1.0, 7);
            let moved = |sign: f64| {
                let mut moved = inputs_of();
                moved[index] = moved[index].clone() + direction.clone() * (sign * 1e-2);
                let [x, a, b] = moved;
                let w = random([outputs, inputs], 0.3, 2);
                let out = dropping(x, w, a, b, 1.5, 0.4);
                (out * random([rows, outputs], 1.0, 99)).sum()
            };
            let slope = (moved(1.0) - moved(-1.0)) / 2e-2;
            assert_close("slope", &(gradient * direction).sum(), &slope, 2e-3);
        }
    }

    #[test]
    fn views_are_as_good_as_copies() {
        let [rows, inputs, outputs, rank] = [70, 40, 50, 8];
        let copy = |x: &Tensor<2>| Tensor::from_data(x.clone().into_data(), &device());
        let views = [[inputs, rows], [inputs, outputs], [inputs, rank], [rank, outputs]]
            .map(|shape| random(shape, 1.0, shape[0] as u64).transpose());
        for dtype in [DType::F32, DType::BF16] {
            let run = |inputs: [Tensor<2>; 4]| {
                let [x, w, a, b] = inputs;
                let tracked = |x: Tensor<2>| x.autodiff().require_grad();
                let [x, a, b] = [tracked(x), tracked(a), tracked(b)];
                let out = lora_linear(x.clone(), w.cast(dtype).autodiff(), a.clone(), b.clone(), 1.5, 0.0);
                let g = random([outputs, rows], 1.0, 99).transpose().autodiff();
                let grads = (out.clone() * g).sum().backward();
                let [x, a, b] = [x, a, b].map(|t| values(&t.grad(&grads).expect("a gradient")));
                [values(&out.inner()), x, a, b]
            };
            assert!(run(views.clone()) == run(views.each_ref().map(copy)), "{dtype:?}");
        }
    }

    #[test]
    fn a_seed_decides() {
        let [x, w] = [random([40, 50], 1.0, 1), random([30, 50], 1.0, 2)];
        let [a, b] = [random([4, 50], 1.0, 3), random([30, 4], 1.0, 4)];
        let run = |seed| {
            let _drawing = seeded(seed);
            let call = || values(&lora_linear(x.clone(), w.clone(), a.clone(), b.clone(), 1.0, 0.5));
            [call(), call()]
        };
        let [first, second] = run(1);
        assert!(first != second);
        assert!(run(1) == [first.clone(), second] && run(2)[0] != first);
    }
}
