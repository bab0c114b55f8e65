//! The trainer against torch and TRL: twenty steps, their losses, learning rates and the adapter they end with.
#![recursion_limit = "256"]

use burn::module::Module;
use burn::tensor::{DType, Device};
use tooltune_gemma2::Gemma2;
use tooltune_lm::{CausalLm, MapProjections};
use tooltune_lora::{AdapterWeights, LoraLinear, trainable_parameters};
use tooltune_sft::{
    BatchSize, Control, Error, ExecutionConfig, GradientGuard, MaskedCrossEntropy, Objective,
    OptimizerConfig, RunStart, Sample, SampleBatch, ScheduleConfig, SchedulerType, StepReport,
    TrainerCallback, TrainingConfig, TrainingSummary, evaluation_loss, train, trainer::accumulate,
};
use tooltune_tests::{golden, golden_dir, golden_json, max_diff, rows, sample, values};

fn model(adapter: &str) -> Gemma2<LoraLinear> {
    let device = Device::flex().autodiff();
    let base =
        Gemma2::from_pretrained(golden_dir().join("base"), DType::F32, &device).expect("the base loads");
    let adapter =
        AdapterWeights::load(golden_dir().join(adapter), &Device::flex()).expect("the adapter loads");
    adapter.attach(base).expect("the adapter fits")
}

#[derive(Default)]
struct Log(Vec<StepReport>);

impl<M> TrainerCallback<M> for Log {
    fn on_step(&mut self, report: &StepReport, _model: &M) -> Result<Control, Error> {
        self.0.push(report.clone());
        Ok(Control::Continue)
    }
}

fn curve() -> (Vec<Sample>, TrainingConfig, serde_json::Value) {
    let (tensors, json) = (golden("curve.safetensors"), golden_json("curve.json"));
    let (ids, mask, labels) = (tensors.ids("ids"), tensors.ids("mask"), rows(&tensors, "labels"));
    let samples =
        (0..ids.len()).map(|row| sample(&row.to_string(), &ids[row], &mask[row], &labels[row])).collect();
    let number = |value: &serde_json::Value| value.as_f64().expect("a number");
    let count = |value: &serde_json::Value| value.as_u64().expect("a count") as usize;
    let (optimizer, schedule) = (&json["optimizer"], &json["schedule"]);
    let config = TrainingConfig {
        shuffle: false,
        max_steps: Some(count(&schedule["total_steps"])),
        batch_size: BatchSize::Samples(count(&json["micro_batch"])),
        gradient_accumulation_steps: count(&json["grad_accumulation"]),
        max_grad_norm: number(&json["grad_clip"]),
        schedule: ScheduleConfig {
            learning_rate: number(&optimizer["lr"]),
            lr_scheduler_type: SchedulerType::Cosine,
            warmup_steps: count(&schedule["warmup_steps"]),
            warmup_ratio: 0.0,
        },
        optimizer: OptimizerConfig {
            adam_beta1: number(&optimizer["betas"][0]) as f32,
            adam_beta2: number(&optimizer["betas"][1]) as f32,
            adam_epsilon: number(&optimizer["eps"]) as f32,
            weight_decay: number(&optimizer["weight_decay"]) as f32,
        },
        ..TrainingConfig::default()
    };
    (samples, config, json)
}

