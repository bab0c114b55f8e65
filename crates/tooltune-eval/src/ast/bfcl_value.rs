//! The value checks of the Bfcl profile: texts, lists, dicts, lists of dicts.
//!
//! The order of the checks is the leaderboard's, because the last error wins there; and an accepted answer of a shape that
//! its checker does not expect makes it raise an exception, even where another answer matches.

use tooltune_chat::{Object, Value};

use super::gold::is_marker;
use super::python::{PyType, Python, same_standardised};
use super::{Accepted, AstError, SchemaError};

type Check = Result<(), AstError>;

const NO_LIST: AstError = AstError::Schema(SchemaError::AnswerNotAList);
const NO_DICT: AstError = AstError::Schema(SchemaError::AnswerNotADict);
const NOT_INDEXED: AstError = AstError::Schema(SchemaError::AnswerNotIndexed);

/// A text is among the accepted texts.
pub(super) fn check_text(value: &str, accepted: &Accepted) -> Check {
    let found = |option: &Value| option.as_str().is_some_and(|option| same_standardised(value, option));
    if accepted.values().iter().any(found) { Ok(()) } else { Err(AstError::StringValue) }
}

/// A list is among the accepted lists, texts standardised one level deep.
pub(super) fn check_list(python: Python, value: &[Value], accepted: &Accepted) -> Check {
    let mut found = false;
    for option in accepted.values() {
        found |= match option {
            Value::Array(items) => {
                items.len() == value.len()
                    && value.iter().zip(items).all(|(value, item)| python.equal_standardised(value, item))
            }
            // Python iterates a text by characters.
            Value::String(text) => is_characters(value, text),
            Value::Object(dict) if dict.is_empty() => value.is_empty(),
            Value::Object(_) => return Err(NOT_INDEXED),
            _ => return Err(NO_LIST),
        };
    }
    if found { Ok(()) } else { Err(AstError::ListValue) }
}

fn is_characters(value: &[Value], text: &str) -> bool {
    let mut characters = text.chars();
    let same = value.iter().all(|item| match (item, characters.next()) {
        (Value::String(item), Some(c)) => same_standardised(item, c.encode_utf8(&mut [0; 4])),
        _ => false,
    });
    same && characters.next().is_none()
}

/// A dict is among the accepted dicts.
pub(super) fn check_dict(python: Python, value: &Value, accepted: &Accepted) -> Check {
    let exact = matches!(accepted, Accepted::Exactly(_));
    let mut result = Err(AstError::DictUnclear);
    for option in accepted.values() {
        if !exact && is_marker(option) {
            continue;
        }
        result = check_one_dict(python, value, option, exact);
        match result {
            Err(AstError::DictKey | AstError::DictValue) => {}
            decided => return decided,
        }
    }
    result
}

/// `exact`: the values of `option` are values, not lists of accepted values.
fn check_one_dict(python: Python, value: &Value, option: &Value, exact: bool) -> Check {
    let dict = match python.type_of(value) {
        PyType::Dict => value.as_object().ok_or(NO_DICT)?,
        _ => return Err(NO_DICT),
    };
    let Value::Object(option) = option else { return check_dict_against_other(dict, option) };
    let mut result = Ok(());
    for (key, value) in dict.iter() {
        let Some(accepted) = option.get(key) else {
            result = Err(AstError::DictKey);
            break;
        };
        if !accepts_dict_value(python, value, accepted, exact)? {
            result = Err(AstError::DictValue);
            break;
        }
    }
    for (key, accepted) in option.iter() {
        if !dict.contains_key(key) && !may_be_omitted(accepted, exact)? {
            result = Err(AstError::DictKey);
            break;
        }
    }
    result
}

/// The accepted answer is no dict, so the checker can only fail or raise an exception.
fn check_dict_against_other(dict: &Object, option: &Value) -> Check {
    match option {
        // A key may be found in a text or list; indexing with it then fails.
        Value::String(text) if dict.keys().next().is_some_and(|key| text.contains(key)) => Err(NO_LIST),
        Value::Array(items)
            if dict.keys().next().is_some_and(|key| items.iter().any(|item| item.as_str() == Some(key))) =>
        {
            Err(NO_LIST)
        }
        Value::String(_) | Value::Array(_) => Err(NO_DICT),
        _ if dict.is_empty() => Err(NO_DICT),
        _ => Err(NO_LIST),
    }
}

fn accepts_dict_value(
    python: Python,
    value: &Value,
    accepted: &Value,
    exact: bool,
) -> Result<bool, AstError> {
    if exact {
        return Ok(python.equal_standardised(value, accepted));
    }
    match accepted {
        Value::Array(options) => Ok(options.iter().any(|option| python.equal_standardised(value, option))),
        Value::String(text) => {
            let Value::String(value) = value else { return Ok(false) };
            Ok(text.chars().any(|c| same_standardised(value, c.encode_utf8(&mut [0; 4]))))
        }
        Value::Object(options) if options.is_empty() => Ok(false),
        Value::Object(_) => Err(NOT_INDEXED),
        _ => Err(NO_LIST),
    }
}

fn may_be_omitted(accepted: &Value, exact: bool) -> Result<bool, AstError> {
    match accepted {
        _ if exact => Ok(false),
        Value::Array(options) => Ok(options.iter().any(is_marker)),
        // The empty text is a part of every text.
        Value::String(_) => Ok(true),
        Value::Object(options) => Ok(options.contains_key("")),
        _ => Err(NO_LIST),
    }
}

/// A list of dicts is among the accepted ones, dict by dict.
pub(super) fn check_list_of_dicts(python: Python, value: &[Value], accepted: &Accepted) -> Check {
    let exact = matches!(accepted, Accepted::Exactly(_));
    let mut result = Err(AstError::ListDictUnclear);
    for option in accepted.values() {
        let options = match option {
            Value::Array(options) => options.as_slice(),
            // No dict is among a text's characters.
            Value::String(text) if text.chars().count() == value.len() => {
                result = check_dicts_against_characters(python, value, text);
                match result {
                    Err(AstError::DictUnclear) => continue,
                    decided => return decided,
                }
            }
            Value::Object(options) if options.len() == value.len() && !options.is_empty() => {
                return Err(NOT_INDEXED);
            }
            Value::Object(options) if options.is_empty() && value.is_empty() => return Ok(()),
            Value::String(_) | Value::Object(_) => {
                result = Err(AstError::ListDictCount);
                continue;
            }
            _ => return Err(NO_LIST),
        };
        if options.len() != value.len() {
            result = Err(AstError::ListDictCount);
            continue;
        }
        result = Ok(());
        for (value, option) in value.iter().zip(options) {
            // An accepted dict alone can't be left out.
            result = if !exact && is_marker(option) {
                Err(AstError::DictUnclear)
            } else {
                check_one_dict(python, value, option, exact)
            };
            match result {
                Ok(()) => {}
                Err(AstError::DictKey | AstError::DictValue | AstError::DictUnclear) => break,
                raised => return raised,
            }
        }
        if result.is_ok() {
            return Ok(());
        }
    }
    result
}

fn check_dicts_against_characters(python: Python, value: &[Value], text: &str) -> Check {
    let (Some(first), Some(character)) = (value.first(), text.chars().next()) else { return Ok(()) };
    check_one_dict(python, first, &Value::String(character.to_string()), false)
}
