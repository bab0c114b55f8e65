//! Files of the Berkeley Function-Calling Leaderboard: questions, accepted answers, decoded outputs.
//!
//! A local copy of the leaderboard's data is a folder of question files, `BFCL_v4_multiple.json`, one JSON object a line,
//! with the accepted answers under the same names in `possible_answer/` beside them. [`BfclFolder`] finds them;
//! [`BfclFile::read`] reads the examples of one, questions and answers paired by id. Read are the Python categories of one
//! turn ([`Category`](crate::ast::Category)) and their live forms; other files are listed in [`BfclFolder::skipped`].
//!
//! The declarations are kept in the leaderboard's dialect for the Bfcl profile
//! ([`BfclExample::functions`]) and translated to JSON Schema for prompts ([`BfclExample::tools`]).
//!
//! ```no_run
//! use tooltune_chat::{Hermes, ToolCallFormat};
//! use tooltune_eval::ast::{ModelOutput, Profile, ast_match};
//! use tooltune_eval::bfcl::BfclFolder;
//!
//! for file in BfclFolder::open("bfcl/data".as_ref())?.files {
//!     for example in file.read()? {
//!         let conversation = example.conversation();
//!         # let run_the_model = |_: tooltune_chat::Conversation| String::new();
//!         let parsed = Hermes::json().parse(&run_the_model(conversation));
//!         let output = ModelOutput::from_parsed(&parsed, &example.functions);
//!         let verdict = ast_match(&example.functions, &example.gold, output, &example.options(Profile::Bfcl));
//!         println!("{} {:?}", example.id, verdict.error_type());
//!     }
//! }
//! # Ok::<(), tooltune_eval::Error>(())
//! ```

mod decode;
mod example;
mod folder;
mod lines;
mod problem;
mod schema;

pub use decode::decode_calls;
pub use example::BfclExample;
pub use folder::{BfclFile, BfclFolder};
pub use problem::BfclProblem;
pub use schema::to_json_schema;
