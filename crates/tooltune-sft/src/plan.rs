//! Which samples form which step.

use crate::random::KeyedRandom;
use crate::{BatchSize, Sample, TrainingConfig};

const SHUFFLE: u64 = 1;
/// Samples of similar length are looked for among this many batches' worth of the shuffled order.
const POOL_BATCHES: usize = 16;

/// The micro-batches of a whole run, decided before it starts: a function of the samples' lengths, the config and its seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The steps; each holds its micro-batches, and those the indices of their samples.
    pub steps: Vec<Vec<Vec<usize>>>,
    /// Steps in the first epoch.
    pub steps_per_epoch: usize,
}

impl Plan {
    /// Plans `num_epochs`, or `max_steps` when that is set, over `samples`.
    pub fn new(samples: &[Sample], config: &TrainingConfig) -> Self {
        let mut steps = Vec::new();
        let mut steps_per_epoch = 0;
        for epoch in 0.. {
            let done = match config.max_steps {
                Some(max) => steps.len() >= max,
                None => epoch >= config.num_train_epochs,
            };
            if done || samples.is_empty() {
                break;
            }
            let batches = epoch_batches(samples, config, epoch as u64);
            steps.extend(batches.chunks(config.gradient_accumulation_steps.max(1)).map(<[_]>::to_vec));
            if epoch == 0 {
                steps_per_epoch = steps.len();
            }
        }
        steps.truncate(config.max_steps.unwrap_or(usize::MAX));
        Self { steps, steps_per_epoch }
    }
}

fn epoch_batches(samples: &[Sample], config: &TrainingConfig, epoch: u64) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..samples.len()).collect();
    let mut random = KeyedRandom::new(&[config.seed, SHUFFLE, epoch]);
    if config.shuffle {
        random.shuffle(&mut order);
    }
    let length = |&index: &usize| samples[index].ids.len();
    if !config.group_by_length {
        return fill(&order, config.batch_size, &length);
    }
    let longest = order.iter().map(length).max().unwrap_or(1);
    let per_batch = match config.batch_size {
        BatchSize::Samples(count) => count,
        BatchSize::Tokens(budget) => budget / longest.max(1),
    };
    let mut batches = Vec::new();
    for pool in order.chunks_mut(POOL_BATCHES * per_batch.max(1)) {
        pool.sort_by_key(length);
        batches.extend(fill(pool, config.batch_size, &length));
    }
    if config.shuffle {
        random.shuffle(&mut batches);
    }
    batches
}

/// Cuts an order into batches; a token budget counts padding.
fn fill(order: &[usize], size: BatchSize, length: &dyn Fn(&usize) -> usize) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut widest = 0;
    for index in order {
        let wider = widest.max(length(index));
        match batches.last_mut() {
            Some(batch) if size.has_room(batch.len() + 1, wider) => {
                batch.push(*index);
                widest = wider;
            }
            _ => {
                batches.push(vec![*index]);
                widest = length(index);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(lengths: &[usize]) -> Vec<Sample> {
        lengths
            .iter()
            .map(|&n| Sample { id: String::new(), ids: vec![0; n], weights: vec![1.0; n] })
            .collect()
    }

    #[test]
    fn every_sample_once_an_epoch_and_the_budget_holds() {
        let samples = samples(&(0..100).map(|i| 1 + i * 7 % 31).collect::<Vec<_>>());
        for group_by_length in [false, true] {
            let config = TrainingConfig {
                batch_size: BatchSize::Tokens(64),
                num_train_epochs: 2,
                group_by_length,
                ..TrainingConfig::default()
            };
            let plan = Plan::new(&samples, &config);
            assert_eq!(plan, Plan::new(&samples, &config));
            let batches: Vec<&Vec<usize>> = plan.steps.iter().flatten().collect();
            assert!(
                batches
                    .iter()
                    .all(|b| b.len() * b.iter().map(|&i| samples[i].ids.len()).max().unwrap() <= 64)
            );
            let mut counts = vec![0; samples.len()];
            batches.iter().copied().flatten().for_each(|&i| counts[i] += 1);
            assert!(counts.iter().all(|&count| count == 2));
        }
    }
}
