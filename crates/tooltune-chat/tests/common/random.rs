//! Random conversations from a seed.
#![allow(dead_code)]

use tooltune_chat::{Conversation, Message, Object, ToolCall, ToolDefinition, Value};

/// SplitMix64: the same numbers from the same seed, everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'t>(&mut self, items: &[&'t str]) -> &'t str {
        items[self.below(items.len())]
    }
}

/// Words and marks; with white space, quotes and scripts that tokenizers and templates treat in their own ways.
const WORDS: [&str; 40] = [
    "the",
    "rain",
    " in",
    "Paris",
    ". ",
    ", ",
    "\n",
    "\n\n",
    "  ",
    "\t",
    "a",
    "I",
    "'s",
    "\"",
    "'",
    "\\",
    "{",
    "}",
    "[",
    "]",
    "<",
    ">",
    "</",
    "12",
    "3.5",
    "-7e-9",
    "naïve",
    "日本",
    "😀",
    "👩‍👩‍👧",
    "ελ",
    "\u{a0}",
    "\u{2581}",
    "\u{301}",
    "user\n",
    "model\n",
    "null",
    "None",
    "get_weather",
    "#",
];

/// Up to so many words.
pub(crate) fn text(random: &mut Random, words: usize) -> String {
    (0..random.below(words + 1)).map(|_| random.pick(&WORDS)).collect()
}

fn name(random: &mut Random) -> String {
    let mut name = random.pick(&["get_weather", "f", "search.web", "über", "a b"]).to_owned();
    name.push_str(&random.below(100).to_string());
    name
}

fn value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => Value::from(random.one_in(2)),
        2 => Value::from(random.next() as i64),
        3 => Value::from(random.below(1000) as f64 / 8.0),
        4 => Value::from(text(random, 6)),
        5 => (0..random.below(3)).map(|_| value(random, depth - 1)).collect::<Vec<_>>().into(),
        _ => object(random, depth - 1).into(),
    }
}

fn object(random: &mut Random, depth: usize) -> Object {
    (0..random.below(3)).map(|_| (text(random, 2), value(random, depth))).collect()
}

fn call(random: &mut Random) -> ToolCall {
    ToolCall::new(name(random), object(random, 2))
}

/// What a model says: thinking, text, or both.
fn said(random: &mut Random) -> String {
    let think = if random.one_in(2) { format!("<think>{}</think>", text(random, 12)) } else { String::new() };
    format!("{think}{}", text(random, 12))
}

/// Some turns of a user, a model and its tools; ends with a model turn.
pub(crate) fn conversation(random: &mut Random) -> Conversation {
    let tools = (0..random.below(3))
        .map(|_| ToolDefinition::new(name(random), text(random, 8), object(random, 2)))
        .collect();
    let mut messages = Vec::new();
    if random.one_in(2) {
        messages.push(Message::system(text(random, 10)));
    }
    for _ in 0..=random.below(2) {
        messages.push(Message::user(text(random, 16)));
        while random.one_in(3) {
            let calls: Vec<ToolCall> = (0..=random.below(2)).map(|_| call(random)).collect();
            let results = calls.iter().map(|call| Message::tool(call.name.as_str(), "")).collect::<Vec<_>>();
            let content = if random.one_in(2) { said(random) } else { String::new() };
            messages.push(Message { content, ..Message::calls(calls) });
            let result = |message| Message { content: text(random, 12), ..message };
            messages.extend(results.into_iter().map(result));
        }
        messages.push(Message::assistant(said(random)));
    }
    Conversation::new(tools, messages)
}
