//! The loop.

use std::time::Instant;

use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use serde::{Deserialize, Serialize};
use tooltune_lm::CausalLm;

use crate::random::KeyedRandom;
use crate::{
    Control, Error, MaskedCrossEntropy, Objective, Plan, RunStart, Sample, SampleBatch, Schedule, StepReport,
    TrainerCallback, TrainingConfig, evaluation_loss, gradients, memory,
};

const DROPOUT: u64 = 2;

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingSummary {
    /// Steps made.
    pub steps: usize,
    /// Mean training loss of the last step.
    pub train_loss: f64,
    /// Mean loss on the evaluation samples at the end.
    pub eval_loss: Option<f64>,
    /// Tokens seen, padding not counted.
    pub tokens: u64,
    /// Duration, evaluation included.
    pub duration_secs: f64,
}

/// The observers of a run.
pub type Callbacks<'a, M> = [&'a mut dyn TrainerCallback<M>];

/// Trains with masked cross-entropy and the optimizer of `config`. Everything of `model` that requires a gradient is trained; it must be on
/// an autodiff device.
///
/// # Errors
/// As [`train_with`].
pub fn train<M: CausalLm>(
    model: M,
    samples: &[Sample],
    evaluation: &[Sample],
    config: &TrainingConfig,
    callbacks: &mut Callbacks<'_, M>,
) -> Result<(M, TrainingSummary), Error> {
    let optimizer = config.optimizer.build();
    train_with(model, samples, evaluation, config, &MaskedCrossEntropy::default(), optimizer, callbacks)
}

/// [`train`] with an objective and an optimizer of your own.
///
/// A step's loss is the sum over all its trained tokens by their total weight, however they are spread over micro-batches. Every random
/// draw is keyed by (seed, purpose, step, micro-batch): a run is a function of its inputs. Evaluation samples longer than `max_length` are
/// left out of the evaluation loss.
///
/// # Errors
/// [`Error::InvalidConfig`], [`Error::EmptyDataset`], [`Error::TokenOutOfVocabulary`], [`Error::NotFinite`], and what a callback returns.
pub fn train_with<M: CausalLm>(
    mut model: M,
    samples: &[Sample],
    evaluation: &[Sample],
    config: &TrainingConfig,
    objective: &impl Objective<M>,
    mut optimizer: ModuleOptimizer,
    callbacks: &mut Callbacks<'_, M>,
) -> Result<(M, TrainingSummary), Error> {
    config.validate()?;
    let start = Instant::now();
    let (samples, run) = select_trainable(samples, config, model.vocab_size())?;
    let evaluation = within_reach(evaluation, config, model.vocab_size())?;
    let plan = Plan::new(&samples, config);
    let schedule = Schedule::new(&config.schedule, plan.steps.len())?;
    let run = RunStart { total_steps: plan.steps.len(), ..run };
    callbacks.iter_mut().for_each(|callback| callback.on_start(&run));
    let mut summary =
        TrainingSummary { steps: 0, train_loss: 0.0, eval_loss: None, tokens: 0, duration_secs: 0.0 };
    let mut trained_tokens = 0;

    for (index, micro_batches) in plan.steps.iter().enumerate() {
        let (step, step_start) = (index + 1, Instant::now());
        let batches = micro_batches.iter().map(|indices| {
            let chosen: Vec<&Sample> = indices.iter().map(|&sample| &samples[sample]).collect();
            SampleBatch::collate(&chosen, 0)
        });
        let batches: Vec<SampleBatch> = batches.collect();
        let (loss, grads) =
            accumulate(&model, &batches, objective, config.seed, step, config.micro_batch_threads)?;
        let grad_norm = gradients::global_norm(&model, &grads)?;
        finite("the gradient norm", grad_norm, step, &batches)?;
        for callback in callbacks.iter_mut() {
            callback.on_gradients(step, &model, &grads)?;
        }
        let grads = gradients::clip(&model, grads, grad_norm, config.max_grad_norm);
        let lr = schedule.learning_rate(index);
        model = optimizer.step(lr, model, grads);

        let last = step == plan.steps.len();
        let due = last || config.eval_steps.is_some_and(|every| step % every == 0);
        let step_tokens: u64 = batches.iter().map(|batch| batch.tokens.num_tokens() as u64).sum();
        let tokens_per_sec = step_tokens as f64 / step_start.elapsed().as_secs_f64();
        let eval_loss =
            if due { evaluation_loss(&model, &evaluation, objective, config.batch_size)? } else { None };
        trained_tokens += batches.iter().map(|batch| batch.rows.len() as u64).sum::<u64>();
        summary = TrainingSummary {
            steps: step,
            train_loss: loss,
            eval_loss,
            tokens: summary.tokens + step_tokens,
            duration_secs: start.elapsed().as_secs_f64(),
        };
        let report = StepReport {
            step,
            epoch: step as f64 / plan.steps_per_epoch.max(1) as f64,
            loss,
            lr,
            grad_norm,
            tokens: summary.tokens,
            trained_tokens,
            tokens_per_sec,
            peak_memory_bytes: memory::peak_bytes(),
            eval_loss,
        };
        let mut control = Control::Continue;
        for callback in callbacks.iter_mut() {
            if callback.on_step(&report, &model)? == Control::Stop {
                control = Control::Stop;
            }
        }
        if control == Control::Stop {
            break;
        }
    }
    if summary.eval_loss.is_none() {
        // A callback stopped the run.
        summary.eval_loss = evaluation_loss(&model, &evaluation, objective, config.batch_size)?;
    }
    callbacks.iter_mut().for_each(|callback| callback.on_end(&summary));
    Ok((model, summary))
}

