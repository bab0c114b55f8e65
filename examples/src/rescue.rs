//! What is saved when a run fails.

use std::path::{Path, PathBuf};

use tooltune::gemma2::Gemma2;
use tooltune::lora::LoraLinear;
use tooltune::sft::{Error, TrainerCallback};

use crate::adapter_folder::AdapterFolder;

/// Saves the adapter as it was before the step that failed.
pub struct Rescue<'a> {
    out: PathBuf,
    writer: &'a AdapterFolder,
}

impl<'a> Rescue<'a> {
    /// Saves to `out/adapter-before-step-N`.
    pub fn new(out: &Path, writer: &'a AdapterFolder) -> Self {
        Self { out: out.to_owned(), writer }
    }
}

impl TrainerCallback<Gemma2<LoraLinear>> for Rescue<'_> {
    fn on_error(&mut self, step: usize, model: &Gemma2<LoraLinear>, _error: &Error) {
        // Before the first step the adapter holds nothing yet.
        if step == 1 {
            return;
        }
        let folder = self.out.join(format!("adapter-before-step-{step}"));
        match self.writer.write(model, &folder) {
            Ok(()) => eprintln!("the adapter of before step {step} is in {}", folder.display()),
            Err(error) => eprintln!("the adapter of before step {step} could not be saved: {error}"),
        }
    }
}
