//! Prints one conversation with tools as models see it: in one template, or in all of them as Markdown.
//!
//! ```text
//! cargo run --release --example format_tool_calls -- --template llama-3.1
//! cargo run --release --example format_tool_calls -- --template gemma2-tools --format mistral
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use tooltune::chat::{
    FORMAT_NAMES, ReadOptions, TEMPLATE_NAMES, ToolCallFormat, format_by_name, read_jsonl, segments_to_text,
    template_by_name,
};
use tooltune_examples::cli::exit_code;
use tooltune_examples::sample::{in_all_templates, sample};

/// Print a conversation with tools as a model sees it.
#[derive(Parser)]
struct Args {
    /// JSON lines, of which the first conversation is taken; by default a small one that is built in.
    #[arg(long)]
    data: Option<PathBuf>,
    /// The chat template; without it every one that can express the conversation, as Markdown.
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(TEMPLATE_NAMES))]
    template: Option<String>,
    /// The call format, for templates that let one choose: gemma2-tools, chatml, llama-3.1.
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(FORMAT_NAMES))]
    format: Option<String>,
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let conversation = match &args.data {
        Some(path) => read_jsonl(path, &ReadOptions::default())?.remove(0),
        None => sample(),
    };
    let format: Option<Arc<dyn ToolCallFormat>> =
        args.format.as_deref().and_then(format_by_name).map(Arc::from);
    match &args.template {
        Some(name) => {
            let template = template_by_name(name, format).ok_or("there is no such template")?;
            println!("{}", segments_to_text(&template.render(&conversation, false)?));
        }
        None => print!("{}", in_all_templates(&conversation, format.as_ref())),
    }
    Ok(())
}
