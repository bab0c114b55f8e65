//! Dropout without a mask: what is dropped follows from a seed and an element's row and column.

use super::simd::multiversion;

/// The dropout of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dropout {
    seed: u64,
    /// Elements whose hash is below are dropped.
    threshold: u32,
    /// What the others are multiplied by.
    factor: f32,
}

impl Dropout {
    /// Drops with probability `prob`, in `(0, 1)`.
    pub(crate) fn new(prob: f64, seed: u64) -> Self {
        let threshold = (prob * 2f64.powi(32)) as u32;
        Self { seed, threshold, factor: (1.0 / (1.0 - prob)) as f32 }
    }

    /// Writes the elements of row `row` from column `column` on.
    pub(crate) fn apply(&self, row: usize, column: usize, x: &[f32], out: &mut [f32]) {
        let [low, high] = self.row_seed(row);
        apply(low, high, column as u32, self.threshold, self.factor, x, out);
    }

    /// Adds what [`apply`](Self::apply) would write.
    pub(crate) fn add(&self, row: usize, column: usize, x: &[f32], out: &mut [f32]) {
        let [low, high] = self.row_seed(row);
        add(low, high, column as u32, self.threshold, self.factor, x, out);
    }

    /// Steele et al., 2014, "Fast splittable pseudorandom number generators": the finaliser of SplitMix64.
    fn row_seed(&self, row: usize) -> [u32; 2] {
        let mut z = self.seed.wrapping_add((row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        [z as u32, (z >> 32) as u32]
    }
}

/// A hash of 32 bits, mixed twice, with half of the seed at each turn: vector multiplications have 32 bits.
#[inline(always)]
fn hash(low: u32, high: u32, column: u32) -> u32 {
    let mut h = column.wrapping_mul(0x9e37_79b1).wrapping_add(low);
    h = (h ^ h >> 16).wrapping_mul(0x7feb_352d);
    h = (h ^ h >> 15 ^ high).wrapping_mul(0x846c_a68b);
    h ^ h >> 16
}

multiversion! {
    fn apply<FMA>(low: u32, high: u32, first: u32, threshold: u32, factor: f32, x: &[f32], out: &mut [f32]) {
        let _ = FMA;
        for (index, (out, &x)) in out.iter_mut().zip(x).enumerate() {
            let dropped = hash(low, high, first.wrapping_add(index as u32)) < threshold;
            *out = if dropped { 0.0 } else { x * factor };
        }
    }
}

multiversion! {
    fn add<FMA>(low: u32, high: u32, first: u32, threshold: u32, factor: f32, x: &[f32], out: &mut [f32]) {
        let _ = FMA;
        for (index, (out, &x)) in out.iter_mut().zip(x).enumerate() {
            let dropped = hash(low, high, first.wrapping_add(index as u32)) < threshold;
            *out += if dropped { 0.0 } else { x * factor };
        }
    }
}
