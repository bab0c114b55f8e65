//! What a model folder says about its template.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::JinjaError;
use crate::{Error, HfTokenizer, JsonOptions, Object, Value};

/// The largest configuration file that is read: 16 MiB.
const MAX_CONFIG_BYTES: u64 = 16 << 20;
/// The special tokens that have a name.
const NAMES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// Templates, variables and control tokens of a folder.
pub(super) struct Folder {
    pub(super) default: String,
    pub(super) tool_use: Option<String>,
    pub(super) variables: Vec<(String, Value)>,
    pub(super) controls: Vec<String>,
}

impl Folder {
    /// Reads a folder, with its tokenizer where `controls` are wanted.
    pub(super) fn read(folder: &Path, controls: bool) -> Result<Self, Error> {
        let config = read_object(&folder.join("tokenizer_config.json"))?.unwrap_or_default();
        let map = read_object(&folder.join("special_tokens_map.json"))?.unwrap_or_default();
        let (default, tool_use) = templates(folder, &config)?;
        let mut variables = Vec::new();
        for name in NAMES {
            let token = config.get(name).and_then(token_text).or_else(|| map.get(name).and_then(token_text));
            variables.extend(token.map(|token| (name.to_owned(), token.into())));
        }
        for extra in [&config, &map].into_iter().filter_map(|file| file.get("extra_special_tokens")) {
            for (name, token) in extra.as_object().into_iter().flat_map(Object::iter) {
                let known = variables.iter().any(|(known, _): &(String, Value)| known == name);
                if let Some(token) = token_text(token).filter(|_| !known) {
                    variables.push((name.to_owned(), token.into()));
                }
            }
        }
        let tokenizer = folder.join("tokenizer.json");
        let controls = if controls && tokenizer.exists() {
            let tokenizer = HfTokenizer::from_file(tokenizer)?;
            tokenizer.controls().into_iter().map(|(text, _)| text.to_owned()).collect()
        } else {
            Vec::new()
        };
        Ok(Self { default, tool_use, variables, controls })
    }
}

/// A special token: a string, or an object with its `content`.
fn token_text(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("content")?.as_str())
}

/// The default template, and the one for tools.
fn templates(folder: &Path, config: &Object) -> Result<(String, Option<String>), Error> {
    let named = folder.join("additional_chat_templates");
    let tool_use = read(&named.join("tool_use.jinja"))?;
    if let Some(default) = read(&folder.join("chat_template.jinja"))? {
        return Ok((default, tool_use));
    }
    let path = folder.join("chat_template.json");
    if let Some(file) = read_object(&path)?
        && let Some(template) = file.get("chat_template")
    {
        return by_name(template, &path);
    }
    match config.get("chat_template") {
        None | Some(Value::Null) => Err(JinjaError::NoTemplate { path: folder.to_owned() }.into()),
        Some(template) => by_name(template, &folder.join("tokenizer_config.json")),
    }
}

/// A template, or several with names.
fn by_name(template: &Value, path: &Path) -> Result<(String, Option<String>), Error> {
    let bad = |problem: &str| JinjaError::File { path: path.to_owned(), problem: problem.to_owned() };
    if let Some(default) = template.as_str() {
        return Ok((default.to_owned(), None));
    }
    let entries: Vec<(&str, &str)> = match template {
        Value::Array(items) => items
            .iter()
            .filter_map(|item| Some((item.get("name")?.as_str()?, item.get("template")?.as_str()?)))
            .collect(),
        Value::Object(object) => {
            object.iter().filter_map(|(name, template)| Some((name, template.as_str()?))).collect()
        }
        _ => return Err(bad("`chat_template` is neither a string nor a list").into()),
    };
    let find = |name: &str| entries.iter().find(|entry| entry.0 == name).map(|entry| entry.1.to_owned());
    let tool_use = find("tool_use");
    let default = find("default").or_else(|| tool_use.clone());
    Ok((default.ok_or_else(|| bad("there is no chat template named `default`"))?, tool_use))
}

/// A file's text; `None` where there is no file.
fn read(path: &Path) -> Result<Option<String>, Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(io)?,
    };
    let bytes = file.metadata().map_err(io)?.len();
    let limit = MAX_CONFIG_BYTES;
    if bytes > limit {
        return Err(Error::FileTooLarge { path: path.to_owned(), bytes, limit });
    }
    let mut text = String::new();
    // The file may grow while it is read.
    file.take(limit).read_to_string(&mut text).map_err(io)?;
    Ok(Some(text))
}

fn read_object(path: &Path) -> Result<Option<Object>, Error> {
    let Some(text) = read(path)? else { return Ok(None) };
    let bad = |problem: String| JinjaError::File { path: path.to_owned(), problem };
    match Value::parse_json_with(&text, &JsonOptions::default()) {
        Ok(Value::Object(object)) => Ok(Some(object)),
        Ok(_) => Err(bad("it is not an object".to_owned()).into()),
        Err(error) => Err(bad(error.to_string()).into()),
    }
}
