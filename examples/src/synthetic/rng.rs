//! A small keyed random generator (SplitMix64), so that the data never changes with a dependency.

use std::ops::RangeInclusive;

/// A stream of random numbers for one example of one named stream.
///
/// Example `index` of a stream depends on nothing but `(seed, stream, index)`: not on how many examples were drawn
/// before it, nor in which order.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// The generator of example `index` of `stream`.
    pub fn keyed(seed: u64, stream: &str, index: u64) -> Self {
        let mut rng = Self(seed ^ fnv1a(stream).rotate_left(17) ^ index.wrapping_mul(0xd134_2543_de82_ef95));
        // Neighbouring indices differ in few bits; two rounds spread them over the state.
        rng.0 = rng.next_u64();
        rng.0 ^= rng.next_u64();
        rng
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A uniform index below `len` (0 when `len` is 0).
    pub fn below(&mut self, len: usize) -> usize {
        // Multiply-shift: the bias is below 2^-32 for the small ranges used here.
        (((self.next_u64() >> 32) * len as u64) >> 32) as usize
    }

    /// A uniform integer of an inclusive range.
    pub fn range(&mut self, range: RangeInclusive<i64>) -> i64 {
        let span = (range.end() - range.start() + 1).max(1) as usize;
        range.start() + self.below(span) as i64
    }

    /// A uniform count of an inclusive range.
    pub fn count(&mut self, range: RangeInclusive<usize>) -> usize {
        range.start() + self.below(range.end().saturating_sub(*range.start()) + 1)
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        ((self.next_u64() >> 11) as f64) < p * (1u64 << 53) as f64
    }

    /// One element of a slice that is not empty.
    ///
    /// # Panics
    /// When `items` is empty.
    pub fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len())]
    }

    /// A reference to one element of a slice that is not empty.
    ///
    /// # Panics
    /// When `items` is empty.
    pub fn one<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// An index drawn with the given weights.
    pub fn weighted(&mut self, weights: &[u32]) -> usize {
        let total: u32 = weights.iter().sum();
        let mut point = self.below(total as usize) as u32;
        for (index, weight) in weights.iter().enumerate() {
            if point < *weight {
                return index;
            }
            point -= weight;
        }
        0
    }

    /// Fisher–Yates shuffle.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// 64-bit FNV-1a, the fixed hash behind streams and held-out sets.
pub(crate) fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_keyed_and_independent() {
        let draw = |stream: &str, index| Rng::keyed(7, stream, index).next_u64();
        assert_eq!(draw("a", 3), draw("a", 3));
        assert_ne!(draw("a", 3), draw("a", 4));
        assert_ne!(draw("a", 3), draw("b", 3));
    }

    #[test]
    fn ranges_are_covered() {
        let mut rng = Rng::keyed(1, "range", 0);
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[(rng.range(-2..=2) + 2) as usize] = true;
            assert!(rng.weighted(&[0, 3, 0]) == 1);
        }
        assert_eq!(seen, [true; 5]);
    }
}
