//! One message of a conversation.

use serde::{Deserialize, Serialize};

use crate::{Role, ToolCall, ToolResult};

/// A message: text, and for a model turn the calls it makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// The text; for a tool message the result.
    #[serde(default)]
    pub content: String,
    /// The calls of a model turn, made after its text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// For a tool message, the id of the call it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// For a tool message, the name of the function that was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Message {
    /// A message with text only.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), tool_calls: Vec::new(), tool_call_id: None, name: None }
    }

    /// An instruction to the model.
    pub fn system(content: impl Into<String>) -> Self {
        Self::new(Role::System, content)
    }

    /// What the user says.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new(Role::User, content)
    }

    /// What the model says.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new(Role::Assistant, content)
    }

    /// A model turn that calls tools and says nothing.
    #[must_use]
    pub fn calls(tool_calls: Vec<ToolCall>) -> Self {
        Self { tool_calls, ..Self::assistant("") }
    }

    /// The result of a call of the function `name`.
    pub fn tool(name: impl Into<String>, content: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::new(Role::Tool, content) }
    }

    /// The message as a result, for formats to write.
    #[must_use]
    pub fn to_result(&self) -> ToolResult {
        ToolResult {
            call_id: self.tool_call_id.clone(),
            name: self.name.clone(),
            content: self.content.clone(),
        }
    }
}
