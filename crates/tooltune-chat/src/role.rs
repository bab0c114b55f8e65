//! Who speaks in a message.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// The role of a message, as the data names it.
///
/// Data sets disagree on names (`human` and `user`, `model` and `assistant`); the name is kept, because the
/// `course` template prints it, and [`Role::is_user`] and [`Role::is_model`] say what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Role {
    /// `system`.
    System,
    /// `developer`, the later OpenAI name for `system`.
    Developer,
    /// `user`.
    User,
    /// `human`, the course's name for `user`.
    Human,
    /// `assistant`.
    Assistant,
    /// `model`, Gemma's name for `assistant`.
    Model,
    /// `tool`: the result of a call.
    Tool,
    /// `function`, the old OpenAI name for `tool`.
    Function,
}

impl Role {
    const ALL: [Self; 8] = [
        Self::System,
        Self::Developer,
        Self::User,
        Self::Human,
        Self::Assistant,
        Self::Model,
        Self::Tool,
        Self::Function,
    ];

    /// The name in the data.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Developer => "developer",
            Self::User => "user",
            Self::Human => "human",
            Self::Assistant => "assistant",
            Self::Model => "model",
            Self::Tool => "tool",
            Self::Function => "function",
        }
    }

    /// Whether the message instructs the model (`system`, `developer`).
    #[must_use]
    pub fn is_system(self) -> bool {
        matches!(self, Self::System | Self::Developer)
    }

    /// Whether a person speaks (`user`, `human`).
    #[must_use]
    pub fn is_user(self) -> bool {
        matches!(self, Self::User | Self::Human)
    }

    /// Whether the model speaks (`assistant`, `model`).
    #[must_use]
    pub fn is_model(self) -> bool {
        matches!(self, Self::Assistant | Self::Model)
    }

    /// Whether a tool answers (`tool`, `function`).
    #[must_use]
    pub fn is_tool(self) -> bool {
        matches!(self, Self::Tool | Self::Function)
    }

    /// The name that Gemma-2 was trained on, with `system` and `tool` for what it was not.
    #[must_use]
    pub fn normalized(self) -> Self {
        match self {
            Self::System | Self::Developer => Self::System,
            Self::User | Self::Human => Self::User,
            Self::Assistant | Self::Model => Self::Model,
            Self::Tool | Self::Function => Self::Tool,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == name)
            .ok_or_else(|| Error::UnknownRole { role: name.to_owned() })
    }
}
