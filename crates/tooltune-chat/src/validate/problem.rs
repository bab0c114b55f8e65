//! What can be wrong with arguments, and with schemas.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};

/// How much of a message is kept: messages quote values.
const MAX_MESSAGE_CHARS: usize = 300;

/// Something in the arguments of a call that the tool's schema does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", at(path))]
pub struct ArgumentProblem {
    /// The place as a JSON pointer (RFC 6901); empty for the arguments as a whole.
    pub path: String,
    /// What is wrong.
    pub kind: ArgumentProblemKind,
    /// The same in words, at most 300 characters.
    pub message: String,
}

/// The kinds of [`ArgumentProblem`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ArgumentProblemKind {
    /// No tool has the name.
    UnknownTool,
    /// A required key is missing.
    MissingRequired {
        /// The key.
        key: String,
    },
    /// A key that the schema does not allow.
    UnknownKey {
        /// The key.
        key: String,
    },
    /// A value of another type.
    WrongType {
        /// The types allowed.
        expected: Vec<String>,
        /// The type found.
        found: &'static str,
    },
    /// A value that is not among those listed.
    NotInEnum,
    /// An integer of more than 64 bits, which cannot be checked exactly.
    NumberTooLarge,
    /// Arguments so large or deep, for this schema, that they are not checked.
    TooMuchWork,
    /// Any other rule.
    Other {
        /// The keyword of the schema, as `minimum`.
        keyword: String,
    },
}

impl ArgumentProblemKind {
    /// A short name for tables.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::UnknownTool => "unknown tool",
            Self::MissingRequired { .. } => "missing required",
            Self::UnknownKey { .. } => "unknown key",
            Self::WrongType { .. } => "wrong type",
            Self::NotInEnum => "not in enum",
            Self::NumberTooLarge => "number too large",
            Self::TooMuchWork => "too much work",
            Self::Other { .. } => "other",
        }
    }
}

impl ArgumentProblem {
    pub(super) fn unknown_tool(name: &str) -> Self {
        let message = cut(&format!("there is no tool {name:?}"));
        Self { path: String::new(), kind: ArgumentProblemKind::UnknownTool, message }
    }

    pub(super) fn number(path: String) -> Self {
        let message = "an integer of more than 64 bits cannot be checked".to_owned();
        Self { path, kind: ArgumentProblemKind::NumberTooLarge, message }
    }

    pub(super) fn too_much(message: String) -> Self {
        Self { path: String::new(), kind: ArgumentProblemKind::TooMuchWork, message }
    }
}

/// Adds what one error says; several unknown keys are one error.
pub(super) fn push(problems: &mut Vec<ArgumentProblem>, error: &ValidationError<'_>) {
    let path = error.instance_path().as_str().to_owned();
    let mut add = |kind, message: &str| {
        problems.push(ArgumentProblem { path: path.clone(), kind, message: cut(message) });
    };
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            for key in unexpected {
                let message = format!("the key {key:?} is not allowed");
                add(ArgumentProblemKind::UnknownKey { key: key.clone() }, &message);
            }
        }
        kind => add(single_kind(kind, error), &error.to_string()),
    }
}

fn single_kind(kind: &ValidationErrorKind, error: &ValidationError<'_>) -> ArgumentProblemKind {
    match kind {
        ValidationErrorKind::Required { property } => {
            let key = property.as_str().map_or_else(|| property.to_string(), str::to_owned);
            ArgumentProblemKind::MissingRequired { key }
        }
        ValidationErrorKind::Type { kind } => {
            let expected = match kind {
                TypeKind::Single(name) => vec![name.to_string()],
                TypeKind::Multiple(names) => names.iter().map(|name| name.to_string()).collect(),
            };
            ArgumentProblemKind::WrongType { expected, found: type_name(error.instance()) }
        }
        ValidationErrorKind::Enum { .. } | ValidationErrorKind::Constant { .. } => {
            ArgumentProblemKind::NotInEnum
        }
        _ => ArgumentProblemKind::Other { keyword: error.kind().keyword().to_owned() },
    }
}

fn type_name(value: &serde_json::Value) -> &'static str {
    match value {
        serde_json::Value::Null => "null",
        serde_json::Value::Bool(_) => "boolean",
        serde_json::Value::Number(number) if number.is_f64() => "number",
        serde_json::Value::Number(_) => "integer",
        serde_json::Value::String(_) => "string",
        serde_json::Value::Array(_) => "array",
        serde_json::Value::Object(_) => "object",
    }
}

fn cut(message: &str) -> String {
    match message.char_indices().nth(MAX_MESSAGE_CHARS - 1) {
        Some((end, last)) if end + last.len_utf8() < message.len() => format!("{}…", &message[..end]),
        _ => message.to_owned(),
    }
}

fn at(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}: ") }
}

/// Why a schema cannot be used to check arguments.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaProblem {
    /// Too long.
    #[error("{bytes} bytes, more than the {limit} allowed")]
    TooLarge {
        /// Its size as JSON.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Nested too deep.
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// Too many of something that costs memory or stack.
    #[error("more than {limit} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A reference that is not `#` or a JSON pointer after `#`; nothing is fetched.
    #[error("the reference {reference:?} leaves the schema; only \"#/…\" is followed")]
    Foreign {
        /// The reference.
        reference: String,
    },
    /// A reference to a place that does not exist.
    #[error("the reference {reference:?} leads nowhere")]
    Dangling {
        /// The reference.
        reference: String,
    },
    /// References that lead back to themselves without going into the value.
    #[error("references go round in a circle")]
    Circular,
    /// References that multiply beyond what a check may take.
    #[error("it branches so often that a check takes too long")]
    TooCostly,
    /// A `$schema` that is not followed.
    #[error("the dialect {dialect:?} is not supported; use draft 2020-12, 2019-09, 7 or 6")]
    Dialect {
        /// The value of `$schema`.
        dialect: String,
    },
    /// A keyword that changes what references mean.
    #[error("the keyword {keyword:?} is not supported here")]
    Unsupported {
        /// The keyword.
        keyword: String,
    },
    /// An integer of more than 64 bits.
    #[error("the integer at {path} has more than 64 bits")]
    Number {
        /// Its place as a JSON pointer.
        path: String,
    },
    /// Not a schema, or a pattern that is not a regular expression in linear time.
    #[error("{path}: {message}")]
    Invalid {
        /// The place as a JSON pointer.
        path: String,
        /// What is wrong there.
        message: String,
    },
}

impl SchemaProblem {
    pub(super) fn invalid(error: &ValidationError<'_>) -> Self {
        Self::Invalid { path: error.instance_path().as_str().to_owned(), message: cut(&error.to_string()) }
    }
}
