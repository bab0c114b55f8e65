//! Samples packed into rows have the losses and gradients that they have in rows of their own.
#![recursion_limit = "256"]

use burn::optim::GradientsParams;
use burn::tensor::{DType, Device};
use tooltune_gemma2::Gemma2;
use tooltune_lora::{AdapterWeights, LoraLinear, trainable_parameters};
use tooltune_sft::{
    BatchSize, Control, Error, ExecutionConfig, GradientCheckpointing, MaskedCrossEntropy, Objective, Sample,
    SampleBatch, StepReport, TrainerCallback, TrainingConfig, train, trainer::accumulate,
};
use tooltune_tests::{golden, golden_dir, max_diff, values};

/// The reference's rows without their padding, with a loss on the later part of each.
fn samples() -> Vec<Sample> {
    let forward = golden("forward.safetensors");
    let (ids, mask) = (forward.ids("right.ids"), forward.ids("right.mask"));
    let sample = |row: usize| {
        let length = mask[row].iter().filter(|&&real| real == 1).count();
        let weights = (0..length).map(|token| if token > length / 3 { 0.5 } else { 0.0 }).collect();
        Sample::new(row.to_string(), ids[row][..length].to_vec(), weights).expect("as many")
    };
    (0..ids.len()).map(sample).collect()
}

fn model(adapter: &str) -> Gemma2<LoraLinear> {
    let device = Device::flex().autodiff();
    let base =
        Gemma2::from_pretrained(golden_dir().join("base"), DType::F32, &device).expect("the base loads");
    let weights = AdapterWeights::load(golden_dir().join(adapter), &Device::flex()).expect("loads");
    weights.attach(base).expect("fits")
}

fn adapters() -> Vec<String> {
    let folder = std::fs::read_dir(golden_dir()).expect("there").flatten();
    let names = folder.filter(|entry| entry.path().is_dir());
    names
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("adapter_"))
        .collect()
}

fn gradients(
    model: &Gemma2<LoraLinear>,
    batch: SampleBatch,
    gradient_checkpointing: GradientCheckpointing,
) -> (f64, GradientsParams) {
    let execution = ExecutionConfig { gradient_checkpointing, ..ExecutionConfig::default() };
    let config = TrainingConfig { execution, ..TrainingConfig::default() };
    // Small chunks, so that the rows do not all fit into one.
    accumulate(model, &[batch], &MaskedCrossEntropy { chunk_rows: 7 }, &config, 1).expect("gradients")
}

#[test]
fn packing_changes_neither_loss_nor_gradients() {
    let samples = samples();
    let all: Vec<&Sample> = samples.iter().collect();
    assert!(all.len() > 1, "nothing to pack");
    let (first, rest) = all.split_at(1);
    let reversed: Vec<&Sample> = all.iter().rev().copied().collect();
    let adapters = adapters();
    assert!(!adapters.is_empty(), "no adapter in {}", golden_dir().display());
    for name in adapters {
        let model = model(&name);
        let alone = SampleBatch::collate(&all, 0);
        let (expected_loss, expected) = gradients(&model, alone, GradientCheckpointing::Off);
        for (rows, checkpointing) in [
            (vec![all.clone()], GradientCheckpointing::Off),
            (vec![reversed.clone()], GradientCheckpointing::On),
            (vec![rest.to_vec(), first.to_vec()], GradientCheckpointing::Off),
        ] {
            let packed = SampleBatch::collate_packed(&rows, 0);
            let (loss, actual) = gradients(&model, packed, checkpointing);
            let difference = (loss - expected_loss).abs() / expected_loss;
            assert!(difference <= 1e-6, "{name}: the losses are {loss} and {expected_loss}");
            let mut worst = 0f32;
            for (parameter, id) in trainable_parameters(&model) {
                let of = |gradients: &GradientsParams| {
                    if parameter.ends_with("magnitude_vector") {
                        gradients.get::<1>(id).map(values)
                    } else {
                        gradients.get::<2>(id).map(values)
                    }
                };
                let (Some(expected), Some(actual)) = (of(&expected), of(&actual)) else {
                    panic!("{name}: {parameter} has no gradient");
                };
                let largest = expected.iter().fold(0f32, |max, x| max.max(x.abs()));
                assert!(largest > 0.0, "{name}: the gradient of {parameter} is zero");
                let relative = max_diff(&actual, &expected) / largest;
                assert!(relative <= 1e-4, "{name}: {parameter}: {relative} of its maximum");
                worst = worst.max(relative);
            }
            println!("{name}: {} rows: loss {difference:e}, worst gradient {worst:e}", rows.len());
        }
    }
}

/// What packing must avoid, to see that the losses would tell.
#[test]
fn documents_that_see_one_another_have_another_loss() {
    let samples = samples();
    let joined = Sample::new(
        "joined",
        samples.iter().flat_map(|sample| sample.ids.clone()).collect(),
        samples.iter().flat_map(|sample| sample.weights.clone()).collect(),
    );
    let model = model(&adapters()[0]);
    let loss = |batch: SampleBatch| {
        MaskedCrossEntropy::default().loss(&model, &batch).expect("a loss").sum / batch.total_weight()
    };
    let packed = loss(SampleBatch::collate_packed(&[samples.iter().collect()], 0));
    let leaking = loss(SampleBatch::collate(&[&joined.expect("as many")], 0));
    assert!((packed - leaking).abs() > 1e-4, "{packed} {leaking}");
}

#[test]
fn a_run_packs_when_told_to() {
    let samples = samples();
    let total: usize = samples.iter().map(|sample| sample.ids.len()).sum();
    #[derive(Default)]
    struct Log(Vec<StepReport>, u64);
    impl<M> TrainerCallback<M> for Log {
        fn on_start(&mut self, start: &tooltune_sft::RunStart) {
            self.1 = start.memory.tokens;
        }
        fn on_step(&mut self, report: &StepReport, _: &M) -> Result<Control, Error> {
            self.0.push(report.clone());
            Ok(Control::Continue)
        }
    }
    let adapter = &adapters()[0];
    let run = |packing, batch_size| {
        let execution = ExecutionConfig { packing, ..ExecutionConfig::default() };
        let config = TrainingConfig {
            batch_size,
            gradient_accumulation_steps: 1,
            num_train_epochs: 2,
            max_length: total,
            execution,
            ..TrainingConfig::default()
        };
        let mut log = Log::default();
        train(model(adapter), &samples, &samples, &config, &mut [&mut log]).expect("trains");
        log
    };
    let packed = run(true, BatchSize::Samples(1));
    let unpacked = run(false, BatchSize::Samples(samples.len()));
    assert_eq!(packed.0.len(), 2, "all samples fit into one row");
    assert_eq!(packed.1, total as u64);
    assert!(unpacked.1 > packed.1, "nothing was padded");
    for (packed, unpacked) in packed.0.iter().zip(&unpacked.0) {
        assert_eq!((packed.tokens, packed.trained_tokens), (unpacked.tokens, unpacked.trained_tokens));
        let difference = (packed.loss - unpacked.loss).abs() / unpacked.loss;
        assert!(difference <= 1e-5, "step {}: {} {}", packed.step, packed.loss, unpacked.loss);
    }
}
