//! Catalogs: entries in JSON, and requests that fit one of them or none.
//!
//! An answer is a name, a filled form or a property of an entry; never a name together with a filled form.

use tooltune_chat::Value;

use super::Turns;
use super::forms::any_tool;
use super::markup::tag;
use crate::synthetic::chat::small_talk;
use crate::synthetic::request::ask;
use crate::synthetic::rng::Rng;
use crate::synthetic::tool::{Tool, short_type};
use crate::synthetic::words::Side;

/// How often nothing fits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unserved {
    /// Share of catalogs with bare requests under one instruction.
    pub(super) standing: f64,
    /// Share of their requests that no entry fits.
    pub(super) share: f64,
    /// Weight of such a request among questions that each name their task; the others together weigh 86.
    pub(super) asked: u32,
}

/// A catalog of two to four entries, and what is asked about it.
pub(super) fn catalog(rng: &mut Rng, hand_written: &[Tool], unserved: Unserved) -> Turns {
    let mut tools: Vec<Tool> = Vec::new();
    let wanted = 2 + rng.weighted(&[45, 40, 15]);
    // Half of the catalogs hold made-up entries only: there nothing but the entry itself tells its name.
    let known = rng.chance(0.5);
    while tools.len() < wanted {
        let tool = match known {
            true => any_tool(rng, hand_written),
            false => crate::synthetic::composed::invented(rng, Side::Train),
        };
        if tools.iter().all(|other| !tool.clashes(other)) {
            tools.push(tool);
        }
    }
    let described = rng.chance(0.85) || tools.iter().any(|t| !named_after_subject(t));
    let entries: Vec<String> = tools.iter().map(|tool| tool.entry(described).to_json()).collect();
    let entries = entries.join("\n");
    let shown = match rng.below(4) {
        0 => format!("Catalog:\n{entries}\n"),
        1 => format!("{entries}\n"),
        _ => {
            let name = tag(rng);
            format!("<{name}>\n{entries}\n</{name}>\n")
        }
    };
    let mut turns = match rng.chance(unserved.standing) {
        true => standing(rng, hand_written, &tools, unserved.share),
        false => asked(rng, hand_written, &tools, unserved.asked),
    };
    turns[0].0 = format!("{shown}\n{}", turns[0].0);
    turns
}

/// Whether a request's noun stands in the name, so that the entry can be found without its description.
fn named_after_subject(tool: &Tool) -> bool {
    match &tool.asking {
        crate::synthetic::tool::Asking::Words { nouns, .. } => {
            nouns.iter().all(|noun| tool.name.contains(&noun.replace(' ', "_")))
        }
        crate::synthetic::tool::Asking::Sentences(_) => false,
    }
}

/// A tool for a request that none of the entries fits.
fn unserved_tool(rng: &mut Rng, hand_written: &[Tool], tools: &[Tool]) -> Tool {
    loop {
        let tool = any_tool(rng, hand_written);
        if tools.iter().all(|other| !tool.clashes(other)) {
            return tool;
        }
    }
}

/// Requests that each come with their question.
fn asked(rng: &mut Rng, hand_written: &[Tool], tools: &[Tool], unserved: u32) -> Turns {
    let mut turns = Turns::new();
    for _ in 0..rng.count(3..=5) {
        let tool = rng.one(tools);
        let which = rng.pick(&["Which entry fits?", "Name the entry that fits."]);
        match rng.weighted(&[26, unserved, 24, 8, 8, 6, 8, 6]) {
            0 => {
                let request = ask(rng, tool, Side::Train);
                turns.push((format!("{}\n{which}", request.text), tool.name.clone()));
                if rng.chance(0.6) {
                    let form = Value::from(request.arguments).to_json();
                    turns.push((rng.pick(&["Fill its form.", "And the form?"]).to_owned(), form));
                }
            }
            1 => {
                let absent = unserved_tool(rng, hand_written, tools);
                let text = ask(rng, &absent, Side::Train).text;
                turns.push((format!("{text}\n{which}"), "none".to_owned()));
            }
            2 => {
                let request = ask(rng, tool, Side::Train);
                let question = match rng.chance(0.5) {
                    true => format!("Fill the form of {}.", tool.name),
                    false => "Fill the form that fits.".to_owned(),
                };
                turns.push((
                    format!("{}\n{question}", request.text),
                    Value::from(request.arguments).to_json(),
                ));
            }
            3 => {
                let names: Vec<&str> = tool.params.iter().map(|p| p.name.as_str()).collect();
                turns.push((format!("Parameters of {}?", tool.name), names.join(", ")));
            }
            4 => {
                let param = rng.one(&tool.params);
                let short = short_type(&param.kind.shape);
                turns.push((
                    format!("Type of {} in {}?", param.name, tool.name),
                    short.as_str().map_or_else(|| short.to_json(), str::to_owned),
                ));
            }
            5 => turns.push((format!("Copy the entry {}.", tool.name), tool.entry(false).to_json())),
            6 => {
                let param = rng.one(&tool.params);
                let alone =
                    tools.iter().flat_map(|t| &t.params).filter(|p| p.name == param.name).count() == 1;
                if alone {
                    turns.push((format!("Which entry has the parameter {}?", param.name), tool.name.clone()));
                }
            }
            _ => turns.push(small_talk(rng, Side::Train)),
        }
    }
    if turns.is_empty() {
        let request = ask(rng, &tools[0], Side::Train);
        turns.push((
            format!("{}\nFill the form that fits.", request.text),
            Value::from(request.arguments).to_json(),
        ));
    }
    turns
}

/// What a standing instruction wants for every request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Name,
    Form,
    /// What is asked for, then the name.
    Note,
}

/// One instruction, then bare requests.
fn standing(rng: &mut Rng, hand_written: &[Tool], tools: &[Tool], unserved: f64) -> Turns {
    let wanted = [Wanted::Name, Wanted::Form, Wanted::Note][rng.weighted(&[20, 35, 45])];
    let wrapped = rng.chance(0.5).then(|| tag(rng));
    let task = match wanted {
        Wanted::Name => "Name the entry that fits",
        Wanted::Form => "Fill the form that fits",
        Wanted::Note => "Note what is asked for and the entry that fits",
    };
    let place = wrapped.as_ref().map_or_else(String::new, |name| format!(" inside <{name}>"));
    let instruction = format!("{task}{place}, or say none.");
    let mut turns = Turns::new();
    for _ in 0..rng.count(3..=6) {
        let found = !rng.chance(unserved);
        let tool = if found { rng.one(tools).clone() } else { unserved_tool(rng, hand_written, tools) };
        let request = ask(rng, &tool, Side::Train);
        let answer = match wanted {
            Wanted::Note => tool.note(found),
            _ if !found => "none".to_owned(),
            Wanted::Name => tool.name,
            Wanted::Form => Value::from(request.arguments).to_json(),
        };
        let answer = match &wrapped {
            Some(name) if found || wanted == Wanted::Note => format!("<{name}>\n{answer}\n</{name}>"),
            _ => answer,
        };
        turns.push((request.text, answer));
    }
    turns[0].0 = format!("{instruction}\n\n{}", turns[0].0);
    turns
}
