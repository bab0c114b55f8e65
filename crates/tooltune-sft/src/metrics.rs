//! `metrics.jsonl`: one line of JSON for each step.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::{Control, Error, StepReport, TrainerCallback};

/// Writes every [`StepReport`] as a line, and flushes it, so that a run that dies leaves its metrics.
#[derive(Debug)]
pub struct MetricsFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl MetricsFile {
    /// Creates or replaces `path`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref().to_owned();
        match File::create(&path) {
            Ok(file) => Ok(Self { path, file: BufWriter::new(file) }),
            Err(source) => Err(Error::Io { path, source }),
        }
    }
}

impl<M> TrainerCallback<M> for MetricsFile {
    fn on_step(&mut self, report: &StepReport, _model: &M) -> Result<Control, Error> {
        let write = |file: &mut BufWriter<File>| {
            serde_json::to_writer(&mut *file, report)?;
            file.write_all(b"\n")?;
            file.flush()
        };
        match write(&mut self.file) {
            Ok(()) => Ok(Control::Continue),
            Err(source) => Err(Error::Io { path: self.path.clone(), source }),
        }
    }
}
