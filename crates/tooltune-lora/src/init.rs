//! The values that an adapter starts from.

use burn::tensor::{DType, Device, Tensor, TensorData};
use serde_json::{Value, json};

/// How A and B are drawn. B starts at zero, so that attaching changes nothing, except with [`Pissa`](Self::Pissa), which subtracts what it
/// starts from. On an embedding A starts at zero and B is drawn from a standard normal distribution, whatever is said here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InitLoraWeights {
    /// A uniform in ±1/√in, PEFT's default.
    #[default]
    Default,
    /// A from a normal distribution with standard deviation 1/r.
    Gaussian,
    /// The r largest singular values and vectors of the weight (Meng et al., 2024, PiSSA).
    ///
    /// PEFT takes them out of the base, which changes it; here the base stays as it is, the pair that training started from is subtracted
    /// in the forward pass, and both pairs are stored together, as an ordinary adapter of rank 2 r.
    Pissa,
}

impl InitLoraWeights {
    pub(crate) fn to_json(self) -> Value {
        match self {
            Self::Default => json!(true),
            Self::Gaussian => json!("gaussian"),
            Self::Pissa => json!("pissa"),
        }
    }
}

/// Random numbers that depend on a seed and a name alone: not on the device, nor on what else was drawn.
#[derive(Clone, Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    /// FNV-1a over the name, mixed with the seed.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        Self(name.bytes().fold(seed ^ 0xCBF2_9CE4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        }))
    }

    /// In [0, 1), by SplitMix64 (Steele et al., 2014).
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal (Box and Muller, 1958).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Uniform in ±`bound`.
    pub(crate) fn uniform_matrix(mut self, shape: [usize; 2], bound: f64, device: &Device) -> Tensor<2> {
        matrix(shape, device, || (2.0 * self.unit() - 1.0) * bound)
    }

    /// Normal with standard deviation `std`.
    pub(crate) fn normal_matrix(mut self, shape: [usize; 2], std: f64, device: &Device) -> Tensor<2> {
        matrix(shape, device, || self.normal() * std)
    }
}

fn matrix(shape: [usize; 2], device: &Device, mut draw: impl FnMut() -> f64) -> Tensor<2> {
    let values: Vec<f32> = (0..shape[0] * shape[1]).map(|_| draw() as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), (device, DType::F32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_draws_have_the_moments_of_a_normal_distribution() {
        let mut draw = Draw::new(7, "q_proj");
        let n = 20_000;
        let values: Vec<f64> = (0..n).map(|_| draw.normal()).collect();
        let moment = |power: i32| values.iter().map(|x| x.powi(power)).sum::<f64>() / f64::from(n);
        assert!(moment(1).abs() < 0.03, "{}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.05, "{}", moment(2));
        assert!((moment(4) - 3.0).abs() < 0.3, "{}", moment(4));
    }
}
