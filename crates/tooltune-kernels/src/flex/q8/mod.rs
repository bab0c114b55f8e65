//! Products with weights of 8 bits, see [`crate::QuantizedWeight`].
//!
//! A few rows, as in decoding, take a path of their own, bound by the reading of the weights, with `f32` activations. For more rows some
//! rows of the weight at a time are widened to bf16, small enough to stay in the caches, and multiplied as weights in bf16 are: that cost
//! is shared by the rows.

mod few_rows;
mod quantize;
#[cfg(test)]
mod tests;

use super::bf16;
use super::bf16::Isa;
use super::bf16::portable::{narrow, widen};
use super::parallel::for_each;
use super::simd::multiversion;
use crate::quantized::BLOCK;

pub(crate) use quantize::quantize_rows;

/// Up to so many rows take the path of [`few_rows`].
const FEW_ROWS: usize = 8;
/// Elements of the weight that are widened at a time: 8 MiB in bf16. Smaller parts would stay in nearer caches, but each costs a start.
const WIDENED: usize = 4 << 20;
/// Rows of the weight that one task widens.
const ROWS: usize = 8;

/// A weight, `[out, in]`, in blocks along each row.
#[derive(Clone, Copy)]
pub(crate) struct Weight<'a> {
    values: &'a [i8],
    scales: &'a [u16],
    outputs: usize,
    inputs: usize,
    blocks: usize,
}

impl<'a> Weight<'a> {
    /// A weight of `inputs` columns. Each row is a whole number of blocks in `values`, zero after the last column, and has the bf16 scales
    /// of these blocks in `scales`.
    ///
    /// # Panics
    /// If there are no elements, or the slices do not fit together.
    pub(crate) fn new(values: &'a [i8], scales: &'a [u16], inputs: usize) -> Self {
        let blocks = inputs.div_ceil(BLOCK);
        assert!(
            !scales.is_empty() && blocks > 0 && scales.len().is_multiple_of(blocks),
            "weight: no whole rows"
        );
        assert!(values.len() == scales.len() * BLOCK, "weight: values and scales do not fit together");
        Self { values, scales, outputs: scales.len() / blocks, inputs, blocks }
    }

    /// Number of rows.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// `x Wᵀ`: rows of `in` elements become rows of `out` elements.
    pub(crate) fn forward(self, isa: Isa, x: &[f32]) -> Vec<f32> {
        assert!(x.len().is_multiple_of(self.inputs), "forward: x is not a whole number of rows");
        let rows = x.len() / self.inputs;
        if rows <= FEW_ROWS {
            return few_rows::forward(self, x);
        }
        let mut out = vec![0.0; rows * self.outputs];
        self.for_each_part(|first, count, part| {
            let part = part.forward(isa, x);
            for (out, part) in out.chunks_exact_mut(self.outputs).zip(part.chunks_exact(count)) {
                out[first..first + count].copy_from_slice(part);
            }
        });
        out
    }

    /// `g W`: rows of `out` elements become rows of `in` elements.
    pub(crate) fn backward(self, isa: Isa, g: &[f32]) -> Vec<f32> {
        assert!(g.len().is_multiple_of(self.outputs), "backward: g is not a whole number of rows");
        let mut sum = vec![0.0; g.len() / self.outputs * self.inputs];
        let mut columns = Vec::new();
        self.for_each_part(|first, count, part| {
            columns.clear();
            g.chunks_exact(self.outputs).for_each(|g| columns.extend_from_slice(&g[first..first + count]));
            let part = part.backward(isa, &columns);
            sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        });
        sum
    }

    /// Calls `f` with the number of the first of some rows of the weight, how many they are, and these rows in bf16, until all had their
    /// turn.
    fn for_each_part(self, mut f: impl FnMut(usize, usize, bf16::Weight)) {
        let count = (WIDENED / self.inputs).clamp(1, self.outputs);
        let mut bits = Vec::new();
        for first in (0..self.outputs).step_by(count) {
            let count = count.min(self.outputs - first);
            bits.resize(count * self.inputs, 0);
            let tasks: Vec<&mut [u16]> = bits.chunks_mut(ROWS * self.inputs).collect();
            for_each(count * self.inputs, tasks, |(): &mut (), index, bits| {
                let first = first + index * ROWS;
                for (row, bits) in bits.chunks_exact_mut(self.inputs).enumerate() {
                    let (values, scales) = self.row(first + row);
                    narrowed(values, scales, bits);
                }
            });
            f(first, count, bf16::Weight::new(&bits, self.inputs));
        }
    }

    /// Values and scales of a row.
    fn row(&self, index: usize) -> (&'a [i8], &'a [u16]) {
        let width = self.blocks * BLOCK;
        (&self.values[index * width..][..width], &self.scales[index * self.blocks..][..self.blocks])
    }
}

multiversion! {
    /// Widens a row and rounds it to bf16.
    fn narrowed<FMA>(values: &[i8], scales: &[u16], bits: &mut [u16]) {
        let _ = FMA;
        let blocks = values.as_chunks::<BLOCK>().0.iter().zip(scales);
        for ((values, &scale), bits) in blocks.zip(bits.chunks_mut(BLOCK)) {
            let scale = widen(scale);
            let mut block = [0; BLOCK];
            for (slot, &value) in block.iter_mut().zip(values) {
                *slot = narrow(f32::from(value) * scale);
            }
            bits.copy_from_slice(&block[..bits.len()]);
        }
    }
}
