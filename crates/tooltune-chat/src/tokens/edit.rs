//! Edits of `tokenizer.json`: the named tokens change and nothing else.

use super::{TokenPlacement, TokenProblem};
use crate::{Object, Value};

pub(super) const TOKENIZER_FILE: &str = "tokenizer.json";

/// Renames and adds tokens in `added_tokens` and in the model's vocabulary.
pub(super) fn edit_tokenizer(root: Value, placements: &[TokenPlacement]) -> Result<Value, TokenProblem> {
    let Value::Object(root) = root else { return Err(layout("it is not an object")) };
    if let Some(post_processor) = root.get("post_processor") {
        check_idle(post_processor, "post_processor", placements)?;
    }
    let has_added = root.contains_key("added_tokens");
    let mut out: Object = root
        .into_iter()
        .map(|(key, value)| {
            let value = match key.as_str() {
                "added_tokens" => edit_added(value, placements)?,
                "model" => edit_model(value, placements)?,
                _ => value,
            };
            Ok((key, value))
        })
        .collect::<Result<_, TokenProblem>>()?;
    if !has_added {
        out.insert("added_tokens", edit_added(Value::Array(Vec::new()), placements)?);
    }
    Ok(out.into())
}

/// The fields of an added token apart from its text: matched as it stands, wherever it stands.
pub(super) fn write_flags(entry: &mut Object, placement: &TokenPlacement) {
    for flag in ["single_word", "lstrip", "rstrip", "normalized"] {
        entry.insert(flag, false);
    }
    entry.insert("special", placement.special);
}

fn edit_added(added: Value, placements: &[TokenPlacement]) -> Result<Value, TokenProblem> {
    let Value::Array(mut entries) = added else { return Err(layout("`added_tokens` is not an array")) };
    for placement in placements {
        let id_of = |entry: &Value| entry.get("id").and_then(Value::as_i64);
        let id = i64::from(placement.id);
        let at = entries.iter().position(|entry| id_of(entry) == Some(id));
        let mut entry = match at {
            Some(at) => match std::mem::take(&mut entries[at]) {
                Value::Object(entry) => entry,
                _ => return Err(layout("an added token is not an object")),
            },
            None => Object::new(),
        };
        entry.insert("id", id);
        entry.insert("content", placement.token.as_str());
        write_flags(&mut entry, placement);
        match at {
            Some(at) => entries[at] = entry.into(),
            // Readers expect the entries in the order of their ids.
            None => {
                let after = entries.iter().position(|entry| id_of(entry).is_some_and(|other| other > id));
                entries.insert(after.unwrap_or(entries.len()), entry.into());
            }
        }
    }
    Ok(entries.into())
}

fn edit_model(model: Value, placements: &[TokenPlacement]) -> Result<Value, TokenProblem> {
    let Value::Object(model) = model else { return Err(layout("`model` is not an object")) };
    for (key, value) in model.iter().filter(|(key, _)| *key != "vocab" && *key != "merges") {
        check_idle(value, key, placements)?;
    }
    let edit = |(key, value): (String, Value)| {
        let value = if key == "vocab" { edit_vocab(value, placements)? } else { value };
        Ok((key, value))
    };
    Ok(Value::Object(model.into_iter().map(edit).collect::<Result<_, TokenProblem>>()?))
}

/// Vocabularies are objects of ids, or arrays of texts with scores where the place is the id.
fn edit_vocab(vocab: Value, placements: &[TokenPlacement]) -> Result<Value, TokenProblem> {
    let renamed = |text: &str, id: i64| {
        let same = |p: &&TokenPlacement| i64::from(p.id) == id && p.replaces.as_deref() == Some(text);
        placements.iter().find(same).map(|placement| placement.token.clone())
    };
    match vocab {
        Value::Object(vocab) => {
            let rename = |(text, id): (String, Value)| {
                let new = id.as_i64().and_then(|id| renamed(&text, id));
                (new.unwrap_or(text), id)
            };
            Ok(Value::Object(vocab.into_iter().map(rename).collect()))
        }
        Value::Array(mut vocab) => {
            for placement in placements {
                let Some(Value::Array(entry)) = vocab.get_mut(placement.id as usize) else { continue };
                let Some(text) = entry.first_mut() else { continue };
                if text.as_str() == placement.replaces.as_deref() {
                    *text = placement.token.as_str().into();
                }
            }
            Ok(vocab.into())
        }
        _ => Err(layout("`model.vocab` is neither an object nor an array")),
    }
}

/// Checks that no renamed token is named in `value`.
pub(super) fn check_idle(
    value: &Value,
    used_as: &str,
    placements: &[TokenPlacement],
) -> Result<(), TokenProblem> {
    let check = |text: &str| match placements.iter().find(|p| p.replaces.as_deref() == Some(text)) {
        Some(_) => Err(TokenProblem::InUse { token: text.to_owned(), used_as: used_as.to_owned() }),
        None => Ok(()),
    };
    match value {
        Value::String(text) => check(text),
        Value::Array(items) => items.iter().try_for_each(|item| check_idle(item, used_as, placements)),
        Value::Object(object) => object.iter().try_for_each(|(key, item)| {
            check(key)?;
            check_idle(item, used_as, placements)
        }),
        _ => Ok(()),
    }
}

fn layout(problem: &'static str) -> TokenProblem {
    TokenProblem::Layout { file: TOKENIZER_FILE, problem }
}