#[test]
fn twenty_steps() {
    let (samples, config, json) = curve();
    let start = model("curve_init");
    let mut log = Log::default();
    let mut guard = GradientGuard::new(trainable_parameters(&start), |name| name.ends_with("lora_B.weight"));
    let (trained, summary) =
        train(start, &samples, &[], &config, &mut [&mut log, &mut guard]).expect("trains");
    let expected = json["token_weighted"].as_array().expect("steps");
    assert_eq!(summary.steps, expected.len());
    assert_eq!(log.0.iter().map(|report| report.lr).collect::<Vec<_>>(), exact_learning_rates());
    let (mut worst_loss, mut worst_norm) = (0f64, 0f64);
    for (got, want) in log.0.iter().zip(expected) {
        let number = |key: &str| want[key].as_f64().expect("a number");
        worst_loss = worst_loss.max((got.loss - number("loss")).abs());
        let norm = number("grad_norm_before_clip");
        worst_norm = worst_norm.max((got.grad_norm - norm).abs() / norm);
    }
    let last_tokens = log.0.windows(2).last().map(|w| w[1].trained_tokens - w[0].trained_tokens);
    assert_eq!(last_tokens, expected.last().expect("steps")["num_label_tokens"].as_u64());
    println!(
        "losses: max abs difference {worst_loss:e}; gradient norms: max relative difference {worst_norm:e}"
    );
    assert!(worst_loss <= 2e-3, "losses differ by {worst_loss}");

    let reference = golden("curve.safetensors");
    let config =
        AdapterWeights::load(golden_dir().join("curve_init"), &Device::flex()).expect("loads").config;
    let mut worst = 0f32;
    for (path, (a, b)) in AdapterWeights::of(&trained, &config).tensors {
        for (part, tensor) in [("lora_A", a), ("lora_B", b)] {
            let name = format!("final.base_model.model.{path}.{part}.weight");
            worst = worst.max(max_diff(&values(tensor), &reference.f32(&name).1));
        }
    }
    println!("final adapter: max abs difference {worst:e}");
    assert!(worst <= 2e-3, "the adapter differs by {worst}");
}

/// serde_json's parser may be off by the last bit, and learning rates are compared exactly.
fn exact_learning_rates() -> Vec<f64> {
    let text = std::fs::read_to_string(golden_dir().join("curve.json")).expect("there");
    let json = tooltune_chat::Value::parse_json(&text).expect("JSON");
    let steps =
        json.as_object().and_then(|o| o.get("token_weighted")).and_then(|v| v.as_array()).expect("steps");
    let rate = |step: &tooltune_chat::Value| match step.as_object().and_then(|step| step.get("lr")) {
        Some(tooltune_chat::Value::Number(tooltune_chat::Number::Float(rate))) => *rate,
        other => panic!("{other:?} is not a learning rate"),
    };
    steps.iter().map(rate).collect()
}

#[test]
fn the_losses_that_trl_computes() {
    let chat = golden_json("chat.json");
    for case in ["trl_assistant_only", "trl_completion_only"] {
        let reference = &chat[case];
        let model = model(reference["adapter"].as_str().expect("a name"));
        let batch = &reference["batch"];
        let row = |key: &str, row: usize| -> Vec<i64> {
            batch[key][row].as_array().expect("a row").iter().map(|x| x.as_i64().expect("a number")).collect()
        };
        let samples: Vec<Sample> = (0..batch["input_ids"].as_array().expect("rows").len())
            .map(|r| {
                let unsigned = |key: &str| row(key, r).iter().map(|&x| x as u32).collect::<Vec<_>>();
                sample(&r.to_string(), &unsigned("input_ids"), &unsigned("attention_mask"), &row("labels", r))
            })
            .collect();
        let batch = SampleBatch::collate(&samples.iter().collect::<Vec<_>>(), 0);
        let loss =
            MaskedCrossEntropy::default().loss(&model, &batch).expect("a loss").sum / batch.total_weight();
        let difference = (loss - reference["loss"].as_f64().expect("a number")).abs();
        println!("{case}: loss differs by {difference:e}");
        assert!(difference <= 1e-4, "{case}: {difference}");
    }
}

#[test]
fn accumulation_does_not_change_the_step() {
    let (samples, config, _) = curve();
    let losses = |batch, accumulation| {
        let config = TrainingConfig {
            batch_size: BatchSize::Samples(batch),
            gradient_accumulation_steps: accumulation,
            max_steps: Some(4),
            ..config.clone()
        };
        let mut log = Log::default();
        train(model("curve_init"), &samples, &[], &config, &mut [&mut log]).expect("trains");
        log.0.iter().map(|report| (report.loss, report.grad_norm)).collect::<Vec<_>>()
    };
    let reference = losses(8, 1);
    for (batch, accumulation) in [(4, 2), (2, 4), (1, 8)] {
        for (got, want) in losses(batch, accumulation).iter().zip(&reference) {
            assert!(
                (got.0 - want.0).abs() / want.0 < 1e-5,
                "{batch}x{accumulation}: loss {} {}",
                got.0,
                want.0
            );
            assert!(
                (got.1 - want.1).abs() / want.1 < 1e-4,
                "{batch}x{accumulation}: norm {} {}",
                got.1,
                want.1
            );
        }
    }
}

