//! Conversations from JSON lines.

mod course;
mod line;
mod message;
mod problem;

pub use problem::{LineProblem, MessageProblem};

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use crate::value::JsonOptions;
use crate::{Conversation, Error, MAX_DEPTH, Value};

/// How much of a conversation is interpreted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadMode {
    /// Tools, calls and results become data: tools are read out of `<tools>` in the system text, calls out of
    /// `<tool_call>` in model turns, results out of `<tool_response>`; roles get Gemma's names; their order is
    /// checked. For [`Gemma2Tools`](crate::Gemma2Tools).
    #[default]
    Normalized,
    /// Contents and roles as they stand. For [`Course`](crate::Course) and [`Gemma2`](crate::Gemma2); `tools`
    /// and `tool_calls` beside the text are refused, because those templates would drop them.
    Verbatim,
}

/// Limits and mode of [`read_jsonl`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// How much is interpreted.
    pub mode: ReadMode,
    /// The longest line, without its line break.
    pub max_line_bytes: usize,
    /// How deep JSON may nest.
    pub max_depth: usize,
    /// Whether a call that had to be repaired is accepted (and counted) instead of refused.
    pub accept_repaired_calls: bool,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            mode: ReadMode::Normalized,
            max_line_bytes: 8 << 20,
            max_depth: MAX_DEPTH,
            accept_repaired_calls: false,
        }
    }
}

impl ReadOptions {
    /// The defaults with [`ReadMode::Verbatim`].
    #[must_use]
    pub fn verbatim() -> Self {
        Self { mode: ReadMode::Verbatim, ..Self::default() }
    }
}

/// What [`read_jsonl_with_report`] saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadReport {
    /// Lines of the file.
    pub lines: usize,
    /// Lines with nothing but white space, which are skipped.
    pub blank_lines: usize,
    /// Model turns with calls that were repaired.
    pub repaired_turns: usize,
    /// Keys that mean nothing here, with how often they stand: columns of the line (`source`), keys of messages
    /// (`messages[].weight`) and of tools (`tools[].strict`).
    pub ignored_keys: BTreeMap<String, usize>,
}

impl ReadReport {
    fn ignore(&mut self, prefix: &str, key: &str) {
        *self.ignored_keys.entry(format!("{prefix}{key}")).or_default() += 1;
    }
}

/// Reads a file of JSON lines, one conversation a line. Two layouts are understood:
///
/// - the course's: `conversations` or `messages`, each with `role` (`system`, `human` or `user`, `model` or
///   `assistant`, `tool`) and `content`; tools, calls and results are text between tags, as JSON or Python
///   literals;
/// - OpenAI's: `messages` and `tools`, with `tool_calls` (arguments as an object or a string of JSON), the old
///   `functions` and `function_call`, and `tool_call_id`.
///
/// # Errors
/// The first thing that cannot be used, with file, line and remedy: a missing or empty file, a line that is too
/// long, not UTF-8, not JSON, nested too deep or with duplicate keys, an unknown role, roles in an order that
/// makes no sense, a call that does not parse.
pub fn read_jsonl(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Vec<Conversation>, Error> {
    read_jsonl_with_report(path, options).map(|(conversations, _)| conversations)
}

/// As [`read_jsonl`], with a report of what was skipped or ignored.
///
/// # Errors
/// As [`read_jsonl`].
pub fn read_jsonl_with_report(
    path: impl AsRef<Path>,
    options: &ReadOptions,
) -> Result<(Vec<Conversation>, ReadReport), Error> {
    let path = path.as_ref();
    let io = |source| Error::Io { path: path.to_owned(), source };
    let mut reader = BufReader::new(File::open(path).map_err(io)?);
    let mut report = ReadReport::default();
    let mut conversations = Vec::new();
    let mut bytes = Vec::new();
    // Room for the line and its line break; one byte more tells a line that is too long.
    let room = options.max_line_bytes as u64 + 2;
    loop {
        bytes.clear();
        if reader.by_ref().take(room).read_until(b'\n', &mut bytes).map_err(io)? == 0 {
            break;
        }
        report.lines += 1;
        match parse_line(&bytes, options, &mut report) {
            Ok(None) => report.blank_lines += 1,
            Ok(Some(conversation)) => conversations.push(conversation),
            Err(problem) => {
                return Err(Error::Line { path: path.to_owned(), line: report.lines, problem });
            }
        }
    }
    if conversations.is_empty() {
        return Err(Error::EmptyDataset { path: path.to_owned() });
    }
    Ok((conversations, report))
}

fn parse_line(
    bytes: &[u8],
    options: &ReadOptions,
    report: &mut ReadReport,
) -> Result<Option<Conversation>, LineProblem> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if bytes.len() > options.max_line_bytes {
        return Err(LineProblem::TooLong { limit: options.max_line_bytes });
    }
    let text =
        std::str::from_utf8(bytes).map_err(|error| LineProblem::NotUtf8 { offset: error.valid_up_to() })?;
    // Some editors put a byte order mark before the first line.
    let text = if report.lines == 1 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
    if text.trim().is_empty() {
        return Ok(None);
    }
    let json = JsonOptions { max_depth: options.max_depth };
    let value = Value::parse_json_with(text, &json).map_err(LineProblem::NotJson)?;
    line::conversation(&value, options, report).map(Some)
}
