//! Ours and a peer in turns, several times: medians of the pairs, as a Markdown table on standard output.
//!
//! Each side of a pair is a process of its own: `measure`, which lies beside this program, and a script that takes the peer's arguments of
//! [`rows`] and prints `RESULT` and one line of JSON. Nothing else should run meanwhile.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Parser;
use serde_json::Value;

use crate::rows::{Other, ROWS, Row};
use crate::table::Pair;

mod rows;
mod table;

/// Measures ours and a peer in turns, and prints a table of medians.
#[derive(Parser)]
struct Args {
    /// The peer's command, for example "venv/bin/python bench_sft.py"; words are separated by spaces. Without it ours is measured alone.
    #[arg(long)]
    peer: Option<String>,
    /// Pairs for each row.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// Only rows whose name contains this; may be given several times.
    #[arg(long)]
    only: Vec<String>,
    /// Threads of both sides, but for rows about one thread; by default as many as there are processors.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    threads: Option<u32>,
    /// Measured steps of both sides, instead of the row's own.
    #[arg(long)]
    steps: Option<usize>,
    /// Steps before them, instead of the row's own.
    #[arg(long)]
    warmup: Option<usize>,
    /// Also write every pair with both results, as JSON lines, while they come.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Print the names of the rows, and end.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// False when ours failed somewhere; a peer that fails is only reported.
fn run(args: &Args) -> Result<bool, Box<dyn Error>> {
    let chosen = |row: &&Row| args.only.is_empty() || args.only.iter().any(|part| row.name.contains(part));
    let rows: Vec<&Row> = ROWS.iter().filter(chosen).collect();
    if args.list {
        rows.iter().for_each(|row| println!("{}", row.name));
        return Ok(true);
    }
    if rows.is_empty() {
        return Err(format!("no row is named {}: see --list", args.only.join(" or ")).into());
    }
    let measure = std::env::current_exe()?.with_file_name(format!("measure{}", std::env::consts::EXE_SUFFIX));
    if !measure.is_file() {
        return Err(format!("{} is missing: build it with the same profile", measure.display()).into());
    }
    let mut out = match &args.out {
        Some(path) => Some(File::create(path).map_err(|e| format!("{}: {e}", path.display()))?),
        None => None,
    };
    let default = std::thread::available_parallelism()?.get();
    let (mut lines, mut failed) = (Vec::new(), false);
    for row in rows {
        let threads = row.threads.unwrap_or(args.threads.map_or(default, |threads| threads as usize));
        let mut pairs = Vec::new();
        for number in 1..=args.pairs as usize {
            let pair = Pair {
                ours: result_of(ours(&measure, row.ours, threads, args)),
                other: match (&row.other, &args.peer) {
                    (Other::Ours(arguments), _) => Some(result_of(ours(&measure, arguments, threads, args))),
                    (Other::Peer(arguments), Some(command)) => {
                        Some(result_of(peer(command, arguments, threads, args)?))
                    }
                    (Other::Peer(_), None) => None,
                },
            };
            for (side, result) in [("ours", Some(&pair.ours)), ("peer", pair.other.as_ref())] {
                if let Some(Err(error)) = result {
                    eprintln!("{}, pair {number}: {side} failed: {error}", row.name);
                }
            }
            let ratios: Vec<String> = row
                .figures
                .iter()
                .filter_map(|figure| Some(format!("{} {:.3}", figure.field, pair.ratio(figure.field)?)))
                .collect();
            eprintln!("{}, pair {number} of {}: {}", row.name, args.pairs, ratios.join(", "));
            if let (Some(file), Some(path)) = (&mut out, &args.out) {
                writeln!(file, "{}", pair.to_json(row, number))
                    .map_err(|e| format!("{}: {e}", path.display()))?;
            }
            failed |= pair.ours.is_err();
            pairs.push(pair);
        }
        lines.extend(table::lines(row, threads, &pairs));
    }
    println!("{}", table::HEADING);
    lines.iter().for_each(|line| println!("{line}"));
    Ok(!failed)
}

fn ours(measure: &Path, arguments: &str, threads: usize, args: &Args) -> Command {
    let mut command = Command::new(measure);
    command.env("RAYON_NUM_THREADS", threads.to_string());
    with_steps(&mut command, arguments, args);
    command
}

fn peer(words: &str, arguments: &str, threads: usize, args: &Args) -> Result<Command, Box<dyn Error>> {
    let mut words = words.split_whitespace();
    let mut command = Command::new(words.next().ok_or("--peer is empty")?);
    command.args(words).args(["--threads", &threads.to_string()]);
    with_steps(&mut command, arguments, args);
    Ok(command)
}

/// A row's arguments, and in their place those of the command line.
fn with_steps(command: &mut Command, arguments: &str, args: &Args) {
    let mut words = arguments.split_whitespace();
    while let Some(word) = words.next() {
        let replaced =
            (word == "--steps" && args.steps.is_some()) || (word == "--warmup" && args.warmup.is_some());
        if replaced {
            words.next();
        } else {
            command.arg(word);
        }
    }
    for (name, value) in [("--steps", args.steps), ("--warmup", args.warmup)] {
        if let Some(value) = value {
            command.args([name, &value.to_string()]);
        }
    }
}

/// Runs a process to its end; its result is the last line that starts with `RESULT`.
fn result_of(mut command: Command) -> Result<Value, String> {
    let output = command.output().map_err(|e| format!("{}: {e}", command.get_program().display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().rev().find_map(|line| line.strip_prefix("RESULT "));
    match line {
        Some(line) if output.status.success() => {
            serde_json::from_str(line).map_err(|e| format!("{e} in {line}"))
        }
        _ => {
            let message = String::from_utf8_lossy(&output.stderr);
            let last: Vec<&str> = message.lines().rev().take(3).collect();
            Err(format!("{}: {}", output.status, last.into_iter().rev().collect::<Vec<_>>().join(" / ")))
        }
    }
}
