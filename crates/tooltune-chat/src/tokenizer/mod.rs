//! The tokenizer seam: text to ids and back, control tokens apart.

mod byte;
mod hf;

pub use byte::ByteTokenizer;
pub use hf::{HfTokenizer, MAX_TOKENIZER_BYTES};

use std::ops::Range;

use crate::Error;

/// A token of a text, with the bytes of the text it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextToken {
    /// The token's id.
    pub id: u32,
    /// The bytes of the text. Tokens of one character may share its bytes; a token may have none.
    pub span: Range<usize>,
}

/// A tokenizer that keeps control tokens and text apart.
///
/// Law: no text encodes to a control id, whatever it says; control ids come from [`TextTokenizer::control_id`]
/// alone.
pub trait TextTokenizer: Send + Sync {
    /// Encodes text, with the bytes that each token stands for. Nothing is added around it.
    ///
    /// # Errors
    /// Where the tokenizer cannot express the text.
    fn encode_with_spans(&self, text: &str) -> Result<Vec<TextToken>, Error>;

    /// The id of a control token, by its text.
    fn control_id(&self, token: &str) -> Option<u32>;

    /// Decodes ids, leaving out the control tokens for which `keep` is false.
    ///
    /// # Errors
    /// [`Error::UnknownId`] for an id outside the vocabulary.
    fn decode_filtered(&self, ids: &[u32], keep: &dyn Fn(&str) -> bool) -> Result<String, Error>;

    /// One more than the largest id: the number of rows that a model's embedding needs.
    fn vocab_size(&self) -> usize;

    /// Encodes text to ids; never to a control id.
    ///
    /// # Errors
    /// As [`TextTokenizer::encode_with_spans`].
    fn encode_text(&self, text: &str) -> Result<Vec<u32>, Error> {
        Ok(self.encode_with_spans(text)?.into_iter().map(|token| token.id).collect())
    }

    /// Decodes ids; control tokens are all printed (`keep_control`) or all left out.
    ///
    /// To read calls, use [`TextTokenizer::decode_for`]: it keeps the tags of the format and nothing else.
    ///
    /// # Errors
    /// As [`TextTokenizer::decode_filtered`].
    fn decode(&self, ids: &[u32], keep_control: bool) -> Result<String, Error> {
        self.decode_filtered(ids, &|_| keep_control)
    }

    /// Decodes what a model wrote, keeping the tags that the call format owns and leaving out all other control
    /// tokens.
    ///
    /// # Errors
    /// As [`TextTokenizer::decode_filtered`].
    fn decode_for(&self, ids: &[u32], format: &dyn crate::ToolCallFormat) -> Result<String, Error> {
        self.decode_filtered(ids, &|token| format.special_tokens().contains(&token))
    }
}
