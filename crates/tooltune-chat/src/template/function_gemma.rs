//! The template of FunctionGemma.

use super::builder::Builder;
use super::turns::{kind_of, trim};
use super::{BOS, ChatTemplate, END_OF_TURN, EOS, LossWeights, START_OF_TURN};
use crate::format::{FunctionGemma, ToolCallFormat};
use crate::{Conversation, Error, Message, Role, Segment, SegmentKind, ToolSchemaStyle};

const RESPONSE_START: &str = "<start_function_response>";

/// What switches the model to calling, where a conversation has no system text of its own.
const DEVELOPER: &str = "You are a model that can do function calling with the following functions";

/// FunctionGemma, `functiongemma`.
///
/// It follows the template of google/functiongemma-270m-it and the model's documentation ("Formatting and best practices"
/// on ai.google.dev):
///
/// - the system text, or a fixed sentence, and the declarations of the tools, with nothing between, are a turn of their own:
///   `<start_of_turn>developer\n…<end_of_turn>\n`; without both there is none;
/// - a model turn that calls does not end: `<start_function_response>`, at which generation stops, follows its last call and
///   begins the first result; results follow one another, and the model's answer follows them in the same turn;
/// - other turns are Gemma's.
///
/// So what a model writes at the end of its calls is `<start_function_response>`: here it has the weight of the end of a
/// turn. The token is required of the tokenizer, and written once where the original would write it twice (behind calls at
/// the end, with a generation prompt). A user who speaks right after calls or results gets a turn of their own; the
/// original writes that text into the model's turn.
///
/// A result needs the name of its function: its own, or that of the call with its id, or of the call in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FunctionGemmaTemplate {
    /// How much of a tool's schema is written.
    pub schema: ToolSchemaStyle,
    /// What has a loss.
    pub loss: LossWeights,
    /// Whether the line break after a model turn has a loss. Generation stops before it; so by default it has none.
    pub train_final_newline: bool,
}

impl Default for FunctionGemmaTemplate {
    fn default() -> Self {
        Self { schema: ToolSchemaStyle::Full, loss: LossWeights::assistant(), train_final_newline: false }
    }
}

/// What was written last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    EndOfTurn,
    Calls,
    Result,
}

impl FunctionGemmaTemplate {
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

    fn begin(&self, builder: &mut Builder, role: Role, name: &str) {
        builder.speaker(Some(role));
        builder.control(START_OF_TURN);
        builder.text(&format!("{name}\n"), SegmentKind::Control);
    }

    fn end(&self, builder: &mut Builder) {
        builder.end(END_OF_TURN);
        builder.after_end("\n", self.train_final_newline);
    }

    fn write_developer(&self, builder: &mut Builder, conversation: &Conversation, system: Option<&str>) {
        if system.is_none() && conversation.tools.is_empty() {
            return;
        }
        self.begin(builder, Role::Developer, "developer");
        builder.text(system.unwrap_or(DEVELOPER), SegmentKind::System);
        builder
            .pieces(FunctionGemma::new().write_tools(&conversation.tools, self.schema), SegmentKind::Tools);
        self.end(builder);
    }

    /// A result; the first one's tag is what the model ends its calls with.
    fn write_result(&self, builder: &mut Builder, message: &Message, name: &str, first: bool) {
        let mut result = message.to_result();
        result.name = Some(name.to_owned());
        let mut pieces = FunctionGemma::new().write_result(&result);
        if first {
            builder.speaker(Some(Role::Model));
            builder.end(RESPONSE_START);
            pieces.remove(0);
        }
        builder.speaker(Some(message.role));
        builder.pieces(pieces, SegmentKind::ToolResult);
    }
}

/// The name of the function that answers at `index`.
fn name_of(messages: &[Message], index: usize) -> Result<&str, Error> {
    let message = &messages[index];
    if let Some(name) = &message.name {
        return Ok(name);
    }
    let caller = messages[..index].iter().rposition(|m| m.role.is_model());
    let calls = caller.map_or(&[][..], |caller| &messages[caller].tool_calls);
    let place = caller.map_or(0, |caller| index - caller - 1);
    let by_id = message.tool_call_id.as_deref();
    let by_id = by_id.and_then(|id| calls.iter().find(|call| call.id.as_deref() == Some(id)));
    let rule = "a result needs the name of its function";
    let call = by_id.or(calls.get(place)).ok_or(Error::RoleOrder { index, role: message.role, rule })?;
    Ok(&call.name)
}

impl ChatTemplate for FunctionGemmaTemplate {
    fn name(&self) -> &str {
        "functiongemma"
    }

    fn render(
        &self,
        conversation: &Conversation,
        add_generation_prompt: bool,
    ) -> Result<Vec<Segment>, Error> {
        conversation.check_roles()?;
        let (system, messages) = match conversation.messages.as_slice() {
            [first, rest @ ..] if first.role.is_system() => (Some(trim(&first.content)), rest),
            messages => (None, messages),
        };
        let format = FunctionGemma::new();
        let mut builder = Builder::new(self.loss);
        builder.control(BOS);
        self.write_developer(&mut builder, conversation, system);
        let mut last = Last::EndOfTurn;
        for (index, message) in messages.iter().enumerate() {
            let role = message.role;
            if role.is_tool() {
                self.write_result(&mut builder, message, name_of(messages, index)?, last == Last::Calls);
                last = Last::Result;
            } else if role.is_model() {
                if last == Last::Result {
                    builder.speaker(Some(role));
                } else {
                    self.begin(&mut builder, role, "model");
                }
                builder.model_turn(trim(&message.content), message, &format);
                if message.tool_calls.is_empty() {
                    self.end(&mut builder);
                    last = Last::EndOfTurn;
                } else {
                    last = Last::Calls;
                }
            } else {
                if last != Last::EndOfTurn {
                    self.end(&mut builder);
                }
                self.begin(&mut builder, role, "user");
                builder.text(trim(&message.content), kind_of(role));
                self.end(&mut builder);
                last = Last::EndOfTurn;
            }
        }
        match last {
            Last::Calls => builder.end(RESPONSE_START),
            Last::EndOfTurn if add_generation_prompt => self.begin(&mut builder, Role::Model, "model"),
            _ => {}
        }
        Ok(builder.finish())
    }

    fn required_controls(&self) -> &[&str] {
        &[BOS, START_OF_TURN, END_OF_TURN, RESPONSE_START]
    }

    fn stop_controls(&self) -> &[&str] {
        &[END_OF_TURN, EOS, RESPONSE_START]
    }
}
