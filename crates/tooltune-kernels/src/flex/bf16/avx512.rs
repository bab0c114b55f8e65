//! Vectors of 16 lanes and the dot product of bf16 pairs, `vdpbf16ps`.

use std::arch::x86_64::{
    __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_load_ps, _mm512_load_si512, _mm512_set1_epi32,
    _mm512_setzero_ps, _mm512_store_ps,
};

use super::tile::{BLOCK, Block, Panels, SIDE};

/// Rows whose sums are held in registers at a time, for both panels of columns.
const ROWS: usize = 8;

/// Whether the processor has the instructions.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16")
}

/// Multiplies two panels by two.
///
/// # Safety
/// The instructions must be available.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) unsafe fn multiply(panels: Panels, sums: &mut Block, accumulate: bool) {
    for first in (0..BLOCK).step_by(ROWS) {
        let panel = panels.rows[first / SIDE];
        let mut acc = [[_mm512_setzero_ps(); 2]; ROWS];
        // SAFETY: a row of a square is one aligned vector, a line of a tile is one
        // aligned vector of 16 pairs, and a panel of rows has as many tiles.
        unsafe {
            let mut row = |side: usize, row: usize| {
                sums[first / SIDE * 2 + side].0[first % SIDE + row].as_mut_ptr().cast::<f32>()
            };
            if accumulate {
                for (index, acc) in acc.iter_mut().enumerate() {
                    *acc = [_mm512_load_ps(row(0, index)), _mm512_load_ps(row(1, index))];
                }
            }
            let [line, step] = panel.strides();
            for (tile, (left, right)) in panels.cols[0].iter().zip(panels.cols[1]).enumerate() {
                let rows = panel.as_ptr().add(tile * step + first % SIDE * line);
                for pair in 0..SIDE {
                    let cols = [left, right].map(|tile| {
                        std::mem::transmute::<__m512i, __m512bh>(_mm512_load_si512(
                            tile.0[pair].as_ptr().cast(),
                        ))
                    });
                    for (index, acc) in acc.iter_mut().enumerate() {
                        let both = _mm512_set1_epi32(
                            rows.add(index * line + 2 * pair).cast::<i32>().read_unaligned(),
                        );
                        let both = std::mem::transmute::<__m512i, __m512bh>(both);
                        acc[0] = _mm512_dpbf16_ps(acc[0], both, cols[0]);
                        acc[1] = _mm512_dpbf16_ps(acc[1], both, cols[1]);
                    }
                }
            }
            for (index, acc) in acc.iter().enumerate() {
                _mm512_store_ps(row(0, index), acc[0]);
                _mm512_store_ps(row(1, index), acc[1]);
            }
        }
    }
}
