//! What kind of example is judged.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// The kind of an example, as the leaderboard sorts them; `live_` names are the same kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Category {
    /// One tool, one call.
    Simple,
    /// Several tools, one call.
    Multiple,
    /// One tool, several calls.
    Parallel,
    /// Several tools, several calls.
    ParallelMultiple,
    /// Tools that don't help: no call is wanted.
    Irrelevance,
    /// A call is wanted, no particular one.
    Relevance,
}

impl Category {
    /// Guesses the category of an example from its tools and wanted calls: none wanted is irrelevance.
    #[must_use]
    pub fn infer(tools: usize, gold: usize) -> Self {
        match (tools, gold) {
            (_, 0) => Self::Irrelevance,
            (0 | 1, 1) => Self::Simple,
            (_, 1) => Self::Multiple,
            (0 | 1, _) => Self::Parallel,
            _ => Self::ParallelMultiple,
        }
    }

    /// The name without `live_`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Multiple => "multiple",
            Self::Parallel => "parallel",
            Self::ParallelMultiple => "parallel_multiple",
            Self::Irrelevance => "irrelevance",
            Self::Relevance => "relevance",
        }
    }

    /// Several calls are wanted.
    #[must_use]
    pub fn is_parallel(self) -> bool {
        matches!(self, Self::Parallel | Self::ParallelMultiple)
    }

    /// Particular calls are wanted, so that there are accepted answers to compare with.
    #[must_use]
    pub fn has_gold(self) -> bool {
        !matches!(self, Self::Irrelevance | Self::Relevance)
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads the names of the leaderboard's files: `simple`, `simple_python`, `live_parallel`…
impl FromStr for Category {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Ok(match name.strip_prefix("live_").unwrap_or(name) {
            "simple" | "simple_python" => Self::Simple,
            "multiple" => Self::Multiple,
            "parallel" => Self::Parallel,
            "parallel_multiple" => Self::ParallelMultiple,
            "irrelevance" => Self::Irrelevance,
            "relevance" => Self::Relevance,
            _ => return Err(Error::UnknownCategory { name: name.to_owned() }),
        })
    }
}
