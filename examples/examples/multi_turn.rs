//! Lets a model act: users ask, its calls run in an environment, and in the end the state tells whether it did what was wanted.
//!
//! `cargo run --release --example multi_turn -- --adapter out/adapter`
#![recursion_limit = "256"]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tooltune::chat::{Conversation, Message, Object, ToolCall, ToolDefinition, Value};
use tooltune::eval::{MemoryEnvironment, Response, Scorecard, ToolError, run_episode};
use tooltune::lm::{FinishReason, GenerationConfig, generate_batch};
use tooltune_examples::backend::Compute;
use tooltune_examples::cli::exit_code;
use tooltune_examples::input::{Pretrained, Style, embedded_base, find_dialect};
use tooltune_examples::scoring::decode;
use tooltune_examples::synthetic::calling::INSTRUCTION;

/// Run a dialogue in which the model's calls have effects, and judge where it ends.
#[derive(Parser)]
struct Args {
    /// A save_pretrained folder; by default the base that comes with the project.
    #[arg(long)]
    model: Option<PathBuf>,
    /// A PEFT adapter to merge into it.
    #[arg(long)]
    adapter: Option<PathBuf>,
    #[command(flatten)]
    style: Style,
    #[command(flatten)]
    compute: Compute,
    /// Tokens that the model may write in a turn.
    #[arg(long, default_value_t = 96)]
    max_new_tokens: usize,
}

/// What the users say, and the calls that should follow.
const USERS: [&str; 2] = ["Set a timer for 12 minutes", "Turn on the light in the kitchen"];

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let folder = args.model.clone().unwrap_or_else(embedded_base);
    let dialect = find_dialect(&folder, args.adapter.as_deref(), args.style)?;
    let device = args.compute.device.open()?;
    let (adapter, dtype) = (args.adapter.as_deref(), args.compute.dtype.into());
    let Pretrained { model, tokenizer } =
        Pretrained::load_adapted(&folder, adapter, &dialect, dtype, &device)?;
    let generation = GenerationConfig {
        max_new_tokens: args.max_new_tokens,
        stop_tokens: dialect.stop_tokens(&tokenizer),
        ..GenerationConfig::default()
    };
    let respond = |conversation: &Conversation| -> Result<Response, Box<dyn Error>> {
        let mut prompt = conversation.clone();
        prompt.messages.insert(0, Message::system(INSTRUCTION));
        let ids = dialect.prompt(&prompt, &tokenizer)?;
        let generated = generate_batch(&model, &[&ids], &generation)?.remove(0);
        let text = decode(&generated.tokens, &tokenizer, &dialect)?;
        let stopped = matches!(generated.finish_reason, FinishReason::Stop(_));
        Ok(Response::parse(text, stopped, dialect.format.as_ref()))
    };

    let home = home()?;
    let mut failure = None;
    let episode = run_episode(&mut home.clone(), &USERS, 8, |conversation| {
        // The dialogue ends with an empty answer; the error is told afterwards.
        respond(conversation).unwrap_or_else(|error| {
            failure = Some(error);
            Response::parse(String::new(), true, dialect.format.as_ref())
        })
    });
    if let Some(error) = failure {
        return Err(error);
    }
    for message in &episode.conversation.messages {
        let calls: Vec<String> = message.tool_calls.iter().map(|call| call.to_value().to_json()).collect();
        println!("{:>9}: {} {}", message.role.as_str(), message.content.replace('\n', " "), calls.join(" "));
    }
    let argument = |name: &str, value: Value| [(name.to_owned(), value)].into_iter().collect::<Object>();
    let wanted_calls = [
        ToolCall::new("set_timer", argument("minutes", 12.into())),
        ToolCall::new("turn_on_light", argument("room", "kitchen".into())),
    ];
    let wanted = home.state_after(&wanted_calls)?;
    println!("state: {}", episode.state.to_json());
    println!("wanted: {}", wanted.to_json());
    println!("{}", if episode.reached(&wanted) { "reached" } else { "not reached" });
    let gold: Vec<Vec<ToolCall>> =
        wanted_calls.iter().flat_map(|call| [vec![call.clone()], Vec::new()]).collect();
    let gold = &gold[..gold.len().min(episode.decisions.len())];
    let card = Scorecard::score(&episode.records("home", "dialogues", 0, gold, Some(&wanted)));
    println!("{}", card.to_terminal());
    Ok(())
}

/// A home with a timer and lights.
fn home() -> Result<MemoryEnvironment, Box<dyn Error>> {
    let tool = |name: &str, description: &str, parameter: &str, kind: &str| {
        let schema = format!(
            r#"{{"type": "object", "properties": {{"{parameter}": {{"type": "{kind}"}}}}, "required": ["{parameter}"]}}"#
        );
        Value::parse_json(&schema).map(|schema| ToolDefinition::new(name, description, schema))
    };
    let timer = tool("set_timer", "Start a countdown timer", "minutes", "integer")?;
    let light = tool("turn_on_light", "Switch on a lamp", "room", "string")?;
    Ok(MemoryEnvironment::new(Object::new())
        .with_tool(timer, |state, arguments| {
            let minutes = arguments.get("minutes").and_then(Value::as_i64).unwrap_or_default();
            if minutes <= 0 {
                return Err(ToolError::failed("the minutes must be positive"));
            }
            state.insert("timer", minutes);
            Ok([("minutes".to_owned(), minutes.into())].into_iter().collect::<Object>().into())
        })
        .with_tool(light, |state, arguments| {
            let room = arguments.get("room").cloned().unwrap_or_default();
            state.insert("light", room.clone());
            Ok([("room".to_owned(), room)].into_iter().collect::<Object>().into())
        }))
}
