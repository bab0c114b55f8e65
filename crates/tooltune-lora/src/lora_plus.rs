//! LoRA+ (Hayou et al., 2024): B learns faster than A.

use burn::module::ParamId;
use tooltune_lm::MapProjections;

use crate::kind::is_vector;
use crate::{LoraLinear, trainable_parameters};

/// Factors on the learning rate, under PEFT's names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoraPlus {
    /// Learning rate of every B, and of the vectors of a kind (DoRA's magnitudes), by that of the As: the paper's λ.
    pub loraplus_lr_ratio: f64,
    /// Learning rate of low-rank adapters on the embedding, by that of the As. PEFT gives it as an absolute rate, 1e-6 by default.
    pub embedding_lr_ratio: f64,
}

impl Default for LoraPlus {
    /// The paper's ratio of 16; embeddings at the common rate.
    fn default() -> Self {
        Self { loraplus_lr_ratio: 16.0, embedding_lr_ratio: 1.0 }
    }
}

impl LoraPlus {
    /// The parameters whose rate differs, and their factors: what a trainer's optimizer needs to know.
    pub fn learning_rate_factors<M>(&self, model: &M) -> Vec<(Vec<ParamId>, f64)>
    where
        M: MapProjections<Projection = LoraLinear>,
    {
        let (mut fast, mut embedding) = (Vec::new(), Vec::new());
        for (name, id) in trainable_parameters(model) {
            if name.ends_with(".lora_B.weight") || is_vector(&name) {
                fast.push(id);
            } else if name.contains(".lora_embedding_") {
                embedding.push(id);
            }
        }
        vec![(fast, self.loraplus_lr_ratio), (embedding, self.embedding_lr_ratio)]
    }
}
