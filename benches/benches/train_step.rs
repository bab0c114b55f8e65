//! One optimizer step: forward, backward, global clipping and AdamW, LoRA of rank 16 on the seven projections, batch 1, 512 tokens, with a
//! loss on all of them, on half of them, and on all with gradient checkpointing.
#![recursion_limit = "256"]

use burn::optim::ModuleOptimizer;
use burn::tensor::{DType, Device};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tooltune::gemma2::{Gemma2, Gemma2Config};
use tooltune::lora::{LoraConfig, LoraLinear, attach};
use tooltune::sft::trainer::accumulate;
use tooltune::sft::{
    ExecutionConfig, GradientCheckpointing, MaskedCrossEntropy, OptimizerConfig, Sample, SampleBatch,
    TrainingConfig, gradients,
};
use tooltune_benches::{device, group, random_model, sync, tiny, token_ids};

const TOKENS: usize = 512;

fn train_step(criterion: &mut Criterion) {
    let device = device().autodiff();
    let mut group = group(criterion, &format!("train_step/tokens_{TOKENS}"));
    group.throughput(Throughput::Elements(TOKENS as u64));
    for (name, config) in [("tiny_5m", tiny()), ("small_138m", Gemma2Config::small())] {
        for (dtype_name, dtype) in [("f32", DType::F32), ("bf16", DType::BF16)] {
            let mut trainer = Trainer::new(
                attach(random_model(&config, dtype, &device), &LoraConfig::default(), 1),
                &device,
            );
            let ids = token_ids(TOKENS, config.vocab_size);
            let (off, on) = (GradientCheckpointing::Off, GradientCheckpointing::On);
            for (loss_name, trained_from, checkpointing) in [
                ("loss_on_all", 1, off),
                ("loss_on_half", TOKENS / 2, off),
                ("loss_on_all_checkpointed", 1, on),
            ] {
                let weights =
                    (0..TOKENS).map(|token| if token >= trained_from { 1.0 } else { 0.0 }).collect();
                let sample = Sample::new(name, ids.clone(), weights).expect("as many weights as ids");
                let batches = [SampleBatch::collate(&[&sample], 0)];
                let execution =
                    ExecutionConfig { gradient_checkpointing: checkpointing, ..ExecutionConfig::default() };
                let config = TrainingConfig { execution, ..TrainingConfig::default() };
                group.bench_function(format!("{name}/{dtype_name}/{loss_name}"), |b| {
                    b.iter(|| trainer.step(&batches, &config))
                });
            }
        }
    }
    group.finish();
}

struct Trainer {
    // The optimizer takes the model and gives it back.
    model: Option<Gemma2<LoraLinear>>,
    optimizer: ModuleOptimizer,
    device: Device,
}

impl Trainer {
    fn new(model: Result<Gemma2<LoraLinear>, tooltune::lora::Error>, device: &Device) -> Self {
        let model = Some(model.expect("the rank fits"));
        Self { model, optimizer: OptimizerConfig::default().build(), device: device.clone() }
    }

    fn step(&mut self, batches: &[SampleBatch], config: &TrainingConfig) -> f64 {
        let model = self.model.take().expect("given back by the last step");
        let objective = MaskedCrossEntropy::default();
        let (loss, grads) = accumulate(&model, batches, &objective, config, 1).expect("a finite loss");
        let norm = gradients::global_norm(&model, &grads).expect("readable gradients");
        let grads = gradients::clip(&model, grads, norm, 1.0);
        self.model = Some(self.optimizer.step(1e-4, model, grads));
        sync(&self.device);
        loss
    }
}

criterion_group!(benches, train_step);
criterion_main!(benches);
