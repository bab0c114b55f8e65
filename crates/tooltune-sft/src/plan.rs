//! Which samples form which step.

use crate::packing::pack;
use crate::random::KeyedRandom;
use crate::{BatchSize, Sample, SampleBatch, TrainingConfig};

const SHUFFLE: u64 = 1;
/// Rows of similar length are looked for among this many batches' worth of the shuffled order.
const POOL_BATCHES: usize = 16;

/// The micro-batches of a whole run, decided before it starts: a function of the samples' lengths, the config and its seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The steps, each with its micro-batches.
    pub steps: Vec<Vec<PlannedBatch>>,
    /// Steps in the first epoch.
    pub steps_per_epoch: usize,
}

/// A micro-batch of a [`Plan`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedBatch {
    /// Its rows; each holds the indices of its samples, which is one unless they are packed.
    pub rows: Vec<Vec<usize>>,
}

impl PlannedBatch {
    /// The batch, filled up with `pad_id`.
    ///
    /// # Panics
    /// When `samples` are fewer than the plan was made for.
    pub fn collate(&self, samples: &[Sample], pad_id: u32) -> SampleBatch {
        let row = |row: &Vec<usize>| row.iter().map(|&index| &samples[index]).collect();
        SampleBatch::collate_packed(&self.rows.iter().map(row).collect::<Vec<_>>(), pad_id)
    }

    /// Indices of its samples.
    pub fn samples(&self) -> impl Iterator<Item = usize> {
        self.rows.iter().flatten().copied()
    }

    /// Tokens of its longest row.
    pub(crate) fn width(&self, samples: &[Sample]) -> usize {
        self.rows.iter().map(|row| tokens(row, samples)).max().unwrap_or(0)
    }
}

fn tokens(row: &[usize], samples: &[Sample]) -> usize {
    row.iter().map(|&index| samples[index].ids.len()).sum()
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

fn epoch_batches(samples: &[Sample], config: &TrainingConfig, epoch: u64) -> Vec<PlannedBatch> {
    let mut order: Vec<usize> = (0..samples.len()).collect();
    let mut random = KeyedRandom::new(&[config.seed, SHUFFLE, epoch]);
    if config.shuffle {
        random.shuffle(&mut order);
    }
    let mut rows = if config.execution.packing {
        let longest = match config.batch_size {
            BatchSize::Samples(_) => config.max_length,
            BatchSize::Tokens(budget) => config.max_length.min(budget),
        };
        let mut rows = pack(&order, longest, &|index| samples[index].ids.len());
        if config.shuffle {
            random.shuffle(&mut rows);
        }
        rows
    } else {
        order.into_iter().map(|index| vec![index]).collect()
    };
    let length = |row: &Vec<usize>| tokens(row, samples);
    if !config.group_by_length {
        return fill(&rows, config.batch_size, &length);
    }
    let longest = rows.iter().map(length).max().unwrap_or(1);
    let per_batch = match config.batch_size {
        BatchSize::Samples(count) => count,
        BatchSize::Tokens(budget) => budget / longest.max(1),
    };
    let mut batches = Vec::new();
    for pool in rows.chunks_mut(POOL_BATCHES * per_batch.max(1)) {
        pool.sort_by_key(length);
        batches.extend(fill(pool, config.batch_size, &length));
    }
    if config.shuffle {
        random.shuffle(&mut batches);
    }
    batches
}

/// Cuts an order into batches; a token budget counts padding.
fn fill(order: &[Vec<usize>], size: BatchSize, length: &dyn Fn(&Vec<usize>) -> usize) -> Vec<PlannedBatch> {
    let mut batches: Vec<PlannedBatch> = Vec::new();
    let mut widest = 0;
    for row in order {
        let wider = widest.max(length(row));
        match batches.last_mut() {
            Some(batch) if size.has_room(batch.rows.len() + 1, wider) => {
                batch.rows.push(row.clone());
                widest = wider;
            }
            _ => {
                batches.push(PlannedBatch { rows: vec![row.clone()] });
                widest = length(row);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ExecutionConfig;

    fn samples(lengths: &[usize]) -> Vec<Sample> {
        lengths
            .iter()
            .map(|&n| Sample { id: String::new(), ids: vec![0; n], weights: vec![1.0; n] })
            .collect()
    }

    #[test]
    fn every_sample_once_an_epoch_and_the_budget_holds() {
        let samples = samples(&(0..100).map(|i| 1 + i * 7 % 31).collect::<Vec<_>>());
        for (group_by_length, packing) in [(false, false), (true, false), (false, true), (true, true)] {
            let config = TrainingConfig {
                batch_size: BatchSize::Tokens(64),
                num_train_epochs: 2,
                group_by_length,
                execution: ExecutionConfig { packing, ..ExecutionConfig::default() },
                ..TrainingConfig::default()
            };
            let plan = Plan::new(&samples, &config);
            assert_eq!(plan, Plan::new(&samples, &config));
            let batches: Vec<&PlannedBatch> = plan.steps.iter().flatten().collect();
            assert!(batches.iter().all(|b| b.rows.len() * b.width(&samples) <= 64));
            assert!(packing || batches.iter().all(|b| b.rows.iter().all(|row| row.len() == 1)));
            let mut counts = vec![0; samples.len()];
            batches.iter().flat_map(|batch| batch.samples()).for_each(|i| counts[i] += 1);
            assert!(counts.iter().all(|&count| count == 2));
        }
    }

    #[test]
    fn packed_rows_are_full_and_differ_between_epochs_and_seeds() {
        let samples = samples(&(0..200).map(|i| 1 + i * 7 % 31).collect::<Vec<_>>());
        let plan = |seed| {
            let execution = ExecutionConfig { packing: true, ..ExecutionConfig::default() };
            let config = TrainingConfig {
                seed,
                max_length: 50,
                num_train_epochs: 2,
                batch_size: BatchSize::Samples(1),
                execution,
                ..TrainingConfig::default()
            };
            Plan::new(&samples, &config)
        };
        let (one, other) = (plan(1), plan(2));
        assert_ne!(one, other);
        let (first, second) = one.steps.split_at(one.steps_per_epoch);
        assert_ne!(first, second);
        let all = samples.iter().map(|sample| sample.ids.len()).sum::<usize>();
        for epoch in [first, second] {
            let rows: usize = epoch.iter().flatten().map(|batch| batch.rows.len()).sum();
            assert!(rows <= all.div_ceil(50) + 1, "{rows} rows of 50 for {all} tokens");
        }
    }
}