/// Loss and gradients of one step: the sum over its micro-batches by their total weight.
///
/// With `threads` above 1, that many micro-batches run at a time. Their gradients are added in order all the same: the result does not
/// depend on timing, unless the model draws random numbers (dropout), whose order between threads is not defined.
///
/// # Errors
/// [`Error::NotFinite`] and as the objective.
pub fn accumulate<M: CausalLm>(
    model: &M,
    batches: &[SampleBatch],
    objective: &impl Objective<M>,
    seed: u64,
    step: usize,
    threads: usize,
) -> Result<(f64, GradientsParams), Error> {
    let weight: f64 = batches.iter().map(SampleBatch::total_weight).sum();
    let mut accumulator = GradientsAccumulator::new();
    let mut sum = 0.0;
    let mut add = |(loss, grads): (f64, Option<GradientsParams>)| {
        sum += loss;
        if let Some(grads) = grads {
            accumulator.accumulate(model, grads);
        }
    };
    let numbered: Vec<_> = batches.iter().enumerate().collect();
    for group in numbered.chunks(threads.max(1)) {
        if let [(number, batch)] = group {
            let key = KeyedRandom::new(&[seed, DROPOUT, step as u64, *number as u64]).next();
            add(micro_batch(model, batch, objective, weight, key, step)?);
            continue;
        }
        let results = std::thread::scope(|scope| {
            let spawn = |&(number, batch)| {
                let key = KeyedRandom::new(&[seed, DROPOUT, step as u64, number as u64]).next();
                // A leaf of its own for each thread: graphs that share one would wait for each other.
                let device = model.device();
                let model = model.clone().fork(&device);
                scope.spawn(move || micro_batch(&model, batch, objective, weight, key, step))
            };
            let handles: Vec<_> = group.iter().map(spawn).collect();
            let joined = handles
                .into_iter()
                .map(|h| h.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            joined.collect::<Result<Vec<_>, Error>>()
        });
        results?.into_iter().for_each(&mut add);
    }
    Ok((sum / weight, accumulator.grads()))
}

/// Sum of the loss of one micro-batch, and the gradients of that sum by `weight`.
fn micro_batch<M: CausalLm>(
    model: &M,
    batch: &SampleBatch,
    objective: &impl Objective<M>,
    weight: f64,
    key: u64,
    step: usize,
) -> Result<(f64, Option<GradientsParams>), Error> {
    model.device().seed(key);
    let loss = objective.loss(model, batch)?;
    finite("the loss", loss.sum, step, std::slice::from_ref(batch))?;
    let gradients = |surrogate: burn::tensor::Tensor<1>| {
        GradientsParams::from_grads(surrogate.div_scalar(weight).backward(), model)
    };
    Ok((loss.sum, loss.surrogate.map(gradients)))
}

fn finite(what: &'static str, value: f64, step: usize, batches: &[SampleBatch]) -> Result<(), Error> {
    if value.is_finite() {
        return Ok(());
    }
    let samples = batches.iter().flat_map(|batch| batch.sample_ids.iter().cloned()).collect();
    Err(Error::NotFinite { what, value, step, samples })
}

/// The evaluation samples that are not longer than `max_length`.
fn within_reach(evaluation: &[Sample], config: &TrainingConfig, vocab: usize) -> Result<Vec<Sample>, Error> {
    match select_trainable(evaluation, config, vocab) {
        Ok((kept, _)) => Ok(kept),
        Err(Error::EmptyDataset { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Leaves out what cannot be trained on, and says what that was. [`train`] does this first; call it to know before.
///
/// # Errors
/// [`Error::EmptyDataset`] and [`Error::TokenOutOfVocabulary`].
pub fn select_trainable(
    samples: &[Sample],
    config: &TrainingConfig,
    vocab: usize,
) -> Result<(Vec<Sample>, RunStart), Error> {
    let mut kept = Vec::with_capacity(samples.len());
    let mut run = RunStart { total_steps: 0, samples: 0, untrained: Vec::new(), too_long: Vec::new() };
    for sample in samples {
        if let Some(&token) = sample.ids.iter().find(|&&id| id as usize >= vocab) {
            return Err(Error::TokenOutOfVocabulary { sample: sample.id.clone(), token, vocab });
        }
        if sample.ids.len() > config.max_length {
            run.too_long.push(sample.id.clone());
        } else if sample.trained_tokens() == 0 {
            run.untrained.push(sample.id.clone());
        } else {
            kept.push(sample.clone());
        }
    }
    run.samples = kept.len();
    if kept.is_empty() {
        let (untrained, too_long) = (run.untrained.len(), run.too_long.len());
        return Err(Error::EmptyDataset { given: samples.len(), untrained, too_long });
    }
    Ok((kept, run))
}
