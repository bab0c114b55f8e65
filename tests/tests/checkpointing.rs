//! Gradient checkpointing changes neither loss nor gradients, and nothing happens below the lowest adapter.
#![recursion_limit = "256"]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::module::{Module, ModuleVisitor};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Int, Tensor};
use tooltune_gemma2::{Gemma2, Gemma2Context};
use tooltune_lm::{CausalLm, Head, KvCache, LayerActivations, TokenBatch};
use tooltune_lora::{AdapterWeights, LoraConfig, LoraLinear, Patterns, attach, trainable_parameters};
use tooltune_sft::{
    BatchSize, Control, Error, ExecutionConfig, GradientCheckpointing, MaskedCrossEntropy, RunStart, Sample,
    SampleBatch, StepReport, TrainerCallback, TrainingConfig, train, trainer::accumulate,
};
use tooltune_tests::{golden, golden_dir, max_diff, values};

/// A device has one stream of random numbers, which every step seeds: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn base() -> Gemma2 {
    let device = Device::flex().autodiff();
    Gemma2::from_pretrained(golden_dir().join("base"), DType::F32, &device).expect("the base loads")
}

/// Right-padded rows of the reference, with a loss on the later part of each.
fn batches() -> Vec<SampleBatch> {
    let forward = golden("forward.safetensors");
    let (ids, mask) = (forward.ids("right.ids"), forward.ids("right.mask"));
    let sample = |row: usize| {
        let length = mask[row].iter().filter(|&&real| real == 1).count();
        let weights = (0..length).map(|token| if token > length / 3 { 0.5 } else { 0.0 }).collect();
        Sample::new(row.to_string(), ids[row][..length].to_vec(), weights).expect("as many")
    };
    let samples: Vec<Sample> = (0..ids.len()).map(sample).collect();
    let of = |samples: &[&Sample]| SampleBatch::collate(samples, 0);
    let all: Vec<&Sample> = samples.iter().collect();
    let (first, rest) = all.split_at(1);
    vec![of(first), of(rest), of(&all)]
}

fn config(gradient_checkpointing: GradientCheckpointing, micro_batch_threads: usize) -> TrainingConfig {
    let execution =
        ExecutionConfig { micro_batch_threads, gradient_checkpointing, ..ExecutionConfig::default() };
    TrainingConfig { seed: 5, execution, ..TrainingConfig::default() }
}

fn gradients<M: CausalLm>(model: &M, config: &TrainingConfig) -> (f64, GradientsParams) {
    // Small chunks, so that the rows do not all fit into one.
    let objective = MaskedCrossEntropy { chunk_rows: 7 };
    accumulate(model, &batches(), &objective, config, 3).expect("gradients")
}

fn compare(name: &str, model: &Gemma2<LoraLinear>, expected: &TrainingConfig, actual: &TrainingConfig) {
    assert_same(name, model, gradients(model, expected), gradients(model, actual));
}

/// Parameters that learn, by name; of what is trained whole as well.
fn assert_same(
    name: &str,
    model: &Gemma2<LoraLinear>,
    (expected_loss, expected): (f64, GradientsParams),
    (loss, actual): (f64, GradientsParams),
) {
    let difference = (loss - expected_loss).abs() / expected_loss;
    assert!(difference <= 1e-6, "{name}: the losses are {loss} and {expected_loss}");
    let mut worst = 0f32;
    let parameters = trainable_parameters(model);
    for (parameter, id) in &parameters {
        let of = |gradients: &GradientsParams| {
            let vector = parameter.ends_with("magnitude_vector");
            let found = if vector {
                gradients.get::<1>(*id).map(values)
            } else {
                gradients.get::<2>(*id).map(values)
            };
            found.unwrap_or_else(|| panic!("{name}: {parameter} has no gradient"))
        };
        let (expected, actual) = (of(&expected), of(&actual));
        let largest = expected.iter().fold(0f32, |max, x| max.max(x.abs()));
        assert!(largest > 0.0, "{name}: the gradient of {parameter} is zero");
        let relative = max_diff(&actual, &expected) / largest;
        assert!(relative <= 1e-6, "{name}: {parameter}: {relative} of its maximum");
        worst = worst.max(relative);
    }
    assert_eq!(actual.len(), parameters.len(), "{name}: something frozen has a gradient");
    println!("{name}: loss {difference:e}, worst of {} gradients {worst:e}", parameters.len());
}

fn checkpointing_changes_nothing(name: &str, model: &Gemma2<LoraLinear>) {
    let (off, on) = (GradientCheckpointing::Off, GradientCheckpointing::On);
    for threads in [1, 2, 3] {
        compare(&format!("{name}, {threads} threads"), model, &config(off, 1), &config(on, threads));
    }
}

