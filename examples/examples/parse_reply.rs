//! Reads the tool calls out of what a model wrote, whole or as it arrives.
//!
//! ```text
//! cargo run --release --example parse_reply -- --format pythonic '[get_weather(city="Paris"), now()]'
//! some-model | cargo run --release --example parse_reply -- --format hermes --stream
//! ```

use std::error::Error;
use std::io::{self, Read};
use std::process::ExitCode;

use clap::Parser;
use tooltune::chat::{FORMAT_NAMES, ParseEvent, Parsed, ToolCallFormat, format_by_name};
use tooltune_examples::cli::exit_code;

/// Read tool calls out of a model's text.
#[derive(Parser)]
struct Args {
    /// The call format.
    #[arg(long, default_value = "hermes", value_parser = clap::builder::PossibleValuesParser::new(FORMAT_NAMES))]
    format: String,
    /// Prints what becomes certain while the text arrives.
    #[arg(long)]
    stream: bool,
    /// Anything that had to be repaired is an error.
    #[arg(long)]
    strict: bool,
    /// The text; by default standard input.
    text: Option<String>,
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let format = format_by_name(&args.format).ok_or("there is no such format")?;
    let parsed = match (&args.text, args.stream) {
        (Some(text), false) => format.parse(text),
        (Some(text), true) => stream(format.as_ref(), &mut text.as_bytes())?,
        (None, true) => stream(format.as_ref(), &mut io::stdin().lock())?,
        (None, false) => format.parse(&io::read_to_string(io::stdin())?),
    };
    println!("status: {:?}", parsed.status);
    if !parsed.thinking.is_empty() {
        println!("thinking: {}", parsed.thinking);
    }
    if !parsed.text.is_empty() {
        println!("text: {}", parsed.text);
    }
    for call in &parsed.calls {
        println!("call: {}", call.to_value().to_json());
    }
    for diagnostic in &parsed.diagnostics {
        println!("{:?} at byte {}: {}", diagnostic.severity(), diagnostic.offset, diagnostic.kind);
    }
    if args.strict {
        parsed.into_strict()?;
    }
    Ok(())
}

fn stream(format: &dyn ToolCallFormat, from: &mut dyn Read) -> Result<Parsed, Box<dyn Error>> {
    let mut parser = format.stream();
    let (mut buffer, mut pending) = ([0; 256], Vec::new());
    loop {
        let count = from.read(&mut buffer)?;
        pending.extend_from_slice(&buffer[..count]);
        // A character may be cut in two by the buffer's end.
        let whole = match std::str::from_utf8(&pending) {
            Ok(text) => text.len(),
            Err(error) if count == 0 || error.error_len().is_some() => return Err(error.into()),
            Err(error) => error.valid_up_to(),
        };
        for event in parser.push(std::str::from_utf8(&pending[..whole])?) {
            match event {
                ParseEvent::Call(call) => println!("+ call {}", call.to_value().to_json()),
                ParseEvent::Text(text) => println!("+ text {text:?}"),
                ParseEvent::Thinking(text) => println!("+ thinking {text:?}"),
                _ => {}
            }
        }
        pending.drain(..whole);
        if count == 0 {
            return Ok(parser.finish());
        }
    }
}
