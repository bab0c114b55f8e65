//! Random numbers that depend on their key alone, so that nothing about them needs to be stored.

/// SplitMix64 (Steele et al., 2014), seeded by a key.
#[derive(Clone, Debug)]
pub(crate) struct KeyedRandom(u64);

impl KeyedRandom {
    /// A stream of its own for each key.
    pub(crate) fn new(key: &[u64]) -> Self {
        let mut stream = Self(0);
        for part in key {
            stream.0 ^= part;
            stream.0 = stream.next();
        }
        stream
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Fisher–Yates.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            // The high half of the product: no division, and a bias below 2^-40 for any list that fits in memory.
            let pick = (u128::from(self.next()) * (last as u128 + 1)) >> 64;
            items.swap(last, pick as usize);
        }
    }
}
