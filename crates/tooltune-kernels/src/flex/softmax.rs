//! Soft-capped softmax over rows of a block of scores, and its gradient, in place.
//!
//! The scores come divided by the cap, `x = scale·q·k / cap`; then with `t = tanh(x)`
//!
//! ```text
//! p  = exp(cap·t − max) / sum
//! ds = p·(dp − Σ p·dp)·(1 − t²)              (the gradient with respect to scale·q·k)
//! ```
//!
//! Without a cap `x = scale·q·k`, `p = exp(x − max) / sum` and the last factor is one. `max` and `1 / sum` are all
//! that is kept from forward to backward.

use super::math::{EXP_MIN, exp, tanh};
use super::simd::{LANES, dot, fma, fold, max, multiversion};
use super::spans::{Span, Visibility};

/// `max` and `1 / sum` of a row. A row that sees no key has an infinite `max` and `1 / keys`.
pub(crate) type RowStats = [f32; 2];

/// `exp(x)`, exactly zero where it would leave the normal numbers.
#[inline(always)]
fn exp_or_zero<const FMA: bool>(x: f32) -> f32 {
    let y = exp::<FMA>(x);
    if x < EXP_MIN { 0.0 } else { y }
}

/// A block of rows, and the keys that it needs: those that some row sees, or all if a row sees none, because such
/// a row averages over all.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a> {
    spans: &'a [Span],
    /// Mask bytes of all `keys` keys, row by row; empty when all spans are dense.
    masked: &'a [u8],
    keys: usize,
    /// First key.
    pub(crate) first: usize,
    /// Number of keys, and of scores in each row.
    pub(crate) width: usize,
    /// Zero for none.
    cap: f32,
}

impl<'a> Block<'a> {
    /// Rows `start..end` of one sequence.
    pub(crate) fn new(visible: &'a Visibility, batch: usize, start: usize, end: usize, cap: f32) -> Self {
        let (spans, masked) = visible.rows(batch, start, end);
        let keys = visible.keys();
        let (first, end) = if spans.iter().any(Span::is_empty) {
            (0, keys)
        } else {
            let first = spans.iter().map(|span| span.start).min();
            (first.unwrap_or(0), spans.iter().map(|span| span.end).max().unwrap_or(keys))
        };
        Self { spans, masked, keys, first, width: end - first, cap }
    }

    /// One past the last key.
    pub(crate) fn end(&self) -> usize {
        self.first + self.width
    }

    /// The columns that row `row` sees, and its mask bytes where that is not all of them.
    #[inline(always)]
    fn row(&self, row: usize) -> (usize, usize, &'a [u8]) {
        let span = self.spans[row];
        let masked = if span.dense { &[][..] } else { &self.masked[row * self.keys..][span.start..span.end] };
        (span.start - self.first, span.end - self.first, masked)
    }
}

multiversion! {
    /// Scores become probabilities.
    pub(crate) fn softmax<FMA>(block: Block, scores: &mut [f32], stats: &mut [RowStats]) {
        for (row, (x, stats)) in scores.chunks_exact_mut(block.width).zip(stats).enumerate() {
            if block.spans[row].is_empty() {
                *stats = [f32::INFINITY, 1.0 / block.keys as f32];
                x.fill(stats[1]);
                continue;
            }
            let (start, end, masked) = block.row(row);
            x[..start].fill(0.0);
            x[end..].fill(0.0);
            let x = &mut x[start..end];
            if block.cap > 0.0 {
                for x in x.iter_mut() {
                    *x = block.cap * tanh::<FMA>(*x);
                }
            }
            for (x, &m) in x.iter_mut().zip(masked) {
                *x = if m != 0 { f32::NEG_INFINITY } else { *x };
            }
            let max = max(x);
            let inverse = 1.0 / exp_and_sum::<FMA>(x, max);
            for x in x.iter_mut() {
                *x *= inverse;
            }
            *stats = [max, inverse];
        }
    }
}

/// `x` becomes `exp(x − max)`; returns the sum.
#[inline(always)]
fn exp_and_sum<const FMA: bool>(x: &mut [f32], max: f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let mut chunks = x.chunks_exact_mut(LANES);
    for chunk in &mut chunks {
        for (acc, x) in lanes.iter_mut().zip(chunk) {
            *x = exp_or_zero::<FMA>(*x - max);
            *acc += *x;
        }
    }
    for (acc, x) in lanes.iter_mut().zip(chunks.into_remainder()) {
        *x = exp_or_zero::<FMA>(*x - max);
        *acc += *x;
    }
    fold(lanes)
}

multiversion! {
    /// Scores become probabilities, as in the forward pass, and the gradients `grads` of the probabilities become
    /// those of the scores. `slopes` is scratch space for `width` numbers.
    pub(crate) fn softmax_grad<FMA>(
        block: Block,
        scores: &mut [f32],
        grads: &mut [f32],
        stats: &[RowStats],
        slopes: &mut [f32],
    ) {
        let rows = scores.chunks_exact_mut(block.width).zip(grads.chunks_exact_mut(block.width));
        for (row, ((x, g), &[max, inverse])) in rows.zip(stats).enumerate() {
            if block.spans[row].is_empty() {
                x.fill(inverse);
                g.fill(0.0);
                continue;
            }
            let (start, end, masked) = block.row(row);
            x[..start].fill(0.0);
            x[end..].fill(0.0);
            g[..start].fill(0.0);
            g[end..].fill(0.0);
            let (x, g) = (&mut x[start..end], &mut g[start..end]);
            let slopes = &mut slopes[..end - start];
            if block.cap > 0.0 {
                for (x, slope) in x.iter_mut().zip(slopes.iter_mut()) {
                    let t = tanh::<FMA>(*x);
                    *x = exp_or_zero::<FMA>(block.cap * t - max) * inverse;
                    *slope = *x * fma::<FMA>(-t, t, 1.0);
                }
            } else {
                for (x, slope) in x.iter_mut().zip(slopes.iter_mut()) {
                    *x = exp_or_zero::<FMA>(*x - max) * inverse;
                    *slope = *x;
                }
            }
            for ((x, slope), &m) in x.iter_mut().zip(slopes.iter_mut()).zip(masked) {
                *x = if m != 0 { 0.0 } else { *x };
                *slope = if m != 0 { 0.0 } else { *slope };
            }
            let delta = dot::<FMA>(x, g);
            for (g, slope) in g.iter_mut().zip(slopes) {
                *g = *slope * (*g - delta);
            }
        }
    }
}
