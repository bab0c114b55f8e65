//! Samples side by side or end to end, and which of their tokens are trained.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use tooltune_lm::TokenBatch;

use crate::Sample;

/// A batch, its rows filled up on the right, and its targets. The hidden state at `rows[i]` (of `batch · seq`, row-major) predicts `targets[i]`, which counts
/// `weights[i]`; no other hidden state reaches the head.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleBatch {
    /// The tokens.
    pub tokens: TokenBatch,
    /// Hidden states with a target.
    pub rows: Vec<u32>,
    /// The token that each must predict.
    pub targets: Vec<u32>,
    /// What each prediction counts.
    pub weights: Vec<f32>,
    /// The samples' names.
    pub sample_ids: Vec<String>,
}

impl SampleBatch {
    /// Lays samples side by side, one in a row.
    pub fn collate(samples: &[&Sample], pad_id: u32) -> Self {
        let rows: Vec<Vec<&Sample>> = samples.iter().map(|sample| vec![*sample]).collect();
        Self::collate_packed(&rows, pad_id)
    }

    /// Lays the samples of each row end to end. They do not see one another, and positions start at 0 in each: their losses are those that
    /// they have alone.
    pub fn collate_packed(samples: &[Vec<&Sample>], pad_id: u32) -> Self {
        let ids: Vec<Vec<&[u32]>> =
            samples.iter().map(|row| row.iter().map(|sample| sample.ids.as_slice()).collect()).collect();
        let tokens = TokenBatch::packed(&ids, pad_id);
        let (mut rows, mut targets, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for (row, samples) in samples.iter().enumerate() {
            let mut start = row * tokens.seq();
            for sample in samples {
                for (token, &weight) in
                    sample.weights.iter().enumerate().skip(1).filter(|(_, weight)| **weight > 0.0)
                {
                    rows.push(u32::try_from(start + token - 1).unwrap_or(u32::MAX));
                    targets.push(sample.ids[token]);
                    weights.push(weight);
                }
                start += sample.ids.len();
            }
        }
        let sample_ids = samples.iter().flatten().map(|sample| sample.id.clone()).collect();
        Self { tokens, rows, targets, weights, sample_ids }
    }

    /// Sum of the weights.
    pub fn total_weight(&self) -> f64 {
        self.weights.iter().map(|weight| f64::from(*weight)).sum()
    }

    /// `rows` as a tensor.
    pub(crate) fn rows_tensor(&self, device: &Device) -> Tensor<1, Int> {
        int_tensor(&self.rows, device)
    }

    /// `targets` as a tensor.
    pub(crate) fn targets_tensor(&self, device: &Device) -> Tensor<1, Int> {
        int_tensor(&self.targets, device)
    }

    /// `weights` as a tensor.
    pub(crate) fn weights_tensor(&self, device: &Device) -> Tensor<1> {
        Tensor::from_data(TensorData::new(self.weights.clone(), [self.weights.len()]), (device, DType::F32))
    }
}

fn int_tensor(values: &[u32], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = values.iter().map(|value| value.cast_signed()).collect();
    let length = values.len();
    Tensor::from_data(TensorData::new(values, [length]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_the_next_tokens() {
        let long = Sample::new("a", vec![2, 7, 8, 9], vec![1.0, 0.0, 1.0, 0.5]).unwrap();
        let short = Sample::new("b", vec![2, 5], vec![0.0, 1.0]).unwrap();
        let batch = SampleBatch::collate(&[&long, &short], 0);
        assert_eq!(batch.rows, [1, 2, 4]);
        assert_eq!(batch.targets, [8, 9, 5]);
        assert_eq!(batch.weights, [1.0, 0.5, 1.0]);
        assert_eq!(batch.tokens.ids(), [2, 7, 8, 9, 2, 5, 0, 0]);

        let batch = SampleBatch::collate_packed(&[vec![&long, &short], vec![&short]], 0);
        assert_eq!(batch.tokens.ids(), [2, 7, 8, 9, 2, 5, 2, 5, 0, 0, 0, 0]);
        assert_eq!(batch.tokens.documents(), [1, 1, 1, 1, 2, 2, 1, 1, 0, 0, 0, 0]);
        // Nothing predicts the first token of a sample.
        assert_eq!(batch.rows, [1, 2, 4, 6]);
        assert_eq!(batch.targets, [8, 9, 5, 5]);
        assert_eq!(batch.sample_ids, ["a", "b", "b"]);
    }
}
