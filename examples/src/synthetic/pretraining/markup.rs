//! Text in angle brackets: made-up tags around words, lines and JSON.
//!
//! Fine-tuning keeps the embeddings frozen, so each token that its tags are made of must have been written by the
//! base: `<`, `</`, `>`, `_` and the words inside, in tags that mean nothing.

use tooltune_chat::{Object, Value};

use super::copying::{any_value, parameter_name, word};
use super::{TOOL_TAGS, Turns};
use crate::synthetic::composed::identifier;
use crate::synthetic::rng::Rng;
use crate::synthetic::words::PLAIN;

const HTML: &[&str] = &["b", "i", "p", "li", "ul", "em", "box", "note", "item", "list", "quote", "code"];

/// The name of a tag, never one of [`TOOL_TAGS`].
pub(super) fn tag(rng: &mut Rng) -> String {
    loop {
        let name = if rng.chance(0.25) { rng.pick(HTML).to_owned() } else { identifier(rng, PLAIN) };
        if !TOOL_TAGS.contains(&name.as_str()) {
            return name;
        }
    }
}

/// A small JSON object.
pub(super) fn object(rng: &mut Rng, fields: usize) -> Object {
    let mut object = Object::default();
    while object.len() < fields {
        let key = match rng.weighted(&[60, 30, 10]) {
            0 => parameter_name(rng),
            1 => crate::synthetic::words::made_up(rng, crate::synthetic::words::Side::Train),
            // "arguments" is a word like any other, but never beside "name".
            _ => rng.pick(&["arguments", "result", "response", "entry", "error", "answer"]).to_owned(),
        };
        let call = [("name", "arguments"), ("arguments", "name")]
            .iter()
            .any(|(a, b)| key == *a && object.get(b).is_some());
        if object.get(&key).is_none() && !call {
            object.insert(key, any_value(rng));
        }
    }
    object
}

/// A bit of markup.
pub(super) fn snippet(rng: &mut Rng) -> String {
    let name = tag(rng);
    match rng.below(4) {
        0 => format!("<{name}>{}</{name}>", word(rng)),
        1 => format!("<{name}>\n{}\n</{name}>", word(rng)),
        2 => format!("<{name}>{} {}</{name}>", word(rng), word(rng)),
        _ => {
            let inner = tag(rng);
            format!("<{name}><{inner}>{}</{inner}></{name}>", word(rng))
        }
    }
}

/// Writing, closing and reading tags.
pub(super) fn markup(rng: &mut Rng) -> Turns {
    match rng.below(5) {
        0 => read(rng),
        1 => close(rng),
        _ => (0..rng.count(1..=3)).map(|_| write(rng)).collect(),
    }
}

fn write(rng: &mut Rng) -> (String, String) {
    let name = tag(rng);
    let text = match rng.below(4) {
        0 => {
            let fields = rng.count(1..=3);
            Value::from(object(rng, fields)).to_json()
        }
        1 => format!("{} {}", word(rng), word(rng)),
        _ => word(rng),
    };
    match rng.below(5) {
        0 => (format!("Put {text} in <{name}>."), format!("<{name}>{text}</{name}>")),
        1 => (format!("Write inside <{name}>: {text}"), format!("<{name}>{text}</{name}>")),
        2 => (format!("Write on a line inside <{name}>: {text}"), format!("<{name}>\n{text}\n</{name}>")),
        3 => (format!("{text}\nWrite it on a line inside <{name}>."), format!("<{name}>\n{text}\n</{name}>")),
        _ => {
            let inner = tag(rng);
            (
                format!("Put {text} in <{inner}> in <{name}>."),
                format!("<{name}><{inner}>{text}</{inner}></{name}>"),
            )
        }
    }
}

fn close(rng: &mut Rng) -> Turns {
    let names: Vec<String> = (0..rng.count(1..=3)).map(|_| tag(rng)).collect();
    let text = word(rng);
    let open: String = names.iter().map(|name| format!("<{name}>")).collect();
    let closed: String = names.iter().rev().map(|name| format!("</{name}>")).collect();
    if rng.chance(0.5) {
        vec![(format!("Close the tags: {open}{text}"), closed)]
    } else {
        vec![(format!("Finish: {open}{text}"), format!("{open}{text}{closed}"))]
    }
}

fn read(rng: &mut Rng) -> Turns {
    let mut parts: Vec<(String, String)> = Vec::new();
    let wanted = rng.count(2..=5);
    while parts.len() < wanted {
        let (name, text) = (tag(rng), word(rng));
        if parts.iter().all(|(n, t)| *n != name && *t != text) {
            parts.push((name, text));
        }
    }
    let line = rng.pick(&["\n", "", " "]);
    let shown: Vec<String> = parts.iter().map(|(name, text)| format!("<{name}>{text}</{name}>")).collect();
    let mut turns: Turns = (0..rng.count(1..=3))
        .map(|_| {
            let (name, text) = rng.one(&parts);
            match rng.below(3) {
                0 => (format!("Which tag holds {text}?"), name.clone()),
                1 => {
                    (format!("Write what <{name}> holds, with its tag."), format!("<{name}>{text}</{name}>"))
                }
                _ => (format!("What does <{name}> hold?"), text.clone()),
            }
        })
        .collect();
    turns[0].0 = format!("{}\n{}", shown.join(line), turns[0].0);
    turns
}
