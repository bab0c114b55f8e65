//! `--tool-tokens`: tool tags as single tokens, with rows of the embedding that are trained.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use tooltune::chat::{
    Added, Error as ChatError, HfTokenizer, Reserved, TextTokenizer, TokenProblem, TokenizerFiles, ToolToken,
    ToolTokenStrategy,
};
use tooltune::gemma2::Gemma2;
use tooltune::lora::{InitialRow, LoraConfig, LoraLinear, add_tokens, start_rows};

use crate::adapter_options::trains_vocabulary;
use crate::dialect::{Dialect, Preset};

/// Whether tool tags become single tokens, and where their rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ToolTokens {
    /// The tokenizer stays as it is: tags are single tokens where it has them, and ordinary text where not.
    Plain,
    /// Tokens that the vocabulary holds in reserve (Gemma's `<unused0>` to `<unused98>`) are renamed: no size changes.
    Reserved,
    /// New tokens after the last one: the vocabulary grows.
    Added,
}

/// Why tags cannot become tokens.
#[derive(Debug, thiserror::Error)]
pub enum ToolTokenError {
    /// The vocabulary has too few tokens in reserve.
    #[error(
        "{}: {needed} tool tokens need as many reserved ones (<unused0>, <unused1>, …), and it has {found}: take --tool-tokens added, which makes \
         room for them, or plain",
        path.display()
    )]
    NoReserve {
        /// The tokenizer.
        path: PathBuf,
        /// Tokens to place.
        needed: usize,
        /// Reserved tokens found.
        found: usize,
    },
    /// The tokenizer cannot hold the tokens.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// The head has rows of its own.
    #[error(
        "the head of this model is not tied to its embedding, and the rows of tool tokens would be trained in the embedding alone: add embed_tokens \
         and lm_head to --target-modules, or take --tool-tokens plain"
    )]
    Untied,
    /// The rows cannot be made.
    #[error(transparent)]
    Lora(#[from] tooltune::lora::Error),
}

/// A tokenizer that has the tags as single tokens, and what becomes of the model.
#[derive(Debug)]
pub struct ToolVocabulary {
    files: TokenizerFiles,
    /// All tags, in the order of the format.
    tags: Vec<u32>,
    /// What the rows of new tags start from.
    rows: Vec<InitialRow>,
}

impl ToolVocabulary {
    /// Gives the tags of a dialect to the tokenizer of the folder `base`; `None` for [`ToolTokens::Plain`]. Tags that are control tokens
    /// already keep their ids.
    ///
    /// # Errors
    /// [`ToolTokenError::NoReserve`], [`ToolTokenError::Chat`].
    pub fn new(
        kind: ToolTokens,
        dialect: &Dialect,
        base: &Path,
    ) -> Result<Option<(Self, HfTokenizer)>, ToolTokenError> {
        let course = dialect.choice().preset == Preset::Course;
        let strategy: Box<dyn ToolTokenStrategy> = match kind {
            ToolTokens::Plain => return Ok(None),
            ToolTokens::Reserved => Box::new(Reserved { special: course, ..Reserved::default() }),
            ToolTokens::Added if course => Box::new(Added::course()),
            ToolTokens::Added => Box::new(Added::default()),
        };
        let files = TokenizerFiles::from_folder(base)?;
        let old = files.tokenizer()?;
        let tags = if course { ToolToken::course() } else { ToolToken::of_format(dialect.format.as_ref()) };
        let is_there = |tag: &ToolToken| old.control_id(&tag.text).is_some();
        let (there, missing): (Vec<_>, Vec<_>) = tags.iter().cloned().partition(is_there);
        let tuned = strategy.apply(&files, &missing).map_err(|error| match error {
            ChatError::ToolTokens(TokenProblem::NotEnoughReserved { needed, found }) => {
                ToolTokenError::NoReserve { path: base.join("tokenizer.json"), needed, found }
            }
            other => other.into(),
        })?;
        if !there.is_empty() {
            let names: Vec<&str> = there.iter().map(|tag| tag.text.as_str()).collect();
            eprintln!("the tokenizer has {} already: they keep their rows", names.join(" "));
        }
        // The course begins all rows with the mean of the whole embedding.
        let from = |ids: Vec<u32>| if course { Vec::new() } else { ids };
        let row = |row: tooltune::chat::RowInit| InitialRow { id: row.id, from_ids: from(row.from_ids) };
        let rows = tuned.rows.into_iter().map(row).collect();
        let tags = tags.iter().filter_map(|tag| tuned.tokenizer.control_id(&tag.text)).collect();
        Ok(Some((Self { files: tuned.files, tags, rows }, tuned.tokenizer)))
    }

    /// The config that also trains the rows of the tags, unless the embedding or the head is trained as a whole.
    pub fn configure(&self, lora: LoraConfig) -> LoraConfig {
        if trains_vocabulary(&lora) {
            return lora;
        }
        LoraConfig { trainable_token_indices: self.tags.clone(), ..lora }
    }

    /// Enlarges the base where tokens are beyond it.
    ///
    /// # Errors
    /// [`ToolTokenError::Untied`], where only rows of the embedding would be trained; [`ToolTokenError::Lora`].
    pub fn enlarge(&self, base: Gemma2, lora: &LoraConfig, seed: u64) -> Result<Gemma2, ToolTokenError> {
        if !base.config.tie_word_embeddings && !trains_vocabulary(lora) {
            return Err(ToolTokenError::Untied);
        }
        let vocab = base.config.vocab_size;
        let mut rows = self.rows.clone();
        rows.retain(|row| row.id as usize >= vocab);
        let (renamed, added) = (self.rows.len() - rows.len(), rows.len());
        eprintln!(
            "{} tool tags are single tokens: {} in rows that the base has, {added} in rows added to its {vocab}",
            self.tags.len(),
            self.tags.len() - added
        );
        if renamed > 0 && trains_vocabulary(lora) {
            eprintln!("the base's rows for {renamed} of them start as they are");
        }
        Ok(if rows.is_empty() { base } else { add_tokens(base, &rows, seed)? })
    }

    /// Sets what trained rows start from.
    ///
    /// # Errors
    /// [`ToolTokenError::Lora`].
    pub fn start(
        &self,
        adapted: Gemma2<LoraLinear>,
        lora: &LoraConfig,
        seed: u64,
    ) -> Result<Gemma2<LoraLinear>, ToolTokenError> {
        if lora.trainable_token_indices.is_empty() {
            return Ok(adapted);
        }
        Ok(start_rows(adapted, &self.rows, seed)?)
    }

    /// The tokenizer's files, to be written beside the adapter.
    pub fn into_files(self) -> TokenizerFiles {
        self.files
    }
}
