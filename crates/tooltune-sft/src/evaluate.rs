//! The loss on held-out samples.

use tooltune_lm::CausalLm;

use crate::{BatchSize, Error, Objective, Plan, Sample, TrainingConfig};

/// Mean loss over the trained tokens of `samples`, without tracking gradients; `None` when there are none.
///
/// # Errors
/// As the objective.
pub fn evaluation_loss<M: CausalLm>(
    model: &M,
    samples: &[Sample],
    objective: &impl Objective<M>,
    batch_size: BatchSize,
) -> Result<Option<f64>, Error> {
    let plain = model.valid();
    let config = TrainingConfig {
        batch_size,
        shuffle: false,
        group_by_length: true,
        gradient_accumulation_steps: 1,
        ..TrainingConfig::default()
    };
    let (mut sum, mut weight) = (0.0, 0.0);
    for batch in Plan::new(samples, &config).steps.iter().flatten() {
        let batch = batch.collate(samples, 0);
        sum += objective.loss(&plain, &batch)?.sum;
        weight += batch.total_weight();
    }
    Ok((weight > 0.0).then(|| sum / weight))
}
