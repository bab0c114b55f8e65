//! What the examples read: a checkpoint folder with its tokenizer, an adapter, and the embedded base.

use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device};
use tooltune::chat::HfTokenizer;
use tooltune::gemma2::Gemma2;
use tooltune::lora::{AdapterWeights, merge};

use crate::added_rows::enlarged;
use crate::dialect::{Choice, Dialect, Preset, Schema};
use crate::merged_folder::TOKENIZER;

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
        let config = tooltune::gemma2::Gemma2Config::from_file(folder.join("config.json"))?;
        let tokenizer = read_tokenizer(folder, config.vocab_size, dialect)?;
        let model = Gemma2::from_pretrained(folder, dtype, device)?;
        Ok(Self { model, tokenizer })
    }

    /// Loads a base and merges an adapter into it, if there is one. What belongs to the adapter comes from its folder: the tokenizer, where one
    /// lies there, and the rows of tokens that the base does not have.
    ///
    /// # Errors
    /// As [`load`](Self::load), and when the adapter cannot be read or does not fit.
    pub fn load_adapted(
        folder: &Path,
        adapter: Option<&Path>,
        dialect: &Dialect,
        dtype: DType,
        device: &Device,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let Some(beside) = adapter else {
            return Self::load(folder, dialect, dtype, device);
        };
        let (adapter, base) = load_adapter(folder, beside, dtype, device)?;
        let owner = if beside.join(TOKENIZER).exists() { beside } else { folder };
        let tokenizer = read_tokenizer(owner, base.config.vocab_size, dialect)?;
        Ok(Self { model: merge(adapter.attach(base)?).model, tokenizer })
    }
}

/// An adapter, and its base with room for the tokens that it adds; says on standard error what of its config is not used.
///
/// # Errors
/// When one cannot be read, or does not fit the other.
pub fn load_adapter(
    base: &Path,
    adapter: &Path,
    dtype: DType,
    device: &Device,
) -> Result<(AdapterWeights, Gemma2), Box<dyn std::error::Error>> {
    let weights = AdapterWeights::load(adapter, device)?;
    for field in &weights.warnings {
        eprintln!("{}: {field} of adapter_config.json is not known and not used", adapter.display());
    }
    if weights.interrupted_save {
        eprintln!(
            "{}: its last save was interrupted at the very end; what it wrote is read",
            adapter.display()
        );
    }
    let base = Gemma2::from_pretrained(base, dtype, device)?;
    let base = enlarged(base, &weights, adapter)?;
    Ok((weights, base))
}

/// The tokenizer of a folder, which must fit the model and the dialect.
fn read_tokenizer(
    folder: &Path,
    vocab_size: usize,
    dialect: &Dialect,
) -> Result<HfTokenizer, Box<dyn std::error::Error>> {
    let path = folder.join(TOKENIZER);
    let tokenizer = HfTokenizer::from_file(&path)?;
    tokenizer
        .validate_for(vocab_size, dialect.template.required_controls())
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(tokenizer)
}
