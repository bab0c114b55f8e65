//! The loop.

use std::sync::Mutex;
use std::time::Instant;

use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use serde::{Deserialize, Serialize};
use tooltune_lm::CausalLm;

use crate::draws::{Draws, draws_random_numbers};
use crate::micro_batch::{MicroBatch, finite};
use crate::{
    Control, Error, ExecutionConfig, GradientCheckpointing, MaskedCrossEntropy, MemoryEstimate, Objective,
    Plan, RunStart, Sample, SampleBatch, Schedule, StepReport, TrainerCallback, TrainingConfig,
    evaluation_loss, gradients, memory,
};

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
/// draw is keyed by (seed, purpose, step, micro-batch): a run is a function of its inputs.
///
/// `evaluation` samples that are too long or have no trained token are dropped as training samples are; there may be none.
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
    let held_out = select(evaluation, config, model.vocab_size())?;
    let evaluate = |model: &M| evaluation_loss(model, &held_out.kept, objective, config.batch_size);
    let plan = Plan::new(&samples, config);
    let schedule = Schedule::new(&config.schedule, plan.steps.len())?;
    let memory = MemoryEstimate::of_run(&model, &samples, &plan, config, objective.chunk_rows());
    let config = &memory.decide(config);
    let run = RunStart {
        total_steps: plan.steps.len(),
        memory,
        evaluation_samples: held_out.kept.len(),
        evaluation_dropped: [held_out.too_long, held_out.untrained].concat(),
        ..run
    };
    callbacks.iter_mut().for_each(|callback| callback.on_start(&run));
    let mut summary = TrainingSummary::default();
    let mut trained_tokens = 0;

    for (index, micro_batches) in plan.steps.iter().enumerate() {
        let (step, step_start) = (index + 1, Instant::now());
        let batches: Vec<SampleBatch> =
            micro_batches.iter().map(|batch| batch.collate(&samples, 0)).collect();
        let computed = gradients_of_step(&model, &batches, objective, config, step, callbacks);
        let (loss, grads, grad_norm) = computed.inspect_err(|error| {
            callbacks.iter_mut().for_each(|callback| callback.on_error(step, &model, error));
        })?;
        let grads = gradients::clip(&model, grads, grad_norm, config.max_grad_norm);
        let lr = schedule.learning_rate(index);
        model = optimizer.step(lr, model, grads);

        let due = step == plan.steps.len() || config.eval_steps.is_some_and(|every| step % every == 0);
        let step_tokens: u64 = batches.iter().map(|batch| batch.tokens.num_tokens() as u64).sum();
        let tokens_per_sec = step_tokens as f64 / step_start.elapsed().as_secs_f64();
        let eval_loss = if due { evaluate(&model)? } else { None };
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
        let mut stop = false;
        for callback in callbacks.iter_mut() {
            stop |= callback.on_step(&report, &model)? == Control::Stop;
        }
        if stop {
            if !due {
                summary.eval_loss = evaluate(&model)?;
                summary.duration_secs = start.elapsed().as_secs_f64();
            }
            break;
        }
    }
    callbacks.iter_mut().for_each(|callback| callback.on_end(&summary));
    Ok((model, summary))
}

/// Loss, gradients and their norm, all finite and seen by the callbacks.
fn gradients_of_step<M: CausalLm>(
    model: &M,
    batches: &[SampleBatch],
    objective: &impl Objective<M>,
    config: &TrainingConfig,
    step: usize,
    callbacks: &mut Callbacks<'_, M>,
) -> Result<(f64, GradientsParams, f64), Error> {
    let (loss, grads) = accumulate(model, batches, objective, config, step)?;
    let norm = gradients::global_norm(model, &grads)?;
    finite("the gradient norm", norm, step, batches)?;
    for callback in callbacks.iter_mut() {
        callback.on_gradients(step, model, &grads)?;
    }
    Ok((loss, grads, norm))
}

