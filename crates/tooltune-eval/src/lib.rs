//! Scores for language models that call functions: metrics, statistics and reports on the text a model wrote.
//!
//! Is a function called when one is wanted, and only then? Is it the right one? Are the arguments right? Every figure
//! comes with its counts, and every proportion with a 95 % interval; what is undefined is `null`, never 0. Two runs are
//! compared on the same examples, paired by id.
//!
//! What it is not: it runs no model and holds no tensors, so the text may come from any program. The metrics judge calls
//! by equality with the wanted ones (JSON equality: 5 is not 5.0, key order is free); [`ast`] knows accepted alternatives
//! and schemas, in three profiles from the Berkeley leaderboard's rules to lenient ones.
//!
//! ```
//! use tooltune_chat::{Hermes, Object, ToolCall};
//! use tooltune_eval::{Comparison, Record, Response, Scorecard};
//!
//! // One example: the weather in Paris is wanted.
//! let record = |text: &str| {
//!     let arguments: Object = [("city".to_owned(), "Paris".into())].into_iter().collect();
//!     let gold = vec![ToolCall::new("get_weather", arguments)];
//!     let response = Response::parse(text, true, &Hermes::json());
//!     Record::new("example-1", "seen", Vec::new(), gold, response)
//! };
//! let called = r#"<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}}</tool_call>"#;
//!
//! let before = Scorecard::score(&[record("The weather is nice.")]);
//! let after = Scorecard::score(&[record(called)]);
//! let exact = after.overall.metric("exact_calls").unwrap();
//! assert_eq!((exact.value, exact.numerator, exact.denominator), (Some(1.0), 1, 1));
//! // One example proves little.
//! assert!(exact.interval.unwrap().lo < 0.21);
//! // No example wants silence, so nothing can be said about it.
//! assert_eq!(after.overall.metric("irrelevance_accuracy").unwrap().value, None);
//!
//! let comparison = Comparison::new(&before, &after)?;
//! let paired = comparison.overall.exact_calls.unwrap();
//! assert_eq!((paired.counts.fixed, paired.counts.broken, paired.mcnemar_exact_p), (1, 0, 1.0));
//! assert!(comparison.to_terminal().contains("0.0 → 100.0 %"));
//! # Ok::<(), tooltune_eval::Error>(())
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`record`] | [`Record`] and [`Response`]: what is judged |
//! | [`metric`] | [`Metric`], the seam, and [`MetricValue`] |
//! | [`detection`] | [`Detection`]: precision, recall and F1 of the decision to call |
//! | [`rate`] | [`Rate`]: names, arguments, exact calls, irrelevance, parsing, stopping |
//! | [`ast`] | calls against accepted answers, as the Berkeley leaderboard judges them and better |
//! | [`failure`] | what went wrong in each example, and what to do with the data set |
//! | [`lint`] | what is wrong with gold data |
//! | [`bfcl`] | the Berkeley leaderboard's files |
//! | [`align`] | pairing calls with wanted calls by maximum matching |
//! | [`scorecard`] | [`Scorecard`]: all metrics, by held-out set and overall |
//! | [`comparison`] | [`Comparison`]: before and after, paired |
//! | [`stats`] | Wilson, McNemar, Newcombe, F1 as functions on counts |
//! | [`error`] | [`Error`] |

pub mod align;
pub mod ast;
pub mod bfcl;
pub mod comparison;
pub mod detection;
pub mod error;
pub mod failure;
pub mod lint;
pub mod metric;
pub mod rate;
pub mod record;
mod report;
pub mod scorecard;
pub mod stats;
mod table;
#[cfg(test)]
mod testing;

pub use comparison::{Comparison, GroupComparison, MetricChange, PairedOutcome};
pub use detection::Detection;
pub use error::Error;
pub use metric::{Metric, MetricValue};
pub use rate::Rate;
pub use record::{Record, Response};
pub use scorecard::{GroupScores, NamedValue, SCHEMA, Scorecard, Verdict, standard_metrics};
