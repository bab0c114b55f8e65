//! The model, its adapters and the trainer on the GPU against the CPU.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor};
use tooltune_gemma2::Gemma2;
use tooltune_lm::dtype::can_store;
use tooltune_lm::generation::Generated;
use tooltune_lm::{CausalLm, GenerationConfig, KvCache, Padding, TokenBatch, generate, generate_batch};
use tooltune_lora::{AdapterWeights, LoraLinear, Rounding, merge, trainable_parameters};
use tooltune_sft::{
    BatchSize, Control, Error, ExecutionConfig, GradientCheckpointing, GradientGuard, MaskedCrossEntropy,
    OptimizerConfig, Sample, SampleBatch, ScheduleConfig, SchedulerType, StepReport, TrainerCallback,
    TrainingConfig, evaluation_loss, gradients, train, trainer::accumulate,
};
use tooltune_tests::{golden, golden_dir, golden_json, rows, sample, values};

use crate::{alone, compare, gpu};

const TOLERANCE: f32 = 1e-3;

fn base(device: &Device) -> Gemma2 {
    Gemma2::from_pretrained(golden_dir().join("base"), DType::F32, device).expect("the base loads")
}

fn adapted(adapter: &str, device: &Device) -> Gemma2<LoraLinear> {
    let weights = AdapterWeights::load(golden_dir().join(adapter), &Device::flex()).expect("loads");
    weights.attach(base(device)).expect("the adapter fits")
}

/// The rows of the reference without their padding.
fn sequences() -> Vec<Vec<u32>> {
    let forward = golden("forward.safetensors");
    let real = |(ids, mask): (Vec<u32>, Vec<u32>)| -> Vec<u32> {
        ids.into_iter().zip(mask).filter(|(_, real)| *real == 1).map(|(id, _)| id).collect()
    };
    forward.ids("right.ids").into_iter().zip(forward.ids("right.mask")).map(real).collect()
}

fn compare_logits<M: CausalLm>(what: &str, gpu: &M, cpu: &M, batch: &TokenBatch) {
    compare(what, &values(gpu.forward(batch)), &values(cpu.forward(batch)), TOLERANCE);
}

#[test]
#[cfg_attr(not(feature = "gpu"), ignore = "no GPU backend is compiled in")]
fn logits() {
    let _alone = alone();
    let (gpu, cpu) = (base(&gpu()), base(&Device::flex()));
    let reference = golden("forward.safetensors");
    let batch = TokenBatch::single(&reference.ids("ids")[0]);
    compare_logits("logits", &gpu, &cpu, &batch);
    compare(
        "logits against transformers",
        &values(gpu.forward(&batch)),
        &reference.f32("logits").1,
        TOLERANCE,
    );

    let (sequences, pad) = (sequences(), cpu.config.special_tokens.pad_token_id);
    compare_logits("right-padded", &gpu, &cpu, &TokenBatch::padded(&sequences, Padding::Right, pad));
    compare_logits("left-padded", &gpu, &cpu, &TokenBatch::padded(&sequences, Padding::Left, pad));
    compare_logits("packed", &gpu, &cpu, &TokenBatch::packed(std::slice::from_ref(&sequences), pad));

    let ids = &sequences[0];
    let mut cache = KvCache::new(gpu.num_layers(), 1);
    let (start, rest) = ids.split_at(ids.len() / 2);
    let mut parts = vec![gpu.hidden_states(&TokenBatch::single(start), Some(&mut cache))];
    for (index, &id) in rest.iter().enumerate() {
        let next = TokenBatch::next_tokens(&[id], &[(start.len() + index) as u32]);
        parts.push(gpu.hidden_states(&next, Some(&mut cache)));
    }
    let logits = gpu.logits(Tensor::cat(parts, 1).reshape([ids.len(), gpu.hidden_size()]));
    compare("with a KV cache", &values(logits), &values(cpu.forward(&TokenBatch::single(ids))), TOLERANCE);
}

