//! From a base to what is trained: tool tokens, then the adapter, and how the result is written.

use std::error::Error;
use std::path::Path;

use tooltune::chat::HfTokenizer;
use tooltune::gemma2::Gemma2;
use tooltune::lora::portability::VocabSize;
use tooltune::lora::{LoraConfig, LoraLinear, attach};

use crate::adapter_folder::AdapterFolder;
use crate::adapter_options::{AdapterOptions, check_names, trains_vocabulary};
use crate::added_rows::AddedRows;
use crate::dialect::Dialect;
use crate::input::Pretrained;
use crate::tool_tokens::ToolVocabulary;

/// A base with a fresh adapter, and what belongs to it.
pub struct TrainedBase {
    /// The model.
    pub model: Gemma2<LoraLinear>,
    /// Its tokenizer, with the tool tokens.
    pub tokenizer: HfTokenizer,
    /// Writes the adapter and all that it needs.
    pub writer: AdapterFolder,
}

impl TrainedBase {
    /// Adds tool tokens to the base of `folder` and attaches an adapter, as the options say.
    ///
    /// # Errors
    /// When tokens or adapter do not fit the base, or `--portable` asks for what cannot be.
    pub fn new(
        base: Pretrained,
        folder: &Path,
        dialect: &Dialect,
        options: &AdapterOptions,
        lora: &LoraConfig,
        seed: u64,
    ) -> Result<Self, Box<dyn Error>> {
        let Pretrained { mut model, mut tokenizer } = base;
        check_names(lora, &model)?;
        let published = model.config.vocab_size;
        let mut lora = lora.clone();
        let tokens = ToolVocabulary::new(options.tool_tokens(dialect.choice().preset), dialect, folder)?;
        let tokens = match tokens {
            None => None,
            Some((tokens, changed)) => {
                tokenizer = changed;
                lora = tokens.configure(lora);
                model = tokens.enlarge(model, &lora, seed)?;
                Some(tokens)
            }
        };
        let vocab = VocabSize { base: published, trained: model.config.vocab_size };
        let added = vocab.trained - vocab.base;
        let added_rows = (added > 0 && trains_vocabulary(&lora)).then(|| AddedRows::of(&model, added));
        let mut model = attach(model, &lora, seed)?;
        if let Some(tokens) = &tokens {
            model = tokens.start(model, &lora, seed)?;
        }
        let writer = AdapterFolder {
            lora,
            dtype: options.adapter_dtype.into(),
            portable: options.portable,
            vocab,
            dialect: dialect.clone(),
            tokenizer: tokens.map(ToolVocabulary::into_files),
            added_rows,
        };
        // Said before training, and before anything is written.
        writer.consumers()?;
        Ok(Self { model, tokenizer, writer })
    }
}
