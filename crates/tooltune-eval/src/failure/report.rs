//! Failures of many examples, counted.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use tooltune_chat::Message;

use super::weights::{self, ResamplingWeight};
use super::{Failure, FailureMode, classify};
use crate::ast::AstOptions;
use crate::record::Record;

/// The failures of a run, and how often each tool was wanted.
#[derive(Clone, Debug)]
pub struct FailureReport {
    options: AstOptions,
    examples: u64,
    failures: Vec<Failure>,
    /// Examples by wanted tool.
    tools: BTreeMap<String, u64>,
}

/// How many examples fail in a mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ModeCount {
    /// The mode.
    pub mode: FailureMode,
    /// Examples of which it is the primary mode; these add up to the failing examples.
    pub primary: u64,
    /// Examples that have it at all.
    pub tagged: u64,
}

/// How the examples fail that concern a tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ToolCount {
    /// The tool.
    pub tool: String,
    /// Examples that want it.
    pub examples: u64,
    /// Examples in which something is wrong about it; they may be more than want it, where it is called for nothing.
    pub failing: u64,
    /// Those by mode: examples in which the mode is found about this tool.
    pub modes: BTreeMap<FailureMode, u64>,
}

/// How often a parameter is wrong in a way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ParameterCount {
    /// The tool.
    pub tool: String,
    /// Its parameter.
    pub parameter: String,
    /// The mode.
    pub mode: FailureMode,
    /// Examples in which it is found.
    pub count: u64,
}

impl FailureReport {
    /// A report without examples, that judges with `options`.
    #[must_use]
    pub fn new(options: AstOptions) -> Self {
        Self { options, examples: 0, failures: Vec::new(), tools: BTreeMap::new() }
    }

    /// Judges one more example; `conversation` as for [`classify`].
    pub fn add(&mut self, record: &Record, conversation: &[Message]) {
        self.examples += 1;
        let gold = record.gold_calls();
        let wanted: BTreeSet<&str> = gold.iter().map(|gold| gold.name.as_str()).collect();
        for tool in wanted {
            *self.tools.entry(tool.to_owned()).or_default() += 1;
        }
        self.failures.extend(classify(record, conversation, &self.options));
    }

    /// The examples judged.
    #[must_use]
    pub fn examples(&self) -> u64 {
        self.examples
    }

    /// The failing examples, in the order they were added.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// Examples by mode, in order of precedence; modes that don't occur are left out.
    #[must_use]
    pub fn modes(&self) -> Vec<ModeCount> {
        let mut counts: BTreeMap<FailureMode, (u64, u64)> = BTreeMap::new();
        for failure in &self.failures {
            counts.entry(failure.primary).or_default().0 += 1;
            for mode in &failure.tags {
                counts.entry(*mode).or_default().1 += 1;
            }
        }
        let count = |(mode, (primary, tagged))| ModeCount { mode, primary, tagged };
        counts.into_iter().map(count).collect()
    }

    /// Failures by tool: every wanted tool, and every other one that something is wrong about, by name.
    #[must_use]
    pub fn tools(&self) -> Vec<ToolCount> {
        let mut modes: BTreeMap<&str, (u64, BTreeMap<FailureMode, u64>)> =
            self.tools.keys().map(|tool| (tool.as_str(), Default::default())).collect();
        for failure in &self.failures {
            let found: BTreeSet<(&str, FailureMode)> =
                failure.findings.iter().filter_map(|f| Some((f.tool.as_deref()?, f.mode))).collect();
            let mut last = None;
            for (tool, mode) in found {
                let entry = modes.entry(tool).or_default();
                entry.0 += u64::from(last != Some(tool));
                *entry.1.entry(mode).or_default() += 1;
                last = Some(tool);
            }
        }
        let count = |(tool, (failing, modes)): (&str, _)| ToolCount {
            tool: tool.to_owned(),
            examples: self.tools.get(tool).copied().unwrap_or(0),
            failing,
            modes,
        };
        modes.into_iter().map(count).collect()
    }

    /// Failures by tool, parameter and mode, the most frequent first.
    #[must_use]
    pub fn parameters(&self) -> Vec<ParameterCount> {
        let mut counts: BTreeMap<(&str, &str, FailureMode), u64> = BTreeMap::new();
        for failure in &self.failures {
            let found: BTreeSet<_> = failure
                .findings
                .iter()
                .filter_map(|f| Some((f.tool.as_deref()?, f.parameter.as_deref()?, f.mode)))
                .collect();
            for key in found {
                *counts.entry(key).or_default() += 1;
            }
        }
        let count = |((tool, parameter, mode), count): ((&str, &str, _), _)| ParameterCount {
            tool: tool.to_owned(),
            parameter: parameter.to_owned(),
            mode,
            count,
        };
        let mut counts: Vec<_> = counts.into_iter().map(count).collect();
        counts.sort_by_key(|count| std::cmp::Reverse(count.count));
        counts
    }

    /// One JSON object a line for each failing example: id, group, primary mode, tags and findings.
    ///
    /// # Errors
    /// Where an integer beyond 128 bits stands in a finding.
    pub fn to_jsonl(&self) -> Result<String, serde_json::Error> {
        let mut text = String::new();
        for failure in &self.failures {
            text.push_str(&serde_json::to_string(failure)?);
            text.push('\n');
        }
        Ok(text)
    }

    /// How much more often training examples of each tool should be drawn, and what for: see [`ResamplingWeight`].
    #[must_use]
    pub fn resampling_weights(&self) -> Vec<ResamplingWeight> {
        weights::resampling_weights(&self.tools())
    }
}
