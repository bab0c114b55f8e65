//! Scores for language models that call functions: metrics, statistics and reports on the text a model wrote.
//!
//! Is a function called when one is wanted, and only then? Is it the right one? Are the arguments right? Is the result
//! handled well? Every figure comes with its counts and, where the records allow, a 95 % interval; what is undefined is
//! `null`, never 0. Two runs are compared on the same examples, paired by id, and the comparison says when there are too
//! few of them to tell.
//!
//! What it is not: it runs no model and holds no tensors, so the text may come from any program. The metrics judge calls
//! by equality with the wanted ones (JSON equality: 5 is not 5.0, key order is free); [`ast`] knows accepted alternatives
//! and schemas, in three profiles from the Berkeley leaderboard's rules to lenient ones. What the model says about a
//! tool's result is judged by rules on numbers and phrases; a judge of one's own plugs in as a [`ResponseJudge`].
//!
//! ```
//! use tooltune_chat::{Hermes, Object, ToolCall};
//! use tooltune_eval::{Comparison, Conclusion, Record, Response, Scorecard};
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
//! assert_eq!((exact.value, exact.numerator, exact.denominator), (Some(1.0), 1.0, 1.0));
//! // One example proves little.
//! assert!(exact.interval.unwrap().lo < 0.21);
//! // No example wants silence, so nothing can be said about it.
//! assert_eq!(after.overall.metric("irrelevance_accuracy").unwrap().value, None);
//!
//! let comparison = Comparison::new(&before, &after)?;
//! let paired = comparison.overall.paired("exact_calls").unwrap();
//! assert_eq!((paired.counts.fixed, paired.counts.broken, paired.mcnemar.exact_p), (1, 0, 1.0));
//! assert_eq!(paired.conclusion, Conclusion::Underpowered);
//! assert!(comparison.to_terminal().contains("0.0 → 100.0 %"));
//! # Ok::<(), tooltune_eval::Error>(())
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`record`] | [`Record`] and [`Response`]: what is judged |
//! | [`metric`] | [`Metric`], the seam, and [`MetricValue`] |
//! | [`detection`] | [`Detection`]: precision, recall, F1 and correlation of the decision to call |
//! | [`rate`] | [`Rate`]: shares of records; form, names, calls, answers |
//! | [`judge`] | [`ResponseJudge`], the seam for judging answers; [`Ratio`]: shares of calls, parameters, facts |
//! | [`argument`] | [`ArgumentMacro`]: parameters, each counting the same |
//! | [`grounding`] | [`GroundingJudge`]: does the answer rest on the tool results? |
//! | [`dialogue`] | [`Dialogues`]: whole dialogues, pass^k |
//! | [`schema`] | [`schema_violations`]: does a call obey its declaration? |
//! | [`tool_confusion`] | [`ToolConfusion`]: which function is called in place of which |
//! | [`ast`] | calls against accepted answers, as the Berkeley leaderboard judges them and better |
//! | [`failure`] | what went wrong in each example, and what to do with the data set |
//! | [`lint`] | what is wrong with gold data |
//! | [`bfcl`] | the Berkeley leaderboard's files |
//! | [`align`] | pairing calls with wanted calls by maximum matching |
//! | [`scorecard`] | [`Scorecard`]: all metrics, by held-out set and overall |
//! | [`comparison`], [`paired`] | [`Comparison`]: two runs, paired by example |
//! | [`gate`] | [`Gate`]: thresholds for continuous integration |
//! | [`html`] | [`HtmlReport`]: one self-contained file |
//! | [`environment`], [`episode`] | [`Environment`], [`MemoryEnvironment`], [`run_episode`]: tools that run |
//! | [`stats`] | intervals, tests, bootstrap and power as functions on counts |
//! | [`error`] | [`Error`] |

pub mod align;
mod answer;
pub mod argument;
pub mod ast;
pub mod bfcl;
mod calling;
mod clusters;
pub mod comparison;
pub mod detection;
pub mod dialogue;
pub mod environment;
pub mod episode;
pub mod error;
pub mod failure;
pub mod gate;
pub mod grounding;
pub mod html;
pub mod judge;
pub mod lint;
pub mod metric;
mod number;
pub mod paired;
mod pairing;
pub mod rate;
pub mod record;
mod report;
pub mod schema;
pub mod scorecard;
mod standard;
pub mod stats;
mod syntax;
mod table;
#[cfg(test)]
mod testing;
pub mod tool_confusion;

pub use answer::reports_error;
pub use argument::ArgumentMacro;
pub use comparison::{Comparison, GroupComparison, MetricChange};
pub use detection::Detection;
pub use dialogue::Dialogues;
pub use environment::{Environment, MemoryEnvironment, StateDifference, ToolError, state_differences};
pub use episode::{Episode, run_episode};
pub use error::Error;
pub use gate::{Bound, Gate, GateCheck, GateOutcome, GateResult, GateRule};
pub use grounding::GroundingJudge;
pub use html::{FailureCount, HtmlReport};
pub use judge::{Ratio, ResponseJudge, Share};
pub use metric::{Goal, IntervalMethod, Metric, MetricValue, Unit};
pub use paired::{ComparisonConfig, Conclusion, PairedMetric};
pub use rate::Rate;
pub use record::{Record, Response, Turn};
pub use schema::{SchemaViolation, schema_violations};
pub use scorecard::{GroupScores, NamedValue, SCHEMA, Scorecard, Verdict};
pub use standard::standard_metrics;
pub use tool_confusion::{Called, ConfusionCell, ToolConfusion};
