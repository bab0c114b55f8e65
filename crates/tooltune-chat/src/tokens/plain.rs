//! No tokens: tags stay text.

use super::{TokenPlacement, ToolToken, ToolTokenStrategy, Vocabulary};
use crate::Error;

/// `plain`: the tokenizer stays as it is, byte for byte, and tags are written in its ordinary tokens.
///
/// No row is new, so an adapter needs no embedding and loads everywhere. The tags cost a few tokens each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlainText;

impl ToolTokenStrategy for PlainText {
    fn name(&self) -> &str {
        "plain"
    }

    fn place(&self, _: &[ToolToken], _: &Vocabulary) -> Result<Vec<TokenPlacement>, Error> {
        Ok(Vec::new())
    }
}
