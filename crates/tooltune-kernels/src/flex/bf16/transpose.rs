//! Transposing 16 × 16 words.

use super::tile::SIDE;

/// A square of words, pairs of bf16 or `f32`, a cache line a row.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Square(pub(super) [[u32; SIDE]; SIDE]);

impl Square {
    /// All zero.
    pub(super) const ZERO: Self = Self([[0; SIDE]; SIDE]);

    /// Rows become columns.
    #[inline]
    pub(super) fn transposed(&self) -> Self {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: just found.
            return unsafe { avx512(self) };
        }
        let mut out = Self::ZERO;
        for (row, words) in self.0.iter().enumerate() {
            for (column, &word) in words.iter().enumerate() {
                out.0[column][row] = word;
            }
        }
        out
    }
}

/// Four rounds of exchanges: words, pairs, quarters, halves.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn avx512(square: &Square) -> Square {
    use std::arch::x86_64::{
        _mm512_load_si512, _mm512_setzero_si512, _mm512_shuffle_i32x4, _mm512_store_si512,
        _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
    };
    let mut rows = [_mm512_setzero_si512(); SIDE];
    for (vector, row) in rows.iter_mut().zip(&square.0) {
        // SAFETY: a row is one aligned vector.
        *vector = unsafe { _mm512_load_si512(row.as_ptr().cast()) };
    }
    // Within each quarter of 4 lanes, 4 × 4 words: afterwards vector 4i + j, quarter q, holds column 4q + j of rows 4i..4i + 4.
    let mut quarters = [_mm512_setzero_si512(); SIDE];
    for i in (0..SIDE).step_by(4) {
        let low =
            [_mm512_unpacklo_epi32(rows[i], rows[i + 1]), _mm512_unpacklo_epi32(rows[i + 2], rows[i + 3])];
        let high =
            [_mm512_unpackhi_epi32(rows[i], rows[i + 1]), _mm512_unpackhi_epi32(rows[i + 2], rows[i + 3])];
        quarters[i] = _mm512_unpacklo_epi64(low[0], low[1]);
        quarters[i + 1] = _mm512_unpackhi_epi64(low[0], low[1]);
        quarters[i + 2] = _mm512_unpacklo_epi64(high[0], high[1]);
        quarters[i + 3] = _mm512_unpackhi_epi64(high[0], high[1]);
    }
    // Then quarters between vectors 4 apart.
    let mut out = Square::ZERO;
    for j in 0..4 {
        let (a, b, c, d) = (quarters[j], quarters[4 + j], quarters[8 + j], quarters[12 + j]);
        let ab_even = _mm512_shuffle_i32x4::<0b10_00_10_00>(a, b);
        let ab_odd = _mm512_shuffle_i32x4::<0b11_01_11_01>(a, b);
        let cd_even = _mm512_shuffle_i32x4::<0b10_00_10_00>(c, d);
        let cd_odd = _mm512_shuffle_i32x4::<0b11_01_11_01>(c, d);
        let columns = [
            _mm512_shuffle_i32x4::<0b10_00_10_00>(ab_even, cd_even),
            _mm512_shuffle_i32x4::<0b10_00_10_00>(ab_odd, cd_odd),
            _mm512_shuffle_i32x4::<0b11_01_11_01>(ab_even, cd_even),
            _mm512_shuffle_i32x4::<0b11_01_11_01>(ab_odd, cd_odd),
        ];
        for (quarter, column) in columns.into_iter().enumerate() {
            // SAFETY: a row is one aligned vector.
            unsafe { _mm512_store_si512(out.0[4 * quarter + j].as_mut_ptr().cast(), column) };
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_columns() {
        let mut square = Square::ZERO;
        (0..SIDE * SIDE).for_each(|i| square.0[i / SIDE][i % SIDE] = i as u32);
        let transposed = square.transposed();
        assert!((0..SIDE * SIDE).all(|i| transposed.0[i % SIDE][i / SIDE] == i as u32));
    }
}
