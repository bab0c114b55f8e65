//! Fused rotate-half rotary embedding.
//!
//! ```text
//! out1 = x1·cos − x2·sin        out2 = x2·cos + x1·sin
//! ```
//!
//! The gradient is the rotation by the opposite angle. Rounding is that of the formula: an element errs by less than
//! 2e-7 of the length of its pair. The input may be strided; the result has its memory order
//! (`[batch, seq, heads, head_dim]` when heads were split from rows), so that merging the heads copies nothing.

use std::mem::MaybeUninit;

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::heads::{Heads, heads_view};
use super::parallel::{CHUNK, filled, is_parallel};
use super::simd::{fma, multiversion};
use super::tensor;

/// Rows of `x` and of the tables that belong together: where they begin, and the distance to the next.
#[derive(Clone, Copy)]
struct Rows<'a> {
    x: &'a [f32],
    x_stride: usize,
    cos: &'a [f32],
    sin: &'a [f32],
    table_stride: usize,
    half: usize,
}

multiversion! {
    fn rotate_rows<FMA>(rows: Rows, sign: f32, out: &mut [MaybeUninit<f32>]) {
        let half = rows.half;
        for (row, out) in out.chunks_exact_mut(2 * half).enumerate() {
            let (out1, out2) = out.split_at_mut(half);
            let (x1, x2) = rows.x[row * rows.x_stride..][..2 * half].split_at(half);
            let cos = &rows.cos[row * rows.table_stride..][..half];
            let sin = &rows.sin[row * rows.table_stride..][..half];
            for i in 0..half {
                let sin = sign * sin[i];
                out1[i].write(fma::<FMA>(x1[i], cos[i], -(x2[i] * sin)));
                out2[i].write(fma::<FMA>(x2[i], cos[i], x1[i] * sin));
            }
        }
    }
}

/// Rotates `x`, `[batch, heads, seq, dim]`, by the angles of the tables, `[batch or 1, seq, dim / 2]`, or by their
/// opposites if `inverse`.
pub(crate) fn rotate(x: &FlexTensor, cos: &FlexTensor, sin: &FlexTensor, inverse: bool) -> FlexTensor {
    let shape = x.layout().shape();
    let [batch, heads, seq, dim] = [shape[0], shape[1], shape[2], shape[3]];
    let x = Heads::new(x);
    let (cos, sin) = (cos.to_contiguous(), sin.to_contiguous());
    let (cos, sin): (&[f32], &[f32]) = (cos.storage(), sin.storage());
    let half = dim / 2;
    let table_batch = cos.len() / (seq * half);
    let [_, head_stride, row_stride] = x.strides();
    let by_position = head_stride < row_stride;
    let sign = if inverse { -1.0 } else { 1.0 };

    // One item is what lies together in memory: the heads of a position, or the positions of a head.
    let item = if by_position { heads * dim } else { seq * dim };
    let rotate_item = |(index, out): (usize, &mut [MaybeUninit<f32>])| {
        let (b, head, position) =
            if by_position { (index / seq, 0, index % seq) } else { (index / heads, index % heads, 0) };
        let table = ((b % table_batch) * seq + position) * half;
        let (x_stride, table_stride) = if by_position { (head_stride, 0) } else { (row_stride, half) };
        let (cos, sin) = (&cos[table..], &sin[table..]);
        let rows = Rows { x: x.from(b, head, position), x_stride, cos, sin, table_stride, half };
        rotate_rows(rows, sign, out);
    };
    let fill = |out: &mut [MaybeUninit<f32>]| {
        if is_parallel(out.len()) {
            out.par_chunks_mut(item).with_min_len(CHUNK.div_ceil(item)).enumerate().for_each(rotate_item);
        } else {
            out.chunks_mut(item).enumerate().for_each(rotate_item);
        }
    };
    // SAFETY: the items make up the whole output, an item is a whole number of rows, and `rotate_rows` writes both
    // halves of each.
    let out = unsafe { filled(batch * heads * seq * dim, fill) };
    if by_position {
        heads_view(out, [batch, heads, seq, dim])
    } else {
        tensor(out, [batch, heads, seq, dim])
    }
}
