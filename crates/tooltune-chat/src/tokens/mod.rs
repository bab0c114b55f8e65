//! Tool tags as single tokens: which rows of the vocabulary they get, and the tokenizer that has them.
//!
//! A tag such as `<tool_call>` is about five tokens of an ordinary vocabulary. A [`ToolTokenStrategy`] decides
//! whether it becomes one, and whose row it takes; everything else (editing the files, checking that no other id
//! moved, saying how new rows begin) is the same for all of them.

mod added;
mod apply;
mod edit;
mod edit_config;
mod files;
mod plain;
mod pretty;
mod problem;
mod reserved;
mod rows;
mod tool_token;
mod vocabulary;

pub use added::Added;
pub use apply::ToolTokenizer;
pub use files::TokenizerFiles;
pub use plain::PlainText;
pub use problem::TokenProblem;
pub use reserved::Reserved;
pub use rows::RowInit;
pub use tool_token::ToolToken;
pub use vocabulary::Vocabulary;

use crate::Error;

/// Where one tool token goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenPlacement {
    /// The token's text.
    pub token: String,
    /// The id it gets.
    pub id: u32,
    /// The text that the id has had so far; `None` for a new id.
    pub replaces: Option<String>,
    /// Whether `tokenizers` and transformers leave the token out when they decode with `skip_special_tokens`.
    pub special: bool,
}

/// How the tags of a call format enter a tokenizer.
///
/// Law: the ids of all other tokens stay as they are. [`ToolTokenStrategy::apply`] checks it.
///
/// ```no_run
/// use tooltune_chat::{Hermes, Reserved, TokenizerFiles, ToolToken, ToolTokenStrategy};
///
/// let files = TokenizerFiles::from_folder("gemma-2-2b-it")?;
/// let tuned = Reserved::default().apply(&files, &ToolToken::of_format(&Hermes::json()))?;
/// for row in &tuned.rows {
///     // The model's row `row.id` begins as the mean of its rows `row.from_ids`.
///     println!("{} {} {:?}", row.id, row.token, row.from_ids);
/// }
/// tuned.files.save("gemma-2-2b-it-tools")?;
/// # Ok::<(), tooltune_chat::Error>(())
/// ```
pub trait ToolTokenStrategy: Send + Sync {
    /// The name of the strategy, as options and reports show it.
    fn name(&self) -> &str;

    /// Chooses the ids; no placement means that the tokenizer stays as it is.
    ///
    /// # Errors
    /// [`Error::ToolTokens`] where there is no room or a token is taken.
    fn place(&self, tokens: &[ToolToken], vocabulary: &Vocabulary) -> Result<Vec<TokenPlacement>, Error>;

    /// Makes the tokenizer that has the tokens.
    ///
    /// # Errors
    /// Those of [`ToolTokenStrategy::place`]; [`Error::ToolTokens`] where a file contradicts another or another
    /// token's id would change; [`Error::TokenizerFile`] where a file cannot be understood.
    fn apply(&self, files: &TokenizerFiles, tokens: &[ToolToken]) -> Result<ToolTokenizer, Error> {
        apply::apply(files, tokens, &|vocabulary| self.place(tokens, vocabulary))
    }
}
