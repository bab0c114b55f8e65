//! From logits to a token.

use serde::{Deserialize, Serialize};

use crate::Error;

/// How the next token is chosen. The default is greedy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplingConfig {
    /// Divides the logits; 0 is greedy.
    pub temperature: f64,
    /// Keeps the `top_k` most likely tokens.
    pub top_k: Option<usize>,
    /// Keeps the smallest set of tokens whose probability reaches `top_p` (Holtzman et al., 2020).
    pub top_p: Option<f64>,
    /// Seed of the draws; the draw of a token depends on the seed, the row and the step alone.
    pub seed: u64,
}

impl Default for SamplingConfig {
    fn default() -> Self {
        Self { temperature: 0.0, top_k: None, top_p: None, seed: 0 }
    }
}

impl SamplingConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] names the field that is out of range.
    pub fn validate(&self) -> Result<(), Error> {
        let invalid = |field, rule| Err(Error::InvalidConfig { field, rule });
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return invalid("temperature", "must be finite and not negative");
        }
        if self.top_k == Some(0) {
            return invalid("top_k", "must be at least 1");
        }
        if self.top_p.is_some_and(|p| !(p > 0.0 && p <= 1.0)) {
            return invalid("top_p", "must be in (0, 1]");
        }
        Ok(())
    }
}

/// Chooses tokens as a [`SamplingConfig`] says.
#[derive(Clone, Debug)]
pub struct Sampler {
    config: SamplingConfig,
}

impl Sampler {
    /// Validates `config`.
    ///
    /// # Errors
    /// As [`SamplingConfig::validate`].
    pub fn new(config: SamplingConfig) -> Result<Self, Error> {
        config.validate()?;
        Ok(Self { config })
    }

    /// Chooses the token of `row` at `step` from its logits.
    ///
    /// # Errors
    /// [`Error::NonFiniteLogits`] when a logit is NaN or the largest is not a finite number.
    pub fn sample(&self, logits: &[f32], row: usize, step: usize) -> Result<u32, Error> {
        let best = argmax(logits);
        // A single logit may be -inf; NaN anywhere, or an infinite maximum, means that the model is broken.
        let broken = logits.iter().any(|logit| logit.is_nan());
        if broken || !logits.get(best).is_some_and(|logit| logit.is_finite()) {
            return Err(Error::NonFiniteLogits { row, step });
        }
        let chosen =
            if self.config.temperature == 0.0 { best } else { self.draw(logits, logits[best], row, step) };
        Ok(u32::try_from(chosen).unwrap_or(u32::MAX))
    }

    fn draw(&self, logits: &[f32], max: f32, row: usize, step: usize) -> usize {
        let weight = |logit: f32| (f64::from(logit - max) / self.config.temperature).exp();
        let mut candidates: Vec<(usize, f64)> =
            logits.iter().map(|&logit| weight(logit)).enumerate().collect();
        // A stable order makes ties, and with them the draw, reproducible.
        candidates.sort_by(|a, b| b.1.total_cmp(&a.1));
        candidates.truncate(self.config.top_k.unwrap_or(usize::MAX));
        let total: f64 = candidates.iter().map(|c| c.1).sum();
        if let Some(top_p) = self.config.top_p {
            let mut sum = 0.0;
            let kept = candidates.iter().take_while(|c| {
                let before = sum;
                sum += c.1;
                before < top_p * total
            });
            let kept = kept.count().max(1);
            candidates.truncate(kept);
        }
        let total: f64 = candidates.iter().map(|c| c.1).sum();
        let mut left = unit_random(self.config.seed, row as u64, step as u64) * total;
        for &(token, weight) in &candidates {
            left -= weight;
            if left < 0.0 {
                return token;
            }
        }
        candidates.last().map_or(0, |c| c.0)
    }
}

fn argmax(logits: &[f32]) -> usize {
    let mut best = 0;
    for (token, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = token;
        }
    }
    best
}

/// A number in [0, 1) that depends on its key alone (SplitMix64, Steele et al., 2014).
fn unit_random(seed: u64, row: u64, step: u64) -> f64 {
    let mut state = seed;
    for part in [row, step, 0] {
        state = state.wrapping_add(part).wrapping_add(0x9E37_79B9_7F4A_7C15);
        state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        state ^= state >> 31;
    }
    (state >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frequencies(config: SamplingConfig, logits: &[f32]) -> Vec<f64> {
        let sampler = Sampler::new(config).unwrap();
        let mut counts = vec![0.0; logits.len()];
        for step in 0..20_000 {
            counts[sampler.sample(logits, 0, step).unwrap() as usize] += 1.0 / 20_000.0;
        }
        counts
    }

    #[test]
    fn draws_follow_the_softmax_and_the_cuts() {
        let logits = [0.0, 1.0, 2.0];
        let config = SamplingConfig { temperature: 1.0, ..Default::default() };
        let expected = [0.0900, 0.2447, 0.6652];
        for (got, want) in frequencies(config.clone(), &logits).iter().zip(expected) {
            assert!((got - want).abs() < 0.02, "{got} {want}");
        }
        let two = frequencies(SamplingConfig { top_k: Some(2), ..config.clone() }, &logits);
        assert!(two[0] == 0.0 && (two[1] - 0.2689).abs() < 0.02);
        let nucleus = frequencies(SamplingConfig { top_p: Some(0.6), ..config }, &logits);
        assert_eq!(nucleus, [0.0, 0.0, nucleus[2]]);
    }

    #[test]
    fn not_a_number_is_an_error() {
        let sampler = Sampler::new(SamplingConfig::default()).unwrap();
        assert!(sampler.sample(&[f32::NAN, f32::NAN], 0, 0).is_err());
        assert!(sampler.sample(&[], 0, 0).is_err());
        for temperature in [0.0, 1.0] {
            let sampler = Sampler::new(SamplingConfig { temperature, ..Default::default() }).unwrap();
            assert!(sampler.sample(&[0.0, f32::NAN, 1.0], 0, 0).is_err());
            assert_eq!(sampler.sample(&[f32::NEG_INFINITY, 1.0], 0, 0).unwrap(), 1);
        }
    }
}
