//! Tokens that a vocabulary holds for later, renamed.

use super::{TokenPlacement, TokenProblem, ToolToken, ToolTokenStrategy, Vocabulary};
use crate::Error;

/// How many tokens Gemma-2's vocabulary holds in reserve: `<unused0>` to `<unused98>`.
const GEMMA_RESERVED: usize = 99;

/// `reserved`: tokens that the vocabulary holds in reserve are renamed to the tags.
///
/// No id and no size changes, so the model's tensors keep their shapes and tied embeddings stay tied. Pre-training
/// never used these rows: begin them as [`RowInit`](super::RowInit) says, and train them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// The tokens in reserve, in the order of use; those that the vocabulary lacks are passed over. By default
    /// Gemma's.
    pub names: Vec<String>,
    /// Whether the tags become special tokens: Hugging Face's libraries leave special tokens out of decoded text
    /// when `skip_special_tokens` is set, as most servers set it, and then no parser finds a call. `false` by
    /// default.
    pub special: bool,
}

impl Default for Reserved {
    fn default() -> Self {
        Self { names: (0..GEMMA_RESERVED).map(|i| format!("<unused{i}>")).collect(), special: false }
    }
}

impl ToolTokenStrategy for Reserved {
    fn name(&self) -> &str {
        "reserved"
    }

    fn place(&self, tokens: &[ToolToken], vocabulary: &Vocabulary) -> Result<Vec<TokenPlacement>, Error> {
        for token in tokens {
            vocabulary.check_free(&token.text)?;
        }
        let reserve = || self.names.iter().filter_map(|name| Some((name, vocabulary.id(name)?)));
        let placements: Vec<_> = tokens
            .iter()
            .zip(reserve())
            .map(|(token, (name, id))| TokenPlacement {
                token: token.text.clone(),
                id,
                replaces: Some(name.clone()),
                special: self.special,
            })
            .collect();
        if placements.len() < tokens.len() {
            let (needed, found) = (tokens.len(), placements.len());
            return Err(TokenProblem::NotEnoughReserved { needed, found }.into());
        }
        Ok(placements)
    }
}
