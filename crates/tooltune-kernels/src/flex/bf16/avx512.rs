//! Vectors of 16 lanes and the dot product of bf16 pairs, `vdpbf16ps`.

use std::arch::x86_64::{
    __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_load_si512, _mm512_loadu_ps, _mm512_set1_epi32,
    _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::tile::{BLOCK, Panels, SIDE};

/// Rows whose sums are held in registers at a time, for both panels of columns.
const ROWS: usize = 8;

/// Whether the processor has the instructions.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16")
}

/// Multiplies two panels by two.
///
/// # Safety
/// `sums` must be valid for 32 rows of 32 elements, `stride` elements apart, and the instructions available.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) unsafe fn multiply(panels: Panels, sums: *mut f32, stride: usize, accumulate: bool) {
    for first in (0..BLOCK).step_by(ROWS) {
        let panel = panels.rows[first / SIDE];
        let mut acc = [[_mm512_setzero_ps(); 2]; ROWS];
        // SAFETY: the rows from `first` on, each of two vectors, lie inside of the block; a line of a tile is one
        // aligned vector of 16 pairs.
        unsafe {
            let row = |row: usize| sums.add((first + row) * stride);
            if accumulate {
                for (index, acc) in acc.iter_mut().enumerate() {
                    *acc = [_mm512_loadu_ps(row(index)), _mm512_loadu_ps(row(index).add(SIDE))];
                }
            }
            for ((rows, left), right) in panel.iter().zip(panels.cols[0]).zip(panels.cols[1]) {
                let pairs = rows.0.as_ptr().cast::<i32>().add(first % SIDE * SIDE);
                for pair in 0..SIDE {
                    let cols = [left, right].map(|tile| {
                        std::mem::transmute::<__m512i, __m512bh>(_mm512_load_si512(
                            tile.0[pair].as_ptr().cast(),
                        ))
                    });
                    for (index, acc) in acc.iter_mut().enumerate() {
                        let both = _mm512_set1_epi32(pairs.add(index * SIDE + pair).read());
                        let both = std::mem::transmute::<__m512i, __m512bh>(both);
                        acc[0] = _mm512_dpbf16_ps(acc[0], both, cols[0]);
                        acc[1] = _mm512_dpbf16_ps(acc[1], both, cols[1]);
                    }
                }
            }
            for (index, acc) in acc.iter().enumerate() {
                _mm512_storeu_ps(row(index), acc[0]);
                _mm512_storeu_ps(row(index).add(SIDE), acc[1]);
            }
        }
    }
}
