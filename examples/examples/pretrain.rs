//! Makes the base of the embedded default: a tokenizer and a small Gemma-2 that has read dialogues, JSON and markup, but never a tool
//! call or a tool tag.
//!
//! The base that comes with the project was made by
//!
//! ```text
//! cargo run --release --example pretrain -- --out FIRST
//! cargo run --release --example pretrain -- --from FIRST --seed 2 --million-tokens 8 --out examples/assets/base
//! ```
//!
//! Muon on the matrices (Jordan et al., 2024), AdamW on embedding and norms; answers weigh 1, a sample of the prompt's tokens 0.3. The loop
//! is built from the public parts of `tooltune-sft`; the data is a stream, so nothing is seen twice.
#![recursion_limit = "256"]

use std::collections::HashSet;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamWConfig, GradientsParams, MuonConfig};
use burn::tensor::{DType, Device, Tensor};
use clap::Parser;
use tooltune::chat::{ChatTemplate, Gemma2 as Gemma2Template, HfTokenizer, encode};
use tooltune::gemma2::{Gemma2, Gemma2Config, LayerType};
use tooltune::sft::trainer::accumulate;
use tooltune::sft::{
    ExecutionConfig, GradientCheckpointing, MaskedCrossEntropy, Sample, SampleBatch, TrainingConfig,
    gradients,
};
use tooltune_examples::synthetic::rng::Rng;
use tooltune_examples::synthetic::tokenizer::{TokenizerConfig, train_tokenizer};
use tooltune_examples::synthetic::{PretrainingData, Stage};

