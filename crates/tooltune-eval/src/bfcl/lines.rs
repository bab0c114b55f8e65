//! JSON lines of bounded length, with their numbers.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use tooltune_chat::Value;

use super::BfclProblem;
use crate::Error;

/// The longest line read.
const MAX_LINE_BYTES: usize = 8 << 20;

/// Hands each line's value and number (from 1) to `read`; empty lines are passed over.
pub(super) fn for_each_line(
    path: &Path,
    mut read: impl FnMut(usize, &Value) -> Result<(), BfclProblem>,
) -> Result<(), Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        // One byte more than allowed, and the line's end.
        let limit = MAX_LINE_BYTES as u64 + 2;
        if (&mut file).take(limit).read_until(b'\n', &mut bytes).map_err(io)? == 0 {
            break;
        }
        let line =
            |problem| Error::BfclLine { path: path.to_owned(), line: number, problem: Box::new(problem) };
        let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        if text.len() > MAX_LINE_BYTES {
            return Err(line(BfclProblem::TooLong { limit: MAX_LINE_BYTES }));
        }
        let text = std::str::from_utf8(text).map_err(|_| line(BfclProblem::NotUtf8))?;
        if text.trim().is_empty() {
            continue;
        }
        let value = Value::parse_json(text).map_err(|error| line(error.into()))?;
        read(number, &value).map_err(line)?;
    }
    Ok(())
}
