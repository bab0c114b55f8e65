//! What a tokenizer has, by text.

use std::collections::{HashMap, HashSet};

use tokenizers::Tokenizer;

use super::TokenProblem;

/// The tokens of a tokenizer, added ones included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    ids: HashMap<String, u32>,
    added: HashSet<u32>,
}

impl Vocabulary {
    pub(super) fn new(tokenizer: &Tokenizer) -> Self {
        let ids = tokenizer.get_vocab(true).into_iter().collect();
        let added = tokenizer.get_added_tokens_decoder().into_iter().map(|(id, _)| id).collect();
        Self { ids, added }
    }

    /// The id of a token.
    #[must_use]
    pub fn id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied()
    }

    /// Whether the id belongs to an added token, which `tokenizers` finds before the model sees the text.
    #[must_use]
    pub fn is_added(&self, id: u32) -> bool {
        self.added.contains(&id)
    }

    /// One more than the largest id.
    #[must_use]
    pub fn size(&self) -> usize {
        self.ids.values().max().map_or(0, |&id| id as usize + 1)
    }

    /// Checks that no token has this text.
    ///
    /// # Errors
    /// [`TokenProblem::AlreadyThere`] where it is an added token, [`TokenProblem::Taken`] where it is an ordinary
    /// one.
    pub fn check_free(&self, token: &str) -> Result<(), TokenProblem> {
        let token_text = || token.to_owned();
        match self.id(token) {
            None => Ok(()),
            Some(id) if self.is_added(id) => Err(TokenProblem::AlreadyThere { token: token_text(), id }),
            Some(id) => Err(TokenProblem::Taken { token: token_text(), id }),
        }
    }

    pub(super) fn ids(&self) -> &HashMap<String, u32> {
        &self.ids
    }
}
