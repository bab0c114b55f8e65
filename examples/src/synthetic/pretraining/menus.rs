//! Menus: catalogs with one short line for each entry, and many questions.
//!
//! Choosing takes the longest to learn, and a catalog with its parameters gives few choices for its many tokens; a
//! menu gives one every dozen.

use tooltune_chat::{Object, Value};

use super::Turns;
use crate::synthetic::composed::{composed, invented};
use crate::synthetic::request::ask;
use crate::synthetic::rng::Rng;
use crate::synthetic::tool::{Asking, Tool};
use crate::synthetic::words::{OBJECTS, Side, made_up, with_article};

/// Marks which words of one list stand in another: whether something is there at all, once for every few tokens.
pub(super) fn marks(rng: &mut Rng) -> Turns {
    let list: Vec<String> = (0..rng.count(2..=7)).map(|_| word(rng)).collect();
    let asked: Vec<String> = (0..rng.count(4..=9))
        .map(|_| if rng.chance(0.5) { rng.one(&list).clone() } else { word(rng) })
        .collect();
    let mark = |word: &String| format!("{word} {}", if list.contains(word) { "yes" } else { "no" });
    let marked: Vec<String> = asked.iter().map(mark).collect();
    vec![(format!("List: {}\nMark: {}", list.join(", "), asked.join(", ")), marked.join("\n"))]
}

fn word(rng: &mut Rng) -> String {
    if rng.chance(0.3) { rng.pick(OBJECTS).to_owned() } else { made_up(rng, Side::Train) }
}

/// A menu of two to five entries and four to ten questions.
pub(super) fn menu(rng: &mut Rng) -> Turns {
    let mut tools: Vec<Tool> = Vec::new();
    let wanted = rng.count(2..=5);
    while tools.len() < wanted {
        let tool = entry(rng);
        if tools.iter().all(|other| !tool.clashes(other)) {
            tools.push(tool);
        }
    }
    let form = rng.below(4);
    let lines: Vec<String> = tools.iter().map(|tool| line(tool, form)).collect();
    let note = rng.chance(0.5);
    let task = if note { "Note what is asked for and" } else { "Name" };
    let mut turns: Turns = (0..rng.count(4..=10)).map(|_| question(rng, &tools, note)).collect();
    turns[0].0 =
        format!("{}\n\n{task} the entry that fits, or say none.\n\n{}", lines.join("\n"), turns[0].0);
    turns
}

/// A tool without parameters; two in three are of made-up words.
fn entry(rng: &mut Rng) -> Tool {
    let tool = if rng.chance(0.33) { composed(rng, Side::Train) } else { invented(rng, Side::Train) };
    Tool { params: Vec::new(), ..tool }
}

fn line(tool: &Tool, form: usize) -> String {
    let (name, description) = (tool.name.as_str(), tool.description.as_str());
    match form {
        // The name last: what was asked for leads straight to it.
        0 => format!("{description}: {name}"),
        1 => format!("{name}: {description}"),
        _ => {
            let fields = [("name", name), ("description", description)];
            let entry: Object =
                fields.map(|(key, text)| (key.to_owned(), Value::from(text))).into_iter().collect();
            Value::from(entry).to_json()
        }
    }
}

fn question(rng: &mut Rng, tools: &[Tool], note: bool) -> (String, String) {
    let tool = rng.one(tools);
    match rng.weighted(&[42, 30, 9, 9, 5, 5]) {
        1 => {
            let absent = absent(rng, tools);
            let answer = if note { absent.note(false) } else { "none".to_owned() };
            (ask(rng, &absent, Side::Train).text, answer)
        }
        2 => (format!("Is there something for {}?", with_article(noun(rng, tool))), "yes".to_owned()),
        3 => {
            let absent = absent(rng, tools);
            (format!("Is there something for {}?", with_article(noun(rng, &absent))), "no".to_owned())
        }
        4 => (format!("What does {} do?", tool.name), tool.description.clone()),
        5 => (format!("{} is called what?", tool.description), tool.name.clone()),
        _ => {
            let answer = if note { tool.note(true) } else { tool.name.clone() };
            (ask(rng, tool, Side::Train).text, answer)
        }
    }
}

/// A tool that no request for one of `tools` could be meant for.
fn absent(rng: &mut Rng, tools: &[Tool]) -> Tool {
    loop {
        let other = entry(rng);
        if tools.iter().all(|tool| !other.clashes(tool)) {
            return other;
        }
    }
}

fn noun<'a>(rng: &mut Rng, tool: &'a Tool) -> &'a str {
    match &tool.asking {
        Asking::Words { nouns, .. } => rng.one(nouns.as_slice()).as_str(),
        Asking::Sentences(_) => &tool.name,
    }
}