#[test]
fn every_adapter_of_the_reference() {
    let _alone = alone();
    let mut found = 0;
    for entry in std::fs::read_dir(golden_dir()).expect("there").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && name.starts_with("adapter_") {
            let weights = AdapterWeights::load(entry.path(), &Device::flex()).expect("loads");
            checkpointing_changes_nothing(&name, &weights.attach(base()).expect("fits"));
            found += 1;
        }
    }
    assert!(found > 0, "no adapter in {}", golden_dir().display());
}

/// An adapter of `config` whose Bs are not zero.
fn adapted(config: &LoraConfig) -> Gemma2<LoraLinear> {
    struct Fill;
    impl burn::module::ModuleMapper for Fill {
        fn map_float<const D: usize>(
            &mut self,
            param: burn::module::Param<Tensor<D>>,
        ) -> burn::module::Param<Tensor<D>> {
            if !param.is_require_grad() {
                return param;
            }
            let (id, value) = (param.id, param.val());
            let shape = value.shape();
            let wave = Tensor::<1, Int>::arange(0..shape.num_elements() as i64, &value.device())
                .float()
                .cast(DType::F32)
                .sin()
                .mul_scalar(0.02)
                .reshape(shape);
            let moved = (value.detach() + wave).inner();
            burn::module::Param::initialized(id, moved.autodiff().require_grad())
        }
    }
    attach(base(), config, 1).expect("fits").map(&mut Fill)
}

#[test]
fn embedding_head_and_token_rows() {
    let _alone = alone();
    let seven = LoraConfig::default();
    let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let all = ["q_proj", "v_proj", "down_proj"];
    for (name, targets) in [
        ("embedding and head", [&all[..], &["embed_tokens", "lm_head"]].concat()),
        ("embedding only", vec!["embed_tokens"]),
        ("head only", vec!["lm_head"]),
    ] {
        let config = LoraConfig { target_modules: of(&targets), r: 4, ..seven.clone() };
        checkpointing_changes_nothing(name, &adapted(&config));
    }
    let tokens = LoraConfig { trainable_token_indices: vec![2, 5, 9], r: 4, ..seven };
    checkpointing_changes_nothing("token rows", &adapted(&tokens));
}

#[test]
fn dropout_is_drawn_again() {
    let _alone = alone();
    let of = |lora_dropout| adapted(&LoraConfig { lora_dropout, r: 4, ..LoraConfig::default() });
    let (with, without) = (of(0.3), of(0.0));
    checkpointing_changes_nothing("dropout", &with);
    let off = config(GradientCheckpointing::Off, 1);
    let (loss, _) = gradients(&with, &off);
    assert!((loss - gradients(&without, &off).0).abs() > 1e-4, "nothing was dropped");
    assert_eq!(loss, gradients(&with, &off).0, "the same key draws the same");
    let other = TrainingConfig { seed: 6, ..off.clone() };
    assert!((loss - gradients(&with, &other).0).abs() > 1e-4, "another seed draws the same");
    // Threads take turns at drawing.
    compare("dropout in threads", &with, &off, &config(GradientCheckpointing::Off, 3));
}

#[test]
fn a_whole_run_is_the_same() {
    let _alone = alone();
    let forward = golden("forward.safetensors");
    let row = forward.ids("right.ids")[0].clone();
    let sample = |n: usize| {
        Sample::new(n.to_string(), row[..4 + n].to_vec(), vec![1.0; 4 + n]).expect("as many weights as ids")
    };
    let samples: Vec<Sample> = (0..4).map(sample).collect();
    #[derive(Default)]
    struct Log(Vec<f64>, Option<RunStart>);
    impl<M> TrainerCallback<M> for Log {
        fn on_start(&mut self, start: &RunStart) {
            self.1 = Some(start.clone());
        }
        fn on_step(&mut self, report: &StepReport, _: &M) -> Result<Control, Error> {
            self.0.push(report.loss);
            Ok(Control::Continue)
        }
    }
    let losses = |choice| {
        let config = TrainingConfig {
            max_steps: Some(4),
            batch_size: BatchSize::Samples(2),
            gradient_accumulation_steps: 2,
            ..config(choice, 1)
        };
        let model = adapted(&LoraConfig { r: 4, lora_dropout: 0.1, ..LoraConfig::default() });
        let mut log = Log::default();
        train(model, &samples, &[], &config, &mut [&mut log]).expect("trains");
        (log.0, log.1.expect("started").memory)
    };
    let (off, on) = (losses(GradientCheckpointing::Off), losses(GradientCheckpointing::On));
    assert!(!off.1.gradient_checkpointing && on.1.gradient_checkpointing);
    assert!(on.1.peak_bytes(true) < on.1.peak_bytes(false));
    for (off, on) in off.0.iter().zip(&on.0) {
        assert!((off - on).abs() < 1e-5 * off, "{off} {on}");
    }
    // This model fits into any machine.
    assert!(!losses(GradientCheckpointing::Auto).1.gradient_checkpointing);
}

