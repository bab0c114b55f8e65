//! Teaches Gemma-2 to call functions, and proves it: evaluates, trains LoRA, evaluates again.
//!
//! Without arguments it teaches the small base that comes with the project, in about three minutes on two cores:
//!
//! `cargo run --release --example finetune`
//!
//! With a Hugging Face checkpoint and a file of conversations it does the same for them:
//!
//! `cargo run --release --example finetune -- --model DIR --data FILE --out DIR`
#![recursion_limit = "256"]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use burn::module::Module;
use clap::Parser;
use tooltune::chat::Conversation;
use tooltune::eval::Record;
use tooltune::gemma2::Gemma2;
use tooltune::lora::{LoraConfig, LoraLinear, ParameterCount, learns_at_once, trainable_parameters};
use tooltune::sft::trainer::select_trainable;
use tooltune::sft::{
    BatchSize, ExecutionConfig, GradientGuard, MaskedCrossEntropy, MetricsFile, OptimizerConfig,
    ScheduleConfig, SchedulerType, TrainerCallback, TrainingConfig, train_with,
};
use tooltune_examples::adapter_options::{AdapterOptions, preset_config};
use tooltune_examples::backend::{Checkpointing, Compute};
use tooltune_examples::cli::exit_code;
use tooltune_examples::dialect::{Choice, Dialect, Preset, Schema, encode_all};
use tooltune_examples::generation_eval::{EvaluateByGeneration, split_evenly};
use tooltune_examples::input::{Pretrained, embedded_base};
use tooltune_examples::plot::loss_curve;
use tooltune_examples::progress::{History, Progress};
use tooltune_examples::rescue::Rescue;
use tooltune_examples::results::{write, write_results};
use tooltune_examples::rules::{Judged, Rules};
use tooltune_examples::scoring::{Question, ScoringConfig, answer, answerable, questions};
use tooltune_examples::synthetic::{CallingData, Split};
use tooltune_examples::trained_base::TrainedBase;

