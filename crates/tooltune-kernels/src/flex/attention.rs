//! Fused grouped-query attention, one block of query rows at a time.
//!
//! A block's scores are one small matrix product over only those keys that some row of the block sees, stay in
//! the cache through soft-cap, mask and softmax, and are dropped: nothing of size `q_len × k_len` is kept. The
//! backward pass computes them again from `q`, `k` and two numbers a row. So cost and memory follow what the mask
//! shows: a causal mask costs about half, packed documents cost their own lengths.
//!
//! Tensors may be strided. Results are laid out `[batch, len, heads, head_dim]` in memory and returned as views with
//! dimensions 1 and 2 swapped: merging the heads afterwards copies nothing.
//!
//! As in any softmax in `f32`, a probability errs by about 1e-7 times the largest score of its row; with scores up to ten
//! the result is within 2e-6 and the gradients are within 1e-5 of their largest value. Sources: Milakov & Gimelshein,
//! "Online normalizer calculation for softmax"; Dao et al., "FlashAttention", for computing the scores again.

use burn_flex::FlexTensor;

use super::heads::{Columns, Heads, heads_view};
use super::matrix::{Matrix, MatrixMut, SharedOutput, matmul};
use super::parallel::for_each;
use super::softmax::{Block, RowStats, softmax, softmax_grad};
use super::spans::Visibility;

/// The numbers of a call that are not tensors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scaling {
    /// Factor of `q·k`.
    pub(crate) scale: f32,
    /// Soft-cap; zero for none.
    pub(crate) cap: f32,
}

impl Scaling {
    /// Factor of `q·k` in the argument of `tanh`.
    fn factor(&self) -> f32 {
        if self.cap > 0.0 { self.scale / self.cap } else { self.scale }
    }
}

/// The sizes of a call.
#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    heads: usize,
    kv_heads: usize,
    q_len: usize,
    k_len: usize,
    dim: usize,
}

impl Sizes {
    fn new(q: &FlexTensor, k: &FlexTensor) -> Self {
        let (q, k) = (q.layout().shape(), k.layout().shape());
        Self { batch: q[0], heads: q[1], kv_heads: k[1], q_len: q[2], k_len: k[2], dim: q[3] }
    }

    /// Query rows of one block: few skip more of what the mask hides, many make better use of packed keys.
    fn block_rows(&self) -> usize {
        if self.k_len < 384 { 64 } else { 128 }
    }

    /// The cost of the products, in elements of a pass over memory.
    fn work(&self) -> usize {
        self.batch * self.heads * self.q_len * self.k_len * self.dim / 8
    }

    fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Where rows `start..` of a head begin in a `[batch, len, heads, dim]` buffer.
    fn offset(&self, batch: usize, heads: usize, head: usize, len: usize, row: usize) -> usize {
        ((batch * len + row) * heads + head) * self.dim
    }
}

/// Computes the result, `[batch, heads, q_len, dim]`, and [`RowStats`] of every row for [`backward`].
pub(crate) fn forward(
    [q, k, v]: [&FlexTensor; 3],
    mask: FlexTensor,
    scaling: Scaling,
) -> (FlexTensor, Vec<RowStats>) {
    let sizes = Sizes::new(q, k);
    let Sizes { batch, heads, q_len, k_len, dim, .. } = sizes;
    let visible = Visibility::new(mask, q_len, k_len);
    let [q, k, v] = [q, k, v].map(Heads::new);
    let keys = Columns::new(&k, q_len);
    let mut out = vec![0.0; batch * q_len * heads * dim];
    let mut stats = vec![[0.0; 2]; batch * heads * q_len];
    let output = SharedOutput::new(&mut out);
    let task = |scores: &mut Vec<f32>, index: usize, stats: &mut [RowStats]| {
        let (b, h) = (index / heads, index % heads);
        let kv = h / sizes.group();
        let mut start = 0;
        for stats in stats.chunks_mut(sizes.block_rows()) {
            let rows = stats.len();
            let block = Block::new(&visible, b, start, start + rows, scaling.cap);
            let (first, end, width) = (block.first, block.end(), block.width);
            let (queries, keys) = (q.matrix(b, h, start, start + rows), keys.matrix(b, kv, first, end));
            let scores = scratch(scores, rows * width);
            let mut product = MatrixMut::filling(scores, [rows, width]);
            matmul(&mut product, false, queries, keys, scaling.factor());
            softmax(block, scores, stats);
            let offset = sizes.offset(b, heads, h, q_len, start);
            // SAFETY: each pair of head and rows belongs to one turn of one task.
            let mut out = unsafe { output.matrix(offset, [rows, dim], [heads * dim, 1]) };
            let probabilities = Matrix::new(scores, 0, [rows, width], [width, 1]);
            matmul(&mut out, false, probabilities, v.matrix(b, kv, first, end), 1.0);
            start += rows;
        }
    };
    for_each(sizes.work(), stats.chunks_mut(q_len).collect(), task);
    (heads_view(out, [batch, heads, q_len, dim]), stats)
}