/// One call of a decoder layer: which, and whether its input and its output were tracked.
type Call = (usize, bool, bool);

/// Records what is asked of a model.
#[derive(Module, Debug)]
struct Recording {
    model: Gemma2<LoraLinear>,
    #[module(skip)]
    calls: Arc<Mutex<Vec<Call>>>,
}

impl CausalLm for Recording {
    type Context = Gemma2Context;

    fn vocab_size(&self) -> usize {
        self.model.vocab_size()
    }
    fn num_layers(&self) -> usize {
        self.model.num_layers()
    }
    fn hidden_size(&self) -> usize {
        self.model.hidden_size()
    }
    fn device(&self) -> Device {
        self.model.device()
    }
    fn context(&self, batch: &TokenBatch, cache: Option<&KvCache>) -> Gemma2Context {
        self.model.context(batch, cache)
    }
    fn embed(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        self.model.embed(ids)
    }
    fn decoder_layer(
        &self,
        index: usize,
        hidden: Tensor<3>,
        context: &Gemma2Context,
        cache: Option<&mut KvCache>,
    ) -> Tensor<3> {
        let before = hidden.is_tracked();
        let hidden = self.model.decoder_layer(index, hidden, context, cache);
        self.calls.lock().expect("not poisoned").push((index, before, hidden.is_tracked()));
        hidden
    }
    fn final_norm(&self, hidden: Tensor<3>) -> Tensor<3> {
        self.model.final_norm(hidden)
    }
    fn head(&self, hidden: &Tensor<2>) -> Head {
        self.model.head(hidden)
    }
    fn visit_layer<V: ModuleVisitor>(&self, index: usize, visitor: &mut V) {
        self.model.visit_layer(index, visitor);
    }
    fn layer_activations(&self, index: usize) -> LayerActivations {
        self.model.layer_activations(index)
    }
}

/// [`Recording`] leaves it to the trait to take the rows, out of all that the last layer computes.
#[test]
fn the_last_layer_computes_what_is_trained() {
    let _alone = alone();
    let model = adapted(&LoraConfig { r: 4, ..LoraConfig::default() });
    let whole = Recording { model: model.clone(), calls: Arc::default() };
    for checkpointing in [GradientCheckpointing::Off, GradientCheckpointing::On] {
        let config = config(checkpointing, 1);
        assert_same("trained rows", &model, gradients(&whole, &config), gradients(&model, &config));
    }
}

fn calls(lora: &LoraConfig, checkpointing: GradientCheckpointing) -> Vec<Call> {
    let model = Recording { model: adapted(lora), calls: Arc::default() };
    let objective = MaskedCrossEntropy::default();
    let config = config(checkpointing, 1);
    accumulate(&model, &batches()[..1], &objective, &config, 1).expect("gradients");
    std::mem::take(&mut *model.calls.lock().expect("not poisoned"))
}

#[test]
fn nothing_happens_below_the_lowest_adapter() {
    let _alone = alone();
    let layers = base().num_layers();
    for lowest in 1..layers {
        let upper: Vec<usize> = (lowest..layers).collect();
        let patterns = Patterns { layers_to_transform: Some(upper), ..Patterns::default() };
        let lora = LoraConfig { patterns, r: 2, ..LoraConfig::default() };
        let forward = |index| (index, index > lowest, index >= lowest);
        let expected: Vec<Call> = (0..layers).map(forward).collect();
        assert_eq!(calls(&lora, GradientCheckpointing::Off), expected);

        let untracked = (0..layers).map(|index| (index, false, false));
        let again = (lowest..layers).rev().map(|index| (index, index > lowest, true));
        let expected: Vec<Call> = untracked.chain(again).collect();
        assert_eq!(calls(&lora, GradientCheckpointing::On), expected);
    }
    let head = LoraConfig { target_modules: vec!["lm_head".to_owned()], r: 2, ..LoraConfig::default() };
    let untracked: Vec<Call> = (0..layers).map(|index| (index, false, false)).collect();
    for checkpointing in [GradientCheckpointing::Off, GradientCheckpointing::On] {
        assert_eq!(calls(&head, checkpointing), untracked);
    }
}