/// Fine-tune Gemma-2 for function calling with LoRA, and evaluate it before and after.
///
/// Without --model and --data it trains the small base that comes with the project on generated conversations. FILE holds JSON lines:
/// either `conversations` or `messages` in the layout of the agents course (tools and calls as Python literals in the text), or
/// `messages` and `tools` as OpenAI's API has them.
///
/// Writes adapter/ (PEFT), report.md, report.json, report.html, scorecard.json, scorecard.md, predictions.jsonl, failures.jsonl,
/// resampling.json, metrics.jsonl and loss.svg to the output folder.
#[derive(Parser)]
struct Args {
    /// A save_pretrained folder: config.json, *.safetensors, tokenizer.json.
    #[arg(long, requires = "data")]
    model: Option<PathBuf>,
    /// JSON lines to train on.
    #[arg(long, requires = "model")]
    data: Option<PathBuf>,
    /// JSON lines to evaluate on; without it every tenth conversation of --data is held out.
    #[arg(long, requires = "data")]
    eval_data: Option<PathBuf>,
    /// Where to write.
    #[arg(long, default_value = "out")]
    out: PathBuf,
    /// `fixed`: Gemma's roles, JSON calls, loss on what the model writes. `course`: the agents course's own text, loss, adapter, tokens and
    /// packing, known mistakes included; options override what it sets.
    #[arg(long, value_enum, default_value = "fixed")]
    preset: Preset,
    /// How tools are written in prompts: `full` or, for the project's own base, `compact`.
    #[arg(long, value_enum)]
    schema: Option<Schema>,
    #[command(flatten)]
    compute: Compute,
    /// Optimizer steps; by default one epoch.
    #[arg(long)]
    max_steps: Option<usize>,
    /// Passes over the data.
    #[arg(long)]
    epochs: Option<usize>,
    /// Highest learning rate.
    #[arg(long)]
    learning_rate: Option<f64>,
    /// Samples in a micro-batch.
    #[arg(long)]
    batch_size: Option<usize>,
    /// Micro-batches in a step.
    #[arg(long)]
    accumulation: Option<usize>,
    /// Longer samples, in tokens, are dropped and counted; by default the model's own limit, at most 2048, with --preset course 1500.
    #[arg(long)]
    max_length: Option<usize>,
    /// Whether layers are computed again in the backward pass, which takes a third longer, instead of keeping their activations: `auto` does
    /// it when the run would not fit into the free memory.
    #[arg(long, value_enum, default_value = "auto")]
    gradient_checkpointing: Checkpointing,
    /// Lays samples end to end in rows of up to --max-length tokens, isolated from one another, instead of padding them; the size of a
    /// micro-batch then counts rows. With --preset course this is the default: --packing=false switches it off.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    packing: Option<bool>,
    #[command(flatten)]
    adapter: AdapterOptions,
    /// Seed of the adapter's start, the shuffle, dropout and the generated data.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Prompts to evaluate on, per held-out set; 0 skips the evaluation by generation.
    #[arg(long)]
    eval_limit: Option<usize>,
    /// Evaluates by generation every so many steps and after the last, logs to evaluations.jsonl, and keeps the best adapter in
    /// adapter-best/.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    eval_steps: Option<u32>,
    /// Held-out prompts for --eval-steps, spread over the sets.
    #[arg(long, default_value_t = 50)]
    eval_subset: usize,
    /// The best adapter of --eval-steps becomes adapter/. It is chosen by at most half of the held-out prompts, and the report is about
    /// the others: to report what one has chosen by would flatter.
    #[arg(long, requires = "eval_steps")]
    keep_best: bool,
    /// Also evaluate the answers to tool results.
    #[arg(long)]
    answers: bool,
    /// Tokens that the model may write in the evaluation.
    #[arg(long, default_value_t = 96)]
    max_new_tokens: usize,
    /// A few steps and a few prompts, to see that everything works.
    #[arg(long)]
    quick: bool,
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

/// What is trained on, and with what.
struct Job {
    base: PathBuf,
    dialect: Dialect,
    train: Vec<Conversation>,
    held_out: Vec<(String, Vec<Conversation>)>,
    training: TrainingConfig,
    lora: LoraConfig,
    eval_limit: usize,
    scoring: ScoringConfig,
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let job = match (&args.model, &args.data) {
        (Some(model), Some(data)) => real_job(args, model, data)?,
        _ => embedded_job(args)?,
    };
    let device = args.compute.device.open()?;
    let start = Instant::now();
    let base = Pretrained::load(&job.base, &job.dialect, args.compute.dtype.into(), &device.autodiff())?;
    let base = TrainedBase::new(base, &job.base, &job.dialect, &args.adapter, &job.lora, args.seed)?;
    let (tokenizer, writer) = (&base.tokenizer, &base.writer);
    // Rotary positions go on past what the model was made for; but only when asked to.
    let longest = args
        .max_length
        .unwrap_or_else(|| job.training.max_length.min(base.model.config.max_position_embeddings));
    let training = TrainingConfig { max_length: longest, ..job.training.clone() };
    training.validate()?;
    let samples = encode_all(&job.dialect, &job.train, tokenizer)?;
    select_trainable(&samples, &training, writer.vocab.trained)?;
    let mut asked: Vec<Question> = Vec::new();
    let mut held_out_samples = Vec::new();
    for (group, conversations) in &job.held_out {
        let limit = job.eval_limit;
        asked.extend(questions(group, conversations, limit, args.answers, &job.dialect, tokenizer)?);
        held_out_samples.extend(encode_all(&job.dialect, conversations, tokenizer)?);
    }
    let asked = answerable(asked, training.max_length);
    let (watched, asked) = watched(args, asked)?;
    let adapted = base.model;
    eprintln!(
        "{}: LoRA r={}, alpha={}: {}",
        job.base.display(),
        job.lora.r,
        job.lora.lora_alpha,
        ParameterCount::of(&adapted)
    );
    eprintln!("who will load the adapter:");
    for line in writer.consumers()? {
        eprintln!("  {line}");
    }

    // Nothing is written before everything that was given has been read and understood.
    fs::create_dir_all(&args.out).map_err(|e| format!("{}: {e}", args.out.display()))?;
    let before = evaluate("before", &adapted, tokenizer, &job, &asked)?;
    let (mut progress, mut history) = (Progress::new(), History::default());
    let mut metrics = MetricsFile::create(args.out.join("metrics.jsonl"))?;
    let mut guard = GradientGuard::new(trainable_parameters(&adapted), learns_at_once);
    let mut rescue = Rescue::new(&args.out, writer);
    let mut generation = match args.eval_steps {
        Some(every) => Some(EvaluateByGeneration::new(
            every as usize,
            watched,
            job.scoring,
            tokenizer,
            writer,
            &args.out,
            progress.printer(),
        )?),
        None => None,
    };
    let mut callbacks: Vec<&mut dyn TrainerCallback<_>> =
        vec![&mut rescue, &mut guard, &mut metrics, &mut history, &mut progress];
    if let Some(generation) = &mut generation {
        callbacks.push(generation);
    }
    let factors = args.adapter.lora_plus().map(|plus| plus.learning_rate_factors(&adapted));
    let optimizer = training.optimizer.build_with_factors(&factors.unwrap_or_default());
    let loss = MaskedCrossEntropy::default();
    let (last, summary) =
        train_with(adapted, &samples, &held_out_samples, &training, &loss, optimizer, &mut callbacks)?;
    let best = generation.and_then(EvaluateByGeneration::into_best);
    let (adapted, chosen) = match best {
        Some(best) if args.keep_best => {
            let chosen =
                format!(" The adapter is that of step {}: {} of {} right.", best.step, best.right, best.of);
            (best.model, chosen)
        }
        _ => (last, String::new()),
    };
    let after = evaluate("after", &adapted, tokenizer, &job, &asked)?;

