//! From placements to a tokenizer, with the checks that every strategy shares.

use std::collections::HashSet;

use super::edit::edit_tokenizer;
use super::edit_config::edit_beside;
use super::rows::rows;
use super::{RowInit, TokenPlacement, TokenProblem, TokenizerFiles, ToolToken, Vocabulary};
use crate::{Error, HfTokenizer};

/// A tokenizer that a [`ToolTokenStrategy`](super::ToolTokenStrategy) made.
#[derive(Debug)]
pub struct ToolTokenizer {
    /// Its files; [`TokenizerFiles::save`] writes them.
    pub files: TokenizerFiles,
    /// The tokenizer itself.
    pub tokenizer: HfTokenizer,
    /// How the rows of the tool tokens begin, in the order of the tokens; none where no row is new.
    pub rows: Vec<RowInit>,
}

pub(super) fn apply(
    files: &TokenizerFiles,
    tokens: &[ToolToken],
    place: &dyn Fn(&Vocabulary) -> Result<Vec<TokenPlacement>, Error>,
) -> Result<ToolTokenizer, Error> {
    check_tokens(tokens)?;
    let old = files.tokenizer()?;
    let vocabulary = Vocabulary::new(old.inner());
    let placements = place(&vocabulary)?;
    if placements.is_empty() {
        return Ok(ToolTokenizer { files: files.clone(), tokenizer: old, rows: Vec::new() });
    }
    let edited = files.edit(&|root| edit_tokenizer(root, &placements), &|file, root| {
        edit_beside(file, root, &placements)
    })?;
    let tokenizer = edited.tokenizer()?;
    check_ids(&vocabulary, &placements, &Vocabulary::new(tokenizer.inner()))?;
    let rows = rows(&placements, tokens, &old)?;
    Ok(ToolTokenizer { files: edited, tokenizer, rows })
}

fn check_tokens(tokens: &[ToolToken]) -> Result<(), TokenProblem> {
    let mut seen = HashSet::new();
    for ToolToken { text, .. } in tokens {
        if text.trim().is_empty() {
            return Err(TokenProblem::Blank { token: text.clone() });
        }
        if !seen.insert(text) {
            return Err(TokenProblem::Twice { token: text.clone() });
        }
    }
    Ok(())
}

/// The law: the placed tokens have their ids as added tokens, and all others have the ids they had.
fn check_ids(old: &Vocabulary, placements: &[TokenPlacement], new: &Vocabulary) -> Result<(), TokenProblem> {
    let mut expected = old.ids().clone();
    for TokenPlacement { token, id, replaces, .. } in placements {
        if let Some(name) = replaces {
            expected.remove(name);
        }
        expected.insert(token.clone(), *id);
        if !new.is_added(*id) {
            return Err(TokenProblem::IdMoved { token: token.clone(), expected: Some(*id), found: None });
        }
    }
    let moved = |token: &String| {
        let (expected, found) = (expected.get(token).copied(), new.id(token));
        TokenProblem::IdMoved { token: token.clone(), expected, found }
    };
    // The smallest, so that the same files give the same message.
    let wrong = expected.iter().filter(|(token, id)| new.id(token) != Some(**id)).map(|(token, _)| token);
    let extra = new.ids().keys().filter(|token| !expected.contains_key(*token));
    wrong.chain(extra).min().map_or(Ok(()), |token| Err(moved(token)))
}
