//! Making weights of 8 bits.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::flex::parallel::for_each;
use crate::flex::simd::multiversion;
use crate::quantized::{BLOCK, WORDS, quantize_row};

/// Rows that one task quantizes.
const ROWS: usize = 16;

/// Quantizes rows of `inputs` elements. False when an element cannot be represented.
pub(crate) fn quantize_rows(x: &[f32], inputs: usize, words: &mut [i32], scales: &mut [f32]) -> bool {
    let blocks = inputs.div_ceil(BLOCK);
    let tasks: Vec<_> = x
        .chunks(ROWS * inputs)
        .zip(words.chunks_mut(ROWS * blocks * WORDS))
        .zip(scales.chunks_mut(ROWS * blocks))
        .collect();
    let is_good = AtomicBool::new(true);
    for_each(x.len(), tasks, |(): &mut (), _, ((x, words), scales)| {
        if !quantize_some(x, inputs, words, scales) {
            is_good.store(false, Ordering::Relaxed);
        }
    });
    is_good.into_inner()
}

multiversion! {
    fn quantize_some<FMA>(x: &[f32], inputs: usize, words: &mut [i32], scales: &mut [f32]) -> bool {
        let _ = FMA;
        let blocks = inputs.div_ceil(BLOCK);
        let rows = x.chunks(inputs).zip(words.chunks_mut(blocks * WORDS)).zip(scales.chunks_mut(blocks));
        rows.fold(true, |all, ((x, words), scales)| all & quantize_row(x, words, scales))
    }
}
