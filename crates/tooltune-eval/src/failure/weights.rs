//! Suggested weights for drawing training examples.

use serde::Serialize;

use super::{FailureMode, ToolCount};

/// Pseudo-examples by which a tool's failure rate is drawn towards the overall rate.
const PRIOR: f64 = 10.0;
/// The most that a tool's weight rises above, and its reciprocal the most that it falls below, the mean.
const BOUND: f64 = 4.0;

/// A suggestion of how often to draw training examples of a tool, relative to how often they are drawn now.
///
/// With n examples of the tool in the evaluation, f of them failing, and p the failure rate over all tools:
///
/// - rate = (f + 10 p) / (n + 10): the tool's failure rate, drawn towards the overall rate by ten pseudo-examples, so that
///   a tool seen twice is not called hopeless or perfect (an empirical-Bayes estimate with a Beta prior);
/// - `tool_weight` = √(rate / p), kept in ¼…4, scaled so that the mean over examples is 1. Examples that a model gets wrong
///   are drawn more often (Liu et al. 2021, "Just Train Twice"); the root tempers this as the exponent of temperature
///   sampling does (Arivazhagan et al. 2019), because errors that no amount of data mends, or wrong labels, would else
///   take over;
/// - `share` = (m + ½) / Σ (m + ½) over the modes found about the tool, with m failing examples in the mode: of the
///   examples added for the tool, the part that should exercise this mode;
/// - `weight` = `tool_weight` × `share`.
///
/// After scaling a weight may leave the bounds by the scale's factor. A tool without failures has one entry without a mode.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ResamplingWeight {
    /// The tool.
    pub tool: String,
    /// The mode to exercise; `None` for a tool that never failed.
    pub mode: Option<FailureMode>,
    /// Evaluation examples that want the tool.
    pub examples: u64,
    /// Those that fail in the mode.
    pub failures: u64,
    /// The factor for examples of the tool.
    pub tool_weight: f64,
    /// The mode's part of it; the parts of a tool add up to 1.
    pub share: f64,
    /// The product of the two.
    pub weight: f64,
}

/// The weights of all tools that examples want; a tool that is only called for nothing needs examples without calls, not
/// more examples of its own.
pub(super) fn resampling_weights(tools: &[ToolCount]) -> Vec<ResamplingWeight> {
    let tools: Vec<&ToolCount> = tools.iter().filter(|tool| tool.examples > 0).collect();
    let failing = |tool: &ToolCount| as_f64(tool.failing.min(tool.examples));
    let examples: f64 = tools.iter().map(|tool| as_f64(tool.examples)).sum();
    let overall = tools.iter().map(|tool| failing(tool)).sum::<f64>() / examples.max(1.0);
    let raw = |tool: &ToolCount| {
        if overall == 0.0 {
            return 1.0;
        }
        let rate = (failing(tool) + PRIOR * overall) / (as_f64(tool.examples) + PRIOR);
        (rate / overall).sqrt().clamp(1.0 / BOUND, BOUND)
    };
    let mean = tools.iter().map(|tool| raw(tool) * as_f64(tool.examples)).sum::<f64>() / examples.max(1.0);
    let mut weights = Vec::new();
    for tool in tools {
        let tool_weight = raw(tool) / mean;
        let entry = |mode, failures, share| ResamplingWeight {
            tool: tool.tool.clone(),
            mode,
            examples: tool.examples,
            failures,
            tool_weight,
            share,
            weight: tool_weight * share,
        };
        if tool.modes.is_empty() {
            weights.push(entry(None, 0, 1.0));
        }
        let total: f64 = tool.modes.values().map(|count| as_f64(*count) + 0.5).sum();
        weights.extend(
            tool.modes.iter().map(|(mode, count)| entry(Some(*mode), *count, (as_f64(*count) + 0.5) / total)),
        );
    }
    weights
}

#[expect(clippy::cast_precision_loss, reason = "counts of examples are far below 2^53")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn tool(name: &str, examples: u64, modes: &[(FailureMode, u64)]) -> ToolCount {
        let failing = modes.iter().map(|mode| mode.1).sum();
        let modes: BTreeMap<_, _> = modes.iter().copied().collect();
        ToolCount { tool: name.to_owned(), examples, failing, modes }
    }

    #[test]
    fn weak_tools_are_drawn_more_often_within_bounds() {
        let tools = [
            tool("good", 90, &[]),
            tool("weak", 90, &[(FailureMode::NoCall, 50), (FailureMode::Enum, 10)]),
            tool("rare", 1, &[(FailureMode::NoCall, 1)]),
            tool("uncalled_for", 0, &[(FailureMode::OverCall, 9)]),
        ];
        let weights = resampling_weights(&tools);
        let of = |name: &str| weights.iter().filter(|w| w.tool == name).collect::<Vec<_>>();
        assert!(of("uncalled_for").is_empty());
        let (good, weak, rare) = (of("good")[0], of("weak"), of("rare")[0]);
        assert!(good.tool_weight < 1.0 && weak[0].tool_weight > 1.0);
        assert!(rare.tool_weight < weak[0].tool_weight, "one example proves little");
        let mean: f64 =
            tools[..3].iter().map(|tool| of(&tool.tool)[0].tool_weight * as_f64(tool.examples)).sum::<f64>()
                / 181.0;
        assert!((mean - 1.0).abs() < 1e-12);
        assert!((weak.iter().map(|w| w.share).sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(weak[0].share > weak[1].share);
        assert!(weights.iter().all(|w| w.tool_weight > 1.0 / BOUND / 2.0 && w.tool_weight < BOUND * 2.0));
    }

    #[test]
    fn without_failures_nothing_changes() {
        let weights = resampling_weights(&[tool("a", 5, &[]), tool("b", 1, &[])]);
        assert!(weights.iter().all(|w| w.weight == 1.0 && w.mode.is_none()));
        assert!(resampling_weights(&[]).is_empty());
    }
}
