//! The templates of Mistral's instruction models.

use super::mistral_turns::{Said, Turn, turns};
use super::{ChatTemplate, LossWeights};
use crate::format::mistral::{
    ARGS, CALL_ID, RESULT_CONTENT, RESULT_END, RESULT_START, TOOL_CALLS, TOOLS_END, TOOLS_START,
    call_by_name, calls_as_array, raw_result, result_with_id, result_with_name, tools_json,
};
use crate::{
    Conversation, Error, Role, Segment, SegmentContent, SegmentKind, ToolCall, ToolResult, ToolSchemaStyle,
};

const BOS: &str = "<s>";
const EOS: &str = "</s>";
const INST: &str = "[INST]";
const INST_END: &str = "[/INST]";
const SYSTEM_START: &str = "[SYSTEM_PROMPT]";
const SYSTEM_END: &str = "[/SYSTEM_PROMPT]";

/// A version of Mistral's templates, with the kind of tokenizer that its models have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum MistralVersion {
    /// `mistral-v1-spm`: turns are marked with text; no tools.
    V1,
    /// `mistral-v2-spm`: calls without ids, one result for each turn; calls and results before the last user turn are
    /// left out.
    V2,
    /// `mistral-v3-spm`: calls with ids, and all of the history; a turn has content or calls.
    V3,
    /// `mistral-v3-tekken`.
    V3Tekken,
    /// `mistral-v7-spm`: system messages have tokens of their own, a turn may have content and calls.
    V7,
    /// `mistral-v7-tekken`.
    V7Tekken,
    /// `mistral-v11-tekken`: calls by name, id and arguments.
    V11,
    /// `mistral-v13-tekken`: tools before the first user turn; ids are not written, results stand in the order of
    /// their calls.
    V13,
}

impl MistralVersion {
    /// Every version, oldest first.
    pub const ALL: [Self; 8] =
        [Self::V1, Self::V2, Self::V3, Self::V3Tekken, Self::V7, Self::V7Tekken, Self::V11, Self::V13];

    /// The name of the template: version and kind of tokenizer.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "mistral-v1-spm",
            Self::V2 => "mistral-v2-spm",
            Self::V3 => "mistral-v3-spm",
            Self::V3Tekken => "mistral-v3-tekken",
            Self::V7 => "mistral-v7-spm",
            Self::V7Tekken => "mistral-v7-tekken",
            Self::V11 => "mistral-v11-tekken",
            Self::V13 => "mistral-v13-tekken",
        }
    }

    /// Whether the tokenizer is a sentencepiece one, which puts a blank before each text that it encodes.
    #[must_use]
    pub fn is_sentencepiece(self) -> bool {
        matches!(self, Self::V1 | Self::V2 | Self::V3 | Self::V7)
    }

    /// The number, for what changed with a version and stayed.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
            Self::V3 | Self::V3Tekken => 3,
            Self::V7 | Self::V7Tekken => 7,
            Self::V11 => 11,
            Self::V13 => 13,
        }
    }
}

/// The template of Mistral's instruction models, in the version of the model's tokenizer.
///
/// - a user turn is `[INST]…[/INST]`, a model turn what follows it, up to `</s>`: there is no header for a model turn,
///   and so no generation prompt;
/// - neighbouring messages of the same role become one, with an empty line between them;
/// - the system text stands before the first (version 1) or last user message, from version 7 on in
///   `[SYSTEM_PROMPT]…[/SYSTEM_PROMPT]` where it is in the conversation;
/// - the tools stand before the last user turn, from version 13 on before the first; version 1 has no place for them
///   and renders the conversation without;
/// - calls and results are written as in [`Mistral`](crate::Mistral); a result that is JSON is written as JSON before
///   version 7 and as it is from then on.
///
/// The texts between control tokens are those that Mistral's own code encodes one by one. The blank that one sees
/// after a tag in the older versions, `[INST] Hello`, is not among them: a sentencepiece tokenizer puts it there.
///
/// What Mistral's own code refuses is refused, and a little more: tools that would be left out because there is no user
/// turn, and results beyond the calls. Version 13 takes calls and results without ids, because it does not write them.
///
/// In version 1 `[INST]` and `[/INST]` are text, so that a user can write them; only later versions keep turns apart
/// whatever is said in them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MistralInstruct {
    /// The version.
    pub version: MistralVersion,
    /// What has a loss.
    pub loss: LossWeights,
}

impl MistralInstruct {
    /// The template of this version, with the loss on model turns.
    #[must_use]
    pub fn new(version: MistralVersion) -> Self {
        Self { version, loss: LossWeights::assistant() }
    }

    /// The same with another loss.
    #[must_use]
    pub fn with_loss(self, loss: LossWeights) -> Self {
        Self { loss, ..self }
    }
}

impl ChatTemplate for MistralInstruct {
    fn name(&self) -> &str {
        self.version.as_str()
    }

