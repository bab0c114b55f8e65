//! `x Wᵀ` for a few rows of `x`, in `f32`: each weight is read once, and that is what it costs.

use std::borrow::Cow;

use super::Weight;
use crate::flex::bf16::portable::widen;
use crate::flex::matrix::SharedOutput;
use crate::flex::parallel::for_each;
use crate::flex::simd::{fma, fold, multiversion, prefetch};
use crate::quantized::BLOCK;

/// Outputs that one task computes.
const OUTPUTS: usize = 64;
/// Outputs whose sums are held in registers at a time: they share the loads of `x`.
const PAIR: usize = 2;
/// Rows of `x` whose sums are held in registers at a time.
const MAX_ROWS: usize = 4;
/// Partial sums of an output: half a block.
const LANES: usize = BLOCK / 2;
/// How many blocks of a row are asked for ahead of their use. The processor waits for a quarter of the memory's speed if it is left to see
/// by itself what comes next, because the loop is too long for it to look far ahead.
const AHEAD: usize = 96;

/// `rows × outputs` results.
pub(super) fn forward(weight: Weight, x: &[f32]) -> Vec<f32> {
    let Weight { values, scales, outputs, inputs, blocks } = weight;
    let (rows, width) = (x.len() / inputs, blocks * BLOCK);
    let x = padded(x, inputs, width);
    let mut out = vec![0.0; rows * outputs];
    let shared = SharedOutput::new(&mut out);
    let tasks: Vec<_> = values.chunks(OUTPUTS * width).zip(scales.chunks(OUTPUTS * blocks)).collect();
    for_each(values.len(), tasks, |sums: &mut Vec<f32>, index, (values, scales)| {
        let count = scales.len() / blocks;
        for (group, x) in x.chunks(MAX_ROWS * width).enumerate() {
            sums.resize(count * (x.len() / width), 0.0);
            products(values, scales, x, blocks, sums);
            for (row, sums) in sums.chunks_exact(count).enumerate() {
                let start = (group * MAX_ROWS + row) * outputs + index * OUTPUTS;
                // SAFETY: these outputs of each row belong to this task.
                unsafe { shared.slice(start, count) }.copy_from_slice(sums);
            }
        }
    });
    out
}

/// Rows of `inputs` elements with zeros up to `width`.
fn padded(x: &[f32], inputs: usize, width: usize) -> Cow<'_, [f32]> {
    if inputs == width {
        return Cow::Borrowed(x);
    }
    let mut out = vec![0.0; x.len() / inputs * width];
    for (out, x) in out.chunks_exact_mut(width).zip(x.chunks_exact(inputs)) {
        out[..inputs].copy_from_slice(x);
    }
    Cow::Owned(out)
}

multiversion! {
    /// All rows of `x`, at most [`MAX_ROWS`], times all rows of the weight; `out` is `rows × outputs`.
    fn products<FMA>(values: &[i8], scales: &[u16], x: &[f32], blocks: usize, out: &mut [f32]) {
        generic_products::<FMA>(values, scales, x, blocks, out);
    }
}

/// What [`products`] compiles for several instruction sets.
#[inline(always)]
pub(super) fn generic_products<const FMA: bool>(
    values: &[i8],
    scales: &[u16],
    x: &[f32],
    blocks: usize,
    out: &mut [f32],
) {
    match x.len() / (blocks * BLOCK) {
        1 => for_rows::<FMA, 1>(values, scales, x, blocks, out),
        2 => for_rows::<FMA, 2>(values, scales, x, blocks, out),
        3 => for_rows::<FMA, 3>(values, scales, x, blocks, out),
        _ => for_rows::<FMA, MAX_ROWS>(values, scales, x, blocks, out),
    }
}

#[inline(always)]
fn for_rows<const FMA: bool, const R: usize>(
    values: &[i8],
    scales: &[u16],
    x: &[f32],
    blocks: usize,
    out: &mut [f32],
) {
    let count = scales.len() / blocks;
    let x: [&[[f32; BLOCK]]; R] = std::array::from_fn(|row| {
        let width = blocks * BLOCK;
        x[row * width..][..width].as_chunks().0
    });
    let even = count - count % PAIR;
    for first in (0..even).step_by(PAIR) {
        let sums = sums::<FMA, PAIR, R>(values, scales, x, blocks, first);
        for (row, sums) in sums.iter().enumerate() {
            out[row * count + first..][..PAIR].copy_from_slice(sums);
        }
    }
    for first in even..count {
        let sums = sums::<FMA, 1, R>(values, scales, x, blocks, first);
        for (row, [sum]) in sums.iter().enumerate() {
            out[row * count + first] = *sum;
        }
    }
}

/// The products of `O` rows of the weight from `first` on with `R` rows.
#[inline(always)]
fn sums<const FMA: bool, const O: usize, const R: usize>(
    values: &[i8],
    scales: &[u16],
    x: [&[[f32; BLOCK]]; R],
    blocks: usize,
    first: usize,
) -> [[f32; O]; R] {
    let start = |output: usize| (first + output) * blocks * BLOCK;
    let rows: [&[[i8; BLOCK]]; O] =
        std::array::from_fn(|output| values[start(output)..][..blocks * BLOCK].as_chunks().0);
    let scales: [&[u16]; O] = std::array::from_fn(|output| &scales[(first + output) * blocks..][..blocks]);
    let ahead = AHEAD.min(blocks);
    let mut acc = [[[0.0f32; LANES]; O]; R];
    for block in 0..blocks {
        // After the end of a row, the same row of the next outputs.
        let skipped = if block + ahead < blocks { 0 } else { (O - 1) * blocks * BLOCK };
        for output in 0..O {
            // Two blocks are a cache line.
            if block % 2 == 0 {
                // An element is a byte.
                prefetch(values, start(output) + (block + ahead) * BLOCK + skipped);
            }
            let (low, high) = halves(&rows[output][block]);
            let scale = widen(scales[output][block]);
            for row in 0..R {
                let x = &x[row][block];
                let mut part = [0.0; LANES];
                for lane in 0..LANES {
                    part[lane] = low[lane] * x[lane];
                }
                for lane in 0..LANES {
                    part[lane] = fma::<FMA>(high[lane], x[LANES + lane], part[lane]);
                }
                for lane in 0..LANES {
                    acc[row][output][lane] = fma::<FMA>(scale, part[lane], acc[row][output][lane]);
                }
            }
        }
    }
    acc.map(|row| row.map(fold))
}

/// The values of a block as numbers.
#[inline(always)]
fn halves(values: &[i8; BLOCK]) -> ([f32; LANES], [f32; LANES]) {
    let (mut low, mut high) = ([0.0; LANES], [0.0; LANES]);
    for lane in 0..LANES {
        low[lane] = f32::from(values[lane]);
    }
    for lane in 0..LANES {
        high[lane] = f32::from(values[LANES + lane]);
    }
    (low, high)
}
