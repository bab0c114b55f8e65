//! What the embedded base is pre-trained on: short dialogues that teach copying, looking up, filling forms, choosing
//! from catalogs, writing between tags and small talk. There is no tool call and no tool tag in it.

mod catalogs;
mod copying;
mod forms;
mod lookups;
mod markup;
mod menus;

use tooltune_chat::{Conversation, Message};

use self::catalogs::Unserved;
use super::chat::small_talk;
use super::hand_written::hand_written;
use super::rng::Rng;
use super::tool::Tool;
use super::words::Side;

/// Tags that belong to fine-tuning; pre-training never opens or closes one.
pub const TOOL_TAGS: &[&str] =
    &["tool", "tools", "tool_call", "tool_calls", "tool_response", "tool_responses", "think"];

/// A part of the curriculum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// One question each: copying, looking up, short forms.
    Easy,
    /// Several turns each, catalogs above all.
    Main,
    /// As the main stage, with more catalogs, where often nothing fits: telling that is what comes last and hardest.
    Choosing,
}

/// User and model texts in turn.
type Turns = Vec<(String, String)>;

/// The generator of pre-training dialogues.
#[derive(Debug, Clone)]
pub struct PretrainingData {
    seed: u64,
    hand_written: Vec<Tool>,
}

impl PretrainingData {
    /// A generator; the same seed gives the same dialogues.
    pub fn new(seed: u64) -> Self {
        Self { seed, hand_written: hand_written() }
    }

    /// Dialogue `index` of a stage.
    pub fn conversation(&self, stage: Stage, index: usize) -> Conversation {
        let (stream, weights) = match stage {
            //                    copy lookup list markup form catalog talk menu mark
            Stage::Easy => ("easy", [24, 22, 12, 16, 14, 9, 3, 0, 0]),
            Stage::Main => ("main", [11, 10, 3, 13, 11, 38, 3, 8, 3]),
            Stage::Choosing => ("choosing", [5, 4, 2, 6, 5, 42, 3, 25, 8]),
        };
        let unserved = match stage {
            Stage::Choosing => Unserved { standing: 0.7, share: 0.42, asked: 36 },
            Stage::Easy | Stage::Main => Unserved { standing: 0.55, share: 0.24, asked: 14 },
        };
        let mut rng = Rng::keyed(self.seed, stream, index as u64);
        let task = rng.weighted(&weights);
        let mut turns = match task {
            0 => copying::repeat(&mut rng),
            1 => lookups::lookup(&mut rng),
            2 => copying::list(&mut rng),
            3 => markup::markup(&mut rng),
            4 => forms::form(&mut rng, &self.hand_written),
            5 => catalogs::catalog(&mut rng, &self.hand_written, unserved),
            6 => talk(&mut rng),
            7 => menus::menu(&mut rng),
            _ => menus::marks(&mut rng),
        };
        if stage == Stage::Easy {
            turns.truncate(if task >= 4 { 2 } else { 1 });
        }
        let messages =
            turns.into_iter().flat_map(|(user, model)| [Message::user(user), Message::assistant(model)]);
        Conversation {
            id: Some(format!("{stream}-{index}")),
            tools: Vec::new(),
            messages: messages.collect(),
        }
    }

    /// Texts to train a tokenizer on.
    pub fn sample_texts(&self) -> impl Iterator<Item = String> {
        let stages = SAMPLE.flat_map(|index| [(Stage::Easy, index), (Stage::Main, index)]);
        let messages = stages.flat_map(|(stage, index)| self.conversation(stage, index).messages);
        messages.map(|message| message.content)
    }
}

/// Dialogues that the tokenizer is trained on; far beyond the indices that a training run reaches.
const SAMPLE: std::ops::Range<usize> = 1_000_000..1_012_000;

fn talk(rng: &mut Rng) -> Turns {
    (0..rng.count(1..=3)).map(|_| small_talk(rng, Side::Train)).collect()
}
