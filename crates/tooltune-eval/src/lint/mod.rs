//! What is wrong with gold data: answers that no output can give, and answers that break their own schema.
//!
//! A model that is right can't score on a wrong example, and one that is trained on it learns the error. The linter compares
//! gold answers with the declarations of their tools, in JSON Schema or in the leaderboard's dialect; it judges no model.
//!
//! ```
//! use tooltune_chat::{ToolDefinition, Value};
//! use tooltune_eval::ast::GoldCall;
//! use tooltune_eval::lint::{LintExample, LintKind, lint};
//!
//! let schema = r#"{"type": "object", "properties": {"unit": {"type": "string", "enum": ["c", "f"]}}}"#;
//! let tools = [ToolDefinition::new("weather", "", Value::parse_json(schema)?)];
//! let gold = [GoldCall::from_bfcl(&Value::parse_json(r#"{"weather": {"unit": ["celsius"]}}"#)?)?];
//! let findings = lint([LintExample { id: "1", tools: &tools, gold: &gold }]);
//! assert_eq!(findings[0].kind, LintKind::OutsideEnum);
//! assert_eq!(findings[0].path, "gold[0].unit[0]");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod example;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use tooltune_chat::ToolDefinition;

use crate::ast::GoldCall;

/// An example as the linter sees it.
#[derive(Clone, Copy, Debug)]
pub struct LintExample<'a> {
    /// Names the example.
    pub id: &'a str,
    /// The declared tools.
    pub tools: &'a [ToolDefinition],
    /// The wanted calls.
    pub gold: &'a [GoldCall],
}

/// Something that is wrong with an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LintFinding {
    /// The example.
    pub id: String,
    /// The place, as `gold[0].city[1]`: the wanted call, the parameter, the accepted value.
    pub path: String,
    /// What kind of thing.
    pub kind: LintKind,
    /// What is wrong, for people.
    pub message: String,
}

/// The kinds of [`LintFinding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LintKind {
    /// No call both fits the schema and is accepted.
    Unsatisfiable,
    /// An accepted value that the schema's `enum` lacks.
    OutsideEnum,
    /// An accepted value of a type that the schema does not allow.
    TypeMismatch,
    /// A parameter, or a key of a value, that the schema lacks.
    UnknownParameter,
    /// A parameter, or a key of a value, that the schema requires and the gold leaves out or lets out.
    MissingRequired,
    /// An id that an example before has.
    DuplicateId,
    /// A function that no tool declares.
    ToolNotDeclared,
    /// Two tools of one name, of which only the first is ever meant.
    DuplicateTool,
}

impl LintKind {
    /// The kind's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unsatisfiable => "unsatisfiable",
            Self::OutsideEnum => "outside_enum",
            Self::TypeMismatch => "type_mismatch",
            Self::UnknownParameter => "unknown_parameter",
            Self::MissingRequired => "missing_required",
            Self::DuplicateId => "duplicate_id",
            Self::ToolNotDeclared => "tool_not_declared",
            Self::DuplicateTool => "duplicate_tool",
        }
    }
}

/// `live_7: gold[0].unit[0]: outside_enum: the schema's enum does not have the value: "celsius"`.
impl fmt::Display for LintFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}: {}", self.id, self.path, self.kind.as_str(), self.message)
    }
}

/// Everything that is wrong with `examples`, in their order. An example without wanted calls can only have a duplicate id or
/// duplicate tools.
#[must_use]
pub fn lint<'a>(examples: impl IntoIterator<Item = LintExample<'a>>) -> Vec<LintFinding> {
    let mut findings = Vec::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, example) in examples.into_iter().enumerate() {
        if let Some(first) = seen.insert(example.id, index) {
            findings.push(LintFinding {
                id: example.id.to_owned(),
                path: "id".to_owned(),
                kind: LintKind::DuplicateId,
                message: format!("example {index} (from 0) has the id of example {first}"),
            });
            seen.insert(example.id, first);
        }
        example::lint_example(example, &mut findings);
    }
    findings
}