#[test]
fn bad_samples_are_refused_or_counted() {
    let good = Sample::new("good", vec![2, 5, 6], vec![0.0, 1.0, 1.0]).expect("valid");
    let silent = Sample::new("silent", vec![2, 5, 6], vec![1.0, 0.0, 0.0]).expect("valid");
    let long = Sample::new("long", vec![2; 50], vec![1.0; 50]).expect("valid");
    let foreign = Sample::new("foreign", vec![2, 1_000_000], vec![0.0, 1.0]).expect("valid");
    let config = TrainingConfig { max_length: 40, max_steps: Some(1), ..TrainingConfig::default() };

    #[derive(Default)]
    struct Start(Vec<String>);
    impl<M> TrainerCallback<M> for Start {
        fn on_start(&mut self, start: &RunStart) {
            self.0 = [start.untrained.clone(), start.too_long.clone()].concat();
        }
    }
    let mut start = Start::default();
    train(model("curve_init"), &[good, silent.clone(), long], &[], &config, &mut [&mut start])
        .expect("trains");
    assert_eq!(start.0, ["silent", "long"]);
    let refused =
        |samples: &[Sample]| train(model("curve_init"), samples, &[], &config, &mut []).expect_err("refused");
    assert!(matches!(refused(&[silent]), Error::EmptyDataset { untrained: 1, .. }));
    assert!(matches!(refused(&[foreign]), Error::TokenOutOfVocabulary { token: 1_000_000, .. }));
}

#[test]
fn settings_out_of_range_are_named() {
    let base = TrainingConfig::default;
    let schedule = |learning_rate, warmup_ratio| TrainingConfig {
        schedule: ScheduleConfig { learning_rate, warmup_ratio, ..ScheduleConfig::default() },
        ..base()
    };
    let cases = [
        ("learning_rate", schedule(0.0, 0.0)),
        ("learning_rate", schedule(f64::NAN, 0.0)),
        ("warmup_ratio", schedule(1e-4, 1.5)),
        ("max_steps", TrainingConfig { max_steps: Some(usize::MAX), ..base() }),
        ("max_steps", TrainingConfig { max_steps: Some(0), ..base() }),
    ];
    for (name, config) in cases {
        match config.validate() {
            Err(Error::InvalidConfig { field, .. }) => assert_eq!(field, name),
            other => panic!("{name}: {other:?}"),
        }
    }
    base().validate().expect("valid");
}

/// Keeps what a run says about its evaluation, and stops it.
#[derive(Default)]
struct Stopper {
    after: usize,
    start: Option<RunStart>,
    end: Option<TrainingSummary>,
}

impl<M> TrainerCallback<M> for Stopper {
    fn on_start(&mut self, start: &RunStart) {
        self.start = Some(start.clone());
    }

    fn on_step(&mut self, report: &StepReport, _model: &M) -> Result<Control, Error> {
        Ok(if report.step == self.after { Control::Stop } else { Control::Continue })
    }

    fn on_end(&mut self, summary: &TrainingSummary) {
        self.end = Some(summary.clone());
    }
}

#[test]
fn evaluation_samples_are_selected_and_a_stopped_run_is_evaluated() {
    let (samples, config, _) = curve();
    let longest = samples.iter().map(|sample| sample.ids.len()).max().expect("samples");
    let config = TrainingConfig { max_steps: Some(4), max_length: longest, ..config };
    let long = Sample::new("long", vec![2; longest + 1], vec![1.0; longest + 1]).expect("valid");
    let silent = Sample::new("silent", vec![2, 5, 6], vec![1.0, 0.0, 0.0]).expect("valid");
    let evaluation = [samples[0].clone(), long, silent.clone()];

    let mut stopper = Stopper { after: 2, ..Stopper::default() };
    let (trained, summary) =
        train(model("curve_init"), &samples, &evaluation, &config, &mut [&mut stopper]).expect("trains");
    let start = stopper.start.expect("started");
    assert_eq!(
        (start.evaluation_samples, start.evaluation_dropped.as_slice()),
        (1, &["long".to_owned(), "silent".to_owned()][..])
    );
    assert_eq!(summary.steps, 2);
    let objective = MaskedCrossEntropy::default();
    let expected =
        evaluation_loss(&trained, &evaluation[..1], &objective, config.batch_size).expect("a loss");
    assert!(expected.is_some() && summary.eval_loss == expected, "{:?} {expected:?}", summary.eval_loss);
    assert_eq!(stopper.end, Some(summary));

    let (_, summary) = train(model("curve_init"), &samples, &[silent], &config, &mut []).expect("trains");
    assert_eq!(summary.eval_loss, None);
    let foreign = Sample::new("foreign", vec![2, 1_000_000], vec![0.0, 1.0]).expect("valid");
    let error = train(model("curve_init"), &samples, &[foreign], &config, &mut []).expect_err("refused");
    assert!(matches!(error, Error::TokenOutOfVocabulary { .. }), "{error}");
}

