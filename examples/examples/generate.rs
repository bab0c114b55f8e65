//! Talks to a model, printing tokens as they come.
//!
//! `cargo run --release --example generate -- --model DIR [--adapter DIR] [--tools FILE] "What is the weather in Paris?"`
#![recursion_limit = "256"]

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use tooltune::chat::{Conversation, HfTokenizer, Message, ToolDefinition, Value};
use tooltune::lm::{CausalLm, FinishReason, GenerationConfig, SamplingConfig, generate, quantize};
use tooltune_examples::backend::Compute;
use tooltune_examples::cli::exit_code;
use tooltune_examples::dialect::{Dialect, Preset};
use tooltune_examples::input::{Pretrained, Style, embedded_base, find_dialect};
use tooltune_examples::scoring::decode;
use tooltune_examples::synthetic::{CallingData, Split};

/// Generate a model turn: text and tool calls.
#[derive(Parser)]
struct Args {
    /// A save_pretrained folder; by default the base that comes with the project.
    #[arg(long)]
    model: Option<PathBuf>,
    /// A PEFT adapter to merge into it.
    #[arg(long)]
    adapter: Option<PathBuf>,
    /// A JSON array of tools, as OpenAI's API has them.
    #[arg(long)]
    tools: Option<PathBuf>,
    #[command(flatten)]
    style: Style,
    #[command(flatten)]
    compute: Compute,
    /// Store the weights in 8 bits once they are loaded (and merged): half the memory of bf16, and faster.
    #[arg(long)]
    quantize: bool,
    /// 0 is greedy.
    #[arg(long, default_value_t = 0.0)]
    temperature: f64,
    /// Keep the most likely tokens.
    #[arg(long)]
    top_k: Option<usize>,
    /// Keep the smallest set of tokens of this probability.
    #[arg(long)]
    top_p: Option<f64>,
    /// Seed of the draws.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Tokens to generate at most.
    #[arg(long, default_value_t = 256)]
    max_new_tokens: usize,
    /// What the user says; by default a generated request with its tools.
    prompt: Option<String>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    tooltune::kernels::threads::on_worker_thread(|| exit_code(run(&args)))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let folder = args.model.clone().unwrap_or_else(embedded_base);
    let dialect = find_dialect(&folder, args.adapter.as_deref(), args.style)?;
    if dialect.choice().preset == Preset::Course && (args.tools.is_some() || args.prompt.is_none()) {
        return Err("the course's template has no place for tools: give a prompt that holds them".into());
    }
    let conversation = conversation(args)?;
    let device = args.compute.device.open()?;
    let (adapter, dtype) = (args.adapter.as_deref(), args.compute.dtype.into());
    let Pretrained { model, tokenizer } =
        Pretrained::load_adapted(&folder, adapter, &dialect, dtype, &device)?;
    let prompt = dialect.prompt(&conversation, &tokenizer)?;
    let config = GenerationConfig {
        max_new_tokens: args.max_new_tokens,
        stop_tokens: dialect.stop_tokens(&tokenizer),
        sampling: SamplingConfig {
            temperature: args.temperature,
            top_k: args.top_k,
            top_p: args.top_p,
            seed: args.seed,
        },
    };
    if args.quantize {
        reply(&quantize(model)?, &prompt, &config, &tokenizer, &dialect)
    } else {
        reply(&model, &prompt, &config, &tokenizer, &dialect)
    }
}

/// Prints the model's turn as it comes, and then its calls.
fn reply<M: CausalLm>(
    model: &M,
    prompt: &[u32],
    config: &GenerationConfig,
    tokenizer: &HfTokenizer,
    dialect: &Dialect,
) -> Result<(), Box<dyn Error>> {
    let mut generation = generate(model, prompt, config)?;
    let (mut tokens, mut shown) = (Vec::new(), String::new());
    for token in generation.by_ref() {
        tokens.push(token?);
        // A token may end inside a character: what is shown is what can no longer change.
        let text = decode(&tokens, tokenizer, dialect)?;
        if let Some(new) = text.strip_prefix(&shown).filter(|_| !text.ends_with('\u{FFFD}')) {
            print!("{new}");
            std::io::stdout().flush()?;
            shown = text;
        }
    }
    println!();
    let parsed = dialect.format.parse(&decode(&tokens, tokenizer, dialect)?);
    for call in &parsed.calls {
        eprintln!("call: {}({})", call.name, Value::from(call.arguments.clone()).to_json());
    }
    if generation.finish_reason() == Some(FinishReason::Length) {
        eprintln!("cut off after {} tokens", tokens.len());
    }
    Ok(())
}

fn conversation(args: &Args) -> Result<Conversation, Box<dyn Error>> {
    let tools = args.tools.as_deref().map(read_tools).transpose()?;
    match &args.prompt {
        Some(prompt) => Ok(Conversation::new(tools.unwrap_or_default(), vec![Message::user(prompt)])),
        None => {
            let example = CallingData::new(args.seed).conversation(Split::UnseenValues, 0).prefix(2);
            for message in &example.messages {
                println!("{}: {}", message.role.as_str(), message.content);
            }
            Ok(Conversation { tools: tools.unwrap_or(example.tools.clone()), ..example })
        }
    }
}

fn read_tools(path: &Path) -> Result<Vec<ToolDefinition>, Box<dyn Error>> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let value = Value::parse_json(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    let list =
        value.as_array().ok_or_else(|| format!("{}: must be a JSON array of tools", path.display()))?;
    let tool = |value: &Value| {
        ToolDefinition::from_value(value).map_err(|e| format!("{}: {e}", path.display()).into())
    };
    list.iter().map(tool).collect()
}