/// Pre-trains the base of the embedded default.
#[derive(Parser)]
struct Args {
    /// Folder for config.json, model.safetensors and tokenizer.json.
    #[arg(long)]
    out: PathBuf,
    /// Tokens to read, in millions.
    #[arg(long, default_value_t = 24.0)]
    million_tokens: f64,
    /// Go on from this folder, with the last part of the curriculum, from a third of the learning rates down.
    #[arg(long)]
    from: Option<PathBuf>,
    /// Decoder layers.
    #[arg(long, default_value_t = 6, conflicts_with = "from")]
    layers: usize,
    /// Seed of weights and data.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Two of these make a step, each on a thread of its own.
const TOKENS_PER_BATCH: usize = 2048;
const POOL: usize = 400;
const WARMUP_STEPS: f64 = 30.0;
const MUON_LR: f64 = 0.02;
const ADAMW_LR: f64 = 3e-3;
/// Share of the prompt's tokens that have a loss, and its weight.
const PROMPT_LOSS: (f64, f32) = (0.15, 0.3);
/// Share of the run after which the easy single questions have given way to the main stage.
const EASY_UNTIL: f64 = 0.06;
/// Share of the run after which choosing and refusing is practised above all.
const CHOOSING_FROM: f64 = 0.45;

fn main() -> Result<(), Box<dyn Error>> {
    tooltune::kernels::allocator::keep_freed_memory();
    let args = Args::parse();
    let data = PretrainingData::new(args.seed);
    std::fs::create_dir_all(&args.out)?;
    let tokenizer_file = args.out.join("tokenizer.json");
    match &args.from {
        Some(folder) => drop(std::fs::copy(folder.join("tokenizer.json"), &tokenizer_file)?),
        None => std::fs::write(
            &tokenizer_file,
            train_tokenizer(data.sample_texts(), &TokenizerConfig::default())?,
        )?,
    }
    let tokenizer = HfTokenizer::from_file(&tokenizer_file)?;

    let device = Device::flex().autodiff();
    device.seed(args.seed);
    let mut config = Gemma2Config::tiny();
    let alternating = [LayerType::SlidingAttention, LayerType::FullAttention];
    config.layer_types = alternating.into_iter().cycle().take(args.layers).collect();
    config.num_hidden_layers = args.layers;
    config.initializer_range = 1.0 / (config.hidden_size as f64).sqrt();
    let mut model = match &args.from {
        Some(folder) => Gemma2::from_pretrained(folder, DType::F32, &device)?,
        None => Gemma2::random(&config, &device)?,
    };
    let matrices = matrices(&model);
    let mut muon = MuonConfig::new().with_weight_decay(Some(WeightDecayConfig::new(0.05))).init();
    let mut adamw = AdamWConfig::new()
        .with_beta_1(0.9)
        .with_beta_2(0.95)
        .with_epsilon(1e-8)
        .with_weight_decay(0.0)
        .init();
    let objective = MaskedCrossEntropy { chunk_rows: 1024 };
    let execution = ExecutionConfig {
        micro_batch_threads: 2,
        gradient_checkpointing: GradientCheckpointing::Off,
        packing: false,
    };
    let config = TrainingConfig { seed: args.seed, execution, ..TrainingConfig::default() };
    println!(
        "{} parameters, {} in matrices; {} M tokens",
        model.num_params(),
        matrices.len(),
        args.million_tokens
    );

    let mut stream = Stream {
        data,
        tokenizer,
        seed: args.seed,
        choosing_only: args.from.is_some(),
        drawn: [0, 0, 0],
        pool: Vec::new(),
        pools: 0,
    };
    let (start, mut tokens, mut step) = (Instant::now(), 0usize, 0usize);
    let (mut window, mut window_loss) = (0.0, 0.0);
    while (tokens as f64) < args.million_tokens * 1e6 {
        let done = tokens as f64 / (args.million_tokens * 1e6);
        let batches = [stream.next_batch(done)?, stream.next_batch(done)?];
        let factor = schedule(step, done, args.from.is_some());
        let (loss, grads) = accumulate(&model, &batches, &objective, &config, step)?;
        let (matrix_grads, other_grads) = split(&model, grads, &matrices);
        let norm = gradients::global_norm(&model, &other_grads)?;
        let other_grads = gradients::clip(&model, other_grads, norm, 1.0);
        model = muon.step(MUON_LR * factor, model, matrix_grads);
        model = adamw.step(ADAMW_LR * factor, model, other_grads);
        step += 1;
        tokens += batches.iter().map(|batch| batch.tokens.num_tokens()).sum::<usize>();
        (window, window_loss) = (window + 1.0, window_loss + loss);
        if step % 100 == 0 {
            let secs = start.elapsed().as_secs_f64();
            let rate = tokens as f64 / secs;
            println!(
                "{secs:.0} s  step {step}  {:.2} M tokens  loss {:.3}  {rate:.0} tokens/s",
                tokens as f64 / 1e6,
                window_loss / window
            );
            (window, window_loss) = (0.0, 0.0);
        }
        if step % 1000 == 0 {
            model.valid().save_pretrained(&args.out, DType::BF16)?;
        }
    }
    model.valid().save_pretrained(&args.out, DType::BF16)?;
    println!(
        "{} after {:.0} s, {step} steps, {tokens} tokens",
        args.out.display(),
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Linear warm-up, constant for the first half, then linear to 2 %; a second run goes down from a third of that at once.
fn schedule(step: usize, done: f64, second: bool) -> f64 {
    let warmup = ((step + 1) as f64 / WARMUP_STEPS).min(1.0);
    let (peak, constant) = if second { (0.33, 0.0) } else { (1.0, 0.5) };
    warmup * peak * if done < constant { 1.0 } else { ((1.0 - done) / (1.0 - constant)).max(0.02) }
}

/// The dialogues, in batches of similar length.
struct Stream {
    data: PretrainingData,
    tokenizer: HfTokenizer,
    seed: u64,
    choosing_only: bool,
    drawn: [usize; 3],
    pool: Vec<Vec<Sample>>,
    pools: u64,
}

impl Stream {
    fn next_batch(&mut self, done: f64) -> Result<SampleBatch, Box<dyn Error>> {
        if self.pool.is_empty() {
            self.fill(done)?;
        }
        let samples = self.pool.pop().ok_or("an empty pool")?;
        Ok(SampleBatch::collate(&samples.iter().collect::<Vec<_>>(), 0))
    }

    fn fill(&mut self, done: f64) -> Result<(), Box<dyn Error>> {
        let mut random = Rng::keyed(self.seed, "pool", self.pools);
        self.pools += 1;
        // Easy alone at first, then less and less of it.
        let easy = match done / EASY_UNTIL {
            _ if self.choosing_only => 0.0,
            share if share < 0.7 => 1.0,
            share => ((1.0 - share) / 0.3).max(0.06),
        };
        let choosing = self.choosing_only || done >= CHOOSING_FROM;
        let main = if choosing { Stage::Choosing } else { Stage::Main };
        let mut samples = Vec::with_capacity(POOL);
        for _ in 0..POOL {
            let stage = if random.chance(easy) { Stage::Easy } else { main };
            let drawn = &mut self.drawn[stage as usize];
            let conversation = self.data.conversation(stage, *drawn);
            *drawn += 1;
            let chat = encode(&Gemma2Template::default().render(&conversation, false)?, &self.tokenizer)?;
            let mut sample = Sample::from_chat(conversation.id.unwrap_or_default(), chat)?;
            for weight in &mut sample.weights {
                if *weight == 0.0 && random.chance(PROMPT_LOSS.0) {
                    *weight = PROMPT_LOSS.1;
                }
            }
            samples.push(sample);
        }
        samples.sort_by_key(|sample| sample.ids.len());
        let mut batches: Vec<Vec<Sample>> = Vec::new();
        for sample in samples {
            match batches.last_mut() {
                // Sorted: the newcomer is the longest.
                Some(batch) if (batch.len() + 1) * sample.ids.len() <= TOKENS_PER_BATCH => batch.push(sample),
                _ => batches.push(vec![sample]),
            }
        }
        random.shuffle(&mut batches);
        self.pool = batches;
        Ok(())
    }
}

/// The gradients of the matrices, and the others.
fn split(
    model: &Gemma2,
    all: GradientsParams,
    matrices: &HashSet<ParamId>,
) -> (GradientsParams, GradientsParams) {
    struct Split<'a> {
        all: GradientsParams,
        matrices: &'a HashSet<ParamId>,
        parts: (GradientsParams, GradientsParams),
    }
    impl ModuleVisitor for Split<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.all.remove::<D>(param.id) {
                let matrix = self.matrices.contains(&param.id);
                let part = if matrix { &mut self.parts.0 } else { &mut self.parts.1 };
                part.register(param.id, gradient);
            }
        }
    }
    let mut split = Split { all, matrices, parts: (GradientsParams::new(), GradientsParams::new()) };
    model.visit(&mut split);
    split.parts
}

/// Ids of all two-dimensional parameters but the embedding.
fn matrices(model: &Gemma2) -> HashSet<ParamId> {
    struct Matrices(HashSet<ParamId>);
    impl ModuleVisitor for Matrices {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if D == 2 {
                self.0.insert(param.id);
            }
        }
    }
    let mut found = Matrices(HashSet::new());
    model.visit(&mut found);
    found.0.remove(&model.embed_tokens.weight.id);
    found.0
}
