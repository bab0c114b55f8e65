//! The template of the agents course, byte for byte.

use super::turns::{Turns, kind_of, trim};
use super::{BOS, ChatTemplate, END_OF_TURN, EOS, LossWeights, START_OF_TURN};
use crate::{Conversation, Error, Message, Role, Segment};

/// The tags that the course adds to the tokenizer, the misspelt ones as they are published, and the spelling of
/// its data, which other tokenizers hold.
const TAGS: [&str; 10] = [
    "<tools>",
    "</tools>",
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<tool_reponse>",
    "</tool_reponse>",
    "<tool_response>",
    "</tool_response>",
];

/// The sentence that the course's preprocessing puts between the system text and the first message.
pub const COURSE_THINK_SENTENCE: &str = "Also, before making a call to a function take the time to plan the \
     function to take. Make that thinking process between <think>{your thoughts}</think>\n\n";

/// The course's template, `course`: `<bos>`, then for each message
/// `<start_of_turn>{role}\n{content|trim}<end_of_turn><eos>\n`, the role as the data names it.
///
/// It exists to reproduce the course, with its flaws; train with [`Gemma2Tools`](super::Gemma2Tools). As the
/// original it trains every token by default, does not check the order of roles, renders only the text of
/// messages, and lets the tool tags (never the tokens that make turns) become tokens in **every** turn, because
/// the course's data carries its tools and results as text: here a user's text can forge a tool tag.
///
/// **[`Conversation::tools`] and [`Message::tool_calls`] are left out without an error**, as in the original: a message
/// with calls and no text is an empty turn. A conversation that has them is for [`Gemma2Tools`](super::Gemma2Tools).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Course {
    /// What has a loss.
    pub loss: LossWeights,
}

impl Default for Course {
    fn default() -> Self {
        Self { loss: LossWeights::course() }
    }
}

impl ChatTemplate for Course {
    fn name(&self) -> &str {
        "course"
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
        let mut turns = Turns::new(self.loss);
        for message in &conversation.messages {
            turns.begin(message.role, message.role.as_str());
            turns.tagged_text(trim(&message.content), &TAGS, kind_of(message.role));
            turns.end(&[EOS], true);
        }
        Ok(turns.finish(add_generation_prompt))
    }

    fn required_controls(&self) -> &[&str] {
        &[BOS, START_OF_TURN, END_OF_TURN, EOS]
    }
}

/// The course's preprocessing: a system message, [`COURSE_THINK_SENTENCE`] and the next message become one
/// message with the next message's role. A conversation without a system message is returned as it is.
///
/// # Errors
/// [`Error::EmptyConversation`] where no message follows the system message.
pub fn course_messages(conversation: &Conversation) -> Result<Conversation, Error> {
    let mut merged = conversation.clone();
    if let [system, next, ..] = conversation.messages.as_slice()
        && system.role == Role::System
    {
        let content = format!("{}{COURSE_THINK_SENTENCE}{}", system.content, next.content);
        merged.messages[1] = Message { content, ..next.clone() };
        merged.messages.remove(0);
    } else if conversation.messages.iter().all(|message| message.role == Role::System) {
        return Err(Error::EmptyConversation);
    }
    Ok(merged)
}
