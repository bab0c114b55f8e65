//! Our template: Gemma-2's, with a place for instructions, tools, calls and results.

use std::fmt;
use std::sync::Arc;

use super::turns::{Turns, kind_of, trim};
use super::{BOS, ChatTemplate, END_OF_TURN, LossWeights, START_OF_TURN};
use crate::format::{Hermes, ToolCallFormat};
use crate::{Conversation, Error, Message, Role, Segment, SegmentKind, ToolSchemaStyle};

/// Gemma-2 with tools, `gemma2-tools`, the default template.
///
/// - The system text and the tools stand at the head of the first user turn: `{system}\n\n{tools}\n\n{content}`.
/// - Results have a turn of their own, `<start_of_turn>tool\n{results}<end_of_turn>\n`, several results one
///   under the other. Only control tokens begin a turn, and no content encodes to one: what a user or a tool
///   writes cannot pass for a turn of somebody else.
/// - A model turn is its content (thinking included), then its calls, one under the other.
///
/// Without tools and system text it equals [`Gemma2`](super::Gemma2) wherever that renders the turns of a user
/// and a model.
#[derive(Clone)]
pub struct Gemma2Tools {
    /// How tools, calls and results are written.
    pub format: Arc<dyn ToolCallFormat>,
    /// How much of a tool's schema is written.
    pub schema: ToolSchemaStyle,
    /// What has a loss.
    pub loss: LossWeights,
    /// Whether the line break after a model turn has a loss. Generation stops before it; so by default it has none.
    pub train_final_newline: bool,
}

impl Gemma2Tools {
    /// The template with the given call format, full schemas and the loss on model turns.
    #[must_use]
    pub fn new(format: Arc<dyn ToolCallFormat>) -> Self {
        Self {
            format,
            schema: ToolSchemaStyle::Full,
            loss: LossWeights::assistant(),
            train_final_newline: false,
        }
    }

    /// The same with another style of schemas.
    #[must_use]
    pub fn with_schema(self, schema: ToolSchemaStyle) -> Self {
        Self { schema, ..self }
    }

    /// The same with another loss.
    #[must_use]
    pub fn with_loss(self, loss: LossWeights) -> Self {
        Self { loss, ..self }
    }

    fn write_preamble(&self, turns: &mut Turns, conversation: &Conversation, system: &str) {
        if !system.is_empty() {
            turns.text(&format!("{system}\n\n"), SegmentKind::System);
        }
        if !conversation.tools.is_empty() {
            turns.pieces(self.format.write_tools(&conversation.tools, self.schema), SegmentKind::Tools);
            turns.text("\n\n", SegmentKind::Tools);
        }
    }

    fn write_model_turn(&self, turns: &mut Turns, message: &Message) {
        let content = trim(&message.content);
        turns.tagged_text(content, self.format.special_tokens(), SegmentKind::Answer);
        if !message.tool_calls.is_empty() {
            if !content.is_empty() {
                turns.text("\n", SegmentKind::Call);
            }
            turns.calls(self.format.write_calls(&message.tool_calls));
        }
    }
}

impl Default for Gemma2Tools {
    fn default() -> Self {
        Self::new(Arc::new(Hermes::json()))
    }
}

impl ChatTemplate for Gemma2Tools {
    fn name(&self) -> &str {
        "gemma2-tools"
    }

    fn render(
        &self,
        conversation: &Conversation,
        add_generation_prompt: bool,
    ) -> Result<Vec<Segment>, Error> {
        conversation.check_roles()?;
        let mut messages = conversation.messages.as_slice();
        let mut system = "";
        if let [first, rest @ ..] = messages
            && first.role.is_system()
        {
            system = trim(&first.content);
            messages = rest;
        }
        let mut turns = Turns::new(self.loss);
        for (index, message) in messages.iter().enumerate() {
            let role = message.role;
            if role.is_tool() {
                if index > 0 && messages[index - 1].role.is_tool() {
                    turns.text("\n", SegmentKind::ToolResult);
                } else {
                    turns.begin(Role::Tool, Role::Tool.as_str());
                }
                turns.pieces(self.format.write_result(&message.to_result()), SegmentKind::ToolResult);
                if messages.get(index + 1).is_some_and(|next| next.role.is_tool()) {
                    continue;
                }
            } else if role.is_model() {
                turns.begin(role, Role::Model.as_str());
                self.write_model_turn(&mut turns, message);
            } else {
                turns.begin(role, Role::User.as_str());
                if index == 0 {
                    self.write_preamble(&mut turns, conversation, system);
                }
                turns.text(trim(&message.content), kind_of(role));
            }
            turns.end(&[], self.train_final_newline);
        }
        Ok(turns.finish(add_generation_prompt))
    }

    fn required_controls(&self) -> &[&str] {
        &[BOS, START_OF_TURN, END_OF_TURN]
    }
}

impl fmt::Debug for Gemma2Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gemma2Tools")
            .field("format", &self.format.name())
            .field("schema", &self.schema)
            .field("loss", &self.loss)
            .field("train_final_newline", &self.train_final_newline)
            .finish()
    }
}
