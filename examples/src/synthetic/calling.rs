//! Conversations with tools: what the fine-tuning learns from, and the held-out sets that measure it.

use tooltune_chat::{Conversation, Message, Object, ToolCall, Value};

use super::chat::small_talk;
use super::composed::{VERBS, composed, invented};
use super::hand_written::hand_written;
use super::kind::{KINDS, spoken};
use super::request::ask;
use super::rng::Rng;
use super::tool::Tool;
use super::words::Side;

/// What the model answers when no declared tool fits.
pub const REFUSAL: &str = "None of the tools fits.";

/// What the system message of every conversation asks for. Pre-training knows such an instruction, with catalogs instead of tools.
pub const INSTRUCTION: &str = "Call the tool that fits, or say none.";

/// The training set and the held-out sets.
///
/// Every set but [`SeenTools`](Self::SeenTools) also has values that no training text holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// Calls, results, answers, refusals and small talk to learn from.
    Train,
    /// Tools as in training, values as in training.
    SeenTools,
    /// Tools as in training, values that were never seen.
    UnseenValues,
    /// A known verb and a known noun that never met in training.
    NewNames,
    /// Tools whose names hold no word of training.
    NewTools,
    /// Requests that no declared tool serves, and small talk.
    Irrelevance,
}

impl Split {
    /// The held-out sets, in the order of a report.
    pub const HELD_OUT: [Self; 5] =
        [Self::SeenTools, Self::UnseenValues, Self::NewNames, Self::NewTools, Self::Irrelevance];

    /// The set's name in reports; also its stream of random numbers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::SeenTools => "seen_tools",
            Self::UnseenValues => "unseen_values",
            Self::NewNames => "new_names",
            Self::NewTools => "new_tools",
            Self::Irrelevance => "irrelevance",
        }
    }

    fn values(self) -> Side {
        if matches!(self, Self::Train | Self::SeenTools) { Side::Train } else { Side::Held }
    }
}

/// The generator of conversations with tools.
#[derive(Debug, Clone)]
pub struct CallingData {
    seed: u64,
    hand_written: Vec<Tool>,
}

impl CallingData {
    /// A generator; the same seed gives the same conversations.
    pub fn new(seed: u64) -> Self {
        Self { seed, hand_written: hand_written() }
    }

    /// The first `count` conversations of a split.
    pub fn conversations(&self, split: Split, count: usize) -> Vec<Conversation> {
        (0..count).map(|index| self.conversation(split, index)).collect()
    }

    /// Conversation `index` of a split.
    pub fn conversation(&self, split: Split, index: usize) -> Conversation {
        let mut rng = Rng::keyed(self.seed, split.name(), index as u64);
        let rng = &mut rng;
        let (tools, messages) = match split {
            Split::Train => match rng.weighted(&[51, 22, 7, 12, 8]) {
                0 => self.call(rng, split),
                1 => self.unserved(rng, split),
                2 => self.talk(rng, split),
                3 => self.answered(rng, split, false),
                _ => self.answered(rng, split, true),
            },
            Split::Irrelevance if rng.chance(0.3) => self.talk(rng, split),
            Split::Irrelevance => self.unserved(rng, split),
            _ => self.call(rng, split),
        };
        Conversation {
            id: Some(format!("{}-{index}", split.name())),
            tools: tools.iter().map(Tool::definition).collect(),
            messages: std::iter::once(Message::system(INSTRUCTION)).chain(messages).collect(),
        }
    }

    /// A tool as training declares them.
    fn seen_tool(&self, rng: &mut Rng) -> Tool {
        match rng.weighted(&[38, 24, 38]) {
            0 => rng.one(&self.hand_written).clone(),
            1 => composed(rng, Side::Train),
            _ => invented(rng, Side::Train),
        }
    }

    /// The tool that a request of the split is for.
    fn wanted_tool(&self, rng: &mut Rng, split: Split) -> Tool {
        match split {
            Split::NewNames => loop {
                let tool = composed(rng, Side::Held);
                if self.hand_written.iter().all(|hand| hand.name != tool.name) {
                    break tool;
                }
            },
            Split::NewTools => invented(rng, Side::Held),
            _ => self.seen_tool(rng),
        }
    }

