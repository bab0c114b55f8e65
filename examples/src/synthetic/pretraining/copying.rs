//! Saying again what was said: the induction that every later copy of a name or value rests on.

use tooltune_chat::Value;

use super::Turns;
use super::markup::{snippet, tag};
use crate::synthetic::composed::{NOUNS, VERBS, identifier};
use crate::synthetic::kind::{KINDS, spoken};
use crate::synthetic::rng::Rng;
use crate::synthetic::words::{self, Side, capitalized, foreign, made_up};

/// Any word that a value, a name or a sentence may hold.
pub(super) fn word(rng: &mut Rng) -> String {
    match rng.weighted(&[26, 9, 8, 8, 8, 8, 6, 10, 5, 6, 6]) {
        0 => made_up(rng, Side::Train),
        1 => capitalized(&made_up(rng, Side::Train)),
        2 => rng.pick(words::OBJECTS).to_owned(),
        3 => rng.pick(words::PLAIN).to_owned(),
        4 => synonym(rng, NOUNS),
        5 => synonym(rng, VERBS),
        6 => parameter_name(rng),
        7 => spoken(&any_value(rng)),
        8 => rng.range(0..=9999).to_string(),
        9 => identifier(rng, words::PLAIN),
        _ => foreign(rng),
    }
}

fn synonym(rng: &mut Rng, table: &[(&str, &[&str])]) -> String {
    let (_, words) = rng.one(table);
    rng.pick(words).to_owned()
}

/// A name that a parameter of some kind may have.
pub(super) fn parameter_name(rng: &mut Rng) -> String {
    let kind = rng.one(KINDS);
    rng.pick(kind.names).to_owned()
}

/// A value of any kind.
pub(super) fn any_value(rng: &mut Rng) -> Value {
    rng.one(KINDS).shape.draw(rng, Side::Train)
}

fn strings(words: &[String]) -> Value {
    Value::Array(words.iter().map(|w| Value::from(w.as_str())).collect())
}

/// Repeats words, lists, markup.
pub(super) fn repeat(rng: &mut Rng) -> Turns {
    let mut turns = Turns::new();
    for _ in 0..rng.count(1..=3) {
        let words: Vec<String> = (0..rng.count(2..=9)).map(|_| word(rng)).collect();
        let text = match rng.weighted(&[45, 20, 10, 10, 15]) {
            0 => words.join(" "),
            1 => strings(&words).to_json(),
            2 => words.join(", "),
            3 => words[..words.len().min(5)].join("\n"),
            _ => (0..rng.count(1..=3))
                .map(|_| snippet(rng))
                .collect::<Vec<_>>()
                .join(rng.pick(&[" ", "\n", ""])),
        };
        let prompt = match rng.below(4) {
            0 => format!("Repeat: {text}"),
            1 => format!("Copy this.\n{text}"),
            2 => format!("{text}\nSay it again."),
            _ => format!("Repeat.\n{text}"),
        };
        turns.push((prompt, text));
    }
    turns
}

/// Questions about the order of a list.
pub(super) fn list(rng: &mut Rng) -> Turns {
    let mut items: Vec<String> = Vec::new();
    let wanted = rng.count(3..=6);
    while items.len() < wanted {
        let item = word(rng);
        if !items.contains(&item) {
            items.push(item);
        }
    }
    let shown = match rng.below(3) {
        0 => strings(&items).to_json(),
        1 => items.join(", "),
        _ => items.join("\n"),
    };
    let mut turns = Turns::new();
    for _ in 0..rng.count(1..=3) {
        let at = rng.below(items.len() - 1);
        turns.push(match rng.below(6) {
            0 => ("Which is first?".to_owned(), items[0].clone()),
            1 => ("Which is last?".to_owned(), items[items.len() - 1].clone()),
            2 => ("Write the list as JSON.".to_owned(), strings(&items).to_json()),
            3 => {
                let tag = tag(rng);
                let lines: Vec<String> = items.iter().map(|item| format!("<{tag}>{item}</{tag}>")).collect();
                (format!("Write each as <{tag}>."), lines.join("\n"))
            }
            _ => (format!("What comes after {}?", items[at]), items[at + 1].clone()),
        });
    }
    turns[0].0 = format!("{shown}\n{}", turns[0].0);
    turns
}
