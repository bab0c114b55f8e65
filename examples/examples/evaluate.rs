//! Scores a model's tool calls on held-out conversations.
//!
//! `cargo run --release --example evaluate -- --model DIR [--adapter DIR] --data FILE [--out DIR]`
//!
//! or on the Berkeley Function-Calling Leaderboard's own files, with `--bfcl DIR` in place of `--data FILE`.
#![recursion_limit = "256"]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tooltune::chat::Conversation;
use tooltune_examples::backend::Compute;
use tooltune_examples::case::bfcl_cases;
use tooltune_examples::cli::exit_code;
use tooltune_examples::input::{Pretrained, Style, embedded_base, find_dialect};
use tooltune_examples::results::{enforce, read_gate, read_scorecard, write_results};
use tooltune_examples::rules::{ProfileName, Rules};
use tooltune_examples::scoring::{Question, ScoringConfig, answer, answerable, question, questions};
use tooltune_examples::synthetic::{CallingData, Split};

/// Score tool calls by generation.
///
/// Without --model and --data it scores the base that comes with the project, or an adapter on it, on the generated held-out sets.
#[derive(Parser)]
struct Args {
    /// A save_pretrained folder.
    #[arg(long)]
    model: Option<PathBuf>,
    /// A PEFT adapter to merge into it.
    #[arg(long)]
    adapter: Option<PathBuf>,
    /// JSON lines of conversations.
    #[arg(long, requires = "model")]
    data: Option<PathBuf>,
    /// A folder of the Berkeley leaderboard's question files, with possible_answer/.
    #[arg(long, conflicts_with = "data")]
    bfcl: Option<PathBuf>,
    /// How strictly arguments are compared in `ast_…` and in failures; `bfcl` with --bfcl, else `strict`.
    #[arg(long, value_enum)]
    profile: Option<ProfileName>,
    /// Also ask for the answers to tool results.
    #[arg(long)]
    answers: bool,
    /// A scorecard.json to compare with.
    #[arg(long)]
    before: Option<PathBuf>,
    /// Thresholds, {"rules": [{"metric": "exact_calls", "at_least": 0.9}]}: exit code 1 where one is missed.
    #[arg(long)]
    gate: Option<PathBuf>,
    /// Writes scorecard.json, scorecard.md, report.html, failures.jsonl, resampling.json and predictions.jsonl to this folder; with
    /// --before report.json and report.md too.
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
    if args.model.is_some() && args.data.is_none() && args.bfcl.is_none() {
        return Err(
            "--model needs --data or --bfcl: the generated sets are made for the project's own base".into()
        );
    }
    let rules = Rules::new(args.profile, args.bfcl.is_some())?;
    let gate = args.gate.as_deref().map(read_gate).transpose()?;
    let before = args.before.as_deref().map(read_scorecard).transpose()?;
    let folder = args.model.clone().unwrap_or_else(embedded_base);
    let dialect = find_dialect(&folder, args.adapter.as_deref(), args.style)?;
    let cases = args.bfcl.as_deref().map(|folder| bfcl_cases(folder, args.limit)).transpose()?;
    let sets: Vec<(String, Vec<Conversation>)> = match (&args.data, &cases) {
        (_, Some(_)) => Vec::new(),
        (Some(path), None) => vec![("data".to_owned(), dialect.read(path)?)],
        (None, None) => {
            let data = CallingData::new(args.seed);
            Split::HELD_OUT
                .map(|split| (split.name().to_owned(), data.conversations(split, args.limit)))
                .to_vec()
        }
    };
    let device = args.compute.device.open()?;
    let (adapter, dtype) = (args.adapter.as_deref(), args.compute.dtype.into());
    let pretrained = Pretrained::load_adapted(&folder, adapter, &dialect, dtype, &device)?;
    let mut asked: Vec<Question> = Vec::new();
    for (group, conversations) in &sets {
        let tokenizer = &pretrained.tokenizer;
        asked.extend(questions(group, conversations, args.limit, args.answers, &dialect, tokenizer)?);
    }
    for case in cases.into_iter().flatten() {
        asked.push(question(case, &dialect, &pretrained.tokenizer)?);
    }
    let asked = answerable(asked, pretrained.model.config.max_position_embeddings);
    // Real models fill the machine with one small batch.
    let (batch_size, threads) = if args.model.is_some() { (8, 1) } else { (25, 2) };
    let scoring = ScoringConfig { max_new_tokens: args.max_new_tokens, batch_size, threads };
    let records = answer(&pretrained.model, &pretrained.tokenizer, &dialect, &asked, scoring)?;
    let judged = rules.judge(&records);
    println!("{}", judged.card.to_terminal());
    print!("{}", judged.advice());
    let comparison = before.as_ref().map(|before| rules.compare(before, &judged.card)).transpose()?;
    if let Some(comparison) = &comparison {
        println!("{}", comparison.to_terminal());
    }
    let gate = gate.map(|gate| gate.check(&judged.card));
    if let Some(out) = &args.out {
        let title = format!("Evaluation of {}", args.adapter.as_ref().unwrap_or(&folder).display());
        write_results(
            out,
            &title,
            &judged,
            &records,
            before.as_ref().zip(comparison.as_ref()),
            gate.as_ref(),
        )?;
    }
    gate.as_ref().map_or(Ok(()), enforce)
}
