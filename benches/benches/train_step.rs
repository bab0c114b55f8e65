//! One optimizer step: forward, backward, global clipping and AdamW, LoRA of rank 16 on the seven projections, batch 1, 512 tokens, with a
//! loss on all of them and on half of them.
#![recursion_limit = "256"]

use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Device};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tooltune::gemma2::{Gemma2, Gemma2Config};
use tooltune::lora::{LoraConfig, LoraLinear, attach};
use tooltune::sft::{MaskedCrossEntropy, Objective, OptimizerConfig, Sample, SampleBatch, gradients};
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
            for (loss_name, trained_from) in [("loss_on_all", 1), ("loss_on_half", TOKENS / 2)] {
                let weights =
                    (0..TOKENS).map(|token| if token >= trained_from { 1.0 } else { 0.0 }).collect();
                let sample = Sample::new(name, ids.clone(), weights).expect("as many weights as ids");
                let batch = SampleBatch::collate(&[&sample], 0);
                group.bench_function(format!("{name}/{dtype_name}/{loss_name}"), |b| {
                    b.iter(|| trainer.step(&batch))
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

    fn step(&mut self, batch: &SampleBatch) -> f64 {
        let model = self.model.take().expect("given back by the last step");
        let loss = MaskedCrossEntropy::default().loss(&model, batch).expect("a finite loss");
        let mean = loss.surrogate.expect("an autodiff device").div_scalar(batch.total_weight());
        let grads = GradientsParams::from_grads(mean.backward(), &model);
        let norm = gradients::global_norm(&model, &grads).expect("readable gradients");
        let grads = gradients::clip(&model, grads, norm, 1.0);
        self.model = Some(self.optimizer.step(1e-4, model, grads));
        sync(&self.device);
        loss.sum
    }
}

criterion_group!(benches, train_step);
criterion_main!(benches);
