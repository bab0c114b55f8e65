//! `x Wᵀ` for a few rows of `x`, in `f32`: each weight is read once, and that is what it costs.

use super::Weight;
use super::output::Rows;
use super::portable::widen;
use crate::flex::parallel::{filled, for_each};
use crate::flex::simd::{LANES, fma, fold, multiversion, prefetch};

/// Outputs that one task computes.
const OUTPUTS: usize = 64;
/// Outputs whose sums are held in registers at a time: they share the loads of `x`, and memory is read in as many places.
const TOGETHER: usize = 4;
/// How far ahead the weight is asked for.
const AHEAD_BYTES: usize = 1024;

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
        let mut groups = bits.chunks_exact(TOGETHER * inputs);
        for (group, bits) in (&mut groups).enumerate() {
            for (row, x) in x.chunks_exact(inputs).enumerate() {
                let sums = dots::<FMA, TOGETHER>(bits, x);
                out[row * count + group * TOGETHER..][..TOGETHER].copy_from_slice(&sums);
            }
        }
        let done = count / TOGETHER * TOGETHER;
        for (output, bits) in groups.remainder().chunks_exact(inputs).enumerate() {
            for (row, x) in x.chunks_exact(inputs).enumerate() {
                [out[row * count + done + output]] = dots::<FMA, 1>(bits, x);
            }
        }
    }
}

/// The products of `N` rows of the weight, which follow each other, with a row of `x`. Each sum is the same whatever `N` is.
#[inline(always)]
fn dots<const FMA: bool, const N: usize>(bits: &[u16], x: &[f32]) -> [f32; N] {
    let inputs = x.len();
    let mut lanes = [[0.0f32; LANES]; N];
    let (parts, rest) = x.as_chunks::<LANES>();
    for (index, x) in parts.iter().enumerate() {
        for (row, lanes) in lanes.iter_mut().enumerate() {
            let bits = &bits[row * inputs + index * LANES..][..LANES];
            prefetch(bits, AHEAD_BYTES);
            for (acc, (&bits, &x)) in lanes.iter_mut().zip(bits.iter().zip(x)) {
                *acc = fma::<FMA>(widen(bits), x, *acc);
            }
        }
    }
    let mut sums = [0.0; N];
    for (row, (sum, mut lanes)) in sums.iter_mut().zip(lanes).enumerate() {
        let bits = &bits[(row + 1) * inputs - rest.len()..];
        for (acc, (&bits, &x)) in lanes.iter_mut().zip(bits.iter().zip(rest)) {
            *acc = fma::<FMA>(widen(bits), x, *acc);
        }
        *sum = fold(lanes);
    }
    sums
}