    writer.write(&adapted, &args.out.join("adapter"))?;
    loss_curve(&args.out.join("loss.svg"), &history.0)?;
    let mut report = format!(
        "# Fine-tuning of {}\n\n{} steps over {} samples, {} tokens, {:.0} s in all. Training loss {:.4}{}.{chosen}\n\n",
        job.base.display(),
        summary.steps,
        samples.len(),
        summary.tokens,
        start.elapsed().as_secs_f64(),
        summary.train_loss,
        summary.eval_loss.map_or_else(String::new, |loss| format!(", held-out loss {loss:.4}")),
    );
    if let (Some(before), Some(after)) = (before, after) {
        let (before, (after, records)) = (before.0.card, after);
        let comparison = Rules::default().compare(&before, &after.card)?;
        println!("{}", comparison.to_terminal());
        print!("{}", after.advice());
        report.push_str(&comparison.to_markdown());
        let title = format!("Fine-tuning of {}", job.base.display());
        write_results(&args.out, &title, &after, &records, Some((&before, &comparison)), None)?;
    }
    write(&args.out.join("report.md"), &report)?;
    finish(args, &job, start);
    Ok(())
}

/// Questions for --eval-steps, and for before and after.
fn watched(args: &Args, asked: Vec<Question>) -> Result<(Vec<Question>, Vec<Question>), Box<dyn Error>> {
    if args.eval_steps.is_none() {
        return Ok((Vec::new(), asked));
    }
    let most = if args.keep_best { asked.len() / 2 } else { asked.len() };
    let count = args.eval_subset.min(most);
    if count == 0 {
        return Err(
            "--eval-steps needs held-out prompts: see --eval-data, --eval-limit and --eval-subset".into()
        );
    }
    let all = asked.clone();
    let (watched, others) = split_evenly(asked, count);
    Ok((watched, if args.keep_best { others } else { all }))
}

fn evaluate(
    when: &str,
    adapted: &Gemma2<LoraLinear>,
    tokenizer: &tooltune::chat::HfTokenizer,
    job: &Job,
    asked: &[Question],
) -> Result<Option<(Judged, Vec<Record>)>, Box<dyn Error>> {
    if asked.is_empty() {
        eprintln!("no held-out prompts: nothing is evaluated {when} training");
        return Ok(None);
    }
    let start = Instant::now();
    let records = answer(&adapted.valid(), tokenizer, &job.dialect, asked, job.scoring)?;
    eprintln!(
        "evaluated {} prompts {when} training in {:.0} s; for example",
        asked.len(),
        start.elapsed().as_secs_f64()
    );
    if let Some(record) = records.first() {
        eprintln!("  user:  {}", record.request().unwrap_or_default().trim());
        eprintln!("  model: {}", record.response.text.trim().replace('\n', " "));
    }
    Ok(Some((Rules::default().judge(&records), records)))
}

fn finish(args: &Args, job: &Job, start: Instant) {
    let out = args.out.display();
    println!(
        "wrote {out}/adapter (PEFT), report.html, report.md, metrics.jsonl and loss.svg in {:.0} s",
        start.elapsed().as_secs_f64()
    );
    println!("next:");
    println!(
        "  talk to it:   cargo run --release --example generate -- --model {} --adapter {out}/adapter",
        job.base.display()
    );
    println!(
        "  merge it:     cargo run --release --example merge -- --model {} --adapter {out}/adapter --out {out}/merged",
        job.base.display()
    );
    println!("  your own:     cargo run --release --example finetune -- --model DIR --data FILE --out DIR");
}

/// The base that comes with the project, and generated conversations.
fn embedded_job(args: &Args) -> Result<Job, Box<dyn Error>> {
    if args.preset == Preset::Course {
        return Err(
            "--preset course needs --model and --data: the embedded task is written in Gemma's own roles"
                .into(),
        );
    }
    let data = CallingData::new(args.seed);
    let (train, held_out) = if args.quick { (60, 8) } else { (EMBEDDED_SAMPLES, 100) };
    let set = |split: Split| {
        (split.name().to_owned(), data.conversations(split, args.eval_limit.unwrap_or(held_out).max(1)))
    };
    let training = TrainingConfig {
        seed: args.seed,
        batch_size: BatchSize::Tokens(1024),
        gradient_accumulation_steps: 2,
        execution: ExecutionConfig { micro_batch_threads: 2, ..ExecutionConfig::default() },
        group_by_length: true,
        max_steps: args.quick.then_some(3),
        schedule: ScheduleConfig {
            learning_rate: 3e-3,
            lr_scheduler_type: SchedulerType::Linear,
            warmup_steps: 20,
            warmup_ratio: 0.0,
        },
        optimizer: OptimizerConfig { adam_beta2: 0.98, weight_decay: 0.0, ..OptimizerConfig::default() },
        ..TrainingConfig::default()
    };
    Ok(Job {
        base: embedded_base(),
        dialect: Dialect::new(Choice { preset: args.preset, schema: args.schema.unwrap_or(Schema::Compact) }),
        train: data.conversations(Split::Train, train),
        held_out: Split::HELD_OUT.map(set).to_vec(),
        training: with_overrides(training, args),
        lora: lora(args, 0.0, "embedded base")?,
        eval_limit: args.eval_limit.unwrap_or(held_out),
        scoring: ScoringConfig { max_new_tokens: args.max_new_tokens, ..ScoringConfig::default() },
    })
}

/// Generated conversations to train on: one epoch takes about two minutes on two cores.
const EMBEDDED_SAMPLES: usize = 8_000;

/// Rows that the course packs its samples into.
const COURSE_ROW_TOKENS: usize = 1500;
/// What a run with its preset must say.
const COURSE_NOTE: &str = "preset course, as published; known to be wrong in it: two BOS, the role `human`, loss on every token, calls as Python \
     literals, the tag <tool_reponse>, and two adapters on the one tied matrix of embedding and head, with which \
     little loads. See docs/course.md; the preset fixed has none of it.";

/// A checkpoint and a file.
fn real_job(args: &Args, model: &Path, data: &Path) -> Result<Job, Box<dyn Error>> {
    let course = args.preset == Preset::Course;
    if course {
        eprintln!("{COURSE_NOTE}");
    }
    let dialect = Dialect::new(Choice { preset: args.preset, schema: args.schema.unwrap_or_default() });
    let all = dialect.read(data)?;
    let (train, held_out) = match &args.eval_data {
        Some(path) => (all, dialect.read(path)?),
        None => {
            let (mut train, mut held_out) = (Vec::new(), Vec::new());
            for (index, conversation) in all.into_iter().enumerate() {
                if index % 10 == 9 { held_out.push(conversation) } else { train.push(conversation) }
            }
            (train, held_out)
        }
    };
    let default = TrainingConfig::default();
    let training = TrainingConfig {
        seed: args.seed,
        max_steps: args.quick.then_some(3),
        max_length: if course { COURSE_ROW_TOKENS } else { default.max_length },
        execution: ExecutionConfig { packing: course, ..default.execution },
        ..default
    };
    let limit = args.eval_limit.unwrap_or(if args.quick { 2 } else { 200 });
    Ok(Job {
        base: model.to_owned(),
        dialect,
        train,
        held_out: if held_out.is_empty() { Vec::new() } else { vec![("held_out".to_owned(), held_out)] },
        training: with_overrides(training, args),
        lora: lora(args, 0.05, &model.display().to_string())?,
        eval_limit: limit,
        scoring: ScoringConfig { max_new_tokens: args.max_new_tokens, batch_size: 8, threads: 1 },
    })
}

fn with_overrides(config: TrainingConfig, args: &Args) -> TrainingConfig {
    let mut schedule = config.schedule.clone();
    schedule.learning_rate = args.learning_rate.unwrap_or(schedule.learning_rate);
    TrainingConfig {
        schedule,
        max_steps: args.max_steps.or(config.max_steps),
        num_train_epochs: args.epochs.unwrap_or(config.num_train_epochs),
        batch_size: args.batch_size.map_or(config.batch_size, BatchSize::Samples),
        gradient_accumulation_steps: args.accumulation.unwrap_or(config.gradient_accumulation_steps),
        max_length: args.max_length.unwrap_or(config.max_length),
        execution: ExecutionConfig {
            gradient_checkpointing: args.gradient_checkpointing.into(),
            packing: args.packing.unwrap_or(config.execution.packing),
            ..config.execution
        },
        ..config
    }
}

fn lora(args: &Args, dropout: f64, base: &str) -> Result<LoraConfig, Box<dyn Error>> {
    args.adapter.config(LoraConfig {
        lora_dropout: dropout,
        base_model_name_or_path: Some(base.to_owned()),
        ..preset_config(args.preset)
    })
}
