//! A tokenizer for tests and examples: one token a byte.

use super::{TextToken, TextTokenizer};
use crate::Error;

/// A tokenizer whose text tokens are the 256 bytes, after its control tokens.
///
/// ```
/// use tooltune_chat::{ByteTokenizer, TextTokenizer};
///
/// let tokenizer = ByteTokenizer::default();
/// let ids = tokenizer.encode_text("<bos>")?;
/// assert_eq!(ids.len(), 5);
/// assert!(!ids.contains(&tokenizer.control_id("<bos>").unwrap()));
/// # Ok::<(), tooltune_chat::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByteTokenizer {
    controls: Vec<String>,
}

impl ByteTokenizer {
    /// A tokenizer with these control tokens, whose ids count from 0.
    #[must_use]
    pub fn new(controls: &[&str]) -> Self {
        Self { controls: controls.iter().map(|&token| token.to_owned()).collect() }
    }

    /// Gemma's control tokens without tool tags, as in Gemma's own vocabulary.
    #[must_use]
    pub fn without_tags() -> Self {
        Self::new(&["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"])
    }
}

/// Gemma's control tokens and the tags of the Hermes format.
impl Default for ByteTokenizer {
    fn default() -> Self {
        Self::new(&[
            "<pad>",
            "<eos>",
            "<bos>",
            "<unk>",
            "<start_of_turn>",
            "<end_of_turn>",
            "<tools>",
            "</tools>",
            "<think>",
            "</think>",
            "<tool_call>",
            "</tool_call>",
            "<tool_response>",
            "</tool_response>",
        ])
    }
}

impl TextTokenizer for ByteTokenizer {
    fn encode_with_spans(&self, text: &str) -> Result<Vec<TextToken>, Error> {
        // There are far fewer than 2^32 control tokens.
        let first = u32::try_from(self.controls.len()).unwrap_or(u32::MAX - 256);
        let token = |(at, byte)| TextToken { id: first + u32::from(byte), span: at..at + 1 };
        Ok(text.bytes().enumerate().map(token).collect())
    }

    fn control_id(&self, token: &str) -> Option<u32> {
        let index = self.controls.iter().position(|control| control == token)?;
        u32::try_from(index).ok()
    }

    fn decode_filtered(&self, ids: &[u32], keep: &dyn Fn(&str) -> bool) -> Result<String, Error> {
        let mut bytes = Vec::with_capacity(ids.len());
        for &id in ids {
            let index = id as usize;
            if let Some(token) = self.controls.get(index) {
                if keep(token) {
                    bytes.extend_from_slice(token.as_bytes());
                }
            } else {
                let byte = u8::try_from(index - self.controls.len()).map_err(|_| Error::UnknownId { id })?;
                bytes.push(byte);
            }
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn vocab_size(&self) -> usize {
        self.controls.len() + 256
    }
}
