//! One example: a question with its tools, and what is accepted.

use tooltune_chat::{Conversation, Message, Role, ToolDefinition, Value};

use super::{BfclProblem, to_json_schema};
use crate::ast::{AstOptions, Category, GoldCall, Profile};
use crate::record::{Record, Response};

/// An example of the leaderboard.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BfclExample {
    /// The id.
    pub id: String,
    /// The kind of example.
    pub category: Category,
    /// The name of the set, as `live_parallel`.
    pub set: String,
    /// The messages, turn by turn; these categories have one turn.
    pub turns: Vec<Vec<Message>>,
    /// The tools, with their schemas in the leaderboard's dialect: what the Bfcl profile needs. Strict and Lenient read
    /// both dialects.
    pub functions: Vec<ToolDefinition>,
    /// The wanted calls; empty where the category has none.
    pub gold: Vec<GoldCall>,
}

impl BfclExample {
    /// The tools with their schemas in JSON Schema, for prompts.
    #[must_use]
    pub fn tools(&self) -> Vec<ToolDefinition> {
        let translate = |tool: &ToolDefinition| {
            ToolDefinition::new(tool.name.clone(), tool.description.clone(), to_json_schema(&tool.parameters))
        };
        self.functions.iter().map(translate).collect()
    }

    /// The prompt: the messages of all turns, and the [tools](BfclExample::tools).
    #[must_use]
    pub fn conversation(&self) -> Conversation {
        let mut conversation = Conversation::new(self.tools(), self.turns.concat());
        conversation.id = Some(self.id.clone());
        conversation
    }

    /// How the example is matched under `profile`.
    #[must_use]
    pub fn options(&self, profile: Profile) -> AstOptions {
        AstOptions::new(profile).with_category(self.category)
    }

    /// The example as a record with the model's `response`, grouped by set. Its tools are in the leaderboard's dialect.
    #[must_use]
    pub fn record(&self, response: Response) -> Record {
        Record::new(&self.id, &self.set, self.functions.clone(), Vec::new(), response)
            .with_accepted(self.gold.clone())
            .with_category(self.category)
    }
}

/// A line of a question file; the gold comes from elsewhere.
pub(super) fn question(line: &Value, set: &str, category: Category) -> Result<BfclExample, BfclProblem> {
    let turns = array(line, "question")?;
    // Old files have one turn's messages here.
    let turns = match turns.first() {
        Some(Value::Object(_)) => vec![messages(turns)?],
        _ => turns
            .iter()
            .map(|turn| {
                messages(
                    turn.as_array()
                        .ok_or_else(|| BfclProblem::key("question", "a list of lists of messages"))?,
                )
            })
            .collect::<Result<_, _>>()?,
    };
    let function = |(index, value): (usize, &Value)| {
        ToolDefinition::from_value(value)
            .map_err(|source| BfclProblem::Function { index, source: Box::new(source) })
    };
    let functions = array(line, "function")?.iter().enumerate().map(function).collect::<Result<_, _>>()?;
    Ok(BfclExample { id: id(line)?, category, set: set.to_owned(), turns, functions, gold: Vec::new() })
}

/// A line of an answer file: the id and the wanted calls.
pub(super) fn answer(line: &Value) -> Result<(String, Vec<GoldCall>), BfclProblem> {
    let gold = |(index, value): (usize, &Value)| {
        GoldCall::from_bfcl(value).map_err(|problem| BfclProblem::Gold { index, problem })
    };
    let gold = array(line, "ground_truth")?.iter().enumerate().map(gold).collect::<Result<_, _>>()?;
    Ok((id(line)?, gold))
}

fn id(line: &Value) -> Result<String, BfclProblem> {
    let id = line.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
    id.map(str::to_owned).ok_or_else(|| BfclProblem::key("id", "a text"))
}

fn array<'a>(line: &'a Value, key: &str) -> Result<&'a [Value], BfclProblem> {
    line.get(key).and_then(Value::as_array).ok_or_else(|| BfclProblem::key(key, "a list"))
}

fn messages(turn: &[Value]) -> Result<Vec<Message>, BfclProblem> {
    let message = |value: &Value| {
        let text = |key: &str| {
            let text = value.get(key).and_then(Value::as_str);
            text.ok_or_else(|| BfclProblem::key(format!("question: {key}"), "a text"))
        };
        let name = text("role")?;
        let role: Role = name.parse().map_err(|_| BfclProblem::Role { role: name.to_owned() })?;
        Ok(Message::new(role, text("content")?))
    };
    turn.iter().map(message).collect()
}
