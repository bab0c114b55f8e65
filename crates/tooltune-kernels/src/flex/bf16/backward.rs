//! `g W`.

use super::isa::Isa;
use super::output::Rows;
use super::tile::{BLOCK, DEPTH, Panels, SIDE, Sums, Tile, scratch};
use super::{Weight, pack, pieces};
use crate::flex::parallel::for_each;

/// Columns of one task, at most: 512 bytes of each row of the weight, read one after the other.
const MAX_WIDTH: usize = 256;

/// What a thread keeps from block to block.
#[derive(Default)]
struct Scratch {
    tiles: Vec<Tile>,
    sums: Vec<f32>,
}

/// Writes all of `out`.
pub(super) fn backward(weight: Weight, isa: Isa, g: &[f32], out: Rows) {
    let panels = out.count().div_ceil(BLOCK) * (BLOCK / SIDE);
    let per_panel = weight.outputs.div_ceil(DEPTH);
    let mut rows = vec![Tile::ZERO; panels * per_panel];
    for_each(g.len(), rows.chunks_mut(per_panel).collect(), |(): &mut (), panel, tiles| {
        pack::rows(g, weight.outputs, panel * SIDE, tiles);
    });
    let block = |buffers: &mut Scratch, _, (first, valid): (usize, usize)| {
        let width = valid.next_multiple_of(BLOCK);
        buffers.sums.resize(panels * SIDE * width, 0.0);
        let mut sums = Sums::new(&mut buffers.sums, width);
        isa.enter(|session| {
            for (start, len) in pieces(weight.outputs) {
                let len = len.div_ceil(DEPTH);
                let tiles = scratch(&mut buffers.tiles, width / SIDE * len);
                pack::weight_cols(weight, first, start, width / SIDE, tiles);
                let cols: Vec<&[Tile]> = tiles.chunks(len).collect();
                let panel = |panel: usize| &rows[panel * per_panel + start / DEPTH..][..len];
                for top in (0..panels).step_by(2) {
                    for (left, cols) in cols.chunks(2).enumerate() {
                        let panels = Panels::new([panel(top), panel(top + 1)], [cols[0], cols[1]]);
                        session.multiply(panels, &mut sums, [top * SIDE, left * BLOCK], start > 0);
                    }
                }
            }
        });
        for (row, sums) in sums.values().chunks(width).take(out.count()).enumerate() {
            // SAFETY: the columns from `first` on belong to this task.
            unsafe { out.write(row, first, &sums[..valid]) };
        }
    };
    let stripes = stripes(weight.inputs, rayon::current_num_threads());
    for_each(g.len() * weight.inputs / 8, stripes, block);
}

/// First column and number of columns of each task: about the same number of blocks in each, and as many tasks for one thread as for another.
/// (No sum depends on where they begin.)
fn stripes(columns: usize, threads: usize) -> Vec<(usize, usize)> {
    let blocks = columns.div_ceil(BLOCK);
    let count = columns.div_ceil(MAX_WIDTH).next_multiple_of(threads).min(blocks);
    let start = |index: usize| (blocks * index / count * BLOCK).min(columns);
    (0..count).map(|index| (start(index), start(index + 1) - start(index))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripes_are_all_columns_and_alike() {
        for columns in [1, 31, 32, 33, 255, 257, 2048, 2304, 9216] {
            for threads in [1, 2, 3, 16] {
                let stripes = stripes(columns, threads);
                let end = stripes.iter().fold(0, |end, &(first, width)| {
                    assert!(first == end && width > 0 && width <= MAX_WIDTH && first.is_multiple_of(BLOCK));
                    first + width
                });
                assert_eq!(end, columns);
                let widths = || stripes.iter().map(|&(_, width)| width.div_ceil(BLOCK));
                assert!(widths().max() <= widths().min().map(|least| least + 1), "{columns}: {stripes:?}");
            }
        }
        assert_eq!(stripes(2304, 2).len(), 10);
    }
}
