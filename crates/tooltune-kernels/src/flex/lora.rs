//! What a low-rank adapter adds to a product and to its gradients, in place.
//!
//! With `z = dropout(x)`, `low = z Aᵀ` and `h = scaling · g B`:
//!
//! ```text
//! out += scaling · low Bᵀ
//! dB   = scaling · gᵀ low
//! dA   = hᵀ z
//! dx  += dropout'(h A)
//! ```
//!
//! Rows are the unit of the first line, columns of the others: every task sums over all rows, in order, so that nothing depends on the
//! number of threads.

use super::dropout::Dropout;
use super::matrix::{Matrix, MatrixMut, SharedOutput, matmul};
use super::parallel::for_each;

/// Rows of one task, and of one product where tasks are columns.
const ROWS: usize = 64;
/// Columns of one task.
const COLUMNS: usize = 256;

/// The numbers of a call that are not tensors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoraParams {
    /// Factor of what the adapter adds.
    pub(crate) scaling: f32,
    /// On the input of A.
    pub(crate) dropout: Option<Dropout>,
}

impl LoraParams {
    /// `dropout` is a probability and a seed.
    pub(crate) fn new(scaling: f64, dropout: Option<(f64, u64)>) -> Self {
        let dropout = dropout.map(|(prob, seed)| Dropout::new(prob, seed));
        Self { scaling: scaling as f32, dropout }
    }
}

/// An adapter: A `[r, in]`, B `[out, r]`.
#[derive(Clone, Copy)]
pub(crate) struct Lora<'a> {
    pub(crate) a: &'a [f32],
    pub(crate) b: &'a [f32],
    pub(crate) rank: usize,
    pub(crate) params: LoraParams,
}

/// Gradients of A and B.
pub(crate) struct LoraGrads {
    pub(crate) a: Vec<f32>,
    pub(crate) b: Vec<f32>,
}

