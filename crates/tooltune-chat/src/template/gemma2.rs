//! Gemma-2's own template.

use super::turns::{Turns, kind_of, trim};
use super::{BOS, ChatTemplate, END_OF_TURN, LossWeights, START_OF_TURN};
use crate::format::{Hermes, ToolCallFormat};
use crate::{Conversation, Error, Role, Segment, SegmentKind};

/// Gemma-2's own template, `gemma2`: `<bos>`, then for each message
/// `<start_of_turn>{role}\n{content|trim}<end_of_turn>\n`.
///
/// As the original, it refuses system messages and roles that do not alternate, and it has no place for tools,
/// calls and call ids: only the text of messages is rendered. **[`Conversation::tools`] and
/// [`Message::tool_calls`](crate::Message::tool_calls) are left out without an error**; a conversation that has them
/// is for [`Gemma2Tools`](super::Gemma2Tools), which has a place for all of them.
///
/// In model turns the tags of the Hermes format are [`SegmentContent::Tag`](crate::SegmentContent::Tag)s; in all
/// other turns they are text.
///
/// With the default policy the loss is that of TRL's training variant of the template: the content of model turns,
/// `<end_of_turn>`, and the line break after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gemma2 {
    /// What has a loss.
    pub loss: LossWeights,
    /// Whether the line break after a model turn has a loss, as in TRL.
    pub train_final_newline: bool,
}

impl Default for Gemma2 {
    fn default() -> Self {
        Self { loss: LossWeights::assistant(), train_final_newline: true }
    }
}

impl ChatTemplate for Gemma2 {
    fn name(&self) -> &str {
        "gemma2"
    }

    fn render(
        &self,
        conversation: &Conversation,
        add_generation_prompt: bool,
    ) -> Result<Vec<Segment>, Error> {
        match conversation.messages.first() {
            None => return Err(Error::EmptyConversation),
            Some(first) if first.role == Role::System => return Err(Error::SystemRole),
            Some(_) => {}
        }
        let format = Hermes::json();
        let mut turns = Turns::new(self.loss);
        for (index, message) in conversation.messages.iter().enumerate() {
            let role = message.role;
            // The original asks for `user` by name: no other name may stand in its place.
            if (role == Role::User) != (index % 2 == 0) {
                return Err(Error::RolesMustAlternate { index });
            }
            turns.begin(role, if role == Role::Assistant { "model" } else { role.as_str() });
            let kind = kind_of(role);
            let tags = if kind == SegmentKind::Answer { format.special_tokens() } else { &[] };
            turns.tagged_text(trim(&message.content), tags, kind);
            turns.end(&[], self.train_final_newline);
        }
        Ok(turns.finish(add_generation_prompt))
    }

    fn required_controls(&self) -> &[&str] {
        &[BOS, START_OF_TURN, END_OF_TURN]
    }
}
