//! Scores what any program's model wrote, without running a model.
//!
//! `cargo run --release --example score -- --data FILE --questions questions.jsonl` writes the questions, each with its id. For each of
//! them, predictions.jsonl holds a line `{"id", "text"}` or `{"id", "calls"}`, and
//!
//! `cargo run --release --example score -- --data FILE --predictions predictions.jsonl` scores them.
#![recursion_limit = "256"]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tooltune::chat::format_by_name;
use tooltune_examples::case::{bfcl_cases, cases, lint_gold};
use tooltune_examples::cli::exit_code;
use tooltune_examples::dialect::{Choice, Dialect, Preset, Schema};
use tooltune_examples::predictions::read_predictions;
use tooltune_examples::results::{enforce, read_gate, read_scorecard, write, write_results};
use tooltune_examples::rules::{ProfileName, Rules};

/// Score the predictions of any program.
///
/// Every model turn that follows a user's message is a question. Its id is `ID#TURN`: the conversation's `id` (without one,
/// `conversation N`, from 1), and the place of the turn among the messages, from 0. The leaderboard's questions keep their ids.
#[derive(Parser)]
struct Args {
    /// JSON lines of conversations; the model turns are what is wanted.
    #[arg(long, required_unless_present = "bfcl")]
    data: Option<PathBuf>,
    /// A folder of the Berkeley leaderboard's question files, with possible_answer/.
    #[arg(long, conflicts_with = "data")]
    bfcl: Option<PathBuf>,
    /// JSON lines, one for each question: {"id", "text"} with what the model wrote, or {"id", "calls": [{"name", "arguments"}]}.
    #[arg(long, required_unless_present = "questions")]
    predictions: Option<PathBuf>,
    /// Writes the questions to this file, one conversation a line, and scores nothing.
    #[arg(long, conflicts_with = "predictions")]
    questions: Option<PathBuf>,
    /// How calls are written in `text`: hermes, hermes-python, mistral, mistral-v11, llama-3.1, pythonic, functiongemma or openai; by
    /// default the preset's.
    #[arg(long)]
    format: Option<String>,
    /// How --data is read.
    #[arg(long, value_enum, default_value = "fixed")]
    preset: Preset,
    /// How strictly arguments are compared in `ast_…` and in failures; `bfcl` with --bfcl, else `strict`.
    #[arg(long, value_enum)]
    profile: Option<ProfileName>,
    /// The answers to tool results are questions too.
    #[arg(long)]
    answers: bool,
    /// Questions per set; by default all.
    #[arg(long)]
    limit: Option<usize>,
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
}

/// Findings shown; the rest is counted.
const SHOWN: usize = 20;

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let rules = Rules::new(args.profile, args.bfcl.is_some())?;
    let gate = args.gate.as_deref().map(read_gate).transpose()?;
    let before = args.before.as_deref().map(read_scorecard).transpose()?;
    let dialect = Dialect::new(Choice { preset: args.preset, schema: Schema::Full });
    let limit = args.limit.unwrap_or(usize::MAX);
    let cases = match (&args.data, &args.bfcl) {
        (Some(path), _) => {
            cases("data", &dialect.read(path)?, limit, args.answers, |turn| dialect.gold(turn))
        }
        (None, Some(folder)) => bfcl_cases(folder, limit)?,
        (None, None) => return Err("there is neither --data nor --bfcl".into()),
    };
    let name = args.format.as_deref().unwrap_or(dialect.format.name());
    let format = format_by_name(name).ok_or_else(|| format!("--format {name}: there is no such format"))?;
    if let Some(path) = &args.questions {
        let mut text = String::new();
        for case in &cases {
            let mut prompt = case.prompt.clone();
            prompt.id = Some(case.id.clone());
            text.push_str(&serde_json::to_string(&prompt)?);
            text.push('\n');
        }
        write(path, &text)?;
        println!("wrote {} questions to {}", cases.len(), path.display());
        return Ok(());
    }
    let predictions = args.predictions.as_ref().ok_or("there are no --predictions")?;
    let records = read_predictions(predictions, &cases, format.as_ref())?;
    let judged = rules.judge(&records);
    println!("{}", judged.card.to_terminal());
    print!("{}", judged.advice());
    let findings = lint_gold(&cases);
    if !findings.is_empty() {
        println!("{} things are wrong with what is wanted; mend them before the model:", findings.len());
    }
    findings.iter().take(SHOWN).for_each(|finding| println!("  {finding}"));
    if findings.len() > SHOWN {
        println!("  and {} more", findings.len() - SHOWN);
    }
    let comparison = before.as_ref().map(|before| rules.compare(before, &judged.card)).transpose()?;
    if let Some(comparison) = &comparison {
        println!("{}", comparison.to_terminal());
    }
    let gate = gate.map(|gate| gate.check(&judged.card));
    if let Some(out) = &args.out {
        let title = format!("Scores of {}", predictions.display());
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
