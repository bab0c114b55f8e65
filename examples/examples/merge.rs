//! Merges an adapter into its base and writes an ordinary checkpoint.
//!
//! `cargo run --release --example merge -- --model DIR --adapter DIR --out DIR`
#![recursion_limit = "256"]

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use burn::tensor::Device;
use clap::Parser;
use tooltune::gemma2::Gemma2;
use tooltune::lora::{AdapterWeights, merge};
use tooltune_examples::backend::WeightDtype;
use tooltune_examples::cli::exit_code;

/// Merge a LoRA adapter into its base: the result loads everywhere the base does.
#[derive(Parser)]
struct Args {
    /// The base, a save_pretrained folder.
    #[arg(long)]
    model: PathBuf,
    /// The adapter, a PEFT folder.
    #[arg(long)]
    adapter: PathBuf,
    /// The folder to write.
    #[arg(long)]
    out: PathBuf,
    /// The dtype of the merged weights. bf16 rounds the update away where it is small against the weight.
    #[arg(long, value_enum, default_value = "f32")]
    dtype: WeightDtype,
}

/// What a folder holds besides weights and config, and a server needs.
const COMPANIONS: [&str; 6] = [
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "generation_config.json",
];

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    // The base is never written over: not by another spelling of its path either.
    for file in ["model.safetensors", "model.safetensors.index.json"] {
        if args.out.join(file).exists() {
            return Err(
                format!("{} already holds a checkpoint: give another folder", args.out.display()).into()
            );
        }
    }
    let device = Device::flex();
    let adapter = AdapterWeights::load(&args.adapter, &device)?;
    // In f32 whatever is written: the sum is rounded once.
    let base = Gemma2::from_pretrained(&args.model, burn::tensor::DType::F32, &device)?;
    let merged = merge(adapter.attach(base)?);
    merged.model.save_pretrained(&args.out, args.dtype.into())?;
    for name in COMPANIONS {
        let from = args.model.join(name);
        if from.exists() {
            fs::copy(&from, args.out.join(name)).map_err(|e| format!("{}: {e}", from.display()))?;
        }
    }
    let dialect = args.adapter.join("tooltune.json");
    if dialect.exists() {
        fs::copy(&dialect, args.out.join("tooltune.json"))
            .map_err(|e| format!("{}: {e}", dialect.display()))?;
    }
    println!("merged {} modules into {}", merged.rounding.len(), args.out.display());
    if merged.untied {
        println!(
            "the head is no longer tied to the embedding: the checkpoint has a lm_head.weight of its own"
        );
    }
    println!("in bf16 {:.1} % of the update is lost to rounding", 100.0 * merged.total_rounding().lost());
    Ok(())
}
