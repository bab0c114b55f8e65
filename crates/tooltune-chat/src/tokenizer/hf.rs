//! Hugging Face's `tokenizer.json`.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use tokenizers::{
    Model, ModelWrapper, Normalizer, OffsetType, PreTokenizedString, PreTokenizer, Token, Tokenizer,
};

use super::{TextToken, TextTokenizer};
use crate::Error;

/// The largest `tokenizer.json` that is read: 64 MiB (Gemma-2's has about 17).
pub const MAX_TOKENIZER_BYTES: u64 = 64 << 20;

/// A tokenizer from a `tokenizer.json`.
///
/// Its *control tokens* are all added tokens, special or not, except those that are only white space (Gemma lists
/// its runs of line breaks and blanks there, which are text). Text goes through the normaliser, the
/// pre-tokeniser and the model directly, past the added vocabulary, so that no text can name a control token. A
/// model whose merges happen to spell one is made to spell it in smaller pieces.
pub struct HfTokenizer {
    inner: Tokenizer,
    ids: HashMap<String, u32>,
    controls: HashMap<u32, Control>,
    /// What the model emits for characters it does not know: text, though it is usually an added token too.
    unknown: Option<u32>,
    vocab_size: usize,
}

struct Control {
    text: String,
    special: bool,
}

impl HfTokenizer {
    /// Reads a `tokenizer.json` of at most [`MAX_TOKENIZER_BYTES`].
    ///
    /// # Errors
    /// Where the file is missing, too large, or no tokenizer.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let io = |source| Error::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        let bytes = file.metadata().map_err(io)?.len();
        let limit = MAX_TOKENIZER_BYTES;
        if bytes > limit {
            return Err(Error::FileTooLarge { path: path.to_owned(), bytes, limit });
        }
        let mut content = Vec::new();
        // The file may grow while it is read.
        file.take(limit).read_to_end(&mut content).map_err(io)?;
        Self::from_bytes(&content).map_err(|error| Error::TokenizerFile {
            path: path.to_owned(),
            message: match error {
                Error::Tokenizer { message } => message,
                other => other.to_string(),
            },
        })
    }

    /// Reads the bytes of a `tokenizer.json`.
    ///
    /// # Errors
    /// Where they are no tokenizer.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Ok(Self::new(Tokenizer::from_bytes(bytes).map_err(failed)?))
    }

    fn new(inner: Tokenizer) -> Self {
        let mut ids = HashMap::new();
        let mut controls = HashMap::new();
        for (id, token) in inner.get_added_tokens_decoder() {
            let white = |c: char| c.is_whitespace() || c == '\u{2581}';
            if !token.content.chars().all(white) {
                ids.insert(token.content.clone(), id);
                controls.insert(id, Control { text: token.content, special: token.special });
            }
        }
        let vocab_size = inner.get_vocab(true).values().max().map_or(0, |&id| id as usize + 1);
        let unknown = unknown_token(inner.get_model()).and_then(|token| inner.token_to_id(&token));
        Self { inner, ids, controls, unknown, vocab_size }
    }

    pub(crate) fn inner(&self) -> &Tokenizer {
        &self.inner
    }

    /// The control tokens with their ids, by id.
    #[must_use]
    pub fn controls(&self) -> Vec<(&str, u32)> {
        let mut controls: Vec<_> = self.ids.iter().map(|(text, &id)| (text.as_str(), id)).collect();
        controls.sort_unstable_by_key(|&(_, id)| id);
        controls
    }

    /// Checks that the tokenizer belongs to a model with `vocab_size` rows and has the control tokens that a
    /// template requires ([`ChatTemplate::required_controls`](crate::ChatTemplate::required_controls)).
    ///
    /// # Errors
    /// [`Error::VocabTooSmall`] and [`Error::MissingControl`].
    pub fn validate_for(&self, vocab_size: usize, required_controls: &[&str]) -> Result<(), Error> {
        if self.vocab_size > vocab_size {
            return Err(Error::VocabTooSmall { tokenizer: self.vocab_size, model: vocab_size });
        }
        match required_controls.iter().find(|token| self.control_id(token).is_none()) {
            Some(&token) => Err(Error::MissingControl { token: token.to_owned() }),
            None => Ok(()),
        }
    }

    /// Runs the model on one pre-token, never emitting a control token.
    fn tokenize(&self, text: &str) -> Result<Vec<Token>, Error> {
        let tokens = self.inner.get_model().tokenize(text).map_err(failed)?;
        let forged = |token: &Token| self.controls.get(&token.id).filter(|_| Some(token.id) != self.unknown);
        if !tokens.iter().any(|token| forged(token).is_some()) {
            return Ok(tokens);
        }
        let mut out = Vec::with_capacity(tokens.len());
        for token in tokens {
            let Some(control) = forged(&token) else {
                out.push(token);
                continue;
            };
            let refuse = || Error::ControlInText { token: control.text.clone() };
            let (start, end) = token.offsets;
            let piece = text.get(start..end).ok_or_else(refuse)?;
            let first = piece.chars().next().map_or(0, char::len_utf8);
            if first == piece.len() {
                return Err(refuse());
            }
            for (at, part) in [(start, &piece[..first]), (start + first, &piece[first..])] {
                for mut token in self.tokenize(part)? {
                    token.offsets = (token.offsets.0 + at, token.offsets.1 + at);
                    out.push(token);
                }
            }
        }
        Ok(out)
    }
}

