//! `x Wᵀ` for a few rows of `x`, in `f32`: each weight is read once, and that is what it costs.

use super::Weight;
use super::output::Rows;
use super::portable::widen;
use crate::flex::parallel::{filled, for_each};
use crate::flex::simd::{LANES, fma, fold, multiversion, prefetch};

/// Outputs that one task computes.
const OUTPUTS: usize = 64;
/// How far ahead the weight is asked for.
const AHEAD_BYTES: usize = 2048;

/// `rows × outputs` results.
pub(super) fn forward(weight: Weight, x: &[f32]) -> Vec<f32> {
    let Weight { bits, outputs, inputs } = weight;
    let rows = x.len() / inputs;
    let fill = |out: &mut [std::mem::MaybeUninit<f32>]| {
        let out = Rows::new(out, outputs);
        let tasks: Vec<&[u16]> = bits.chunks(OUTPUTS * inputs).collect();
        for_each(bits.len(), tasks, |sums: &mut Vec<f32>, index, bits| {
            let count = bits.len() / inputs;
            sums.resize(count * rows, 0.0);
            products(bits, x, inputs, sums);
            // SAFETY: the columns from `index · OUTPUTS` on belong to this task.
            unsafe { out.columns(index * OUTPUTS, count) }.write_all(sums);
        });
    };
    if rows == 0 {
        return Vec::new();
    }
    // SAFETY: the tasks are all outputs, and each writes its outputs of every row.
    unsafe { filled(rows * outputs, fill) }
}

multiversion! {
    /// All rows of `x` times all rows of the weight; `out` is `rows × outputs`.
    fn products<FMA>(bits: &[u16], x: &[f32], inputs: usize, out: &mut [f32]) {
        let count = bits.len() / inputs;
        for (output, bits) in bits.chunks_exact(inputs).enumerate() {
            for (row, x) in x.chunks_exact(inputs).enumerate() {
                out[row * count + output] = dot::<FMA>(bits, x);
            }
        }
    }
}

/// The product of a row of the weight with a row of `x` of the same length.
#[inline(always)]
fn dot<const FMA: bool>(bits: &[u16], x: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (mut bits, mut x) = (bits.chunks_exact(LANES), x.chunks_exact(LANES));
    for (bits, x) in (&mut bits).zip(&mut x) {
        prefetch(bits, AHEAD_BYTES);
        for (acc, (&bits, &x)) in lanes.iter_mut().zip(bits.iter().zip(x)) {
            *acc = fma::<FMA>(widen(bits), x, *acc);
        }
    }
    for (acc, (&bits, &x)) in lanes.iter_mut().zip(bits.remainder().iter().zip(x.remainder())) {
        *acc = fma::<FMA>(widen(bits), x, *acc);
    }
    fold(lanes)
}
