//! Products with weights that stay in bf16: half the memory of f32, and instructions that are several times faster.
//!
//! A weight is read as a checkpoint stores it, `[out, in]`, row by row, and is never widened or copied as a whole. Forward its whole tiles are read
//! where they lie; backward, blocks of it are arranged on the way into the second-level cache, once for each block of up to 1024 rows of activations: a
//! cost that these rows share. The other operand is rounded to bf16 (to nearest, ties to even), sums are `f32`. A few rows, as in
//! decoding, take a path of their own, bound by the reading of the weights, with `f32` activations.
//!
//! The unit of all work is the tile: 16 rows by 32 of the summed dimension, 1 KiB, which is what the matrix
//! extension (AMX) works on and what suits vectors of 16 lanes as well. A product is `rows · cols`: tiles of *rows* hold 16
//! rows of 32 consecutive elements, tiles of *cols* 16 columns with the summed dimension in pairs,
//!
//! ```text
//! rows[r][k]              r < 16, k < 32
//! cols[k / 2][c][k % 2]   c < 16, k < 32
//! ```
//!
//! and what is left over is filled with zeros. The two directions differ in which operand plays which part, so that one copy of the
//! weight serves both:
//!
//! ```text
//! forward    yᵀ = W · xᵀ     rows: W as it lies, cols: x transposed;  summed over in
//! backward   dx = g · W      rows: g as it lies, cols: W in pairs of rows;  summed over out
//! ```
//!
//! The order of every sum depends on the sizes and the instruction set alone, not on the number of threads.

mod ahead;
#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod backward;
mod few_rows;
mod forward;
mod isa;
mod output;
mod pack;
pub(super) mod portable;
pub(super) mod source;
mod stripe;
#[cfg(test)]
mod tests;
pub(super) mod tile;
mod transpose;

pub(crate) use isa::Isa;
use source::Source;

/// Rows of activations that share one arrangement of the weight.
const MAX_ROWS: usize = 1024;
/// Up to so many rows take the path of [`few_rows`].
const FEW_ROWS: usize = 4;

/// A bf16 matrix in row-major order: a weight, `[out, in]`.
#[derive(Clone, Copy)]
pub(crate) struct Weight<'a> {
    bits: &'a [u16],
    outputs: usize,
    inputs: usize,
}

impl<'a> Weight<'a> {
    /// A weight of `bits.len() / inputs` rows.
    ///
    /// # Panics
    /// If there are no elements or they are not a whole number of rows.
    pub(crate) fn new(bits: &'a [u16], inputs: usize) -> Self {
        assert!(!bits.is_empty() && inputs > 0 && bits.len().is_multiple_of(inputs), "weight: no whole rows");
        Self { bits, outputs: bits.len() / inputs, inputs }
    }

    /// `x Wᵀ`: rows of `in` elements become rows of `out` elements.
    pub(crate) fn forward(self, isa: Isa, x: &[f32]) -> Vec<f32> {
        assert!(x.len().is_multiple_of(self.inputs), "forward: x is not a whole number of rows");
        if x.len() / self.inputs <= FEW_ROWS {
            return few_rows::forward(self, x);
        }
        forward(self, isa, x)
    }

    /// `g W`: rows of `out` elements become rows of `in` elements.
    pub(crate) fn backward(self, isa: Isa, g: &[f32]) -> Vec<f32> {
        backward(self, isa, g)
    }
}

/// `x Wᵀ` with tiles of the weight.
pub(super) fn forward(source: impl Source, isa: Isa, x: &[f32]) -> Vec<f32> {
    let [outputs, inputs] = source.dims();
    assert!(x.len().is_multiple_of(inputs), "forward: x is not a whole number of rows");
    blocks(x, [inputs, outputs], |x, out| forward::forward(source, isa, x, out))
}

/// `g W` with tiles of the weight.
pub(super) fn backward(source: impl Source, isa: Isa, g: &[f32]) -> Vec<f32> {
    let [outputs, inputs] = source.dims();
    assert!(g.len().is_multiple_of(outputs), "backward: g is not a whole number of rows");
    blocks(g, [outputs, inputs], |g, out| backward::backward(source, isa, g, out))
}

/// Computes rows of `to` elements from rows of `from` elements, `MAX_ROWS` of them at a time.
fn blocks(x: &[f32], [from, to]: [usize; 2], compute: impl Fn(&[f32], output::Rows)) -> Vec<f32> {
    let fill = |out: &mut [std::mem::MaybeUninit<f32>]| {
        for (x, out) in x.chunks(MAX_ROWS * from).zip(out.chunks_mut(MAX_ROWS * to)) {
            compute(x, output::Rows::new(out, to));
        }
    };
    // SAFETY: `forward` and `backward` write all of each block, and the blocks are all of the output.
    unsafe { super::parallel::filled(x.len() / from * to, fill) }
}

/// The pieces of a summed dimension of `depth` elements, at most about `most` in each: starts and lengths; all but the last are whole tiles.
fn pieces(depth: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = depth.div_ceil(most);
    let step = depth.div_ceil(count).next_multiple_of(tile::DEPTH);
    (0..depth).step_by(step).map(move |start| (start, step.min(depth - start)))
}