    /// # Errors
    /// What Mistral's own code refuses, as [`Error::Mistral`], [`Error::RoleOrder`] and
    /// [`Error::EmptyConversation`].
    fn render(
        &self,
        conversation: &Conversation,
        add_generation_prompt: bool,
    ) -> Result<Vec<Segment>, Error> {
        let turns = turns(self.version, conversation, add_generation_prompt)?;
        let is_user = |turn: &Turn<'_>| matches!(turn.said, Said::User(_));
        let first_user = turns.iter().position(is_user);
        let last_user = turns.iter().rposition(is_user);
        let tools_before = if self.version.number() >= 13 { first_user } else { last_user };
        let mut out = Writer { version: self.version, loss: self.loss, segments: Vec::new(), role: None };
        out.control(BOS, SegmentKind::Control);
        for (index, turn) in turns.iter().enumerate() {
            out.role = Some(turn.role);
            let before_last_user = last_user.is_some_and(|last| index < last);
            let history_is_dropped = self.version.number() == 2 && before_last_user;
            match &turn.said {
                Said::System(text) => {
                    out.control(SYSTEM_START, SegmentKind::Control);
                    out.text(text, SegmentKind::System);
                    out.control(SYSTEM_END, SegmentKind::Control);
                }
                Said::User(said) => {
                    if tools_before == Some(index) {
                        out.tools(conversation);
                    }
                    out.user(&said.system, &said.text);
                }
                Said::Model { calls, .. } if history_is_dropped && !calls.is_empty() => {}
                Said::Model { text, calls } => out.model(text, calls),
                Said::Result(_) if history_is_dropped => {}
                Said::Result(result) => out.result(result),
            }
        }
        Ok(out.segments)
    }

    fn required_controls(&self) -> &[&str] {
        const CONTROLS: [&str; 14] = [
            BOS,
            EOS,
            INST,
            INST_END,
            TOOLS_START,
            TOOLS_END,
            TOOL_CALLS,
            RESULT_START,
            RESULT_END,
            SYSTEM_START,
            SYSTEM_END,
            ARGS,
            RESULT_CONTENT,
            CALL_ID,
        ];
        const V7: [&str; 12] = [
            BOS,
            EOS,
            INST,
            INST_END,
            TOOLS_START,
            TOOLS_END,
            TOOL_CALLS,
            RESULT_START,
            RESULT_END,
            SYSTEM_START,
            SYSTEM_END,
            RESULT_CONTENT,
        ];
        match self.version.number() {
            1 => CONTROLS.split_at(2).0,
            2 | 3 => CONTROLS.split_at(9).0,
            7 => &V7,
            13 => CONTROLS.split_at(12).0,
            _ => &CONTROLS,
        }
    }

    fn stop_controls(&self) -> &[&str] {
        &[EOS]
    }
}

/// A list of segments under construction.
struct Writer {
    version: MistralVersion,
    loss: LossWeights,
    segments: Vec<Segment>,
    role: Option<Role>,
}

impl Writer {
    fn tools(&mut self, conversation: &Conversation) {
        if !conversation.tools.is_empty() && self.version.number() > 1 {
            self.control(TOOLS_START, SegmentKind::Tools);
            self.text(&tools_json(&conversation.tools, ToolSchemaStyle::Full), SegmentKind::Tools);
            self.control(TOOLS_END, SegmentKind::Tools);
        }
    }

    fn user(&mut self, system: &str, text: &str) {
        if self.version.number() == 1 {
            self.push(SegmentContent::TextApart(format!("{INST} ")), SegmentKind::Control);
        } else {
            self.control(INST, SegmentKind::Control);
        }
        if !system.is_empty() {
            self.text(&format!("{system}\n\n"), SegmentKind::System);
        }
        self.text(text, SegmentKind::User);
        if self.version.number() == 1 {
            self.text(&format!(" {INST_END}"), SegmentKind::Control);
        } else {
            self.control(INST_END, SegmentKind::Control);
        }
    }

    fn model(&mut self, text: &str, calls: &[&ToolCall]) {
        if self.version.number() == 1 {
            self.push(SegmentContent::TextApart(text.to_owned()), SegmentKind::Answer);
        } else {
            self.text(text.trim_end_matches(' '), SegmentKind::Answer);
        }
        if !calls.is_empty() {
            let calls = calls.iter().copied();
            let pieces = match self.version.number() {
                ..11 => {
                    self.control(TOOL_CALLS, SegmentKind::Call);
                    calls_as_array(calls, self.version.number() > 2)
                }
                11 => calls.flat_map(|call| call_by_name(call, true)).collect(),
                _ => calls.flat_map(|call| call_by_name(call, false)).collect(),
            };
            for piece in pieces {
                self.piece(piece.content, piece.kind);
            }
        }
        self.control(EOS, SegmentKind::EndOfTurn);
    }

    fn result(&mut self, result: &ToolResult) {
        let value = match self.version.number() {
            ..3 => result_with_name(result),
            3 => result_with_id(result),
            number => {
                for piece in raw_result(result, number < 13) {
                    self.piece(piece, SegmentKind::ToolResult);
                }
                return;
            }
        };
        self.control(RESULT_START, SegmentKind::ToolResult);
        self.text(&value.to_json(), SegmentKind::ToolResult);
        self.control(RESULT_END, SegmentKind::ToolResult);
    }

    /// What the format wrote. Mistral's tokenizers have its tags: they are no mere text.
    fn piece(&mut self, content: SegmentContent, kind: SegmentKind) {
        match content {
            SegmentContent::Tag(tag) => self.control(&tag, kind),
            other => self.push(other, kind),
        }
    }

    fn control(&mut self, token: &str, kind: SegmentKind) {
        self.push(SegmentContent::Control(token.to_owned()), kind);
    }

    fn text(&mut self, text: &str, kind: SegmentKind) {
        self.push(SegmentContent::Text(text.to_owned()), kind);
    }

    fn push(&mut self, content: SegmentContent, kind: SegmentKind) {
        if !content.as_str().is_empty() {
            let weight = self.loss.of(kind, self.role.is_some_and(Role::is_model));
            self.segments.push(Segment { content, role: self.role, kind, weight });
        }
    }
}
