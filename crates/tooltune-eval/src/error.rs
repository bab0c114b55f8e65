//! What can go wrong when scores are compared or read.

use std::path::PathBuf;

use crate::bfcl::BfclProblem;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Before and after must be the same examples, or a difference means nothing.
    #[error("before and after are not the same examples: {}", difference(only_before, only_after))]
    UnequalIds {
        /// Ids that only the first scorecard has.
        only_before: Vec<String>,
        /// Ids that only the second scorecard has.
        only_after: Vec<String>,
    },
    /// An id that names two examples can't pair them.
    #[error("ids that name more than one example: {}", list(ids))]
    DuplicateIds {
        /// The ids.
        ids: Vec<String>,
    },
    /// Examples with the same id, but another held-out set or other wanted calls.
    #[error(
        "the same ids stand for different examples before and after (set or wanted calls differ): {}",
        list(ids)
    )]
    DifferentExamples {
        /// The ids.
        ids: Vec<String>,
    },
    /// The two scorecards were made with different metrics.
    #[error("before has the metrics {}; after has {}", list(before), list(after))]
    DifferentMetrics {
        /// The metrics of the first scorecard.
        before: Vec<String>,
        /// The metrics of the second scorecard.
        after: Vec<String>,
    },
    /// A scorecard file of another version.
    #[error("a scorecard of schema {found:?}; this version reads schema {expected}")]
    Schema {
        /// The `schema` found; `None` where the file has none.
        found: Option<u64>,
        /// The `schema` that this version reads and writes.
        expected: u64,
    },
    /// A category of examples that this crate does not judge.
    #[error(
        "unknown category {name:?}; known are simple, multiple, parallel, parallel_multiple, irrelevance, relevance \
         and their live forms"
    )]
    UnknownCategory {
        /// The name.
        name: String,
    },
    /// A file or folder that can't be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A line of the leaderboard's files that can't be used.
    #[error("{}:{line}: {problem}", path.display())]
    BfclLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: Box<BfclProblem>,
    },
    /// Not JSON, or not a scorecard.
    #[error("not a scorecard: {0}")]
    Json(#[from] serde_json::Error),
    /// A setting that makes no sense.
    #[error("{field}: {problem}")]
    Config {
        /// The setting.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Not JSON, or not the rules of a gate.
    #[error("not the rules of a gate: {0}")]
    Gate(#[source] serde_json::Error),
    /// A metric that was asked for and not measured.
    #[error("no metric {name:?} was measured")]
    UnknownMetric {
        /// The name asked for.
        name: String,
    },
}

fn difference(only_before: &[String], only_after: &[String]) -> String {
    [("only before", only_before), ("only after", only_after)]
        .iter()
        .filter(|(_, ids)| !ids.is_empty())
        .map(|(side, ids)| format!("{side} {}", list(ids)))
        .collect::<Vec<_>>()
        .join("; ")
}

/// The first names and how many more there are: a message stays a message. The variant's data has them all.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
