//! The same with plain multiplications and additions in `f32`, compiled for several instruction sets.

use super::tile::{BLOCK, Block, Panels, SIDE};
use crate::flex::simd::{fma, multiversion};

/// Rows whose sums are held in registers at a time.
const ROWS: usize = 4;

multiversion! {
    /// Multiplies two panels by two.
    pub(super) fn multiply<FMA>(panels: Panels, sums: &mut Block, accumulate: bool) {
        for first in (0..BLOCK).step_by(ROWS) {
            for (side, cols) in panels.cols.iter().enumerate() {
                let mut acc = [[0.0f32; SIDE]; ROWS];
                for (tile, cols) in cols.iter().enumerate() {
                    for pair in 0..SIDE {
                        let mut wide = [[0.0f32; SIDE]; 2];
                        for (lane, [even, odd]) in cols.0[pair].as_chunks().0.iter().enumerate() {
                            (wide[0][lane], wide[1][lane]) = (widen(*even), widen(*odd));
                        }
                        for (index, acc) in acc.iter_mut().enumerate() {
                            let row = panels.rows[first / SIDE].row(tile, first % SIDE + index);
                            let (even, odd) = (widen(row[2 * pair]), widen(row[2 * pair + 1]));
                            for lane in 0..SIDE {
                                acc[lane] = fma::<FMA>(even, wide[0][lane], acc[lane]);
                                acc[lane] = fma::<FMA>(odd, wide[1][lane], acc[lane]);
                            }
                        }
                    }
                }
                let sums = &mut sums[first / SIDE * 2 + side].0[first % SIDE..][..ROWS];
                for (sum, acc) in sums.as_flattened_mut().iter_mut().zip(acc.as_flattened()) {
                    *sum = (if accumulate { f32::from_bits(*sum) + acc } else { *acc }).to_bits();
                }
            }
        }
    }
}

/// bf16 to `f32`: exact.
#[inline(always)]
pub(in crate::flex) fn widen(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// `f32` to bf16: to nearest, ties to even; NaN stays NaN.
#[inline(always)]
pub(in crate::flex) fn narrow(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    let chosen = if value.is_nan() { bits | 0x0040_0000 } else { rounded };
    (chosen >> 16) as u16
}