/// Computes the gradients with respect to `q`, `k` and `v` from what [`forward`] was given and returned, and the
/// gradient of its result.
pub(crate) fn backward(
    [q, k, v]: [&FlexTensor; 3],
    mask: FlexTensor,
    scaling: Scaling,
    stats: &[RowStats],
    grad: &FlexTensor,
) -> [FlexTensor; 3] {
    let sizes = Sizes::new(q, k);
    let Sizes { batch, heads, kv_heads, q_len, k_len, dim } = sizes;
    let visible = Visibility::new(mask, q_len, k_len);
    let [q, k, v, grad] = [q, k, v, grad].map(Heads::new);
    let (keys, values) = (Columns::new(&k, q_len), Columns::new(&v, q_len));
    let mut d_q = vec![0.0; batch * q_len * heads * dim];
    let mut d_k = vec![0.0; batch * k_len * kv_heads * dim];
    let mut d_v = vec![0.0; batch * k_len * kv_heads * dim];
    let [d_queries, d_keys, d_values] = [&mut d_q, &mut d_k, &mut d_v].map(|x| SharedOutput::new(x));
    // One task is a key/value head: it sums over the query heads and rows that share it, in order.
    let task = |[scores, grads, slopes]: &mut [Vec<f32>; 3], index: usize, ()| {
        let (b, kv) = (index / kv_heads, index % kv_heads);
        let heads_of_group = kv * sizes.group()..(kv + 1) * sizes.group();
        let starts = || (0..q_len).step_by(sizes.block_rows());
        for (h, start) in heads_of_group.flat_map(|h| starts().map(move |start| (h, start))) {
            let rows = sizes.block_rows().min(q_len - start);
            let block = Block::new(&visible, b, start, start + rows, scaling.cap);
            let (first, end, width) = (block.first, block.end(), block.width);
            let (queries, d_out) =
                (q.matrix(b, h, start, start + rows), grad.matrix(b, h, start, start + rows));
            let (scores, grads) = (scratch(scores, rows * width), scratch(grads, rows * width));
            let mut product = MatrixMut::filling(scores, [rows, width]);
            matmul(&mut product, false, queries, keys.matrix(b, kv, first, end), scaling.factor());
            let mut product = MatrixMut::filling(grads, [rows, width]);
            matmul(&mut product, false, d_out, values.matrix(b, kv, first, end), 1.0);

            let stats = &stats[(b * heads + h) * q_len + start..][..rows];
            softmax_grad(block, scores, grads, stats, scratch(slopes, width));

            let probabilities = Matrix::new(scores, 0, [rows, width], [width, 1]);
            let d_scores = Matrix::new(grads, 0, [rows, width], [width, 1]);
            let query = sizes.offset(b, heads, h, q_len, start);
            let key = sizes.offset(b, kv_heads, kv, k_len, first);
            // SAFETY: each pair of head and rows belongs to one turn of one task, and each key/value head to one
            // task.
            let (mut d_q, mut d_k, mut d_v) = unsafe {
                (
                    d_queries.matrix(query, [rows, dim], [heads * dim, 1]),
                    d_keys.matrix(key, [width, dim], [kv_heads * dim, 1]),
                    d_values.matrix(key, [width, dim], [kv_heads * dim, 1]),
                )
            };
            matmul(&mut d_q, false, d_scores, k.matrix(b, kv, first, end), scaling.scale);
            matmul(&mut d_k, true, d_scores.transposed(), queries, scaling.scale);
            matmul(&mut d_v, true, probabilities.transposed(), d_out, 1.0);
        }
    };
    for_each(sizes.work(), vec![(); batch * kv_heads], task);
    [
        heads_view(d_q, [batch, heads, q_len, dim]),
        heads_view(d_k, [batch, kv_heads, k_len, dim]),
        heads_view(d_v, [batch, kv_heads, k_len, dim]),
    ]
}

/// The first `len` elements of a buffer that grows as needed; what they hold is left over from before.
fn scratch(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}
