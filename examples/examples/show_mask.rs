//! Prints a conversation as the model sees it, with the trained tokens coloured and counts per kind below.
//!
//! ```text
//! cargo run --release --example show_mask -- --data examples/data/openai.jsonl --tokenizer DIR/tokenizer.json
//! ```

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use tooltune::chat::{
    ChatTemplate, Conversation, Course, EncodedChat, Error, Gemma2, Gemma2Tools, HfTokenizer, ReadOptions,
    SegmentKind, TextTokenizer, course_messages, encode, read_jsonl,
};
use tooltune_examples::cli::exit_code;

/// Print a conversation as the model sees it, with the trained tokens coloured.
#[derive(Parser)]
struct Args {
    /// JSON lines, in the course's or OpenAI's layout.
    #[arg(long)]
    data: PathBuf,
    /// Which conversation, counted from 0.
    #[arg(long, default_value_t = 0)]
    index: usize,
    /// The model's tokenizer.json.
    #[arg(long)]
    tokenizer: PathBuf,
    /// The chat template.
    #[arg(long, value_enum, default_value = "gemma2-tools")]
    template: Template,
    /// When to colour; `auto` is: on a terminal.
    #[arg(long, value_enum, default_value = "auto")]
    color: Color,
}

#[derive(Clone, Copy, ValueEnum)]
enum Template {
    /// Gemma-2's own, which refuses system messages and tools.
    #[value(name = "gemma2")]
    Gemma2,
    /// Gemma-2's with tools; the default.
    #[value(name = "gemma2-tools")]
    Gemma2Tools,
    /// The agents course's, which trains every token.
    Course,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()).map_err(Into::into))
}

fn run(args: &Args) -> Result<(), String> {
    let tokenizer = HfTokenizer::from_file(&args.tokenizer).map_err(|error| error.to_string())?;
    let conversations = read(args).map_err(|error| error.to_string())?;
    let conversation = conversations.get(args.index).ok_or_else(|| {
        let last = conversations.len() - 1;
        format!("{}: there is no conversation {}; the last one is {last}", args.data.display(), args.index)
    })?;
    let chat = encode_with(args.template, conversation, &tokenizer)
        .map_err(|error| format!("{}: conversation {}: {error}", args.data.display(), args.index))?;
    let colored = match args.color {
        Color::Auto => io::stdout().is_terminal(),
        color => color == Color::Always,
    };
    print(&chat, &tokenizer, colored).map_err(|error| error.to_string())
}

fn read(args: &Args) -> Result<Vec<Conversation>, Error> {
    let options = match args.template {
        Template::Gemma2Tools => ReadOptions::default(),
        Template::Gemma2 | Template::Course => ReadOptions::verbatim(),
    };
    read_jsonl(&args.data, &options)
}

fn encode_with(
    template: Template,
    conversation: &Conversation,
    tokenizer: &HfTokenizer,
) -> Result<EncodedChat, Error> {
    let segments = match template {
        Template::Gemma2 => Gemma2::default().render(conversation, false)?,
        Template::Gemma2Tools => Gemma2Tools::default().render(conversation, false)?,
        Template::Course => Course::default().render(&course_messages(conversation)?, false)?,
    };
    encode(&segments, tokenizer)
}

fn print(chat: &EncodedChat, tokenizer: &HfTokenizer, colored: bool) -> io::Result<()> {
    let (green, grey, reset) = if colored { ("\x1b[32m", "\x1b[90m", "\x1b[0m") } else { ("", "", "") };
    let mut out = io::stdout().lock();
    let trained: Vec<bool> = chat.weights.iter().map(|&weight| weight > 0.0).collect();
    let mut start = 0;
    // Tokens of one kind are decoded together, because one character may be several tokens.
    for run in trained.chunk_by(|a, b| a == b) {
        let ids = &chat.ids[start..start + run.len()];
        let text = tokenizer.decode(ids, true).map_err(io::Error::other)?;
        write!(out, "{}{text}{reset}", if run[0] { green } else { grey })?;
        start += run.len();
    }
    writeln!(out, "\n{:<12} {:>7} {:>8}", "kind", "tokens", "trained")?;
    for kind in SegmentKind::ALL {
        let of_kind = || chat.kinds.iter().zip(&trained).filter(move |(k, _)| **k == kind);
        let (tokens, with_loss) = (of_kind().count(), of_kind().filter(|(_, trained)| **trained).count());
        if tokens > 0 {
            writeln!(out, "{:<12} {tokens:>7} {with_loss:>8}", kind.as_str())?;
        }
    }
    writeln!(out, "{:<12} {:>7} {:>8}", "total", chat.len(), chat.trained_tokens())
}
