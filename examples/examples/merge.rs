//! Merges an adapter into its base and writes a whole model folder.
//!
//! `cargo run --release --example merge -- --model DIR --adapter DIR --out DIR`
#![recursion_limit = "256"]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use burn::tensor::{DType, Device};
use clap::Parser;
use tooltune::gemma2::Gemma2Config;
use tooltune::lora::merge;
use tooltune_examples::backend::WeightDtype;
use tooltune_examples::cli::exit_code;
use tooltune_examples::input::load_adapter;
use tooltune_examples::merged_folder::MergedFolder;
use tooltune_examples::size::parse_size;

/// Merge a LoRA adapter into its base: the result loads everywhere the base does.
///
/// Writes weights, config.json, the tokenizer's files (the adapter's own where its folder has one) and generation_config.json, whose
/// eos_token_id names the tokens that end a turn. The folder is there afterwards as a whole or not at all.
#[derive(Parser)]
struct Args {
    /// The base, a save_pretrained folder.
    #[arg(long)]
    model: PathBuf,
    /// The adapter, a PEFT folder.
    #[arg(long)]
    adapter: PathBuf,
    /// The folder to write: a new one, or an empty one.
    #[arg(long)]
    out: PathBuf,
    /// The dtype of the merged weights. bf16 rounds the update away where it is small against the weight.
    #[arg(long, value_enum, default_value = "f32")]
    dtype: WeightDtype,
    /// The largest file of weights; more than that becomes several files and an index.
    #[arg(long, value_parser = parse_size, default_value = "5GB")]
    max_shard_size: u64,
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    // Before the work: the base is never written over, not by another spelling of its path either.
    if args.out.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(format!("{}: there is something in it: give another folder", args.out.display()).into());
    }
    let device = Device::flex();
    // In f32 whatever is written: the sum is rounded once.
    let (adapter, base) = load_adapter(&args.model, &args.adapter, DType::F32, &device)?;
    let published = Gemma2Config::from_file(args.model.join("config.json"))?.vocab_size;
    let vocab = base.config.vocab_size;
    if vocab > published {
        println!("the vocabulary grows from {published} to {vocab} tokens");
    }
    let merged = merge(adapter.attach(base)?);
    let folder = MergedFolder { model: &merged.model, base: &args.model, adapter: &args.adapter };
    let written = folder.write(&args.out, args.dtype.into(), args.max_shard_size)?;
    let (modules, files, out) = (merged.rounding.len(), written.weight_files, args.out.display());
    println!(
        "merged {modules} modules into {out}, weights in {files} file{}",
        if files == 1 { "" } else { "s" }
    );
    if merged.untied {
        println!(
            "the head is no longer tied to the embedding: the checkpoint has a lm_head.weight of its own. transformers loads it; vLLM and \
             llama.cpp know Gemma-2 with a tied head only"
        );
    }
    println!("in bf16 {:.1} % of the update is lost to rounding", 100.0 * merged.total_rounding().lost());
    if written.stops.is_empty() {
        println!("no tokenizer.json was found: tell your server which tokens end a turn");
    } else {
        let stops: Vec<String> = written.stops.iter().map(|(token, id)| format!("{token} ({id})")).collect();
        println!("generation stops at {}", stops.join(" and "));
    }
    Ok(())
}
