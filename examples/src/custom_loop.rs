//! The training loop, rebuilt from the library's public parts.

use std::error::Error;

use burn::tensor::{DType, Device};
use tooltune::gemma2::Gemma2;
use tooltune::lora::{LoraConfig, LoraLinear, attach};
use tooltune::sft::trainer::accumulate;
use tooltune::sft::{
    BatchSize, MaskedCrossEntropy, Plan, Sample, SampleBatch, Schedule, TrainingConfig, gradients,
};

use crate::dialect::{Choice, Dialect, Preset, Schema, encode_all};
use crate::input::{Pretrained, embedded_base};
use crate::synthetic::{CallingData, Split};

/// The embedded base with a fresh adapter, some samples, and a config of `steps` steps.
///
/// # Errors
/// When the embedded base cannot be loaded.
pub fn setup(steps: usize) -> Result<(Gemma2<LoraLinear>, Vec<Sample>, TrainingConfig), Box<dyn Error>> {
    let dialect = Dialect::new(Choice { preset: Preset::Fixed, schema: Schema::Compact });
    let device = Device::flex().autodiff();
    let Pretrained { model, tokenizer } = Pretrained::load(&embedded_base(), &dialect, DType::F32, &device)?;
    let conversations = CallingData::new(1).conversations(Split::Train, 64);
    let samples = encode_all(&dialect, &conversations, &tokenizer)?;
    let config = TrainingConfig {
        max_steps: Some(steps),
        batch_size: BatchSize::Samples(4),
        ..TrainingConfig::default()
    };
    Ok((attach(model, &LoraConfig::default(), 7)?, samples, config))
}

/// What [`tooltune::sft::train`] does, without its callbacks: the loss of every step.
///
/// # Errors
/// As the trainer.
pub fn losses(
    mut model: Gemma2<LoraLinear>,
    samples: &[Sample],
    config: &TrainingConfig,
) -> Result<Vec<f64>, tooltune::sft::Error> {
    let plan = Plan::new(samples, config);
    let schedule = Schedule::new(&config.schedule, plan.steps.len())?;
    let mut optimizer = config.optimizer.build();
    let mut losses = Vec::new();
    for (index, micro_batches) in plan.steps.iter().enumerate() {
        let batches: Vec<SampleBatch> = micro_batches.iter().map(|batch| batch.collate(samples, 0)).collect();
        let objective = MaskedCrossEntropy::default();
        let (loss, grads) = accumulate(&model, &batches, &objective, config, index + 1)?;
        let norm = gradients::global_norm(&model, &grads)?;
        let grads = gradients::clip(&model, grads, norm, config.max_grad_norm);
        model = optimizer.step(schedule.learning_rate(index), model, grads);
        losses.push(loss);
    }
    Ok(losses)
}