#[test]
fn a_loss_that_is_not_finite_names_step_and_samples() {
    let (samples, config, _) = curve();
    let mut broken = model("curve_init");
    let weight = broken.embed_tokens.base.weight.val();
    let [_, width] = weight.dims();
    let id = samples[0].ids[0] as usize;
    let row = weight.clone().narrow(0, id, 1).mul_scalar(f32::NAN);
    broken.embed_tokens.base.weight =
        burn::module::Param::from_tensor(weight.slice_assign([id..id + 1, 0..width], row).detach())
            .set_require_grad(false);
    let mut watcher = Watcher::default();
    match train(broken, &samples, &[], &config, &mut [&mut watcher]).expect_err("refused") {
        Error::NotFinite { step, samples, .. } => {
            assert_eq!((step, samples), (1, vec!["0".to_owned(), "1".to_owned()]))
        }
        other => panic!("{other}"),
    }
    assert_eq!(watcher.failed, Some(1));
}

/// Breaks the second step, and keeps what a failing run hands over.
#[derive(Default)]
struct Watcher {
    fail_at: Option<usize>,
    failed: Option<usize>,
    after_step: Vec<f32>,
    handed_over: Vec<f32>,
}

fn adapter_values(model: &Gemma2<LoraLinear>) -> Vec<f32> {
    let mut out = Vec::new();
    model.visit_projections(&mut |_, projection| {
        let adapter = projection.adapter.as_ref().expect("an adapter");
        out.extend(values(adapter.lora_b.val()));
    });
    out
}

impl TrainerCallback<Gemma2<LoraLinear>> for Watcher {
    fn on_gradients(
        &mut self,
        step: usize,
        _model: &Gemma2<LoraLinear>,
        _gradients: &burn::optim::GradientsParams,
    ) -> Result<(), Error> {
        match self.fail_at {
            Some(at) if at == step => Err(Error::FirstStep { parameter: "x".to_owned(), problem: "fails" }),
            _ => Ok(()),
        }
    }

    fn on_step(&mut self, _report: &StepReport, model: &Gemma2<LoraLinear>) -> Result<Control, Error> {
        self.after_step = adapter_values(model);
        Ok(Control::Continue)
    }

    fn on_error(&mut self, step: usize, model: &Gemma2<LoraLinear>, _error: &Error) {
        (self.failed, self.handed_over) = (Some(step), adapter_values(model));
    }
}

#[test]
fn a_failing_step_hands_over_the_model_before_it() {
    let (samples, config, _) = curve();
    let mut watcher = Watcher { fail_at: Some(3), ..Watcher::default() };
    train(model("curve_init"), &samples, &[], &config, &mut [&mut watcher]).expect_err("fails");
    assert_eq!(watcher.failed, Some(3));
    assert!(!watcher.after_step.is_empty() && watcher.handed_over == watcher.after_step);
}

