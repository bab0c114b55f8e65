//! A merged model as a folder that everything loads which loads the base.

use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use burn::tensor::DType;
use tooltune::chat::{HfTokenizer, TextTokenizer};
use tooltune::gemma2::Gemma2;
use tooltune::lm::checkpoint::{with_stop_tokens, write_folder};
use tooltune::lm::write_text;

/// Tokens that end a turn or a text.
const STOPS: [&str; 2] = ["<eos>", "<end_of_turn>"];
pub(crate) const TOKENIZER: &str = "tokenizer.json";
const SENTENCEPIECE: &str = "tokenizer.model";
const GENERATION: &str = "generation_config.json";
/// What belongs to a `tokenizer.json` and comes from the same folder.
pub(crate) const BESIDE: [&str; 5] = [
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
];
const DIALECT: &str = "tooltune.json";

/// Where the parts of a merged folder come from.
#[derive(Clone, Copy, Debug)]
pub struct MergedFolder<'a> {
    /// The merged model.
    pub model: &'a Gemma2,
    /// The folder of the base.
    pub base: &'a Path,
    /// The folder of the adapter. If it has a tokenizer, as after training with tool tokens, that is the model's now.
    pub adapter: &'a Path,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Files with weights.
    pub weight_files: usize,
    /// `eos_token_id` of generation_config.json: tokens and their ids. Empty without a tokenizer.
    pub stops: Vec<(&'static str, u32)>,
}

impl MergedFolder<'_> {
    /// Writes weights in `dtype`, in files of at most `max_shard_bytes`, config.json, the tokenizer's files, generation_config.json with the
    /// tokens that end a turn, and tooltune.json. `out` is there afterwards as a whole or not at all.
    ///
    /// # Errors
    /// When there is something in `out`, a file cannot be copied, or the tokenizer does not fit the model.
    pub fn write(&self, out: &Path, dtype: DType, max_shard_bytes: u64) -> Result<Written, Box<dyn Error>> {
        let mut written = Written { weight_files: 0, stops: Vec::new() };
        write_folder::<Box<dyn Error>>(out, |folder| {
            written.stops = self.write_tokenizer(folder)?;
            self.write_generation_config(folder, &written.stops)?;
            for from in [self.base, self.adapter] {
                copy(from, folder, DIALECT)?;
            }
            written.weight_files = self.model.save_sharded(folder, dtype, max_shard_bytes)?;
            Ok(())
        })?;
        Ok(written)
    }

    /// Copies the files of one tokenizer, and gives the stop tokens that it has.
    fn write_tokenizer(&self, out: &Path) -> Result<Vec<(&'static str, u32)>, Box<dyn Error>> {
        let from = if self.adapter.join(TOKENIZER).exists() { self.adapter } else { self.base };
        if !copy(from, out, TOKENIZER)? {
            copy(self.base, out, SENTENCEPIECE)?;
            return Ok(Vec::new());
        }
        for name in BESIDE {
            copy(from, out, name)?;
        }
        // The sentencepiece model is the base's, and cannot hold changed tokens.
        if !copy(from, out, SENTENCEPIECE)? && same(&from.join(TOKENIZER), &self.base.join(TOKENIZER)) {
            copy(self.base, out, SENTENCEPIECE)?;
        }
        let path = from.join(TOKENIZER);
        let tokenizer = HfTokenizer::from_file(&path)?;
        tokenizer
            .validate_for(self.model.config.vocab_size, &[])
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(STOPS.into_iter().filter_map(|token| Some((token, tokenizer.control_id(token)?))).collect())
    }

    fn write_generation_config(
        &self,
        out: &Path,
        stops: &[(&'static str, u32)],
    ) -> Result<(), Box<dyn Error>> {
        let path = self.base.join(GENERATION);
        let special = &self.model.config.special_tokens;
        let existing = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let (bos, pad) = (special.bos_token_id, special.pad_token_id);
                format!(r#"{{"bos_token_id": {bos}, "pad_token_id": {pad}}}"#)
            }
            Err(error) => return Err(format!("{}: {error}", path.display()).into()),
        };
        let tokenizer: Vec<u32> = stops.iter().map(|(_, id)| *id).collect();
        let ids = if tokenizer.is_empty() { &special.eos_token_id } else { &tokenizer };
        let text = with_stop_tokens(Some(&existing), ids)
            .ok_or_else(|| format!("{}: is not a JSON object", path.display()))?;
        Ok(write_text(out.join(GENERATION), &text)?)
    }
}

/// Copies a file if it is there.
fn copy(from: &Path, to: &Path, name: &str) -> Result<bool, String> {
    let source = from.join(name);
    match fs::read(&source).and_then(|bytes| fs::write(to.join(name), bytes)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(format!("{}: {error}", source.display())),
    }
}

fn same(one: &Path, other: &Path) -> bool {
    matches!((fs::read(one), fs::read(other)), (Ok(one), Ok(other)) if one == other)
}
