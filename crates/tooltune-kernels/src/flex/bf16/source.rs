//! Weights that tiles are made of.

use super::tile::{DEPTH, RowPanel, SIDE, Tile};
use crate::flex::simd::{multiversion, prefetch_far};

/// Rows ahead of the present one of which the columns are asked for. Parts of rows are read, each in a page of its own: what the processor
/// foresees ends with the page.
const AHEAD_ROWS: usize = 64;

/// A weight, `[out, in]`, that gives its elements in bf16.
pub(in crate::flex) trait Source: Copy + Send + Sync {
    /// Rows and columns.
    fn dims(self) -> [usize; 2];

    /// The elements of row `row` from column `column` on, a multiple of [`DEPTH`]; zero beyond the last column. To be inlined: it is called
    /// in loops that are compiled for several instruction sets.
    ///
    /// # Panics
    /// If there is no such row or column.
    fn line(self, row: usize, column: usize) -> [u16; DEPTH];

    /// Where element (`row`, `column`) lies or would lie, and the bytes from a row to the next: for hints.
    fn address(&self, row: usize, column: usize) -> (*const u8, usize);

    /// `len` tiles of the 16 rows from `row` on, columns from `column` on, where they lie; `None` if they do not lie there as whole tiles.
    fn in_place(&self, row: usize, column: usize, len: usize) -> Option<RowPanel<'_>>;
}

multiversion! {
    /// Tiles of rows: panels of 16 rows, one after the other, from a row and a column on; zero beyond the edges.
    pub(super) fn pack_rows<FMA, S: Source>(
        source: S,
        from: [usize; 2],
        panels: usize,
        tiles: &mut [Tile],
    ) {
        let _ = FMA;
        let [row, column] = from;
        let [outputs, inputs] = source.dims();
        let len = tiles.len() / panels;
        let width = inputs.saturating_sub(column).min(len * DEPTH);
        for (panel, tiles) in tiles.chunks_exact_mut(len).enumerate() {
            let row = row + panel * SIDE;
            let height = outputs.saturating_sub(row).min(SIDE);
            if height < SIDE || width < len * DEPTH {
                tiles.fill(Tile::ZERO);
            }
            // Row by row, as they lie in memory.
            for index in 0..height {
                for (tile, start) in tiles.iter_mut().zip((column..column + width).step_by(DEPTH)) {
                    ask(source, row + index, start);
                    tile.0[index] = source.line(row + index, start);
                }
            }
        }
    }
}

multiversion! {
    /// Tiles of columns: panels of 16 columns, an even number of them, one after the other, from a row and a column on; zero beyond the edges.
    pub(super) fn pack_cols<FMA, S: Source>(
        source: S,
        from: [usize; 2],
        panels: usize,
        tiles: &mut [Tile],
    ) {
        let _ = FMA;
        let [row, column] = from;
        let [outputs, inputs] = source.dims();
        let len = tiles.len() / panels;
        let width = inputs.saturating_sub(column).min(panels * SIDE);
        let height = outputs.saturating_sub(row).min(len * DEPTH);
        if width < panels * SIDE || height < len * DEPTH {
            tiles.fill(Tile::ZERO);
        }
        for index in (0..height).step_by(2) {
            let (tile, pair) = (index / DEPTH, index % DEPTH / 2);
            // Two panels at a time.
            let slots = tiles.chunks_exact_mut(2 * len).zip((column..column + width).step_by(DEPTH));
            for (panels, start) in slots {
                ask(source, row + index, start);
                ask(source, row + index + 1, start);
                let even = source.line(row + index, start);
                let odd = if index + 1 < height { source.line(row + index + 1, start) } else { [0; DEPTH] };
                let (left, right) = panels.split_at_mut(len);
                interleave(&even[..SIDE], &odd[..SIDE], &mut left[tile].0[pair]);
                interleave(&even[SIDE..], &odd[SIDE..], &mut right[tile].0[pair]);
            }
        }
    }
}

/// Asks for what will be read some rows later.
#[inline(always)]
fn ask(source: impl Source, row: usize, column: usize) {
    let (start, stride) = source.address(row, column);
    prefetch_far(start, AHEAD_ROWS * stride);
}

/// `even[0], odd[0], even[1], …`
#[inline(always)]
fn interleave(even: &[u16], odd: &[u16], line: &mut [u16; DEPTH]) {
    for ((slot, &even), &odd) in line.as_chunks_mut().0.iter_mut().zip(even).zip(odd) {
        *slot = [even, odd];
    }
}
