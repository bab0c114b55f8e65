//! The folder that `finetune` writes an adapter to, and who will load it.

use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use burn::tensor::DType;
use tooltune::chat::TokenizerFiles;
use tooltune::gemma2::Gemma2;
use tooltune::lora::portability::VocabSize;
use tooltune::lora::{AdapterWeights, Consumer, Effect, LoraConfig, LoraLinear, Rule};

use crate::added_rows::{self, AddedRows};
use crate::dialect::Dialect;
use crate::merged_folder::{BESIDE, TOKENIZER};

/// What an adapter's folder holds beside its weights: everything that the other examples need to use it.
#[derive(Clone)]
pub struct AdapterFolder {
    /// What the adapter was attached with.
    pub lora: LoraConfig,
    /// The dtype of the weights in the file.
    pub dtype: DType,
    /// In the form that loads everywhere.
    pub portable: bool,
    /// The embedding's rows in the base, and in training.
    pub vocab: VocabSize,
    /// How conversations are written.
    pub dialect: Dialect,
    /// The tokenizer, where it is not the base's.
    pub tokenizer: Option<TokenizerFiles>,
    /// The rows of added tokens, where the adapter does not hold them.
    pub added_rows: Option<AddedRows>,
}

impl AdapterFolder {
    /// Writes the adapter of `model`, `tooltune.json`, `export_report.json`, and where the tokenizer was changed its files. Files of an
    /// earlier run that do not belong to this adapter are removed.
    ///
    /// # Errors
    /// When one of them cannot be written.
    pub fn write(&self, model: &Gemma2<LoraLinear>, folder: &Path) -> Result<(), Box<dyn Error>> {
        let mut adapter = AdapterWeights::of(model, &self.lora);
        if self.portable {
            adapter = adapter.portable(self.vocab.base)?;
        }
        let earlier = Dialect::is_beside(folder);
        adapter.save_as(folder, self.dtype)?;
        adapter.write_export_report(folder, self.vocab.base)?;
        match &self.tokenizer {
            Some(files) => files.save(folder)?,
            // Not somebody else's: only where an earlier run has left its mark.
            None if earlier => {
                for name in BESIDE.into_iter().chain([TOKENIZER]) {
                    remove(&folder.join(name))?;
                }
            }
            None => {}
        }
        match &self.added_rows {
            Some(rows) => rows.save(folder)?,
            None => remove(&folder.join(added_rows::FILE))?,
        }
        Ok(self.dialect.save(folder)?)
    }

    /// Who will load the adapter, a line each; with [`portable`](Self::portable) set, an error where not everyone would.
    ///
    /// # Errors
    /// With the first consumer that would not, and why.
    pub fn consumers(&self) -> Result<Vec<String>, Box<dyn Error>> {
        if self.portable {
            self.lora.check_portable(self.vocab)?;
            return Ok(Consumer::ALL.iter().map(|consumer| format!("{consumer}: loads it")).collect());
        }
        let said = |rule: &Rule| {
            let effect = match rule.effect {
                Effect::Needs => "needs something first",
                Effect::Refuses => "refuses it",
                Effect::Misreads => "misreads it",
            };
            format!("{effect}: {}", rule.reason)
        };
        let line = |(consumer, rules): (Consumer, Vec<Rule>)| {
            let mut said: Vec<String> = rules.iter().map(said).collect();
            // Two features may be left out for one reason.
            let mut seen = HashSet::new();
            said.retain(|reason| seen.insert(reason.clone()));
            format!("{consumer}: {}", if said.is_empty() { "loads it".to_owned() } else { said.join("; ") })
        };
        Ok(self.lora.portability(self.vocab).into_iter().map(line).collect())
    }
}

fn remove(path: &Path) -> Result<(), String> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(format!("{}: {error}", path.display())),
        _ => Ok(()),
    }
}