impl TextTokenizer for HfTokenizer {
    fn encode_with_spans(&self, text: &str) -> Result<Vec<TextToken>, Error> {
        let mut pieces = PreTokenizedString::from(text);
        if let Some(normalizer) = self.inner.get_normalizer() {
            pieces.normalize(|piece| normalizer.normalize(piece)).map_err(failed)?;
        }
        if let Some(pre_tokenizer) = self.inner.get_pre_tokenizer() {
            pre_tokenizer.pre_tokenize(&mut pieces).map_err(failed)?;
        }
        // Our own error would lose its type on the way through the closure; keep it aside.
        let refused = std::cell::RefCell::new(None);
        let tokenized = pieces.tokenize(|piece| {
            self.tokenize(piece.get()).map_err(|error| {
                let message = error.to_string();
                *refused.borrow_mut() = Some(error);
                message.into()
            })
        });
        if let Some(error) = refused.take() {
            return Err(error);
        }
        tokenized.map_err(failed)?;
        let encoding = pieces.into_encoding(None, 0, OffsetType::Byte).map_err(failed)?;
        let spans = encoding.get_ids().iter().zip(encoding.get_offsets());
        Ok(spans.map(|(&id, &(start, end))| TextToken { id, span: start..end }).collect())
    }

    fn control_id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied()
    }

    fn decode_filtered(&self, ids: &[u32], keep: &dyn Fn(&str) -> bool) -> Result<String, Error> {
        if let Some(&id) = ids.iter().find(|&&id| self.inner.id_to_token(id).is_none()) {
            return Err(Error::UnknownId { id });
        }
        // Tokens that were added without being special (Gemma's HTML tags) are ordinary output.
        let shown =
            |id: &u32| self.controls.get(id).is_none_or(|control| !control.special || keep(&control.text));
        let kept: Vec<u32> = ids.iter().copied().filter(shown).collect();
        self.inner.decode(&kept, false).map_err(failed)
    }

    fn vocab_size(&self) -> usize {
        self.vocab_size
    }
}

impl std::fmt::Debug for HfTokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HfTokenizer")
            .field("vocab_size", &self.vocab_size)
            .field("controls", &self.controls.len())
            .finish_non_exhaustive()
    }
}

fn unknown_token(model: &ModelWrapper) -> Option<String> {
    match model {
        ModelWrapper::BPE(model) => model.unk_token.clone(),
        ModelWrapper::WordPiece(model) => Some(model.unk_token.clone()),
        ModelWrapper::WordLevel(model) => Some(model.unk_token.clone()),
        ModelWrapper::Unigram(_) => Some("<unk>".to_owned()),
    }
}

fn failed(error: tokenizers::Error) -> Error {
    Error::Tokenizer { message: error.to_string() }
}
