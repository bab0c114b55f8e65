//! `g W`.

use super::ahead::Ahead;
use super::isa::Isa;
use super::output::{Columns, Rows};
use super::source::{self, Source};
use super::stripe::{Scratch, Stripe, stripes};
use super::tile::{BLOCK, DEPTH, Panels, RowPanel, SIDE, Sums, Tile, scratch};
use super::{pack, pieces};
use crate::flex::parallel::for_each;
use crate::flex::simd::multiversion;

/// Columns of the weight in a task, at most: 1 KiB of each row, read one after the other.
const WIDTH: usize = 16 * BLOCK;
/// Elements of the sums in a piece, at most: as many rows of the weight are arranged at a time.
const DEPTH_OF_PIECE: usize = 320;

/// Writes all of `out`.
pub(super) fn backward(source: impl Source, isa: Isa, g: &[f32], out: Rows) {
    let [outputs, inputs] = source.dims();
    let panels = out.count().div_ceil(BLOCK) * (BLOCK / SIDE);
    let per_panel = outputs.div_ceil(DEPTH);
    let mut rows = vec![Tile::ZERO; panels * per_panel];
    for_each(g.len(), rows.chunks_mut(per_panel).collect(), |(): &mut (), panel, tiles| {
        pack::rows(g, outputs, panel * SIDE, tiles);
    });
    let task = |buffers: &mut Scratch, _, stripe: Stripe| {
        let (mut sums, tiles) = buffers.get(panels, stripe.panels());
        isa.enter(|session| {
            for (start, len) in pieces(outputs, DEPTH_OF_PIECE) {
                let len = len.div_ceil(DEPTH);
                let tiles = scratch(tiles, stripe.panels() * len);
                source::pack_cols(source, [start, stripe.first], stripe.panels(), tiles);
                let panel =
                    |panel: usize| RowPanel::packed(&rows[panel * per_panel + start / DEPTH..][..len]);
                for top in (0..panels).step_by(2) {
                    for (left, cols) in tiles.chunks_exact(2 * len).enumerate() {
                        let panels = Panels::new([panel(top), panel(top + 1)], [&cols[..len], &cols[len..]]);
                        // What comes next is asked for when it is arranged: that takes no longer, and this less.
                        session.multiply(panels, sums.block(top / 2, left), start > 0, Ahead::NOTHING);
                    }
                }
            }
        });
        // SAFETY: these columns belong to this task.
        write(&sums, &mut unsafe { out.columns(stripe.first, stripe.width) });
    };
    for_each(g.len() * inputs / 8, stripes(inputs, WIDTH), task);
}

multiversion! {
    /// Writes all rows of `sums`.
    fn write<FMA>(sums: &Sums, out: &mut Columns) {
        let _ = FMA;
        for row in 0..out.count() {
            for column in (0..out.width()).step_by(BLOCK) {
                let left = sums.square(row / SIDE, column / SIDE);
                let right = sums.square(row / SIDE, column / SIDE + 1);
                out.write(row, column, [&left.0[row % SIDE], &right.0[row % SIDE]]);
            }
        }
    }
}
