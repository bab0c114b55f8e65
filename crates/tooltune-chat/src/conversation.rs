//! A conversation: tools and messages.

use serde::{Deserialize, Serialize};

use crate::{Error, Message, ToolDefinition};

/// A conversation, with the tools that its model turns may call.
///
/// serde writes a form that [`read_jsonl`](crate::read_jsonl) reads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// A name for reports and error messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tools on offer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolDefinition>,
    /// The messages, oldest first.
    pub messages: Vec<Message>,
}

impl Conversation {
    /// A conversation without an id.
    #[must_use]
    pub fn new(tools: Vec<ToolDefinition>, messages: Vec<Message>) -> Self {
        Self { id: None, tools, messages }
    }

    /// The messages before message `end`, with the same id and tools: the prompt for a model turn.
    #[must_use]
    pub fn prefix(&self, end: usize) -> Self {
        let end = end.min(self.messages.len());
        Self { id: self.id.clone(), tools: self.tools.clone(), messages: self.messages[..end].to_vec() }
    }

    /// Checks that the roles make sense: a system message only at the start, then a user message; the model
    /// answers a user or a tool; a tool speaks only after a model turn with calls (or another tool); only
    /// model turns call; a user does not follow a user.
    ///
    /// # Errors
    /// [`Error::RoleOrder`] with the index of the first message that breaks a rule, and
    /// [`Error::EmptyConversation`].
    pub fn check_roles(&self) -> Result<(), Error> {
        let first = self.messages.iter().position(|m| !m.role.is_system());
        let Some(first) = first else { return Err(Error::EmptyConversation) };
        let fail =
            |index: usize, rule| Err(Error::RoleOrder { index, role: self.messages[index].role, rule });
        if first > 1 {
            return fail(1, "only one system message, the first message, is allowed");
        }
        let mut calls_open = false;
        for (index, message) in self.messages.iter().enumerate().skip(first) {
            let role = message.role;
            let previous = if index == first { None } else { Some(self.messages[index - 1].role) };
            if role.is_system() {
                return fail(index, "a system message must be the first message");
            }
            if !role.is_model() && !message.tool_calls.is_empty() {
                return fail(index, "only a model turn can call tools");
            }
            match previous {
                None if !role.is_user() => return fail(index, "the first turn must be the user's"),
                Some(p) if role.is_user() && p.is_user() => {
                    return fail(index, "a user message cannot follow a user message");
                }
                Some(p) if role.is_model() && p.is_model() => {
                    return fail(index, "a model turn must answer a user or a tool");
                }
                Some(_) if role.is_tool() && !calls_open => {
                    return fail(index, "a tool message must follow a model turn that calls tools");
                }
                _ => {}
            }
            calls_open =
                if role.is_model() { !message.tool_calls.is_empty() } else { calls_open && role.is_tool() };
        }
        Ok(())
    }
}
