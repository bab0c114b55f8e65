//! The template of Llama 3.1.

use std::fmt;
use std::sync::Arc;

use super::builder::Builder;
use super::turns::{kind_of, trim};
use super::{ChatTemplate, LossWeights};
use crate::format::{Llama31, ToolCallFormat};
use crate::{Conversation, Error, Role, Segment, SegmentKind, ToolSchemaStyle};

const BEGIN_OF_TEXT: &str = "<|begin_of_text|>";
const START_HEADER: &str = "<|start_header_id|>";
const END_HEADER: &str = "<|end_header_id|>";
const EOT: &str = "<|eot_id|>";
const EOM: &str = "<|eom_id|>";
const END_OF_TEXT: &str = "<|end_of_text|>";

/// What the models read before the declarations.
const BEFORE_TOOLS: &str = "Given the following functions, please respond with a JSON for a function call with its proper \
     arguments that best answers the given prompt.\n\nRespond in the format {\"name\": function name, \"parameters\": \
     dictionary of argument name and its value}.Do not use variables.\n\n";

/// Llama 3.1 with tools, `llama-3.1`: after `<|begin_of_text|>` each turn is
/// `<|start_header_id|>{role}<|end_header_id|>\n\n{content|trim}<|eot_id|>`.
///
/// It follows the template of meta-llama/Llama-3.1-8B-Instruct (`chat_template` in its tokenizer_config.json; that of 3.3 is
/// the same) with its defaults:
///
/// - there is always a system turn, with the line `Environment: ipython` where there are tools, the date of the model's
///   knowledge and [`Llama31Template::date`], then the system text;
/// - tools stand in the first user turn, before its text;
/// - a result has a turn of its own with the role `ipython`, its text as a JSON string;
/// - a model turn that calls ends with `<|eot_id|>`, or with `<|eom_id|>` where [`Llama31Template::with_eom`] asks for it, as
///   the models do when they wait for a result of a built-in tool.
///
/// Two things that the original refuses or drops are written: several calls in one turn, as the format joins them, and
/// the text of a turn that calls, before its calls.
#[derive(Clone)]
pub struct Llama31Template {
    /// How tools, calls and results are written.
    pub format: Arc<dyn ToolCallFormat>,
    /// How much of a tool's schema is written.
    pub schema: ToolSchemaStyle,
    /// What has a loss.
    pub loss: LossWeights,
    /// What stands before the declarations of tools.
    pub before_tools: String,
    /// The date of today in the system turn, which the original sets to `26 Jul 2024` where nobody names one.
    pub date: String,
    eom: bool,
}

impl Llama31Template {
    /// The template with the given call format and nothing before the declarations of tools.
    #[must_use]
    pub fn new(format: Arc<dyn ToolCallFormat>) -> Self {
        Self {
            format,
            schema: ToolSchemaStyle::Full,
            loss: LossWeights::assistant(),
            before_tools: String::new(),
            date: "26 Jul 2024".to_owned(),
            eom: false,
        }
    }

    /// The same, with turns that call ending in `<|eom_id|>` or in `<|eot_id|>`.
    #[must_use]
    pub fn with_eom(self, eom: bool) -> Self {
        Self { eom, ..self }
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
        builder.control(START_HEADER);
        builder.text(name, SegmentKind::Control);
        builder.control(END_HEADER);
        builder.text("\n\n", SegmentKind::Control);
    }

    fn end(&self, builder: &mut Builder, token: &str) {
        builder.end(token);
        builder.speaker(None);
    }
}

/// The models' own: bare JSON calls, and their sentences before the tools.
impl Default for Llama31Template {
    fn default() -> Self {
        Self { before_tools: BEFORE_TOOLS.to_owned(), ..Self::new(Arc::new(Llama31::new())) }
    }
}

impl ChatTemplate for Llama31Template {
    fn name(&self) -> &str {
        "llama-3.1"
    }

    fn render(
        &self,
        conversation: &Conversation,
        add_generation_prompt: bool,
    ) -> Result<Vec<Segment>, Error> {
        conversation.check_roles()?;
        let (system, messages) = match conversation.messages.as_slice() {
            [first, rest @ ..] if first.role.is_system() => (trim(&first.content), rest),
            messages => ("", messages),
        };
        let tools = &conversation.tools;
        let mut builder = Builder::new(self.loss);
        builder.control(BEGIN_OF_TEXT);
        self.begin(&mut builder, Role::System, "system");
        let environment = if tools.is_empty() { "" } else { "Environment: ipython\n" };
        let dates = format!("Cutting Knowledge Date: December 2023\nToday Date: {}\n\n", self.date);
        builder.text(&format!("{environment}{dates}{system}"), SegmentKind::System);
        self.end(&mut builder, EOT);
        for (index, message) in messages.iter().enumerate() {
            let role = message.role;
            let mut end = EOT;
            if role.is_tool() {
                self.begin(&mut builder, role, "ipython");
                builder.pieces(self.format.write_result(&message.to_result()), SegmentKind::ToolResult);
            } else if role.is_model() {
                self.begin(&mut builder, role, "assistant");
                builder.model_turn(trim(&message.content), message, self.format.as_ref());
                if self.eom && !message.tool_calls.is_empty() {
                    end = EOM;
                }
            } else {
                self.begin(&mut builder, role, "user");
                if index == 0 && !tools.is_empty() {
                    builder.text(&self.before_tools, SegmentKind::Tools);
                    builder.pieces(self.format.write_tools(tools, self.schema), SegmentKind::Tools);
                    builder.text("\n\n", SegmentKind::Tools);
                }
                builder.text(trim(&message.content), kind_of(role));
            }
            self.end(&mut builder, end);
        }
        if add_generation_prompt {
            self.begin(&mut builder, Role::Assistant, "assistant");
        }
        Ok(builder.finish())
    }

    fn required_controls(&self) -> &[&str] {
        const CONTROLS: [&str; 5] = [BEGIN_OF_TEXT, START_HEADER, END_HEADER, EOT, EOM];
        if self.eom { &CONTROLS } else { &CONTROLS[..4] }
    }

    fn stop_controls(&self) -> &[&str] {
        &[EOT, EOM, END_OF_TEXT]
    }
}

impl fmt::Debug for Llama31Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Llama31Template")
            .field("format", &self.format.name())
            .field("schema", &self.schema)
            .field("loss", &self.loss)
            .field("date", &self.date)
            .field("eom", &self.eom)
            .finish_non_exhaustive()
    }
}
