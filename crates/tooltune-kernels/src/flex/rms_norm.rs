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

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::parallel::{CHUNK, filled, is_parallel};
use super::simd::{LANES, dot, fma, fold, multiversion};

/// `1 / sqrt(Σx²/n + eps)`.
#[inline(always)]
fn inverse_rms<const FMA: bool>(x: &[f32], eps: f32) -> f32 {
    1.0 / (dot::<FMA>(x, x) / x.len() as f32 + eps).sqrt()
}

/// `Σ a·b·c` over slices of the same length.
#[inline(always)]
fn dot3<const FMA: bool>(a: &[f32], b: &[f32], c: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let whole = a.len() - a.len() % LANES;
    let ((a, a_tail), (b, b_tail), (c, c_tail)) = (a.split_at(whole), b.split_at(whole), c.split_at(whole));
    let mut add = |a: &[f32], b: &[f32], c: &[f32]| {
        for (acc, ((&a, &b), &c)) in lanes.iter_mut().zip(a.iter().zip(b).zip(c)) {
            *acc = fma::<FMA>(a * b, c, *acc);
        }
    };
    for ((a, b), c) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)).zip(c.chunks_exact(LANES)) {
        add(a, b, c);
    }
    add(a_tail, b_tail, c_tail);
    fold(lanes)
}

multiversion! {
    fn forward_rows<FMA>(x: &[f32], factors: &[f32], eps: f32, out: &mut [MaybeUninit<f32>]) {
        let hidden = factors.len();
        for (x, y) in x.chunks_exact(hidden).zip(out.chunks_exact_mut(hidden)) {
            let r = inverse_rms::<FMA>(x, eps);
            for ((y, &x), &factor) in y.iter_mut().zip(x).zip(factors) {
                y.write(x * r * factor);
            }
        }
    }
}

multiversion! {
    fn backward_rows<FMA>(x: &[f32], factors: &[f32], eps: f32, grad: &[f32], d_x: &mut [MaybeUninit<f32>]) {
        let hidden = factors.len();
        let rows = x.chunks_exact(hidden).zip(grad.chunks_exact(hidden));
        for ((x, dy), dx) in rows.zip(d_x.chunks_exact_mut(hidden)) {
            let r = inverse_rms::<FMA>(x, eps);
            let projection = -r * r * dot3::<FMA>(dy, factors, x) / hidden as f32;
            for (((dx, &x), &dy), &factor) in dx.iter_mut().zip(x).zip(dy).zip(factors) {
                dx.write(r * fma::<FMA>(projection, x, dy * factor));
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

/// The norm of each row of `x`. `factors` is `1 + weight`, one for each column.
///
/// # Panics
/// If `x` is not a whole number of rows.
pub(crate) fn forward(x: &[f32], factors: &[f32], eps: f32) -> Vec<f32> {
    assert!(x.len().is_multiple_of(factors.len()));
    let piece = piece(factors.len());
    let fill = |out: &mut [MaybeUninit<f32>]| {
        if !is_parallel(x.len()) {
            return forward_rows(x, factors, eps, out);
        }
        out.par_chunks_mut(piece)
            .zip(x.par_chunks(piece))
            .for_each(|(out, x)| forward_rows(x, factors, eps, out));
    };
    // SAFETY: input and output have the same length, a whole number of rows, so each row is written.
    unsafe { filled(x.len(), fill) }
}

/// The gradient with respect to `x`.
///
/// # Panics
/// If `x` is not a whole number of rows or `grad` not as many.
pub(crate) fn backward(x: &[f32], factors: &[f32], eps: f32, grad: &[f32]) -> Vec<f32> {
    assert!(x.len().is_multiple_of(factors.len()) && x.len() == grad.len());
    let piece = piece(factors.len());
    let fill = |d_x: &mut [MaybeUninit<f32>]| {
        if !is_parallel(x.len()) {
            return backward_rows(x, factors, eps, grad, d_x);
        }
        d_x.par_chunks_mut(piece)
            .zip(x.par_chunks(piece).zip(grad.par_chunks(piece)))
            .for_each(|(d_x, (x, grad))| backward_rows(x, factors, eps, grad, d_x));
    };
    // SAFETY: as in `forward`.
    unsafe { filled(x.len(), fill) }
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
