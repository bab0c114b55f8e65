//! What went wrong, and what to do with the data set.
//!
//! A failing example gets one primary [`FailureMode`], by a fixed precedence, and keeps all others as tags. Failures
//! counted by mode, tool and parameter say where training data are missing; [`FailureReport::resampling_weights`] puts
//! that into numbers.
//!
//! ```
//! use tooltune_chat::{Hermes, Object, ToolCall};
//! use tooltune_eval::ast::AstOptions;
//! use tooltune_eval::failure::{FailureMode, FailureReport, ValueFault};
//! use tooltune_eval::{Record, Response};
//!
//! let arguments: Object = [("amount".to_owned(), (-5).into())].into_iter().collect();
//! let gold = vec![ToolCall::new("book", arguments)];
//! let text = r#"<tool_call>{"name": "book", "arguments": {"amount": 5}}</tool_call>"#;
//! let record = Record::new("1", "seen", Vec::new(), gold, Response::parse(text, true, &Hermes::json()));
//!
//! let mut report = FailureReport::new(AstOptions::default());
//! report.add(&record, &[]);
//! assert_eq!(report.failures()[0].primary, FailureMode::WrongValue(Some(ValueFault::Sign)));
//! ```

mod answer;
mod classify;
mod mode;
mod report;
mod value;
mod weights;

pub use classify::{Failure, Finding, classify};
pub use mode::{FailureMode, ValueFault};
pub use report::{FailureReport, ModeCount, ParameterCount, ToolCount};
pub use weights::ResamplingWeight;
