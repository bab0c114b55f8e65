//! Edits of the files beside `tokenizer.json`, which transformers reads too: where they still name the old token,
//! it adds that token again as a new one.

use super::edit::{check_idle, write_flags};
use super::{TokenPlacement, TokenProblem};
use crate::{Object, Value};

pub(super) const CONFIG_FILE: &str = "tokenizer_config.json";
pub(super) const SPECIAL_TOKENS_FILE: &str = "special_tokens_map.json";
pub(super) const ADDED_TOKENS_FILE: &str = "added_tokens.json";

/// Edits the file of that name.
pub(super) fn edit_beside(
    file: &'static str,
    root: Value,
    placements: &[TokenPlacement],
) -> Result<Value, TokenProblem> {
    let Value::Object(root) = root else {
        return Err(TokenProblem::Layout { file, problem: "it is not an object" });
    };
    let edited = if file == ADDED_TOKENS_FILE {
        edit_added_tokens(file, root, placements)?
    } else {
        edit_fields(file, root, placements)?
    };
    Ok(edited.into())
}

/// `tokenizer_config.json` and `special_tokens_map.json`.
fn edit_fields(
    file: &'static str,
    root: Object,
    placements: &[TokenPlacement],
) -> Result<Object, TokenProblem> {
    root.into_iter()
        .map(|(key, value)| {
            let value = match (key.as_str(), value) {
                ("added_tokens_decoder", Value::Object(decoder)) => {
                    edit_decoder(file, decoder, placements)?.into()
                }
                ("additional_special_tokens" | "extra_special_tokens", Value::Array(items)) => {
                    edit_special(items, placements).into()
                }
                // `pad_token` and its like, and named tokens of newer versions.
                (name, value) if name.ends_with("_token") || name.ends_with("_tokens") => {
                    check_idle(&value, name, placements)?;
                    value
                }
                (_, value) => value,
            };
            Ok((key, value))
        })
        .collect()
}

/// `added_tokens_decoder`: ids to added tokens.
fn edit_decoder(
    file: &'static str,
    mut decoder: Object,
    placements: &[TokenPlacement],
) -> Result<Object, TokenProblem> {
    for placement in placements {
        let id = placement.id.to_string();
        let mut entry = match decoder.get(&id) {
            Some(Value::Object(entry)) => entry.clone(),
            Some(_) => return Err(TokenProblem::Layout { file, problem: "an added token is not an object" }),
            None => Object::new(),
        };
        if let Some(found) = entry.get("content").and_then(Value::as_str) {
            check_agrees(file, placement, found)?;
        }
        entry.insert("content", placement.token.as_str());
        write_flags(&mut entry, placement);
        decoder.insert(id, entry);
    }
    Ok(decoder)
}

/// The lists of special tokens: texts, or objects with the text as `content`.
fn edit_special(items: Vec<Value>, placements: &[TokenPlacement]) -> Vec<Value> {
    let text_of = |item: &Value| item.as_str().or_else(|| item.get("content")?.as_str()).map(str::to_owned);
    let stays = |item: &Value| {
        let text = text_of(item);
        text.is_none() || placements.iter().all(|placement| placement.replaces != text)
    };
    let mut out: Vec<Value> = items.into_iter().filter(stays).collect();
    out.extend(
        placements.iter().filter(|p| p.special).map(|placement| Value::from(placement.token.as_str())),
    );
    out
}

/// `added_tokens.json`: texts to ids.
fn edit_added_tokens(
    file: &'static str,
    root: Object,
    placements: &[TokenPlacement],
) -> Result<Object, TokenProblem> {
    let mut out = Object::new();
    for (text, id) in root {
        let number = id.as_i64();
        let placement = placements.iter().find(|placement| Some(i64::from(placement.id)) == number);
        match placement {
            Some(placement) => {
                check_agrees(file, placement, &text)?;
                out.insert(placement.token.as_str(), id);
            }
            None => {
                out.insert(text, id);
            }
        }
    }
    for placement in placements {
        out.insert(placement.token.as_str(), i64::from(placement.id));
    }
    Ok(out)
}

fn check_agrees(file: &'static str, placement: &TokenPlacement, found: &str) -> Result<(), TokenProblem> {
    if placement.replaces.as_deref() == Some(found) {
        return Ok(());
    }
    Err(TokenProblem::Disagree {
        file,
        id: placement.id,
        expected: placement.replaces.clone(),
        found: found.to_owned(),
    })
}
