//! Products with weights of 8 bits, see [`crate::QuantizedWeight`].
//!
//! A few rows, as in decoding, take a path of their own, bound by the reading of the weights, with `f32` activations. For more rows the weight is
//! widened to bf16 tile by tile, and multiplied as weights in bf16 are.

mod few_rows;
mod pack;
mod quantize;
#[cfg(test)]
mod tests;

use super::bf16;
use super::bf16::Isa;
use crate::quantized::BLOCK;

pub(crate) use quantize::quantize_rows;

/// Up to so many rows take the path of [`few_rows`].
const FEW_ROWS: usize = 8;

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
        bf16::forward(self, isa, x)
    }

    /// `g W`: rows of `out` elements become rows of `in` elements.
    pub(crate) fn backward(self, isa: Isa, g: &[f32]) -> Vec<f32> {
        bf16::backward(self, isa, g)
    }
}
