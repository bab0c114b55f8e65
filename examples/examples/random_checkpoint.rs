//! Writes a checkpoint of a given shape with random weights, for tests of loading, speed and memory.
//!
//! `cargo run --release --example random_checkpoint -- --shape 2b --out DIR`
#![recursion_limit = "256"]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use burn::tensor::{DType, TensorData};
use clap::{Parser, ValueEnum};
use tooltune::gemma2::Gemma2Config;
use tooltune::gemma2::pretrained::expected_shapes;
use tooltune::lm::checkpoint::NamedTensor;
use tooltune::lm::write_safetensors;
use tooltune_examples::cli::exit_code;
use tooltune_examples::synthetic::rng::Rng;

/// Write a checkpoint with random weights in bf16, one tensor in memory at a time.
#[derive(Parser)]
struct Args {
    /// The shape.
    #[arg(long, value_enum)]
    shape: Shape,
    /// The folder to write.
    #[arg(long)]
    out: PathBuf,
    /// Seed of the weights.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Shape {
    /// A million parameters.
    Tiny,
    /// 138 million: hidden 768, 12 layers, vocabulary 32,000.
    Small,
    /// Gemma-2-2B: 2.6 billion, 5.2 GB.
    #[value(name = "2b")]
    TwoB,
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let config = match args.shape {
        Shape::Tiny => Gemma2Config::tiny(),
        Shape::Small => Gemma2Config::small(),
        Shape::TwoB => Gemma2Config::gemma2_2b(),
    };
    config.validate()?;
    fs::create_dir_all(&args.out)?;
    fs::write(args.out.join("config.json"), config.to_json(DType::BF16))?;
    let shapes: BTreeMap<String, Vec<usize>> = expected_shapes(&config);
    let (seed, range) = (args.seed, config.initializer_range);
    let tensor = |(name, shape): (String, Vec<usize>)| {
        let dims = shape.clone();
        NamedTensor::new(name.clone(), shape, DType::BF16, move || values(seed, &name, &dims, range))
    };
    let tensors: Vec<NamedTensor> = shapes.into_iter().map(tensor).collect();
    write_safetensors(args.out.join("model.safetensors"), &tensors)?;
    println!("{} tensors in {}", tensors.len(), args.out.display());
    Ok(())
}

/// Uniform with the standard deviation of the config; norms are small deviations from one.
fn values(seed: u64, name: &str, shape: &[usize], deviation: f64) -> TensorData {
    let mut random = Rng::keyed(seed, name, 0);
    let bound = (deviation * 3f64.sqrt()) as f32;
    let draw = |_| ((random.next_u64() >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * bound;
    let count = shape.iter().product();
    TensorData::new((0..count).map(draw).map(half::bf16::from_f32).collect::<Vec<_>>(), shape.to_vec())
}