/// A checkpoint in bf16, read as f32, and held as it is where the device can.
#[test]
#[cfg_attr(not(feature = "gpu"), ignore = "no GPU backend is compiled in")]
fn checkpoints_in_bf16() {
    let _alone = alone();
    let batch = TokenBatch::single(&sequences()[0]);
    let (device, folder) = (gpu(), tempfile::tempdir().expect("a temporary folder"));
    base(&Device::flex()).save_pretrained(folder.path(), DType::BF16).expect("saved");
    let load = |held, device: &Device| Gemma2::from_pretrained(folder.path(), held, device).expect("loads");
    let cpu = load(DType::F32, &Device::flex());
    compare_logits("bf16, held in f32", &load(DType::F32, &device), &cpu, &batch);
    let held = Gemma2::from_pretrained(folder.path(), DType::BF16, &device);
    if can_store(&device, DType::BF16) {
        // The weights are widened, and nothing else is rounded.
        compare_logits("held in bf16", &held.expect("loads"), &cpu, &batch);
    } else {
        let error = held.expect_err("refused").to_string();
        println!("held in bf16: {error}");
        assert!(error.contains("BF16"), "{error}");
    }
}

#[test]
#[cfg_attr(not(feature = "gpu"), ignore = "no GPU backend is compiled in")]
fn greedy_tokens() {
    let _alone = alone();
    let (device, reference) = (gpu(), golden_json("generate.json"));
    let (model, cpu) = (base(&device), base(&Device::flex()));
    let tokens = |value: &serde_json::Value| -> Vec<u32> {
        value.as_array().expect("tokens").iter().map(|t| t.as_u64().expect("id") as u32).collect()
    };
    let cases = reference["single"].as_array().expect("cases");
    let mut prompts = Vec::new();
    for case in cases {
        let (prompt, expected) = (tokens(&case["prompt"]), tokens(&case["new_tokens"]));
        let config = GenerationConfig { max_new_tokens: expected.len(), ..Default::default() };
        let run = |model: &Gemma2| -> Vec<u32> {
            generate(model, &prompt, &config).expect("valid").map(|t| t.expect("finite")).collect()
        };
        assert_eq!(run(&model), expected);
        assert_eq!(run(&cpu), expected);
        prompts.push(prompt);
    }
    let longest = cases.iter().map(|case| tokens(&case["new_tokens"]).len()).max().expect("cases");
    let config = GenerationConfig { max_new_tokens: longest, ..Default::default() };
    let batch = generate_batch(&model, &prompts, &config).expect("valid");
    for (case, Generated { tokens: got, .. }) in cases.iter().zip(batch) {
        assert_eq!(got, tokens(&case["new_tokens"]), "left-padded batch");
    }
}

#[derive(Default)]
struct Log(Vec<StepReport>);

impl<M> TrainerCallback<M> for Log {
    fn on_step(&mut self, report: &StepReport, _model: &M) -> Result<Control, Error> {
        self.0.push(report.clone());
        Ok(Control::Continue)
    }
}

fn samples() -> Vec<Sample> {
    let tensors = golden("curve.safetensors");
    let (ids, mask, labels) = (tensors.ids("ids"), tensors.ids("mask"), rows(&tensors, "labels"));
    (0..ids.len()).map(|row| sample(&row.to_string(), &ids[row], &mask[row], &labels[row])).collect()
}

fn config(gradient_checkpointing: GradientCheckpointing) -> TrainingConfig {
    let learning_rate = golden_json("curve.json")["optimizer"]["lr"].as_f64().expect("a number");
    TrainingConfig {
        shuffle: false,
        max_steps: Some(3),
        batch_size: BatchSize::Samples(2),
        gradient_accumulation_steps: 2,
        schedule: ScheduleConfig {
            lr_scheduler_type: SchedulerType::Constant,
            ..ScheduleConfig::cosine(learning_rate)
        },
        optimizer: OptimizerConfig::default(),
        execution: ExecutionConfig { gradient_checkpointing, ..ExecutionConfig::default() },
        ..TrainingConfig::default()
    }
}