#[test]
fn the_guard_sees_a_frozen_weight_move() {
    let (samples, config, _) = curve();
    let start = model("curve_init");
    let batch = SampleBatch::collate(&[&samples[0]], 0);
    let objective = MaskedCrossEntropy::default();
    let (_, gradients) = accumulate(&start, &[batch], &objective, &config, 1).expect("gradients");
    let verdict = |after: &Gemma2<LoraLinear>| {
        let mut guard = GradientGuard::new(trainable_parameters(&start), |_| false);
        guard.on_gradients(1, &start, &gradients).expect("all is well");
        let report = StepReport {
            step: 1,
            epoch: 0.0,
            loss: 0.0,
            lr: 0.0,
            grad_norm: 0.0,
            tokens: 0,
            trained_tokens: 0,
            tokens_per_sec: 0.0,
            peak_memory_bytes: None,
            eval_loss: None,
        };
        guard.on_step(&report, after)
    };
    verdict(&start).expect("nothing moved");
    let mut moved = start.clone();
    let weight = moved.embed_tokens.base.weight.val();
    let last = weight.clone().slice([0..1, 0..1]).add_scalar(1e-3);
    let id = moved.embed_tokens.base.weight.id;
    let changed = weight.slice_assign([0..1, 0..1], last).detach();
    moved.embed_tokens.base.weight = burn::module::Param::initialized(id, changed).set_require_grad(false);
    assert!(verdict(&moved).expect_err("it moved").to_string().contains("has changed"));
}

#[test]
fn training_leaves_the_base_as_it_was() {
    let (samples, config, _) = curve();
    let start = model("curve_init");
    let base = |model: &Gemma2<LoraLinear>| {
        let mut out = vec![values(model.embed_tokens.base.weight.val()), values(model.norm.weight.val())];
        model.visit_projections(&mut |_, projection| out.push(values(projection.base.weight.val())));
        out
    };
    let before = base(&start);
    let config = TrainingConfig { max_steps: Some(3), ..config };
    let (trained, _) = train(start, &samples, &[], &config, &mut []).expect("trains");
    assert!(before == base(&trained), "a frozen weight moved");
}

#[test]
fn the_guard_sees_what_does_not_learn_and_what_should_not() {
    let (samples, config, _) = curve();
    let start = model("curve_init");
    let all = trainable_parameters(&start);
    let refused = |guard: &mut GradientGuard, model: Gemma2<LoraLinear>| {
        let error = train(model, &samples, &[], &config, &mut [guard]).expect_err("refused");
        assert!(matches!(error, Error::FirstStep { .. }), "{error}");
        error.to_string()
    };
    // At first the gradient of every A is zero, because B is.
    assert!(refused(&mut GradientGuard::new(all.clone(), |_| true), start.clone()).contains("lora_A"));
    let embedding = vec![("embed_tokens".to_owned(), start.embed_tokens.base.weight.id)];
    assert!(
        refused(&mut GradientGuard::new([all.clone(), embedding].concat(), |_| false), start.clone())
            .contains("embed_tokens")
    );
    assert!(refused(&mut GradientGuard::new(all[1..].to_vec(), |_| false), start).contains("frozen"));
}

#[test]
fn threads_do_not_change_the_result() {
    let (samples, config, _) = curve();
    let losses = |micro_batch_threads| {
        let execution = ExecutionConfig { micro_batch_threads, ..ExecutionConfig::default() };
        let config = TrainingConfig { execution, max_steps: Some(4), ..config.clone() };
        let mut log = Log::default();
        train(model("curve_init"), &samples, &[], &config, &mut [&mut log]).expect("trains");
        log.0.iter().map(|report| report.loss).collect::<Vec<_>>()
    };
    assert_eq!(losses(1), losses(2));
}

#[test]
fn the_evaluation_loss_is_the_loss_of_all_samples_untracked() {
    let (samples, _, _) = curve();
    let model = model("curve_init");
    assert!(model.device().is_autodiff() && !model.valid().device().is_autodiff());
    let objective = MaskedCrossEntropy::default();
    let batch = SampleBatch::collate(&samples.iter().collect::<Vec<_>>(), 0);
    let loss = objective.loss(&model.valid(), &batch).expect("a loss");
    assert!(loss.surrogate.is_none());
    let expected = loss.sum / batch.total_weight();
    for size in [BatchSize::Samples(3), BatchSize::Tokens(50)] {
        let got =
            evaluation_loss(&model, &samples, &objective, size).expect("a loss").expect("trained tokens");
        assert!((got - expected).abs() < 1e-4, "{got} {expected}");
    }
    assert_eq!(evaluation_loss(&model, &[], &objective, BatchSize::Samples(1)).expect("no samples"), None);
}
