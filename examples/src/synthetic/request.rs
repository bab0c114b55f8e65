//! Requests: a tool and values for its parameters in the words of somebody who wants it.

use tooltune_chat::{Object, Value};

use super::kind::{Shape, spoken};
use super::rng::Rng;
use super::tool::{Asking, Param, Tool};
use super::words::{Side, capitalized, with_article};

const OPENINGS: &[&str] =
    &["", "", "", "Please ", "Can you ", "Could you ", "I want to ", "I need to ", "Hey, "];
const PEOPLE: &[&str] = &["We want to", "They have to", "Someone will", "The team must", "My boss wants to"];

/// A request together with the arguments that it states, in the order of the declaration.
#[derive(Debug, Clone)]
pub struct Request {
    /// What the user writes.
    pub text: String,
    /// What the call must say.
    pub arguments: Object,
}

/// A request for `tool`: all required and some optional parameters, every value literally in the text.
pub fn ask(rng: &mut Rng, tool: &Tool, side: Side) -> Request {
    match &tool.asking {
        Asking::Sentences(sentences) => {
            let sentence = rng.pick(sentences);
            let mut text = sentence.to_owned();
            let mut arguments = Object::default();
            for param in &tool.params {
                let slot = format!("{{{}}}", param.name);
                if sentence.contains(&slot) {
                    let value = param.kind.shape.draw(rng, side);
                    let words = match param.kind.shape {
                        Shape::Flag => mention(rng, param, &value),
                        _ => spoken(&value),
                    };
                    text = text.replace(&slot, &words);
                    arguments.insert(param.name.clone(), value);
                }
            }
            Request { text, arguments }
        }
        Asking::Words { verbs, nouns } => {
            let (arguments, details) = details(rng, tool, side);
            let noun = rng.one(nouns);
            let text = match rng.weighted(&[60, 10, 10, 10, 10]) {
                1 if nouns.len() == 1 => format!("Any {noun}{details}?"),
                2 if nouns.len() == 1 => format!("I need the {noun}{details}"),
                3 => format!("I have {} to {}{details}", with_article(noun), rng.one(verbs)),
                4 => format!("{} {} {}{details}", rng.pick(PEOPLE), rng.one(verbs), with_article(noun)),
                _ => {
                    let opening = rng.pick(OPENINGS);
                    let noun = match rng.below(4) {
                        0 | 1 => with_article(noun),
                        2 => format!("the {noun}"),
                        _ => format!("my {noun}"),
                    };
                    let end = if opening.starts_with('C') { "?" } else { rng.pick(&["", "."]) };
                    let text = format!("{opening}{} {noun}{details}{end}", rng.one(verbs));
                    if opening.is_empty() && rng.chance(0.5) { capitalized(&text) } else { text }
                }
            };
            Request { text, arguments }
        }
    }
}

/// Arguments for a tool and the words that state them, each mention after a space.
pub(crate) fn details(rng: &mut Rng, tool: &Tool, side: Side) -> (Object, String) {
    let mut arguments = Object::default();
    let mut mentions = Vec::new();
    for param in &tool.params {
        if param.required || rng.chance(0.6) {
            let value = param.kind.shape.draw(rng, side);
            mentions.push(mention(rng, param, &value));
            arguments.insert(param.name.clone(), value);
        }
    }
    rng.shuffle(&mut mentions);
    (arguments, mentions.iter().map(|mention| format!(" {mention}")).collect())
}

/// The words that state one value.
pub(crate) fn mention(rng: &mut Rng, param: &Param, value: &Value) -> String {
    let name = param.name.replace('_', " ");
    let by_name = param.by_name || rng.chance(0.1);
    match value {
        Value::Bool(on) if by_name => format!("with {name} {}", if *on { "on" } else { "off" }),
        Value::Bool(on) => {
            let (yes, no) = rng.pick(param.kind.phrases).split_once('|').unwrap_or_default();
            if *on { yes.to_owned() } else { no.to_owned() }
        }
        _ if by_name => {
            rng.pick(&["with {name} {}", "{name} {}"]).replace("{name}", &name).replace("{}", &spoken(value))
        }
        _ => rng.pick(param.kind.phrases).replace("{}", &spoken(value)),
    }
}
