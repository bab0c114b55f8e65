//! How conversations are read, rendered and parsed: the presets `fixed` and `course`.

use std::path::Path;
use std::sync::Arc;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tooltune::chat::{
    ChatTemplate, Conversation, Course, Error, Gemma2Tools, Hermes, HfTokenizer, ReadOptions, TextTokenizer,
    ToolCall, ToolCallFormat, ToolSchemaStyle, course_messages, encode, read_jsonl_with_report,
};
use tooltune::sft::{self, Sample};

/// Which of the course's decisions are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// What the course meant to do: Gemma's roles, JSON calls, one BOS, loss on what the model writes.
    #[default]
    Fixed,
    /// Bug-compatible: its template and roles, Python calls, two BOS, loss on every token.
    Course,
}

/// How much of a tool's schema is written in a prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schema {
    /// The function's JSON schema, as OpenAI's API has it.
    #[default]
    Full,
    /// Names and types only: a third of the tokens, for small models.
    Compact,
}

/// What a [`Dialect`] is made from: `tooltune.json` beside an adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The preset.
    pub preset: Preset,
    /// How tools are written.
    pub schema: Schema,
}

const FILE: &str = "tooltune.json";

/// A template, a call format, and how a file is read for them.
#[derive(Clone)]
pub struct Dialect {
    /// Conversations → segments.
    pub template: Arc<dyn ChatTemplate>,
    /// Model text → calls.
    pub format: Arc<dyn ToolCallFormat>,
    choice: Choice,
}

impl Dialect {
    /// The dialect of a choice.
    pub fn new(choice: Choice) -> Self {
        let Choice { preset, schema } = choice;
        let schema = match schema {
            Schema::Full => ToolSchemaStyle::Full,
            Schema::Compact => ToolSchemaStyle::Compact,
        };
        let format: Arc<dyn ToolCallFormat> = match preset {
            Preset::Fixed => Arc::new(Hermes::json()),
            Preset::Course => Arc::new(Hermes::python()),
        };
        let template: Arc<dyn ChatTemplate> = match preset {
            Preset::Fixed => Arc::new(Gemma2Tools::new(format.clone()).with_schema(schema)),
            Preset::Course => Arc::new(Course::default()),
        };
        Self { template, format, choice }
    }

    /// Reads a file of conversations, and says on standard error what of it was not used. A conversation without an id is
    /// named after its place in the file: `conversation 1` is the first.
    ///
    /// # Errors
    /// With the file, the line and what to do.
    pub fn read(&self, path: &Path) -> Result<Vec<Conversation>, Box<dyn std::error::Error>> {
        let options = match self.choice.preset {
            Preset::Fixed => ReadOptions::default(),
            Preset::Course => ReadOptions::verbatim(),
        };
        let (mut conversations, report) = read_jsonl_with_report(path, &options)?;
        for (key, count) in &report.ignored_keys {
            eprintln!("{}: {key} means nothing here and is not used ({count} times)", path.display());
        }
        for (index, conversation) in conversations.iter_mut().enumerate() {
            let name = format!("conversation {}", index + 1);
            if self.choice.preset == Preset::Course {
                *conversation = course_messages(conversation)
                    .map_err(|error| format!("{}: {name}: {error}", path.display()))?;
            }
            conversation.id.get_or_insert(name);
        }
        Ok(conversations)
    }

    /// Writes the dialect beside an adapter or a model, for whoever uses it next.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), String> {
        let path = folder.join(FILE);
        let text = serde_json::to_string_pretty(&self.choice).map_err(|e| e.to_string())?;
        std::fs::write(&path, text + "\n").map_err(|e| format!("{}: {e}", path.display()))
    }

    /// The dialect written beside an adapter or a model, in the first of `folders` that has one; else `default`.
    ///
    /// # Errors
    /// When there is a file that is not understood.
    pub fn find(folders: &[&Path], default: Choice) -> Result<Self, String> {
        let choice = match folders.iter().map(|folder| folder.join(FILE)).find(|path| path.exists()) {
            None => default,
            Some(path) => {
                let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
                serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?
            }
        };
        Ok(Self::new(choice))
    }

    /// Has a dialect been written to this folder?
    pub fn is_beside(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    /// What it was made from.
    pub fn choice(&self) -> Choice {
        self.choice
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
        let chat = encode(&self.template.render(conversation, false)?, tokenizer)?;
        match self.choice.preset {
            Preset::Fixed => Ok(Sample::from_chat(id, chat)?),
            Preset::Course => {
                let weights = std::iter::once(1.0).chain(chat.weights).collect();
                Ok(Sample::new(id, with_second_bos(chat.ids), weights)?)
            }
        }
    }

    /// Token ids of a prompt that ends where the model's turn begins.
    ///
    /// # Errors
    /// When the template refuses the conversation.
    pub fn prompt(&self, conversation: &Conversation, tokenizer: &HfTokenizer) -> Result<Vec<u32>, Error> {
        let ids = encode(&self.template.render(conversation, true)?, tokenizer)?.ids;
        Ok(if self.choice.preset == Preset::Course { with_second_bos(ids) } else { ids })
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

/// The course's tokenizer adds a BOS to the one that its template wrote.
fn with_second_bos(ids: Vec<u32>) -> Vec<u32> {
    ids.first().copied().into_iter().chain(ids.iter().copied()).collect()
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
