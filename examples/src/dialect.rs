//! How conversations are read, rendered and parsed: the presets `fixed` and `course`.

use std::path::Path;
use std::sync::Arc;

use clap::ValueEnum;
use tooltune::chat::{
    BOS, ChatTemplate, Conversation, Course, Error, Gemma2Tools, Hermes, HfTokenizer, ReadOptions,
    TextTokenizer, ToolCall, ToolCallFormat, ToolSchemaStyle, course_messages, encode, read_jsonl,
};
use tooltune::sft::{self, Sample};

/// Which of the course's decisions are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// What the course meant to do: Gemma's roles, JSON calls, one BOS, loss on what the model writes.
    #[default]
    Fixed,
    /// Bug-compatible: its template and roles, Python calls, two BOS, loss on every token.
    Course,
}

/// A template, a call format, and how a file is read for them.
#[derive(Clone)]
pub struct Dialect {
    /// Conversations → segments.
    pub template: Arc<dyn ChatTemplate>,
    /// Model text → calls.
    pub format: Arc<dyn ToolCallFormat>,
    preset: Preset,
}

impl Dialect {
    /// The dialect of a preset; `schema` is how much of a tool's schema `fixed` writes.
    pub fn new(preset: Preset, schema: ToolSchemaStyle) -> Self {
        let format: Arc<dyn ToolCallFormat> = match preset {
            Preset::Fixed => Arc::new(Hermes::json()),
            Preset::Course => Arc::new(Hermes::python()),
        };
        let template: Arc<dyn ChatTemplate> = match preset {
            Preset::Fixed => Arc::new(Gemma2Tools::new(format.clone()).with_schema(schema)),
            Preset::Course => Arc::new(Course::default()),
        };
        Self { template, format, preset }
    }

    /// Reads a file of conversations.
    ///
    /// # Errors
    /// With the file, the line and what to do.
    pub fn read(&self, path: &Path) -> Result<Vec<Conversation>, Error> {
        match self.preset {
            Preset::Fixed => read_jsonl(path, &ReadOptions::default()),
            Preset::Course => {
                read_jsonl(path, &ReadOptions::verbatim())?.iter().map(course_messages).collect()
            }
        }
    }

    /// A training sample.
    ///
    /// # Errors
    /// When the template refuses the conversation, or its end of turn would not be trained.
    pub fn sample(
        &self,
        id: &str,
        conversation: &Conversation,
        tokenizer: &HfTokenizer,
    ) -> Result<Sample, Box<dyn std::error::Error>> {
        let mut chat = encode(&self.template.render(conversation, false)?, tokenizer)?;
        if let (Preset::Course, Some(bos)) = (self.preset, tokenizer.control_id(BOS)) {
            // The course's tokenizer adds a BOS to the one that its template wrote.
            chat.ids.insert(0, bos);
            chat.weights.insert(0, 1.0);
            chat.kinds.insert(0, chat.kinds[0]);
        }
        match self.preset {
            Preset::Fixed => Ok(Sample::from_chat(id, chat)?),
            Preset::Course => Ok(Sample::new(id, chat.ids, chat.weights)?),
        }
    }

    /// Token ids of a prompt that ends where the model's turn begins.
    ///
    /// # Errors
    /// When the template refuses the conversation.
    pub fn prompt(&self, conversation: &Conversation, tokenizer: &HfTokenizer) -> Result<Vec<u32>, Error> {
        Ok(encode(&self.template.render(conversation, true)?, tokenizer)?.ids)
    }

    /// Ids that end a model turn.
    pub fn stop_tokens(&self, tokenizer: &HfTokenizer) -> Vec<u32> {
        self.template.stop_controls().iter().filter_map(|token| tokenizer.control_id(token)).collect()
    }

    /// The calls of a model turn, from its data or, in the course's dialect, from its text.
    pub fn gold(&self, turn: &tooltune::chat::Message) -> Vec<ToolCall> {
        if turn.tool_calls.is_empty() {
            self.format.parse(&turn.content).calls
        } else {
            turn.tool_calls.clone()
        }
    }
}

/// Encodes a data set; the error names the conversation.
///
/// # Errors
/// As [`Dialect::sample`].
pub fn encode_all(
    dialect: &Dialect,
    conversations: &[Conversation],
    tokenizer: &HfTokenizer,
) -> Result<Vec<Sample>, Box<dyn std::error::Error>> {
    let encode = |(index, conversation): (usize, &Conversation)| {
        let id = conversation.id.clone().unwrap_or_else(|| format!("conversation {}", index + 1));
        dialect.sample(&id, conversation, tokenizer).map_err(|error| format!("{id}: {error}").into())
    };
    conversations.iter().enumerate().map(encode).collect()
}

/// The trainer's error, for signatures of callbacks.
pub type TrainerError = sft::Error;
