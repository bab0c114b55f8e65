//! Are the calls right? Abstract-syntax-tree matching of calls against accepted answers.
//!
//! Calls are compared as data: names, parameters, values. Nothing a model wrote is ever evaluated. Three profiles:
//!
//! - [`Profile::Bfcl`] gives the verdict and the error type of the `ast_checker` of the Berkeley Function-Calling
//!   Leaderboard, its defects included, so that scores are comparable with published ones.
//! - [`Profile::Strict`] is what the figures of this crate should rest on: JSON values, numbers by value, texts that may
//!   differ in case and in the punctuation of prose only, parallel calls paired by maximum weight.
//! - [`Profile::Lenient`] also forgives form: `"5"` for 5, `x` for `[x]`, a declared extra parameter. What Strict
//!   accepts, Lenient accepts.
//!
//! ```
//! use tooltune_chat::{Object, ToolCall, ToolDefinition, Value};
//! use tooltune_eval::ast::{AstError, AstOptions, GoldCall, ModelOutput, Profile, ast_match};
//!
//! let schema = r#"{"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
//!     "required": ["city"]}"#;
//! let tools = [ToolDefinition::new("forecast", "", Value::parse_json(schema)?)];
//! // Two spellings are accepted, and `days` may be left out.
//! let gold = r#"{"forecast": {"city": ["New York", "NYC"], "days": [1, ""]}}"#;
//! let gold = [GoldCall::from_bfcl(&Value::parse_json(gold)?)?];
//!
//! let arguments: Object = [("city".to_owned(), "new york".into())].into_iter().collect();
//! let calls = [ToolCall::new("forecast", arguments)];
//! let strict = AstOptions::new(Profile::Strict);
//! assert!(ast_match(&tools, &gold, ModelOutput::Calls(&calls), &strict).valid());
//!
//! let verdict = ast_match(&tools, &gold, ModelOutput::NoAttempt, &strict);
//! assert!(matches!(verdict.error_kind(), Some(AstError::DecoderFailed)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What Strict does where BFCL's checker is doubtful
//!
//! - The gold answer wins over the schema: a value that the gold accepts as it stands is right, even where the schema
//!   forbids it, lacks the parameter or demands another. [`lint`](crate::lint) reports such gold.
//! - Numbers are compared by their exact value, whatever their notation: 5.0 is 5 for an integer too (JSON Schema since
//!   draft 6), at every depth; 2⁵³ + 1 is not 2⁵³. A boolean is no number. A tuple is an array.
//! - Texts: see [`text`]. An accepted `""` is the text `""` as well, but never the empty list.
//! - A value outside the schema's `enum` is wrong, be it by case only, unless the gold has it so.
//! - Leaving a parameter out and giving the schema's `default` are the same, and `null` for a parameter that the schema
//!   does not require leaves it out.
//! - An empty list of accepted answers means the empty array, where the parameter can be one.
//! - Accepted values inside dicts may be lists of alternatives at any depth, whatever the declared type.
//! - Where a call is wanted and none in particular (relevance), every call must be of a declared tool and fit its schema;
//!   where none is wanted (irrelevance), an attempt that can't be read is an attempt.

mod accuracy;
mod attempt;
mod bfcl_call;
mod bfcl_value;
mod category;
mod compare;
mod error;
pub(crate) mod gold;
mod matcher;
mod number;
mod options;
mod output;
mod python;
mod relevance;
mod schema;
mod strict;
pub mod text;
mod verdict;

pub use accuracy::AstAccuracy;
pub use attempt::looks_like_call;
pub use category::Category;
pub(crate) use compare::{Compare, first_difference};
pub use error::{AstError, SchemaError};
pub use gold::{Accepted, GoldCall, GoldProblem};
pub use matcher::ast_match;
pub use options::{AstOptions, Profile};
pub use output::ModelOutput;
pub(crate) use schema::{ParameterSchema, ViolationKind};
pub use strict::{align_calls, call_differences};
pub use verdict::{AstMatch, Mismatch};
