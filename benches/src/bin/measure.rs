//! Speed and peak memory of one configuration, as one line of JSON: `RESULT {…}` on standard output.
//!
//! One process measures one case, on a model with random weights and random tokens. `pairs` runs it in turns with a peer.
#![recursion_limit = "256"]

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::{DType, Device};
use clap::{Parser, ValueEnum};
use serde_json::{Map, Value, json};
use tooltune::gemma2::{Gemma2, Gemma2Config};
use tooltune::lm::{CausalLm, KvCache, Padding, TokenBatch, quantize};
use tooltune::lora::{LoraConfig, ParameterCount, attach};
use tooltune::sft::memory::peak_bytes;
use tooltune::sft::trainer::accumulate;
use tooltune::sft::{
    BatchSize, ExecutionConfig, GradientCheckpointing, MaskedCrossEntropy, OptimizerConfig, Plan, Sample,
    SampleBatch, TrainingConfig, gradients,
};
use tooltune_benches::process::{Usage, reset_peak, resident_bytes};
use tooltune_benches::random::Random;
use tooltune_benches::{device, next_tokens, random_model, sync, tiny};

/// Measures one configuration, and prints `RESULT` and one line of JSON. RAYON_NUM_THREADS sets the number of threads.
#[derive(Parser)]
struct Args {
    /// `train`: optimizer steps with LoRA of rank 16 on the seven projections, AdamW, gradient norm 1. `infer`: reading a prompt, and
    /// greedy decoding.
    #[arg(long, value_enum)]
    mode: Mode,
    /// `tiny`: 5.1 M parameters. `small`: 138 M. `2b`: Gemma-2-2B.
    #[arg(long, value_enum, default_value = "tiny")]
    shape: Shape,
    /// The dtype of the weights.
    #[arg(long, value_enum, default_value = "f32")]
    dtype: Dtype,
    /// Samples in a step, or sequences.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    batch: usize,
    /// Tokens in a sample, or in a prompt.
    #[arg(long, default_value_t = 256, value_parser = at_least_one)]
    seq: usize,
    /// Measured steps.
    #[arg(long, default_value_t = 5, value_parser = at_least_one)]
    steps: usize,
    /// Steps before them.
    #[arg(long, default_value_t = 2)]
    warmup: usize,
    /// train: whether layers are computed again in the backward pass.
    #[arg(long, value_enum, default_value = "off")]
    gradient_checkpointing: Switch,
    /// train: the tokens with a loss; `half` is the second half of each sample.
    #[arg(long, value_enum, default_value = "all")]
    loss_on: LossOn,
    /// train: lengths are drawn from seq / 8 to seq.
    #[arg(long)]
    varlen: bool,
    /// train: `none` pads the samples of a step, `rows` lays them end to end in one row, isolated from one another. `bfd` draws eight times as
    /// many samples, with lengths as `--varlen`, and packs them into rows of `seq` tokens, best fit decreasing; a step has `batch` rows.
    #[arg(long, value_enum, default_value = "none")]
    packing: Packing,
    /// train: dropout on the adapters' input.
    #[arg(long, default_value_t = 0.05)]
    dropout: f64,
    /// infer: tokens to decode.
    #[arg(long, default_value_t = 32, value_parser = at_least_one)]
    decode: usize,
    /// infer: weights of 8 bits, made of those in `dtype`.
    #[arg(long)]
    quantize: bool,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Mode {
    Train,
    Infer,
}

#[derive(Clone, Copy, ValueEnum)]
enum Shape {
    Tiny,
    Small,
    #[value(name = "2b")]
    Gemma2B,
}

#[derive(Clone, Copy, ValueEnum)]
enum Dtype {
    F32,
    Bf16,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Switch {
    Off,
    On,
}

#[derive(Clone, Copy, ValueEnum)]
enum LossOn {
    All,
    Half,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Packing {
    None,
    Rows,
    Bfd,
}

fn main() -> ExitCode {
    let args = Args::parse();
    tooltune::kernels::threads::on_worker_thread(|| match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    })
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    tooltune::kernels::allocator::keep_freed_memory();
    let config = match args.shape {
        Shape::Tiny => tiny(),
        Shape::Small => Gemma2Config::small(),
        Shape::Gemma2B => Gemma2Config::gemma2_2b(),
    };
    let dtype = match args.dtype {
        Dtype::F32 => DType::F32,
        Dtype::Bf16 => DType::BF16,
    };
    let device = if args.mode == Mode::Train { device().autodiff() } else { device() };
    let mut out = settings(args)?;
    let start = Instant::now();
    let model = random_model(&config, dtype, &device);
    out.insert("build_s".to_owned(), rounded(start.elapsed().as_secs_f64(), 1));
    out.insert("params".to_owned(), json!(model.num_params()));
    out.insert("rss_after_build_mib".to_owned(), json!(resident_bytes().map(mib)));
    // The random initialisation does not count.
    reset_peak();
    let measured = match args.mode {
        Mode::Train => train(args, model, &device, &mut out)?,
        Mode::Infer if args.quantize => {
            let start = Instant::now();
            let model = quantize(model)?;
            sync(&device);
            out.insert("quantize_s".to_owned(), rounded(start.elapsed().as_secs_f64(), 1));
            out.insert("quantize_peak_rss_mib".to_owned(), json!(peak_bytes().map(mib)));
            reset_peak();
            infer(args, &model, &device, &mut out)?
        }
        Mode::Infer => infer(args, &model, &device, &mut out)?,
    };
    measured.report(&mut out);
    println!("RESULT {}", Value::Object(out));
    Ok(())
}

/// What was measured, under the names that the peer's script gives them.
fn settings(args: &Args) -> Result<Map<String, Value>, Box<dyn Error>> {
    let name = |value: Option<clap::builder::PossibleValue>| value.map(|value| value.get_name().to_owned());
    let threads = match std::env::var("RAYON_NUM_THREADS") {
        Ok(text) => text
            .parse()
            .map_err(|e| format!("RAYON_NUM_THREADS is {text:?}, not a number of threads: {e}"))?,
        Err(_) => std::thread::available_parallelism()?.get(),
    };
    let Value::Object(out) = json!({
        "mode": name(args.mode.to_possible_value()),
        "shape": name(args.shape.to_possible_value()),
        "dtype": name(args.dtype.to_possible_value()),
        "threads": threads,
        "batch": args.batch,
        "seq": args.seq,
        "steps": args.steps,
        "warmup": args.warmup,
        "gc": args.gradient_checkpointing == Switch::On,
        "loss_on": name(args.loss_on.to_possible_value()),
        "varlen": args.varlen,
        "packing": name(args.packing.to_possible_value()),
        "dropout": args.dropout,
        "decode": args.decode,
        "quantize": args.quantize,
        "versions": { "tooltune": env!("CARGO_PKG_VERSION"), "profile": if cfg!(debug_assertions) { "dev" } else { "release" } },
    }) else {
        return Err("the settings are no object".into());
    };
    Ok(out)
}

/// The measured steps.
#[derive(Default)]
struct Measured {
    start: Option<Usage>,
    step_secs: Vec<f64>,
    step_tokens: Vec<f64>,
}

impl Measured {
    /// Call when the warm-up is over.
    fn begin(&mut self) {
        self.start = Usage::now();
    }

