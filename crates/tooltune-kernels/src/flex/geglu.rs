//! Fused `gelu(gate) · up` and its gradient, on slices.
//!
//! With `z = sqrt(2/π)·(g + 0.044715·g³)` and `s = sigmoid(2z)`:
//!
//! ```text
//! y  = g·s·u
//! du = dy·g·s
//! dg = dy·u·(s + g·s·(1 − s)·2z'),   2z' = 2·sqrt(2/π)·(1 + 3·0.044715·g²)
//! ```
//!
//! The relative error of `y` is under 1e-6; PyTorch's `0.5·g·(1 + tanh(z))` differs more for negative `g`, where
//! it cancels, by at most a few 1e-8 absolute. Only `g` and `u` are needed for the gradient.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::math::exp;
use super::parallel::{CHUNK, filled, is_parallel};
use super::simd::{fma, multiversion};

const SCALE: f32 = crate::geglu::SCALE as f32;
const CUBIC: f32 = crate::geglu::CUBIC as f32;
/// Keeps `sigmoid` out of the subnormal numbers, which are slow; beyond it `y` is under 1e-33 anyway.
const LIMIT: f32 = 80.0;

/// `exp(−2z)`: `sigmoid(2z)` is the reciprocal of one plus this.
#[inline(always)]
fn exp_neg_2z<const FMA: bool>(g: f32) -> f32 {
    let x = -SCALE * g * fma::<FMA>(CUBIC, g * g, 1.0);
    exp::<FMA>(if x > LIMIT { LIMIT } else { x })
}

multiversion! {
    fn forward_chunk<FMA>(gate: &[f32], up: &[f32], out: &mut [MaybeUninit<f32>]) {
        for ((y, &g), &u) in out.iter_mut().zip(gate).zip(up) {
            y.write(g * u / (1.0 + exp_neg_2z::<FMA>(g)));
        }
    }
}

multiversion! {
    fn backward_chunk<FMA>(gate: &[f32], up: &[f32], grad: &[f32], d_gate: &mut [MaybeUninit<f32>], d_up: &mut [MaybeUninit<f32>]) {
        let inputs = gate.iter().zip(up).zip(grad);
        for ((dg, du), ((&g, &u), &dy)) in d_gate.iter_mut().zip(d_up).zip(inputs) {
            let e = exp_neg_2z::<FMA>(g);
            let s = 1.0 / (1.0 + e);
            let slope = SCALE * fma::<FMA>(3.0 * CUBIC, g * g, 1.0);
            let gs = g * s;
            du.write(dy * gs);
            dg.write(dy * u * fma::<FMA>(gs * (e * s), slope, s));
        }
    }
}

/// `gelu(gate) · up`.
///
/// # Panics
/// If the lengths differ.
pub(crate) fn forward(gate: &[f32], up: &[f32]) -> Vec<f32> {
    assert_eq!(gate.len(), up.len());
    let fill = |out: &mut [MaybeUninit<f32>]| {
        if !is_parallel(out.len()) {
            return forward_chunk(gate, up, out);
        }
        out.par_chunks_mut(CHUNK)
            .zip(gate.par_chunks(CHUNK).zip(up.par_chunks(CHUNK)))
            .for_each(|(out, (gate, up))| forward_chunk(gate, up, out));
    };
    // SAFETY: all slices have the same length, so each output is written with its inputs.
    unsafe { filled(gate.len(), fill) }
}

/// The gradients with respect to `gate` and `up`.
///
/// # Panics
/// If the lengths differ.
pub(crate) fn backward(gate: &[f32], up: &[f32], grad: &[f32]) -> [Vec<f32>; 2] {
    assert!(gate.len() == up.len() && gate.len() == grad.len());
    let mut d_gate = Vec::new();
    let fill = |d_up: &mut [MaybeUninit<f32>]| {
        let fill = |d_gate: &mut [MaybeUninit<f32>]| {
            if !is_parallel(d_gate.len()) {
                return backward_chunk(gate, up, grad, d_gate, d_up);
            }
            let inputs = gate.par_chunks(CHUNK).zip(up.par_chunks(CHUNK)).zip(grad.par_chunks(CHUNK));
            d_gate
                .par_chunks_mut(CHUNK)
                .zip(d_up.par_chunks_mut(CHUNK))
                .zip(inputs)
                .for_each(|((dg, du), ((g, u), dy))| backward_chunk(g, u, dy, dg, du));
        };
        // SAFETY: as below.
        d_gate = unsafe { filled(gate.len(), fill) };
    };
    // SAFETY: all slices have the same length, so each pair of outputs is written with its inputs.
    let d_up = unsafe { filled(gate.len(), fill) };
    [d_gate, d_up]
}
