//! Random token ids, lengths and matrices.

use burn::tensor::{DType, Device, Tensor, TensorData, bf16};

/// SplitMix64 (Steele et al., 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + (self.next() % (high.saturating_sub(low) as u64 + 1)) as usize
    }

    /// `count` ids of a vocabulary, none of the first three, which are special.
    pub fn ids(&mut self, count: usize, vocab: usize) -> Vec<u32> {
        (0..count).map(|_| self.between(3, vocab - 1) as u32).collect()
    }

    /// A uniform matrix of mean 0 and standard deviation `std`, in bf16 or else in f32: billions of normal values would take minutes.
    pub fn matrix(&mut self, shape: [usize; 2], std: f64, dtype: DType, device: &Device) -> Tensor<2> {
        let step = 2.0 * std as f32 * 3f32.sqrt() / 65536.0;
        // Four values of 16 bits from one draw, centred.
        let value = |bits: u64, part: usize| (((bits >> (16 * part)) as u16) as f32 - 32767.5) * step;
        let data = match dtype {
            DType::BF16 => {
                TensorData::new(self.fill(shape, |bits, part| bf16::from_f32(value(bits, part))), shape)
            }
            _ => TensorData::new(self.fill(shape, value), shape),
        };
        Tensor::from_data(data, (device, dtype))
    }

    fn fill<T>(&mut self, [rows, columns]: [usize; 2], value: impl Fn(u64, usize) -> T) -> Vec<T> {
        let count = rows * columns;
        let mut out = Vec::with_capacity(count.next_multiple_of(4));
        while out.len() < count {
            let bits = self.next();
            out.extend((0..4).map(|part| value(bits, part)));
        }
        out.truncate(count);
        out
    }
}