    fn push(&mut self, secs: f64, tokens: usize) {
        self.step_secs.push(secs);
        self.step_tokens.push(tokens as f64);
    }

    fn report(&self, out: &mut Map<String, Value>) {
        if let Some(shares) = self.start.and_then(|start| Some(Usage::now()?.since(&start))) {
            out.insert("cpus_used".to_owned(), rounded(shares.cpus_used, 2));
            out.insert("runq_wait_share".to_owned(), rounded(shares.runq_wait_share, 3));
            out.insert("steal_share".to_owned(), rounded(shares.steal_share, 3));
        }
        let (secs, tokens) = (median(&self.step_secs), median(&self.step_tokens));
        let rates: Vec<f64> = self.step_tokens.iter().zip(&self.step_secs).map(|(t, s)| t / s).collect();
        let step_s: Vec<Value> = self.step_secs.iter().map(|&secs| rounded(secs, 4)).collect();
        out.insert("step_s".to_owned(), json!(step_s));
        out.insert("step_median_s".to_owned(), rounded(secs, 5));
        out.insert("tokens_per_step".to_owned(), json!(tokens));
        out.insert("tok_per_s".to_owned(), rounded(tokens / secs, 2));
        out.insert("tok_per_s_varlen".to_owned(), rounded(median(&rates), 2));
        out.insert("peak_rss_mib".to_owned(), json!(peak_bytes().map(mib)));
    }
}

fn train(
    args: &Args,
    model: Gemma2,
    device: &Device,
    out: &mut Map<String, Value>,
) -> Result<Measured, Box<dyn Error>> {
    let lora = LoraConfig { lora_dropout: args.dropout, ..LoraConfig::default() };
    let mut model = attach(model, &lora, 1)?;
    let gradient_checkpointing = match args.gradient_checkpointing {
        Switch::Off => GradientCheckpointing::Off,
        Switch::On => GradientCheckpointing::On,
    };
    let execution = ExecutionConfig { gradient_checkpointing, ..ExecutionConfig::default() };
    let config = TrainingConfig { execution, ..TrainingConfig::default() };
    let mut optimizer = OptimizerConfig::default().build();
    let batches = random_batches(args, model.config.vocab_size)?;
    let (mut measured, mut losses) = (Measured::default(), Vec::new());
    let (mut gradient_secs, mut optimizer_secs, mut padded) = (Vec::new(), Vec::new(), Vec::new());
    for (step, batch) in batches.iter().enumerate() {
        if step == args.warmup {
            measured.begin();
        }
        let batch = std::slice::from_ref(batch);
        let start = Instant::now();
        let (loss, grads) = accumulate(&model, batch, &MaskedCrossEntropy::default(), &config, step + 1)?;
        sync(device);
        let computed = Instant::now();
        let norm = gradients::global_norm(&model, &grads)?;
        let grads = gradients::clip(&model, grads, norm, 1.0);
        model = optimizer.step(1e-4, model, grads);
        sync(device);
        let end = Instant::now();
        losses.push(loss);
        if step >= args.warmup {
            let tokens = &batch[0].tokens;
            measured.push((end - start).as_secs_f64(), tokens.num_tokens());
            gradient_secs.push((computed - start).as_secs_f64());
            optimizer_secs.push((end - computed).as_secs_f64());
            padded.push((tokens.batch() * tokens.seq()) as f64);
        }
    }
    out.insert("trainable".to_owned(), json!(ParameterCount::of(&model).trainable));
    out.insert("padded_tokens".to_owned(), json!(median(&padded)));
    out.insert("loss_first".to_owned(), json!(losses.first()));
    out.insert("loss_last".to_owned(), json!(losses.last()));
    out.insert("grad_s".to_owned(), rounded(median(&gradient_secs), 4));
    out.insert("opt_s".to_owned(), rounded(median(&optimizer_secs), 4));
    Ok(measured)
}

/// The batch of every step, those of the warm-up first.
fn random_batches(args: &Args, vocab: usize) -> Result<Vec<SampleBatch>, Box<dyn Error>> {
    let mut random = Random::new(1);
    let steps = args.warmup + args.steps;
    if args.packing != Packing::Bfd {
        let batch = |_| {
            let samples = random_samples(args, args.batch, &mut random, vocab)?;
            let samples: Vec<&Sample> = samples.iter().collect();
            if args.packing == Packing::Rows {
                return Ok(SampleBatch::collate_packed(&[samples], 0));
            }
            Ok(SampleBatch::collate(&samples, 0))
        };
        return (0..steps).map(batch).collect();
    }
    let samples = random_samples(args, 8 * args.batch * steps, &mut random, vocab)?;
    let config = TrainingConfig {
        batch_size: BatchSize::Samples(args.batch),
        gradient_accumulation_steps: 1,
        max_length: args.seq,
        execution: ExecutionConfig { packing: true, ..ExecutionConfig::default() },
        ..TrainingConfig::default()
    };
    let plan = Plan::new(&samples, &config);
    let batches = plan.steps.iter().flatten().take(steps).map(|batch| batch.collate(&samples, 0));
    let batches: Vec<_> = batches.collect();
    if batches.len() < steps {
        return Err(
            format!("{} rows were packed for {steps} steps: use a longer --seq", batches.len()).into()
        );
    }
    Ok(batches)
}

fn random_samples(
    args: &Args,
    count: usize,
    random: &mut Random,
    vocab: usize,
) -> Result<Vec<Sample>, Box<dyn Error>> {
    let varied = args.varlen || args.packing == Packing::Bfd;
    let mut samples = Vec::with_capacity(count);
    for _ in 0..count {
        let length = if varied { random.between(args.seq / 8, args.seq).max(1) } else { args.seq };
        let trained_from = match args.loss_on {
            LossOn::All => 0,
            LossOn::Half => length / 2,
        };
        let weights = (0..length).map(|token| if token >= trained_from { 1.0 } else { 0.0 }).collect();
        samples.push(Sample::new("random", random.ids(length, vocab), weights)?);
    }
    Ok(samples)
}

fn infer<M: CausalLm>(
    args: &Args,
    model: &M,
    device: &Device,
    out: &mut Map<String, Value>,
) -> Result<Measured, Box<dyn Error>> {
    let mut random = Random::new(1);
    let prompts: Vec<Vec<u32>> = (0..args.batch).map(|_| random.ids(args.seq, model.vocab_size())).collect();
    let prompts = TokenBatch::padded(&prompts, Padding::Left, 0);
    let (mut measured, mut decode_secs) = (Measured::default(), Vec::new());
    for step in 0..args.warmup + args.steps {
        if step == args.warmup {
            measured.begin();
        }
        let mut cache = KvCache::new(model.num_layers(), args.batch);
        let start = Instant::now();
        let mut ids = chosen(model, &prompts, &mut cache, device)?;
        let prefill = start.elapsed().as_secs_f64();
        let mut decoding = Vec::with_capacity(args.decode);
        for position in (args.seq..).take(args.decode) {
            let start = Instant::now();
            let batch = TokenBatch::next_tokens(&ids, &vec![position as u32; args.batch]);
            ids = chosen(model, &batch, &mut cache, device)?;
            decoding.push(start.elapsed().as_secs_f64());
        }
        if step >= args.warmup {
            measured.push(prefill, args.batch * args.seq);
            decode_secs.push(median(&decoding));
        }
    }
    let secs = median(&decode_secs);
    out.insert(
        "prefill_tok_per_s".to_owned(),
        rounded((args.batch * args.seq) as f64 / median(&measured.step_secs), 2),
    );
    out.insert("decode_tok_per_s".to_owned(), rounded(args.batch as f64 / secs, 2));
    out.insert("decode_step_s".to_owned(), rounded(secs, 5));
    Ok(measured)
}

/// The most likely next token of each row, on the host.
fn chosen<M: CausalLm>(
    model: &M,
    batch: &TokenBatch,
    cache: &mut KvCache,
    device: &Device,
) -> Result<Vec<u32>, Box<dyn Error>> {
    let best = next_tokens(model, batch, cache, device).into_data().convert::<i64>();
    let best = best.as_slice::<i64>().map_err(|e| format!("{e:?}"))?;
    Ok(best.iter().map(|&id| id as u32).collect())
}

fn median(values: &[f64]) -> f64 {
    tooltune_benches::median(values).unwrap_or(f64::NAN)
}

fn rounded(value: f64, digits: i32) -> Value {
    let unit = 10f64.powi(digits);
    json!((value * unit).round() / unit)
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}