impl Lora<'_> {
    fn inputs(&self) -> usize {
        self.a.len() / self.rank
    }

    fn outputs(&self) -> usize {
        self.b.len() / self.rank
    }

    /// `Aᵀ`, `[in, r]`.
    fn a_transposed(&self) -> Matrix<'_> {
        Matrix::new(self.a, 0, [self.rank, self.inputs()], [self.inputs(), 1]).transposed()
    }

    /// Adds to `out`, `[rows, out]`; gives `low`, `[rows, r]`.
    ///
    /// # Panics
    /// If `x`, `[rows, in]`, or `out` have another size.
    pub(crate) fn forward(&self, x: &[f32], out: &mut [f32]) -> Vec<f32> {
        let (rank, inputs, outputs) = (self.rank, self.inputs(), self.outputs());
        let rows = x.len() / inputs;
        assert!(x.len() == rows * inputs && out.len() == rows * outputs);
        let mut low = vec![0.0; rows * rank];
        let items: Vec<_> = out.chunks_mut(ROWS * outputs).zip(low.chunks_mut(ROWS * rank)).collect();
        for_each(rows * rank * (inputs + outputs) / 8, items, |dropped: &mut Vec<f32>, index, (out, low)| {
            let count = low.len() / rank;
            let first = index * ROWS;
            let x = &x[first * inputs..][..count * inputs];
            let z = match &self.params.dropout {
                None => x,
                Some(dropout) => {
                    dropped.resize(count * inputs, 0.0);
                    let rows = x.chunks(inputs).zip(dropped.chunks_mut(inputs));
                    rows.enumerate().for_each(|(row, (x, z))| dropout.apply(first + row, 0, x, z));
                    dropped
                }
            };
            let z = Matrix::new(z, 0, [count, inputs], [inputs, 1]);
            matmul(&mut MatrixMut::filling(low, [count, rank]), false, z, self.a_transposed(), 1.0);
            let low = Matrix::new(low, 0, [count, rank], [rank, 1]);
            let b_transposed = Matrix::new(self.b, 0, [outputs, rank], [rank, 1]).transposed();
            matmul(
                &mut MatrixMut::filling(out, [count, outputs]),
                true,
                low,
                b_transposed,
                self.params.scaling,
            );
        });
        low
    }

    /// Adds to `d_x`, `[rows, in]`, where it is wanted.
    ///
    /// # Panics
    /// If the sizes are not those of [`forward`](Self::forward).
    pub(crate) fn backward(&self, x: &[f32], low: &[f32], g: &[f32], d_x: Option<&mut [f32]>) -> LoraGrads {
        let (rank, inputs, outputs) = (self.rank, self.inputs(), self.outputs());
        let rows = x.len() / inputs;
        assert!(low.len() == rows * rank && g.len() == rows * outputs);
        assert!(d_x.as_ref().is_none_or(|d_x| d_x.len() == x.len()));
        let work = rows * rank * (inputs + outputs) / 8;

        let mut d_low = vec![0.0; rows * rank];
        for_each(work, d_low.chunks_mut(ROWS * rank).collect(), |(): &mut (), index, d_low| {
            let count = d_low.len() / rank;
            let g = Matrix::new(g, index * ROWS * outputs, [count, outputs], [outputs, 1]);
            let b = Matrix::new(self.b, 0, [outputs, rank], [rank, 1]);
            matmul(&mut MatrixMut::filling(d_low, [count, rank]), false, g, b, self.params.scaling);
        });

        let mut d_b = vec![0.0; outputs * rank];
        for_each(work, d_b.chunks_mut(COLUMNS * rank).collect(), |(): &mut (), index, d_b| {
            let count = d_b.len() / rank;
            let g = Matrix::new(g, index * COLUMNS, [rows, count], [outputs, 1]).transposed();
            let low = Matrix::new(low, 0, [rows, rank], [rank, 1]);
            matmul(&mut MatrixMut::filling(d_b, [count, rank]), false, g, low, self.params.scaling);
        });

        let mut d_a = vec![0.0; rank * inputs];
        let wants_d_x = d_x.is_some();
        let (d_a_out, d_x_out) = (SharedOutput::new(&mut d_a), SharedOutput::new(d_x.unwrap_or_default()));
        let starts: Vec<usize> = (0..inputs).step_by(COLUMNS).collect();
        for_each(work, starts, |scratch: &mut Vec<f32>, _, start| {
            let width = COLUMNS.min(inputs - start);
            // SAFETY: these columns belong to this task.
            let mut d_a = unsafe { d_a_out.matrix(start, [rank, width], [inputs, 1]) };
            for first in (0..rows).step_by(COLUMNS) {
                let count = COLUMNS.min(rows - first);
                let d_low = Matrix::new(&d_low, first * rank, [count, rank], [rank, 1]);
                let a = Matrix::new(self.a, start, [rank, width], [inputs, 1]);
                let at = first * inputs + start;
                let Some(dropout) = &self.params.dropout else {
                    let x = Matrix::new(x, at, [count, width], [inputs, 1]);
                    matmul(&mut d_a, first > 0, d_low.transposed(), x, 1.0);
                    if wants_d_x {
                        // SAFETY: as above.
                        let mut d_x = unsafe { d_x_out.matrix(at, [count, width], [inputs, 1]) };
                        matmul(&mut d_x, true, d_low, a, 1.0);
                    }
                    continue;
                };
                scratch.resize(count * width, 0.0);
                for (row, z) in scratch.chunks_mut(width).enumerate() {
                    dropout.apply(first + row, start, &x[at + row * inputs..][..width], z);
                }
                let z = Matrix::new(scratch, 0, [count, width], [width, 1]);
                matmul(&mut d_a, first > 0, d_low.transposed(), z, 1.0);
                if wants_d_x {
                    matmul(&mut MatrixMut::filling(scratch, [count, width]), false, d_low, a, 1.0);
                    for (row, d_z) in scratch.chunks(width).enumerate() {
                        // SAFETY: as above.
                        let d_x = unsafe { d_x_out.slice(at + row * inputs, width) };
                        dropout.add(first + row, start, d_z, d_x);
                    }
                }
            }
        });
        LoraGrads { a: d_a, b: d_b }
    }
}
