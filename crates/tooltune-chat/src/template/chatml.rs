//! ChatML, as Qwen and Hermes models use it.

use std::fmt;
use std::sync::Arc;

use super::builder::Builder;
use super::turns::kind_of;
use super::{ChatTemplate, LossWeights};
use crate::format::{Hermes, ToolCallFormat};
use crate::{Conversation, Error, Message, Role, Segment, SegmentKind, ToolSchemaStyle};

const IM_START: &str = "<|im_start|>";
const IM_END: &str = "<|im_end|>";
const END_OF_TEXT: &str = "<|endoftext|>";

/// What Qwen2.5 reads before and after the declarations.
const QWEN_BEFORE_TOOLS: &str = "# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are \
     provided with function signatures within <tools></tools> XML tags:\n";
const QWEN_AFTER_TOOLS: &str = "\n\nFor each function call, return a json object with function name and arguments within \
     <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n\
     </tool_call>";
/// The system text of Qwen2.5 where a conversation has none.
const QWEN_SYSTEM: &str = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";

/// ChatML, `chatml`: each turn is `<|im_start|>{role}\n{content}<|im_end|>\n`.
///
/// It follows the template of Qwen2.5-Instruct (`chat_template` in the tokenizer_config.json of
/// Qwen/Qwen2.5-7B-Instruct), which [`ChatMl::qwen2_5`] equals byte for byte where names need no escapes (the original
/// writes the name of a call as it is, here it is a JSON string); the template of NousResearch's Hermes 2 Pro differs in
/// its sentences, in a BOS, and in that results have the role `tool`:
///
/// - tools stand in the system turn, `{system}\n\n{before_tools}{declarations}{after_tools}`;
/// - a model turn is its content, then its calls, one under the other;
/// - results, one under the other, share a turn of [`ChatMl::result_role`].
///
/// Contents are not trimmed, as in the original. There is no BOS unless [`ChatMl::with_bos`] names one: Qwen has none.
/// Unlike the original it refuses roles that make no sense together.
#[derive(Clone)]
pub struct ChatMl {
    /// How tools, calls and results are written.
    pub format: Arc<dyn ToolCallFormat>,
    /// How much of a tool's schema is written.
    pub schema: ToolSchemaStyle,
    /// What has a loss.
    pub loss: LossWeights,
    /// Whether the line break after a model turn has a loss. Generation stops before it; so by default it has none.
    pub train_final_newline: bool,
    /// The system text of conversations without one; where it is `None` they have no system turn, unless there are tools.
    pub default_system: Option<String>,
    /// What stands before the declarations of tools.
    pub before_tools: String,
    /// What stands after them.
    pub after_tools: String,
    /// The role of the turn that holds results.
    pub result_role: String,
    /// The required control tokens; the third is the BOS.
    controls: Vec<&'static str>,
}

impl ChatMl {
    /// The template with the given call format and nothing around the declarations of tools.
    #[must_use]
    pub fn new(format: Arc<dyn ToolCallFormat>) -> Self {
        Self {
            format,
            schema: ToolSchemaStyle::Full,
            loss: LossWeights::assistant(),
            train_final_newline: false,
            default_system: None,
            before_tools: String::new(),
            after_tools: String::new(),
            result_role: "user".to_owned(),
            controls: vec![IM_START, IM_END],
        }
    }

    /// As Qwen2.5-Instruct: Hermes calls, its sentences around the tools, its system text.
    #[must_use]
    pub fn qwen2_5() -> Self {
        Self {
            before_tools: QWEN_BEFORE_TOOLS.to_owned(),
            after_tools: QWEN_AFTER_TOOLS.to_owned(),
            default_system: Some(QWEN_SYSTEM.to_owned()),
            ..Self::new(Arc::new(Hermes::json()))
        }
    }

    /// The same with a control token at the beginning of the sequence.
    #[must_use]
    pub fn with_bos(mut self, bos: &'static str) -> Self {
        self.controls.truncate(2);
        self.controls.push(bos);
        self
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

    fn begin(&self, builder: &mut Builder, role: Role, name: &str) {
        builder.speaker(Some(role));
        builder.control(IM_START);
        builder.text(&format!("{name}\n"), SegmentKind::Control);
    }

    fn end(&self, builder: &mut Builder) {
        builder.end(IM_END);
        builder.after_end("\n", self.train_final_newline);
    }

    fn write_system(&self, builder: &mut Builder, conversation: &Conversation, first: Option<&Message>) {
        let system = first.map(|message| message.content.as_str()).or(self.default_system.as_deref());
        if system.is_none() && conversation.tools.is_empty() {
            return;
        }
        self.begin(builder, Role::System, "system");
        builder.text(system.unwrap_or_default(), SegmentKind::System);
        if !conversation.tools.is_empty() {
            // As in the original, the gap follows a system text even where that is empty.
            let gap = if system.is_some() { "\n\n" } else { "" };
            builder.text(&format!("{gap}{}", self.before_tools), SegmentKind::Tools);
            builder.pieces(self.format.write_tools(&conversation.tools, self.schema), SegmentKind::Tools);
            builder.text(&self.after_tools, SegmentKind::Tools);
        }
        self.end(builder);
    }
}

/// [`ChatMl::qwen2_5`].
impl Default for ChatMl {
    fn default() -> Self {
        Self::qwen2_5()
    }
}

impl ChatTemplate for ChatMl {
    fn name(&self) -> &str {
        "chatml"
    }

    fn render(
        &self,
        conversation: &Conversation,
        add_generation_prompt: bool,
    ) -> Result<Vec<Segment>, Error> {
        conversation.check_roles()?;
        let mut builder = Builder::new(self.loss);
        if let Some(bos) = self.controls.get(2) {
            builder.control(bos);
        }
        let (system, messages) = match conversation.messages.as_slice() {
            [first, rest @ ..] if first.role.is_system() => (Some(first), rest),
            messages => (None, messages),
        };
        self.write_system(&mut builder, conversation, system);
        for (index, message) in messages.iter().enumerate() {
            let role = message.role;
            if role.is_tool() {
                if index > 0 && messages[index - 1].role.is_tool() {
                    builder.text("\n", SegmentKind::ToolResult);
                } else {
                    self.begin(&mut builder, Role::Tool, &self.result_role);
                }
                builder.pieces(self.format.write_result(&message.to_result()), SegmentKind::ToolResult);
                if messages.get(index + 1).is_some_and(|next| next.role.is_tool()) {
                    continue;
                }
            } else if role.is_model() {
                self.begin(&mut builder, role, "assistant");
                builder.model_turn(&message.content, message, self.format.as_ref());
            } else {
                self.begin(&mut builder, role, "user");
                builder.text(&message.content, kind_of(role));
            }
            self.end(&mut builder);
        }
        if add_generation_prompt {
            self.begin(&mut builder, Role::Assistant, "assistant");
        }
        Ok(builder.finish())
    }

    fn required_controls(&self) -> &[&str] {
        &self.controls
    }

    fn stop_controls(&self) -> &[&str] {
        &[IM_END, END_OF_TEXT]
    }
}

impl fmt::Debug for ChatMl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatMl")
            .field("format", &self.format.name())
            .field("schema", &self.schema)
            .field("loss", &self.loss)
            .field("result_role", &self.result_role)
            .field("controls", &self.controls)
            .finish_non_exhaustive()
    }
}
