//! Peak memory of training, estimated and measured: LoRA of rank 16 on the seven projections, batch 1, a loss on every token, three steps.
//!
//! `cargo run --release -p tooltune-benches --bin memory -- small 512 on`: shape (tiny, small, 2b), tokens, gradient checkpointing (off, on,
//! auto), and if wanted the dtype of the weights (f32, bf16) and dropout. One process measures one case.
#![recursion_limit = "256"]

use std::error::Error;

use burn::tensor::DType;
use tooltune::gemma2::Gemma2Config;
use tooltune::lora::{LoraConfig, attach};
use tooltune::sft::memory::peak_bytes;
use tooltune::sft::{
    Control, ExecutionConfig, GradientCheckpointing, RunStart, Sample, StepReport, TrainerCallback,
    TrainingConfig, train,
};
use tooltune_benches::{device, random_model, tiny, token_ids};

const STEPS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    tooltune::kernels::allocator::keep_freed_memory();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |index: usize| arguments.get(index).map(String::as_str);
    let shape = argument(0).unwrap_or("small");
    let config = match shape {
        "tiny" => tiny(),
        "small" => Gemma2Config::small(),
        "2b" => Gemma2Config::gemma2_2b(),
        other => return Err(format!("{other} is not a shape: tiny, small or 2b").into()),
    };
    let tokens: usize = argument(1).unwrap_or("512").parse()?;
    let choice = argument(2).unwrap_or("auto");
    let gradient_checkpointing = match choice {
        "off" => GradientCheckpointing::Off,
        "on" => GradientCheckpointing::On,
        "auto" => GradientCheckpointing::Auto,
        other => return Err(format!("{other} is not off, on or auto").into()),
    };
    let dtype = match argument(3).unwrap_or("f32") {
        "f32" => DType::F32,
        "bf16" => DType::BF16,
        other => return Err(format!("{other} is not f32 or bf16").into()),
    };
    let lora_dropout: f64 = argument(4).unwrap_or("0").parse()?;

    let device = device().autodiff();
    let lora = LoraConfig { lora_dropout, ..LoraConfig::default() };
    let model = attach(random_model(&config, dtype, &device), &lora, 1)?;
    let built = peak_bytes().unwrap_or(0);
    let sample = Sample::new(shape, token_ids(tokens, config.vocab_size), vec![1.0; tokens])?;
    let training = TrainingConfig {
        max_steps: Some(STEPS),
        gradient_accumulation_steps: 1,
        max_length: tokens,
        execution: ExecutionConfig { gradient_checkpointing, ..ExecutionConfig::default() },
        ..TrainingConfig::default()
    };
    let mut measured = Measured::default();
    train(model, &[sample], &[], &training, &mut [&mut measured])?;
    let memory = measured.start.ok_or("no step was made")?.memory;
    let expected = memory.peak_bytes(memory.gradient_checkpointing);
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!(
        "{shape} {dtype:?} tokens {tokens} dropout {lora_dropout} checkpointing {choice} ({}): built {:.0} MiB, peak {:.0} MiB, estimated {:.0} MiB, ratio {:.2}, {:.0} tokens/s",
        memory.gradient_checkpointing,
        mib(built),
        mib(measured.peak),
        mib(expected),
        expected as f64 / measured.peak as f64,
        measured.tokens_per_sec,
    );
    Ok(())
}

#[derive(Default)]
struct Measured {
    start: Option<RunStart>,
    peak: u64,
    tokens_per_sec: f64,
}

impl<M> TrainerCallback<M> for Measured {
    fn on_start(&mut self, start: &RunStart) {
        self.start = Some(start.clone());
    }

    fn on_step(&mut self, report: &StepReport, _: &M) -> Result<Control, tooltune::sft::Error> {
        self.peak = report.peak_memory_bytes.unwrap_or(0);
        self.tokens_per_sec = report.tokens_per_sec;
        Ok(Control::Continue)
    }
}
