//! Scores a model's tool calls on held-out conversations.
//!
//! `cargo run --release --example evaluate -- --model DIR [--adapter DIR] --data FILE [--out DIR]`
#![recursion_limit = "256"]

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tooltune::chat::Conversation;
use tooltune::eval::{Comparison, Scorecard};
use tooltune_examples::backend::Compute;
use tooltune_examples::cli::exit_code;
use tooltune_examples::input::{Pretrained, Style, embedded_base, find_dialect};
use tooltune_examples::predictions::write_predictions;
use tooltune_examples::scoring::{Question, ScoringConfig, answerable, questions, score};
use tooltune_examples::synthetic::{CallingData, Split};

/// Score tool calls by generation.
///
/// Without --model and --data it scores the base that comes with the project, or an adapter on it, on the generated held-out sets.
#[derive(Parser)]
struct Args {
    /// A save_pretrained folder.
    #[arg(long, requires = "data")]
    model: Option<PathBuf>,
    /// A PEFT adapter to merge into it.
    #[arg(long)]
    adapter: Option<PathBuf>,
    /// JSON lines of conversations.
    #[arg(long, requires = "model")]
    data: Option<PathBuf>,
    /// A scorecard.json to compare with.
    #[arg(long)]
    before: Option<PathBuf>,
    /// Writes scorecard.json, scorecard.md and predictions.jsonl to this folder.
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    style: Style,
    #[command(flatten)]
    compute: Compute,
    /// Prompts per set.
    #[arg(long, default_value_t = 200)]
    limit: usize,
    /// Tokens that the model may write.
    #[arg(long, default_value_t = 128)]
    max_new_tokens: usize,
    /// Seed of the generated sets.
    #[arg(long, default_value_t = 42)]
    seed: u64,
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let folder = args.model.clone().unwrap_or_else(embedded_base);
    let dialect = find_dialect(&folder, args.adapter.as_deref(), args.style)?;
    let sets: Vec<(String, Vec<Conversation>)> = match &args.data {
        Some(path) => vec![("data".to_owned(), dialect.read(path)?)],
        None => {
            let data = CallingData::new(args.seed);
            Split::HELD_OUT
                .map(|split| (split.name().to_owned(), data.conversations(split, args.limit)))
                .to_vec()
        }
    };
    let device = args.compute.device.open()?;
    let mut pretrained = Pretrained::load(&folder, &dialect, args.compute.dtype.into(), &device)?;
    if let Some(adapter) = &args.adapter {
        pretrained = pretrained.with_adapter(adapter, &device)?;
    }
    let mut asked: Vec<Question> = Vec::new();
    for (group, conversations) in &sets {
        asked.extend(questions(group, conversations, args.limit, &dialect, &pretrained.tokenizer)?);
    }
    let asked = answerable(asked, pretrained.model.config.max_position_embeddings);
    // Real models fill the machine with one small batch.
    let (batch_size, threads) = if args.model.is_some() { (8, 1) } else { (25, 2) };
    let scoring = ScoringConfig { max_new_tokens: args.max_new_tokens, batch_size, threads };
    let (card, records) = score(&pretrained.model, &pretrained.tokenizer, &dialect, &asked, scoring)?;
    println!("{}", card.to_terminal());
    if let Some(path) = &args.before {
        let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        println!("{}", Comparison::new(&Scorecard::from_json(&text)?, &card)?.to_terminal());
    }
    if let Some(out) = &args.out {
        fs::create_dir_all(out)?;
        write_predictions(&out.join("predictions.jsonl"), &asked, &records)?;
        for (name, text) in [("scorecard.json", card.to_json()?), ("scorecard.md", card.to_markdown())] {
            fs::write(out.join(name), text).map_err(|e| format!("{}: {e}", out.join(name).display()))?;
        }
    }
    Ok(())
}
