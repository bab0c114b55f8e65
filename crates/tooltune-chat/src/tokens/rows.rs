//! How the rows of new tokens begin.

use std::collections::{HashMap, HashSet};

use super::{TokenPlacement, TokenProblem, ToolToken};
use crate::{Error, HfTokenizer, TextTokenizer};

/// The beginning of one row of an embedding: the mean of other rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowInit {
    /// The row, which is the token's id.
    pub id: u32,
    /// The token's text.
    pub token: String,
    /// What it says, from [`ToolToken::description`].
    pub description: String,
    /// The rows to take the mean of, one for each token of the description; a row may occur more than once. All are
    /// rows of the embedding before the change.
    pub from_ids: Vec<u32>,
}

/// The rows of placed tokens, described with the old tokenizer.
pub(super) fn rows(
    placements: &[TokenPlacement],
    tokens: &[ToolToken],
    old: &HfTokenizer,
) -> Result<Vec<RowInit>, Error> {
    let controls: HashSet<u32> = old.controls().into_iter().map(|(_, id)| id).collect();
    let mut seen: HashMap<Vec<u32>, String> = HashMap::new();
    let mut rows = Vec::with_capacity(placements.len());
    for placement in placements {
        let token = &placement.token;
        let described = tokens.iter().find(|tool_token| tool_token.text == *token);
        let description = described.map(|tool_token| tool_token.description.clone()).unwrap_or_default();
        let mut from_ids = old.encode_text(&description)?;
        from_ids.retain(|id| !controls.contains(id));
        if from_ids.is_empty() {
            return Err(TokenProblem::EmptyDescription { token: token.clone(), description }.into());
        }
        // A mean does not know the order.
        let mut sorted = from_ids.clone();
        sorted.sort_unstable();
        if let Some(first) = seen.insert(sorted, token.clone()) {
            return Err(TokenProblem::EqualRows { first, second: token.clone() }.into());
        }
        rows.push(RowInit { id: placement.id, token: token.clone(), description, from_ids });
    }
    Ok(rows)
}
