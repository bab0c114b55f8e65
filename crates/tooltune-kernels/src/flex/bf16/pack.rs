//! Arranging operands as tiles.

use super::Weight;
use super::portable::narrow;
use super::source::Source;
use super::tile::{DEPTH, RowPanel, SIDE, Tile};
use crate::flex::simd::multiversion;

impl Source for Weight<'_> {
    fn dims(self) -> [usize; 2] {
        [self.outputs, self.inputs]
    }

    #[inline(always)]
    fn line(self, row: usize, column: usize) -> [u16; DEPTH] {
        let rest = &self.bits[row * self.inputs + column..(row + 1) * self.inputs];
        // A copy of known length is one load and one store, not a call.
        if let Some(line) = rest.first_chunk() { *line } else { end_of_row(rest) }
    }

    #[inline(always)]
    fn address(&self, row: usize, column: usize) -> (*const u8, usize) {
        let start = self.bits.as_ptr().wrapping_add(row * self.inputs + column).cast();
        (start, self.inputs * size_of::<u16>())
    }

    fn in_place(&self, row: usize, column: usize, len: usize) -> Option<RowPanel<'_>> {
        (row + SIDE <= self.outputs && column + len * DEPTH <= self.inputs)
            .then(|| RowPanel::in_place(&self.bits[row * self.inputs + column..], self.inputs, len))
    }
}

/// Less than a line.
#[cold]
fn end_of_row(rest: &[u16]) -> [u16; DEPTH] {
    let mut line = [0; DEPTH];
    line[..rest.len()].copy_from_slice(rest);
    line
}

multiversion! {
    /// Tiles of the rows from `first` on of `x`, rows of `width` elements, rounded to bf16; zero beyond its edges.
    pub(super) fn rows<FMA>(x: &[f32], width: usize, first: usize, tiles: &mut [Tile]) {
        let _ = FMA;
        let rows = (x.len() / width).saturating_sub(first).min(SIDE);
        for (index, tile) in tiles.iter_mut().enumerate() {
            let start = index * DEPTH;
            let depth = width.saturating_sub(start).min(DEPTH);
            if rows < SIDE || depth < DEPTH {
                *tile = Tile::ZERO;
            }
            for (row, line) in tile.0[..rows].iter_mut().enumerate() {
                let source = &x[(first + row) * width + start..][..depth];
                for (slot, &value) in line.iter_mut().zip(source) {
                    *slot = narrow(value);
                }
            }
        }
    }
}

/// Tiles of columns that are the rows from `first` on of `x`, otherwise as [`rows`].
pub(super) fn transposed_rows(x: &[f32], width: usize, first: usize, tiles: &mut [Tile]) {
    rows(x, width, first, tiles);
    tiles.iter_mut().for_each(|tile| *tile = tile.with_pairs_transposed());
}
