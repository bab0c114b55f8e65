//! New tokens after the vocabulary.

use super::{TokenPlacement, TokenProblem, ToolToken, ToolTokenStrategy, Vocabulary};
use crate::Error;

/// `added`: the tags become new tokens after the last id, and the vocabulary grows.
///
/// The model's embedding must grow by as many rows, unless it has rows to spare. Engines that refuse a vocabulary
/// other than the base model's refuse the result; [`Reserved`](super::Reserved) avoids that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Whether the tags become special tokens, as in [`Reserved::special`](super::Reserved::special). `false` by
    /// default.
    pub special: bool,
}

impl Added {
    /// As the course adds its tokens: special. Its tokens are [`ToolToken::course`].
    #[must_use]
    pub fn course() -> Self {
        Self { special: true }
    }
}

impl ToolTokenStrategy for Added {
    fn name(&self) -> &str {
        "added"
    }

    fn place(&self, tokens: &[ToolToken], vocabulary: &Vocabulary) -> Result<Vec<TokenPlacement>, Error> {
        let first = vocabulary.size();
        let place = |(index, token): (usize, &ToolToken)| {
            vocabulary.check_free(&token.text)?;
            let id = u32::try_from(first + index).map_err(|_| TokenProblem::TooManyTokens)?;
            let token = token.text.clone();
            Ok(TokenPlacement { token, id, replaces: None, special: self.special })
        };
        tokens.iter().enumerate().map(place).collect()
    }
}
