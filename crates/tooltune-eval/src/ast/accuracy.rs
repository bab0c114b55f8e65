//! The share of records whose calls match, by the rules of a profile.

use super::{AstOptions, ModelOutput, Profile, ast_match};
use crate::metric::{Metric, MetricValue};
use crate::record::Record;

/// `ast_bfcl`, `ast_strict` or `ast_lenient`: of all records, those whose calls [match](ast_match); where none is wanted,
/// none is made. Where the options name no category, each record's own counts.
///
/// ```
/// use tooltune_chat::{Hermes, Object, ToolCall};
/// use tooltune_eval::ast::{AstAccuracy, AstOptions, Profile};
/// use tooltune_eval::{Metric, Record, Response};
///
/// let arguments = |days: &str| format!(r#"<tool_call>{{"name": "forecast", "arguments": {{"days": {days}}}}}</tool_call>"#);
/// let gold = ToolCall::new("forecast", [("days".to_owned(), 3.into())].into_iter().collect::<Object>());
/// let response = Response::parse(arguments("3.0"), true, &Hermes::json());
/// let mut strict = AstAccuracy::new(AstOptions::new(Profile::Strict));
/// strict.update(&Record::new("1", "seen", Vec::new(), vec![gold], response));
/// assert_eq!((strict.name(), strict.value().value), ("ast_strict", Some(1.0)));
/// ```
#[derive(Clone, Debug)]
pub struct AstAccuracy {
    options: AstOptions,
    right: u64,
    seen: u64,
}

impl AstAccuracy {
    /// The share under `options`.
    #[must_use]
    pub fn new(options: AstOptions) -> Self {
        Self { options, right: 0, seen: 0 }
    }

    /// The record's calls match.
    #[must_use]
    pub fn is_right(&self, record: &Record) -> bool {
        let gold = record.gold_calls();
        let output = ModelOutput::from_parsed(&record.response.parsed, &record.tools);
        ast_match(&record.tools, &gold, output, &record.options(&self.options)).valid()
    }
}

impl Metric for AstAccuracy {
    fn name(&self) -> &str {
        match self.options.profile {
            Profile::Bfcl => "ast_bfcl",
            Profile::Strict => "ast_strict",
            Profile::Lenient => "ast_lenient",
        }
    }

    fn update(&mut self, record: &Record) {
        self.seen += 1;
        self.right += u64::from(self.is_right(record));
    }

    fn value(&self) -> MetricValue {
        MetricValue::proportion(self.right, self.seen, self.seen)
    }

    fn merge(&mut self, other: Self) {
        debug_assert_eq!(self.name(), other.name(), "only metrics of the same name merge");
        self.right += other.right;
        self.seen += other.seen;
    }

    fn outcome(&self, record: &Record) -> Option<bool> {
        Some(self.is_right(record))
    }
}