/// Every kind of adapter that the reference has.
#[test]
#[cfg_attr(not(feature = "gpu"), ignore = "no GPU backend is compiled in")]
fn loss_and_every_gradient() {
    let _alone = alone();
    let samples = samples();
    let batch = [SampleBatch::collate(&samples.iter().take(4).collect::<Vec<_>>(), 0)];
    let objective = MaskedCrossEntropy { chunk_rows: 7 };
    let run = |model: &Gemma2<LoraLinear>, checkpointing| -> (f64, GradientsParams) {
        accumulate(model, &batch, &objective, &config(checkpointing), 1).expect("gradients")
    };
    let mut compared = 0;
    for entry in std::fs::read_dir(golden_dir()).expect("there").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.path().is_dir() || !name.starts_with("adapter_") {
            continue;
        }
        let (gpu, cpu) = (adapted(&name, &gpu().autodiff()), adapted(&name, &Device::flex().autodiff()));
        let (expected_loss, expected) = run(&cpu, GradientCheckpointing::Off);
        for checkpointing in [GradientCheckpointing::Off, GradientCheckpointing::On] {
            let what = format!("{name}, checkpointing {checkpointing:?}");
            let (loss, actual) = run(&gpu, checkpointing);
            compare(&format!("{what}: loss"), &[loss as f32], &[expected_loss as f32], TOLERANCE);
            let mut both = (Vec::new(), Vec::new());
            for ((parameter, gpu), (_, cpu)) in
                trainable_parameters(&gpu).into_iter().zip(trainable_parameters(&cpu))
            {
                let of = |gradients: &GradientsParams, id| {
                    let matrix = !parameter.ends_with("magnitude_vector");
                    let found = if matrix {
                        gradients.get::<2>(id).map(values)
                    } else {
                        gradients.get::<1>(id).map(values)
                    };
                    found.unwrap_or_else(|| panic!("{what}: {parameter} has no gradient"))
                };
                let (actual, expected) = (of(&actual, gpu), of(&expected, cpu));
                let largest = expected.iter().fold(1e-6f32, |max, x| max.max(x.abs()));
                both.0.extend(actual.iter().map(|x| x / largest));
                both.1.extend(expected.iter().map(|x| x / largest));
                compared += 1;
            }
            compare(&format!("{what}: gradients, each by its largest"), &both.0, &both.1, TOLERANCE);
        }
    }
    assert!(compared > 0, "no adapter in {}", golden_dir().display());
}

#[test]
#[cfg_attr(not(feature = "gpu"), ignore = "no GPU backend is compiled in")]
fn dropout_is_drawn_again() {
    let _alone = alone();
    let (samples, device) = (samples(), gpu().autodiff());
    let batch = [SampleBatch::collate(&samples.iter().take(4).collect::<Vec<_>>(), 0)];
    let loss = |lora_dropout, checkpointing, step| {
        let mut weights = AdapterWeights::load(golden_dir().join("adapter_lora"), &device).expect("loads");
        weights.config.lora_dropout = lora_dropout;
        let model = weights.attach(base(&device)).expect("fits");
        let objective = MaskedCrossEntropy::default();
        let (loss, gradients) =
            accumulate(&model, &batch, &objective, &config(checkpointing), step).expect("gradients");
        let norm = gradients::global_norm(&model, &gradients).expect("readable");
        [loss as f32, norm as f32]
    };
    let (off, on) = (GradientCheckpointing::Off, GradientCheckpointing::On);
    let expected = loss(0.3, off, 1);
    compare("dropout, with checkpointing", &loss(0.3, on, 1), &expected, 1e-4);
    compare("dropout, same step", &loss(0.3, off, 1), &expected, 1e-4);
    for (what, other) in [("no dropout", loss(0.0, off, 1)), ("another step", loss(0.3, off, 2))] {
        println!("{what}: loss {}, not {}", other[0], expected[0]);
        assert!((other[0] - expected[0]).abs() > 1e-3 * expected[0], "{what}: the same loss");
    }
}

