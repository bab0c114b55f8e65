//! Arranging operands as tiles.

use super::Weight;
use super::portable::narrow;
use super::tile::{DEPTH, SIDE, Tile};
use crate::flex::simd::{multiversion, prefetch};

/// Tiles of rows from `first` on of a weight, inputs from `start` on; zero beyond its edges.
pub(super) fn weight_rows(weight: Weight, first: usize, start: usize, tiles: &mut [Tile]) {
    let rows = weight.outputs.saturating_sub(first).min(SIDE);
    for (index, tile) in tiles.iter_mut().enumerate() {
        let start = start + index * DEPTH;
        let width = weight.inputs.saturating_sub(start).min(DEPTH);
        let line = |row: usize, width: usize| &weight.bits[(first + row) * weight.inputs + start..][..width];
        if rows == SIDE && width == DEPTH {
            // A copy of known length is one load and one store, not a call.
            tile.0.iter_mut().enumerate().for_each(|(row, out)| out.copy_from_slice(line(row, DEPTH)));
            continue;
        }
        *tile = Tile::ZERO;
        for (row, out) in tile.0[..rows].iter_mut().enumerate() {
            out[..width].copy_from_slice(line(row, width));
        }
    }
}

multiversion! {
    /// Tiles of columns of a weight, `SIDE` columns from `first` on for each panel, outputs from `start` on; zero beyond
    /// its edges. `tiles` holds the panels one after the other.
    pub(super) fn weight_cols<FMA>(weight: Weight, first: usize, start: usize, panels: usize, tiles: &mut [Tile]) {
        let _ = FMA;
        let len = tiles.len() / panels;
        for index in 0..len {
            let start = start + index * DEPTH;
            let height = weight.outputs.saturating_sub(start).min(DEPTH);
            // All panels of some rows together: their lines follow each other in memory.
            for panel in 0..panels {
                let tile = &mut tiles[panel * len + index];
                let first = first + panel * SIDE;
                let width = weight.inputs.saturating_sub(first).min(SIDE);
                if height == DEPTH && width == SIDE {
                    for (pair, line) in tile.words_mut().iter_mut().enumerate() {
                        // The lines of the next tiles: those of two rows for every two panels.
                        ahead(weight, start + DEPTH + 2 * pair + panel % 2, first);
                        let row = |row: usize| &weight.bits[(start + row) * weight.inputs + first..][..SIDE];
                        for (word, (&even, &odd)) in line.iter_mut().zip(row(2 * pair).iter().zip(row(2 * pair + 1))) {
                            *word = pair_of(even, odd);
                        }
                    }
                    continue;
                }
                *tile = Tile::ZERO;
                for row in 0..if width == 0 { 0 } else { height } {
                    let source = &weight.bits[(start + row) * weight.inputs + first..][..width];
                    for (column, &bits) in source.iter().enumerate() {
                        tile.0[row / 2][2 * column + row % 2] = bits;
                    }
                }
            }
        }
    }
}

/// Asks for a line of the weight that will be needed soon.
#[inline(always)]
fn ahead(weight: Weight, row: usize, column: usize) {
    prefetch(weight.bits, (row * weight.inputs + column) * size_of::<u16>());
}

/// A word that lies in memory as `even`, then `odd`.
#[inline(always)]
fn pair_of(even: u16, odd: u16) -> u32 {
    let (low, high) = if cfg!(target_endian = "little") { (even, odd) } else { (odd, even) };
    u32::from(high) << 16 | u32::from(low)
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
