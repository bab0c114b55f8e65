//! What the examples read: a checkpoint folder with its tokenizer, an adapter, and the embedded base.

use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device};
use tooltune::chat::HfTokenizer;
use tooltune::gemma2::Gemma2;
use tooltune::lora::{AdapterWeights, merge};

use crate::dialect::{Choice, Dialect, Preset, Schema};

/// The folder of the base that comes with the project.
pub fn embedded_base() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/base"))
}

/// The options `--preset` and `--schema`: how a model is talked to.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Style {
    /// How conversations are written; by default as the adapter or the model was trained, where that is written beside it.
    #[arg(long, value_enum)]
    preset: Option<Preset>,
    /// How tools are written in the prompt; likewise.
    #[arg(long, value_enum)]
    schema: Option<Schema>,
}

/// How a model is talked to: as asked for, else as `tooltune.json` beside the adapter or the model says, else `fixed`, with short tool
/// signatures for the project's own base.
///
/// # Errors
/// When `tooltune.json` is there and not understood.
pub fn find_dialect(model: &Path, adapter: Option<&Path>, style: Style) -> Result<Dialect, String> {
    let own = model == embedded_base();
    let default = Choice { preset: Preset::Fixed, schema: if own { Schema::Compact } else { Schema::Full } };
    let folders: Vec<&Path> = adapter.into_iter().chain([model]).collect();
    let found = Dialect::find(&folders, default)?.choice();
    Ok(Dialect::new(Choice {
        preset: style.preset.unwrap_or(found.preset),
        schema: style.schema.unwrap_or(found.schema),
    }))
}

/// A model and its tokenizer.
pub struct Pretrained {
    /// The model, on the device it was asked for.
    pub model: Gemma2,
    /// Its tokenizer.
    pub tokenizer: HfTokenizer,
}

impl Pretrained {
    /// Loads a `save_pretrained` folder and checks that its tokenizer fits.
    ///
    /// # Errors
    /// With the file and what to do.
    pub fn load(
        folder: &Path,
        dialect: &Dialect,
        dtype: DType,
        device: &Device,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let tokenizer = HfTokenizer::from_file(folder.join("tokenizer.json"))?;
        let config = tooltune::gemma2::Gemma2Config::from_file(folder.join("config.json"))?;
        tokenizer
            .validate_for(config.vocab_size, dialect.template.required_controls())
            .map_err(|error| format!("{}: {error}", folder.join("tokenizer.json").display()))?;
        let model = Gemma2::from_pretrained(folder, dtype, device)?;
        Ok(Self { model, tokenizer })
    }

    /// Merges an adapter into the model.
    ///
    /// # Errors
    /// When it cannot be read or does not fit.
    pub fn with_adapter(self, folder: &Path, device: &Device) -> Result<Self, Box<dyn std::error::Error>> {
        let adapter = AdapterWeights::load(folder, device)?;
        Ok(Self { model: merge(adapter.attach(self.model)?).model, tokenizer: self.tokenizer })
    }
}
