//! `[batch, heads, len, dim]` tensors, however they lie in memory.

use std::ops::Range;

use burn_flex::{FlexTensor, Layout};

use super::matrix::Matrix;
use super::parallel::for_each;
use super::tensor;

/// Rows and columns that are transposed together, so that both sides stay in the cache.
const TILE: usize = 16;

/// From how many rows of the other factor on, transposing a factor once is cheaper than on the way into every
/// product.
const COPY_FROM: usize = 16;

/// A `[batch, heads, len, dim]` tensor whose rows have contiguous elements.
pub(crate) struct Heads {
    tensor: FlexTensor,
    offset: usize,
    /// Strides of batch, heads and len.
    strides: [usize; 3],
    dim: usize,
}

impl Heads {
    /// A view of `tensor`, or of a copy if its rows are not contiguous.
    pub(crate) fn new(tensor: &FlexTensor) -> Self {
        let plain = |layout: &Layout| layout.strides()[3] == 1 && layout.strides().iter().all(|&s| s >= 0);
        let tensor = if plain(tensor.layout()) { tensor.clone() } else { tensor.to_contiguous() };
        let layout = tensor.layout();
        let strides = [0, 1, 2].map(|dim| layout.strides()[dim] as usize);
        let (offset, dim) = (layout.start_offset(), layout.shape()[3]);
        Self { tensor, offset, strides, dim }
    }

    /// Strides of batch, heads and len.
    pub(crate) fn strides(&self) -> [usize; 3] {
        self.strides
    }

    /// All elements of the storage from row `row` of one head on.
    pub(crate) fn from(&self, batch: usize, head: usize, row: usize) -> &[f32] {
        &self.tensor.storage()[self.offset(batch, head, row)..]
    }

    /// Rows `start..end` of one head.
    pub(crate) fn matrix(&self, batch: usize, head: usize, start: usize, end: usize) -> Matrix<'_> {
        let offset = self.offset(batch, head, start);
        Matrix::new(self.tensor.storage(), offset, [end - start, self.dim], [self.strides[2], 1])
    }

    fn transposed(&self) -> Transposed {
        let shape = self.tensor.layout().shape();
        let (heads, len, dim) = (shape[1], shape[2], self.dim);
        let mut values = vec![0.0; shape[0] * heads * len * dim];
        let work = values.len();
        for_each(work, values.chunks_mut(len * dim).collect(), |(): &mut (), index, out| {
            let source = self.from(index / heads, index % heads, 0);
            let stride = self.strides[2];
            for rows in tiles(len) {
                for columns in tiles(dim) {
                    for row in rows.clone() {
                        let source = &source[row * stride..][columns.clone()];
                        for (column, &value) in columns.clone().zip(source) {
                            out[column * len + row] = value;
                        }
                    }
                }
            }
        });
        Transposed { values, heads, len }
    }

    fn offset(&self, batch: usize, head: usize, row: usize) -> usize {
        self.offset + batch * self.strides[0] + head * self.strides[1] + row * self.strides[2]
    }
}

fn tiles(len: usize) -> impl Iterator<Item = Range<usize>> {
    (0..len).step_by(TILE).map(move |start| start..len.min(start + TILE))
}

/// A `[batch, heads, dim, len]` copy.
struct Transposed {
    values: Vec<f32>,
    heads: usize,
    len: usize,
}

/// The heads of a tensor as `[dim, len]` matrices.
pub(crate) struct Columns<'a> {
    heads: &'a Heads,
    copy: Option<Transposed>,
}

impl<'a> Columns<'a> {
    /// Of `heads`, copied if they take part in products with at least [`COPY_FROM`] rows.
    pub(crate) fn new(heads: &'a Heads, rows: usize) -> Self {
        Self { heads, copy: (rows >= COPY_FROM).then(|| heads.transposed()) }
    }

    /// Columns `start..end` of one head.
    pub(crate) fn matrix(&self, batch: usize, head: usize, start: usize, end: usize) -> Matrix<'_> {
        let Some(Transposed { values, heads, len }) = &self.copy else {
            return self.heads.matrix(batch, head, start, end).transposed();
        };
        let dim = self.heads.dim;
        let offset = (batch * heads + head) * dim * len + start;
        Matrix::new(values, offset, [dim, end - start], [*len, 1])
    }
}

/// `[batch, len, heads, dim]` values as a `[batch, heads, len, dim]` tensor.
pub(crate) fn heads_view(values: Vec<f32>, [batch, heads, len, dim]: [usize; 4]) -> FlexTensor {
    tensor(values, [batch, len, heads, dim]).transpose(1, 2)
}