/// Loss and gradients of one step: the sum over its micro-batches by their total weight. Of `config` the seed and `execution` matter; what is
/// [`Auto`](GradientCheckpointing::Auto) there is decided by [`train`], and off here.
///
/// With `micro_batch_threads` above 1, that many micro-batches run at a time. Their gradients are added in order, and what each draws is its
/// own, so the result does not depend on timing.
///
/// # Errors
/// [`Error::NotFinite`] and as the objective.
pub fn accumulate<M: CausalLm>(
    model: &M,
    batches: &[SampleBatch],
    objective: &impl Objective<M>,
    config: &TrainingConfig,
    step: usize,
) -> Result<(f64, GradientsParams), Error> {
    let ExecutionConfig { micro_batch_threads, gradient_checkpointing, .. } = config.execution;
    let checkpointing = gradient_checkpointing == GradientCheckpointing::On;
    let weight: f64 = batches.iter().map(SampleBatch::total_weight).sum();
    let taking_turns = Mutex::new(());
    let turn = if micro_batch_threads > 1 && batches.len() > 1 && draws_random_numbers(model)? {
        Some(&taking_turns)
    } else {
        None
    };
    let gradients = |model: &M, number: usize, batch: &SampleBatch| {
        let draws = Draws { key: [config.seed, step as u64, number as u64], turn };
        MicroBatch { model, objective, batch, weight, draws, step }.gradients(checkpointing)
    };
    let mut accumulator = GradientsAccumulator::new();
    let mut sum = 0.0;
    let mut add = |(loss, grads): (f64, GradientsParams)| {
        sum += loss;
        accumulator.accumulate(model, grads);
    };
    let numbered: Vec<_> = batches.iter().enumerate().collect();
    for group in numbered.chunks(micro_batch_threads.max(1)) {
        if let [(number, batch)] = group {
            add(gradients(model, *number, batch)?);
            continue;
        }
        let results = std::thread::scope(|scope| {
            let spawn = |&(number, batch)| {
                // A leaf of its own for each thread: graphs that share one would wait for each other.
                let device = model.device();
                let model = model.clone().fork(&device);
                let gradients = &gradients;
                scope.spawn(move || gradients(&model, number, batch))
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

/// Leaves out what cannot be trained on, and says what that was. [`train`] does this first; call it to know before.
///
/// # Errors
/// [`Error::EmptyDataset`] and [`Error::TokenOutOfVocabulary`].
pub fn select_trainable(
    samples: &[Sample],
    config: &TrainingConfig,
    vocab: usize,
) -> Result<(Vec<Sample>, RunStart), Error> {
    let Selection { kept, untrained, too_long } = select(samples, config, vocab)?;
    if kept.is_empty() {
        let (untrained, too_long) = (untrained.len(), too_long.len());
        return Err(Error::EmptyDataset { given: samples.len(), untrained, too_long });
    }
    let run = RunStart {
        total_steps: 0,
        samples: kept.len(),
        untrained,
        too_long,
        evaluation_samples: 0,
        evaluation_dropped: Vec::new(),
        memory: MemoryEstimate::default(),
    };
    Ok((kept, run))
}

/// Samples with a loss, and the ids of those without.
#[derive(Default)]
struct Selection {
    kept: Vec<Sample>,
    untrained: Vec<String>,
    too_long: Vec<String>,
}

fn select(samples: &[Sample], config: &TrainingConfig, vocab: usize) -> Result<Selection, Error> {
    let mut out = Selection::default();
    for sample in samples {
        if let Some(&token) = sample.ids.iter().find(|&&id| id as usize >= vocab) {
            return Err(Error::TokenOutOfVocabulary { sample: sample.id.clone(), token, vocab });
        }
        if sample.ids.len() > config.max_length {
            out.too_long.push(sample.id.clone());
        } else if sample.trained_tokens() == 0 {
            out.untrained.push(sample.id.clone());
        } else {
            out.kept.push(sample.clone());
        }
    }
    Ok(out)
}
