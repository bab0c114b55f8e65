//! Writes an adapter as a GGUF file, for llama.cpp (`--lora FILE`) and for Ollama (`ADAPTER FILE`).
//!
//! `cargo run --release --example export_gguf -- --adapter DIR --out FILE`
#![recursion_limit = "256"]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use burn::tensor::Device;
use clap::{Parser, ValueEnum};
use tooltune::lora::{AdapterWeights, GgufDtype, GgufOptions};
use tooltune_examples::cli::exit_code;

/// Write a PEFT adapter for Gemma-2 as a GGUF file, which llama.cpp applies to the base with `--lora FILE`.
///
/// The base must be the very model that was trained on, converted to GGUF by llama.cpp. What has no place in such a file (DoRA, adapters of
/// embedding and head, trained tokens, whole modules) is refused: merge instead, with the example `merge`.
#[derive(Parser)]
struct Args {
    /// The adapter, a PEFT folder.
    #[arg(long)]
    adapter: PathBuf,
    /// The file to write; it must not be there.
    #[arg(long)]
    out: PathBuf,
    /// The dtype of the tensors.
    #[arg(long, value_enum, default_value = "f32")]
    dtype: Dtype,
    /// The name in the file; by default that of the adapter's folder.
    #[arg(long)]
    name: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Dtype {
    F32,
    F16,
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    if args.out.exists() {
        return Err(format!("{}: is there already: give another name", args.out.display()).into());
    }
    let adapter = AdapterWeights::load(&args.adapter, &Device::flex())?;
    let folder = args.adapter.file_name().map(|name| name.to_string_lossy().into_owned());
    let options = GgufOptions {
        name: args.name.clone().or(folder).unwrap_or_else(|| "adapter".to_owned()),
        dtype: match args.dtype {
            Dtype::F32 => GgufDtype::F32,
            Dtype::F16 => GgufDtype::F16,
        },
        ..GgufOptions::default()
    };
    adapter.save_gguf(&args.out, &options)?;
    println!(
        "wrote {} tensors for {} to {}",
        2 * adapter.tensors.len(),
        options.architecture,
        args.out.display()
    );
    println!("use it:  llama-cli -m BASE.gguf --lora {}", args.out.display());
    Ok(())
}
