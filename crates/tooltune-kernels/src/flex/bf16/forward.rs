//! `x Wᵀ`, computed as `W xᵀ`, transposed block by block.

use super::ahead::Next;
use super::isa::Isa;
use super::output::{Columns, Rows};
use super::source::{self, Source};
use super::stripe::{Scratch, Stripe, stripes};
use super::tile::{BLOCK, DEPTH, Panels, RowPanel, SIDE, Sums, Tile, scratch};
use super::{pack, pieces};
use crate::flex::parallel::for_each;
use crate::flex::simd::multiversion;

/// Activations of at most so many bytes stay in the second-level cache while the weight passes by.
const NEAR: usize = 1280 << 10;
/// Rows of the weight in a task, and elements of the sums in a piece, at most: for activations that stay near, and for more. These are read
/// again for every task, and so are the sums for every piece.
const NEAR_BLOCKING: (usize, usize) = (BLOCK, 4096);
const FAR_BLOCKING: (usize, usize) = (6 * BLOCK, 1280);

/// Writes all of `out`.
pub(super) fn forward(source: impl Source, isa: Isa, x: &[f32], out: Rows) {
    let [outputs, inputs] = source.dims();
    let panels = out.count().div_ceil(BLOCK) * (BLOCK / SIDE);
    let per_panel = inputs.div_ceil(DEPTH);
    let mut cols = vec![Tile::ZERO; panels * per_panel];
    for_each(x.len(), cols.chunks_mut(per_panel).collect(), |(): &mut (), panel, tiles| {
        pack::transposed_rows(x, inputs, panel * SIDE, tiles);
    });
    let (width, depth) = if size_of_val(&cols[..]) <= NEAR { NEAR_BLOCKING } else { FAR_BLOCKING };
    let task = |buffers: &mut Scratch, _, stripe: Stripe| {
        let (mut sums, tiles) = buffers.get(stripe.panels(), panels);
        // SAFETY: these columns belong to this task.
        let mut out = unsafe { out.columns(stripe.first, stripe.width) };
        isa.enter(|session| {
            for (start, len) in pieces(inputs, depth) {
                let last = start + len == inputs;
                let lying = |panel| source.in_place(stripe.first + panel * SIDE, start, len.div_ceil(DEPTH));
                let rows: Option<Vec<RowPanel>> = (0..stripe.panels()).map(lying).collect();
                let mut next = match rows {
                    Some(_) if last => Next::new(source, [stripe.first + stripe.width, 0], panels),
                    Some(_) => Next::new(source, [stripe.first, start + len], panels),
                    None => Next::NOTHING,
                };
                let len = len.div_ceil(DEPTH);
                let rows = rows.unwrap_or_else(|| {
                    let tiles = scratch(tiles, stripe.panels() * len);
                    source::pack_rows(source, [stripe.first, start], stripe.panels(), tiles);
                    tiles.chunks_exact(len).map(RowPanel::packed).collect()
                });
                let panel = |panel: usize| &cols[panel * per_panel + start / DEPTH..][..len];
                for left in (0..panels).step_by(2) {
                    for (top, rows) in rows.as_chunks().0.iter().enumerate() {
                        let panels = Panels::new(*rows, [panel(left), panel(left + 1)]);
                        session.multiply(panels, sums.block(top, left / 2), start > 0, next.share());
                    }
                    if last {
                        write_transposed(&sums, left, &mut out);
                    }
                }
            }
        });
    };
    for_each(x.len() * outputs / 8, stripes(outputs, width), task);
}

multiversion! {
    /// Writes two panels of rows, from panel `first` on: columns and rows of `sums`.
    fn write_transposed<FMA>(sums: &Sums, first: usize, out: &mut Columns) {
        let _ = FMA;
        for panel in first..first + BLOCK / SIDE {
            for column in (0..out.width()).step_by(BLOCK) {
                let left = sums.square(column / SIDE, panel).transposed();
                let right = sums.square(column / SIDE + 1, panel).transposed();
                for row in panel * SIDE..out.count().min((panel + 1) * SIDE) {
                    out.write(row, column, [&left.0[row % SIDE], &right.0[row % SIDE]]);
                }
            }
        }
    }
}