    /// `count` tools that clash neither with one another nor with `wanted`.
    fn others(&self, rng: &mut Rng, split: Split, wanted: &Tool, count: usize) -> Vec<Tool> {
        let mut others: Vec<Tool> = Vec::new();
        while others.len() < count {
            let tool = match split {
                Split::NewTools if rng.chance(0.5) => invented(rng, Side::Held),
                _ => self.seen_tool(rng),
            };
            if !tool.clashes(wanted) && others.iter().all(|other| !tool.clashes(other)) {
                others.push(tool);
            }
        }
        others
    }

    fn declared(&self, rng: &mut Rng, split: Split, wanted: &Tool) -> Vec<Tool> {
        let count = 1 + rng.weighted(&[66, 28, 6]);
        let mut tools = self.others(rng, split, wanted, count);
        tools.push(wanted.clone());
        rng.shuffle(&mut tools);
        tools
    }

    /// A request and its call.
    fn call(&self, rng: &mut Rng, split: Split) -> (Vec<Tool>, Vec<Message>) {
        let tool = self.wanted_tool(rng, split);
        let tools = self.declared(rng, split, &tool);
        let messages = request_and_call(rng, &tool, split);
        (tools, messages)
    }

    /// A request that none of the declared tools serves.
    fn unserved(&self, rng: &mut Rng, split: Split) -> (Vec<Tool>, Vec<Message>) {
        let tool = self.wanted_tool(rng, split);
        let count = 2 + rng.weighted(&[66, 28, 6]);
        let tools = self.others(rng, split, &tool, count);
        let text = ask(rng, &tool, split.values()).text;
        let answer = format!("{}\n{REFUSAL}", thought(&tool, false));
        (tools, vec![Message::user(text), Message::assistant(answer)])
    }

    /// Small talk while tools are declared.
    fn talk(&self, rng: &mut Rng, split: Split) -> (Vec<Tool>, Vec<Message>) {
        let tool = self.wanted_tool(rng, split);
        let tools = self.declared(rng, split, &tool);
        let (question, answer) = small_talk(rng, split.values());
        (tools, vec![Message::user(question), Message::assistant(answer)])
    }

    /// A call, its result and the answer; then perhaps a second request.
    fn answered(&self, rng: &mut Rng, split: Split, again: bool) -> (Vec<Tool>, Vec<Message>) {
        let tool = self.wanted_tool(rng, split);
        let mut tools = self.others(rng, split, &tool, 1);
        tools.push(tool.clone());
        rng.shuffle(&mut tools);
        let mut messages = request_and_call(rng, &tool, split);
        let (result, answer) = result_and_answer(rng, split.values());
        messages.push(Message::tool(tool.name.clone(), result));
        messages.push(Message::assistant(answer));
        if again {
            let next = rng.one(&tools).clone();
            messages.extend(request_and_call(rng, &next, split));
        }
        (tools, messages)
    }
}

fn request_and_call(rng: &mut Rng, tool: &Tool, split: Split) -> Vec<Message> {
    let request = ask(rng, tool, split.values());
    let call = ToolCall { id: None, name: tool.name.clone(), arguments: request.arguments };
    let message = Message { content: thought(tool, true), ..Message::calls(vec![call]) };
    vec![Message::user(request.text), message]
}

/// What the model thinks before it calls or refuses: having named what is asked for, it has only to look whether that is there.
fn thought(tool: &Tool, found: bool) -> String {
    format!("<think>{}</think>", tool.note(found))
}

/// What a tool returns, as JSON, and the sentence that reports it.
pub(crate) fn result_and_answer(rng: &mut Rng, side: Side) -> (String, String) {
    if rng.chance(0.1) {
        let (verb, _) = rng.one(VERBS);
        let error = format!("{} {verb}", rng.pick(&["can not", "failed to", "not allowed to"]));
        let result: Object = [("error".to_owned(), Value::from(error.as_str()))].into_iter().collect();
        return (Value::from(result).to_json(), format!("That did not work: {error}."));
    }
    let mut result = Object::default();
    let mut parts = Vec::new();
    for _ in 0..rng.count(1..=2) {
        let kind = rng.one(KINDS);
        let key = rng.pick(kind.names);
        if result.get(key).is_none() {
            let value = kind.shape.draw(rng, side);
            parts.push(format!("the {} is {}", key.replace('_', " "), spoken(&value)));
            result.insert(key.to_owned(), value);
        }
    }
    (Value::from(result).to_json(), format!("{}.", super::words::capitalized(&parts.join(" and "))))
}