#[test]
#[cfg_attr(not(feature = "gpu"), ignore = "no GPU backend is compiled in")]
fn three_steps() {
    let _alone = alone();
    let (samples, adapter) = (samples(), "curve_init");
    let settings = AdapterWeights::load(golden_dir().join(adapter), &Device::flex()).expect("loads").config;
    let run = |device: &Device, checkpointing| {
        let start = adapted(adapter, &device.clone().autodiff());
        let mut log = Log::default();
        let mut guard =
            GradientGuard::new(trainable_parameters(&start), |name| name.ends_with("lora_B.weight"));
        let (trained, summary) =
            train(start, &samples, &samples[..4], &config(checkpointing), &mut [&mut log, &mut guard])
                .expect("trains");
        assert_eq!(summary.steps, 3);
        let numbers = |step: &StepReport| [step.loss as f32, step.grad_norm as f32];
        let mut numbers: Vec<f32> = log.0.iter().flat_map(numbers).collect();
        numbers.push(summary.eval_loss.expect("evaluated") as f32);
        (trained, numbers)
    };
    let (cpu, expected) = run(&Device::flex(), GradientCheckpointing::Off);
    println!("losses and gradient norms of the steps, loss afterwards: {expected:?}");
    for checkpointing in [GradientCheckpointing::Auto, GradientCheckpointing::On] {
        let (trained, actual) = run(&gpu(), checkpointing);
        compare("losses and norms", &actual, &expected, TOLERANCE);
        let weights = AdapterWeights::of(&trained, &settings);
        let mut both = (Vec::new(), Vec::new());
        for (path, (a, b)) in &AdapterWeights::of(&cpu, &settings).tensors {
            let (gpu_a, gpu_b) = weights.tensors[path].clone();
            for (actual, expected) in [(gpu_a, a), (gpu_b, b)] {
                let (actual, expected) = (values(actual), values(expected.clone()));
                let largest = expected.iter().fold(1e-6f32, |max, x| max.max(x.abs()));
                both.0.extend(actual.iter().map(|x| x / largest));
                both.1.extend(expected.iter().map(|x| x / largest));
            }
        }
        compare("adapter, each weight by its largest", &both.0, &both.1, TOLERANCE);
    }

    // What a user does afterwards: evaluate, save, load, merge.
    let (trained, _) = run(&gpu(), GradientCheckpointing::Off);
    let objective = MaskedCrossEntropy::default();
    let loss = |model: &Gemma2<LoraLinear>| {
        let loss = evaluation_loss(model, &samples, &objective, BatchSize::Samples(3)).expect("a loss");
        loss.expect("trained tokens") as f32
    };
    compare("evaluation loss", &[loss(&trained)], &[loss(&cpu)], TOLERANCE);
    let folder = tempfile::tempdir().expect("a temporary folder");
    AdapterWeights::of(&trained, &settings).save(folder.path()).expect("saved");
    let loaded = AdapterWeights::load(folder.path(), &gpu()).expect("loads");
    let attached = loaded.attach(base(&gpu())).expect("fits");
    let batch = TokenBatch::single(&sequences()[0]);
    compare_logits("saved and loaded", &attached, &cpu.valid(), &batch);
    let (merged, expected) = (merge(attached), merge(cpu.valid()));
    compare_logits("merged", &merged.model, &expected.model, &batch);
    let lost = |rounding: Rounding| rounding.lost() as f32;
    compare("lost to bf16", &[lost(merged.total_rounding())], &[lost(expected.total_rounding())], TOLERANCE);
}
