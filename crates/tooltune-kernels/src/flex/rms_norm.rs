//! Fused root-mean-square norm and its gradient, on slices.
//!
//! For a row `x` of `n` elements, with `r = 1 / sqrt(Σx²/n + eps)`:
//!
//! ```text
//! y  = x·r·(1 + w)
//! dx = r·(dy·(1 + w) − x·r²/n·Σ dy·(1 + w)·x)
//! dw = Σ over rows of dy·x·r
//! ```
//!
//! Only `x` and `w` are needed for the gradient. The relative error of `y` is under 1e-6. The sum of `dw` runs over
//! blocks of rows of fixed size and then over the blocks in order, whatever the number of threads.

use rayon::prelude::*;

use super::parallel::{CHUNK, is_parallel};
use super::simd::{dot, fma, multiversion};

/// `1 / sqrt(Σx²/n + eps)`.
#[inline(always)]
fn inverse_rms<const FMA: bool>(x: &[f32], eps: f32) -> f32 {
    1.0 / (dot::<FMA>(x, x) / x.len() as f32 + eps).sqrt()
}

multiversion! {
    fn forward_rows<FMA>(x: &[f32], factors: &[f32], eps: f32, out: &mut [f32]) {
        let hidden = factors.len();
        for (x, y) in x.chunks_exact(hidden).zip(out.chunks_exact_mut(hidden)) {
            let r = inverse_rms::<FMA>(x, eps);
            for ((y, &x), &factor) in y.iter_mut().zip(x).zip(factors) {
                *y = x * r * factor;
            }
        }
    }
}

multiversion! {
    fn backward_rows<FMA>(x: &[f32], factors: &[f32], eps: f32, grad: &[f32], d_x: &mut [f32]) {
        let hidden = factors.len();
        let rows = x.chunks_exact(hidden).zip(grad.chunks_exact(hidden));
        for ((x, dy), dx) in rows.zip(d_x.chunks_exact_mut(hidden)) {
            let r = inverse_rms::<FMA>(x, eps);
            for ((dx, &dy), &factor) in dx.iter_mut().zip(dy).zip(factors) {
                *dx = dy * factor;
            }
            let projection = -r * r * dot::<FMA>(dx, x) / hidden as f32;
            for (dx, &x) in dx.iter_mut().zip(x) {
                *dx = r * fma::<FMA>(projection, x, *dx);
            }
        }
    }
}

multiversion! {
    fn weight_grad_rows<FMA>(x: &[f32], eps: f32, grad: &[f32], d_weight: &mut [f32]) {
        let hidden = d_weight.len();
        for (x, dy) in x.chunks_exact(hidden).zip(grad.chunks_exact(hidden)) {
            let r = inverse_rms::<FMA>(x, eps);
            for ((dw, &x), &dy) in d_weight.iter_mut().zip(x).zip(dy) {
                *dw = fma::<FMA>(dy * r, x, *dw);
            }
        }
    }
}

/// Elements of the whole rows that make one piece of work.
fn piece(hidden: usize) -> usize {
    CHUNK.div_ceil(hidden) * hidden
}

/// Writes the norm of each row of `x` to `out`. `factors` is `1 + weight`, one for each column.
pub(crate) fn forward(x: &[f32], factors: &[f32], eps: f32, out: &mut [f32]) {
    if !is_parallel(x.len()) {
        return forward_rows(x, factors, eps, out);
    }
    let piece = piece(factors.len());
    out.par_chunks_mut(piece)
        .zip(x.par_chunks(piece))
        .for_each(|(out, x)| forward_rows(x, factors, eps, out));
}

/// Writes the gradient with respect to `x`.
pub(crate) fn backward(x: &[f32], factors: &[f32], eps: f32, grad: &[f32], d_x: &mut [f32]) {
    if !is_parallel(x.len()) {
        return backward_rows(x, factors, eps, grad, d_x);
    }
    let piece = piece(factors.len());
    d_x.par_chunks_mut(piece)
        .zip(x.par_chunks(piece).zip(grad.par_chunks(piece)))
        .for_each(|(d_x, (x, grad))| backward_rows(x, factors, eps, grad, d_x));
}

/// The gradient with respect to the weight of `hidden` elements.
pub(crate) fn weight_grad(x: &[f32], hidden: usize, eps: f32, grad: &[f32]) -> Vec<f32> {
    let piece = piece(hidden);
    let partial = |(x, grad): (&[f32], &[f32])| {
        let mut d_weight = vec![0.0; hidden];
        weight_grad_rows(x, eps, grad, &mut d_weight);
        d_weight
    };
    let partials: Vec<Vec<f32>> = if is_parallel(x.len()) {
        x.par_chunks(piece).zip(grad.par_chunks(piece)).map(partial).collect()
    } else {
        x.chunks(piece).zip(grad.chunks(piece)).map(partial).collect()
    };
    let mut total = vec![0.0; hidden];
    for partial in &partials {
        total.iter_mut().zip(partial).for_each(|(total, x)| *total += x);
    }
    total
}
