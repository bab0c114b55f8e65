//! Thresholds that a run must keep, for continuous integration: a list of rules in, pass or fail out.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::metric::MetricValue;
use crate::report::value;
use crate::scorecard::Scorecard;
use crate::table::{Table, one_line};

/// Thresholds, read from a small file.
///
/// ```
/// use tooltune_eval::{Gate, Scorecard};
///
/// let gate = Gate::from_json(r#"{"rules": [
///     {"metric": "exact_calls", "at_least": 0.9, "bound": "interval"},
///     {"metric": "malformed", "group": "seen", "at_most": 0.01}
/// ]}"#)?;
/// // Nothing was measured, so nothing was shown.
/// let result = gate.check(&Scorecard::score(&[]));
/// assert!(!result.passed());
/// assert_eq!(result.exit_code(), 1);
/// # Ok::<(), tooltune_eval::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// All of them must hold.
    pub rules: Vec<GateRule>,
}

/// One threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateRule {
    /// The metric's name.
    pub metric: String,
    /// The held-out set; all records together where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The figure must be this or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// The figure must be this or less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// What is held against the threshold.
    #[serde(default)]
    pub bound: Bound,
}

/// What a rule holds against its threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// The value itself.
    #[default]
    Value,
    /// The end of the 95 % interval that is nearer to failing: the lower one for `at_least`, the upper one for `at_most`.
    /// A figure without an interval fails.
    Interval,
}

/// What became of each rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateResult {
    /// In the order of the rules.
    pub checks: Vec<GateCheck>,
}

/// What became of one rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateCheck {
    /// The rule.
    pub rule: GateRule,
    /// The figure; `None` where the set or the metric is not there.
    pub found: Option<MetricValue>,
    /// Whether the rule holds.
    pub outcome: GateOutcome,
}

/// Why a rule holds or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateOutcome {
    /// It holds.
    Pass,
    /// The figure misses the threshold.
    Missed,
    /// No such held-out set was scored.
    NoGroup,
    /// No such metric was measured.
    NoMetric,
    /// The figure is undefined.
    Undefined,
    /// The figure has no interval to hold against the threshold.
    NoInterval,
}

impl Gate {
    /// Reads and checks the rules.
    ///
    /// # Errors
    /// [`Error::Gate`] for what is no such JSON, [`Error::Config`] for rules that make no sense.
    pub fn from_json(json: &str) -> Result<Self, Error> {
        let gate: Self = serde_json::from_str(json).map_err(Error::Gate)?;
        gate.validate()?;
        Ok(gate)
    }

    /// Checks that there are rules, and that each has thresholds.
    ///
    /// # Errors
    /// [`Error::Config`] with the metric's name.
    pub fn validate(&self) -> Result<(), Error> {
        let fail = |problem: String| Err(Error::Config { field: "rules", problem });
        if self.rules.is_empty() {
            return fail("there are none, so nothing could fail".to_owned());
        }
        for rule in &self.rules {
            let thresholds: Vec<f64> = rule.at_least.into_iter().chain(rule.at_most).collect();
            if thresholds.is_empty() {
                return fail(format!("{:?} has neither at_least nor at_most", rule.metric));
            }
            if thresholds.iter().any(|threshold| !threshold.is_finite()) {
                return fail(format!("{:?} has a threshold that is no number", rule.metric));
            }
        }
        Ok(())
    }

    /// Holds the scores against the rules. What can't be found or is undefined fails: a gate that a typing error opens
    /// is none.
    #[must_use]
    pub fn check(&self, card: &Scorecard) -> GateResult {
        GateResult { checks: self.rules.iter().map(|rule| rule.check(card)).collect() }
    }
}

impl GateRule {
    fn check(&self, card: &Scorecard) -> GateCheck {
        let scores = match self.group.as_deref() {
            None => Some(&card.overall),
            Some(group) => card.group(group),
        };
        let found = scores.and_then(|scores| scores.metric(&self.metric)).copied();
        let outcome = match found {
            _ if scores.is_none() => GateOutcome::NoGroup,
            None => GateOutcome::NoMetric,
            Some(found) => self.outcome(&found),
        };
        GateCheck { rule: self.clone(), found, outcome }
    }

    fn outcome(&self, found: &MetricValue) -> GateOutcome {
        let Some(value) = found.value else { return GateOutcome::Undefined };
        let (lowest, highest) = match (self.bound, found.interval) {
            (Bound::Value, _) => (value, value),
            (Bound::Interval, Some(interval)) => (interval.lo, interval.hi),
            (Bound::Interval, None) => return GateOutcome::NoInterval,
        };
        let holds = self.at_least.is_none_or(|least| lowest >= least)
            && self.at_most.is_none_or(|most| highest <= most);
        if holds { GateOutcome::Pass } else { GateOutcome::Missed }
    }

    /// `exact_calls (seen) >= 0.9 on the interval`
    fn describe(&self) -> String {
        let group = self.group.as_ref().map_or_else(String::new, |group| format!(" ({group})"));
        let least = self.at_least.map_or_else(String::new, |least| format!(" >= {least}"));
        let most = self.at_most.map_or_else(String::new, |most| format!(" <= {most}"));
        let bound = if self.bound == Bound::Interval { " on the interval" } else { "" };
        one_line(&format!("{}{group}{least}{most}{bound}", self.metric))
    }
}

impl GateResult {
    /// All rules hold.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.outcome == GateOutcome::Pass)
    }

    /// For the end of a program: 0 where all rules hold, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.passed())
    }

    /// Each rule in a row of aligned text.
    #[must_use]
    pub fn to_terminal(&self) -> String {
        self.table().text(100)
    }

    /// Each rule in a row of Markdown.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        self.table().markdown()
    }

    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new(["rule", "found", "interval", "outcome"].map(str::to_owned));
        for check in &self.checks {
            let found = check.found.as_ref().map_or_else(String::new, value);
            let interval = check.found.as_ref().map_or_else(String::new, crate::report::interval);
            table.row([check.rule.describe(), found, interval, check.outcome.as_str().to_owned()]);
        }
        table
    }
}

impl GateOutcome {
    /// For tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Missed => "FAIL",
            Self::NoGroup => "FAIL: no such set",
            Self::NoMetric => "FAIL: no such metric",
            Self::Undefined => "FAIL: undefined",
            Self::NoInterval => "FAIL: no interval",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{example, silent, well_formed};

    /// 9 of 10 exact, in one set.
    fn card() -> Scorecard {
        let record = |i: usize| {
            example(&i.to_string(), "seen", &["f"], if i == 0 { silent() } else { well_formed(&["f"]) })
        };
        Scorecard::score(&(0..10).map(record).collect::<Vec<_>>())
    }

    fn outcome(rule: &str) -> GateOutcome {
        Gate::from_json(&format!(r#"{{"rules": [{rule}]}}"#)).unwrap().check(&card()).checks[0].outcome
    }

    #[test]
    fn each_outcome() {
        for (rule, expected) in [
            (r#"{"metric": "exact_calls", "at_least": 0.9}"#, GateOutcome::Pass),
            (r#"{"metric": "exact_calls", "group": "seen", "at_least": 0.9}"#, GateOutcome::Pass),
            (r#"{"metric": "exact_calls", "at_least": 0.91}"#, GateOutcome::Missed),
            // Wilson of 9 in 10: [0.596, 0.982].
            (r#"{"metric": "exact_calls", "at_least": 0.9, "bound": "interval"}"#, GateOutcome::Missed),
            (r#"{"metric": "exact_calls", "at_least": 0.59, "bound": "interval"}"#, GateOutcome::Pass),
            (r#"{"metric": "truncated", "at_most": 0.0}"#, GateOutcome::Pass),
            (r#"{"metric": "truncated", "at_most": 0.01, "bound": "interval"}"#, GateOutcome::Missed),
            (r#"{"metric": "exact_calls", "at_least": 0.1, "at_most": 0.5}"#, GateOutcome::Missed),
            (r#"{"metric": "exact_call", "at_least": 0.1}"#, GateOutcome::NoMetric),
            (r#"{"metric": "exact_calls", "group": "sene", "at_least": 0.1}"#, GateOutcome::NoGroup),
            (r#"{"metric": "irrelevance_accuracy", "at_least": 0.0}"#, GateOutcome::Undefined),
            (
                r#"{"metric": "call_precision", "at_least": 0.1, "bound": "interval"}"#,
                GateOutcome::NoInterval,
            ),
        ] {
            assert_eq!(outcome(rule), expected, "{rule}");
        }
    }

    #[test]
    fn one_failure_fails_all() {
        let rules = |second: &str| {
            let json = format!(
                r#"{{"rules": [{{"metric": "exact_calls", "at_least": 0.5}}, {{"metric": "exact_calls", "at_least": {second}}}]}}"#
            );
            Gate::from_json(&json).unwrap().check(&card())
        };
        assert_eq!((rules("0.6").passed(), rules("0.6").exit_code()), (true, 0));
        assert_eq!((rules("0.95").passed(), rules("0.95").exit_code()), (false, 1));
        let text = rules("0.95").to_terminal();
        assert!(text.contains("exact_calls >= 0.95  90.0 %") && text.contains("FAIL"), "{text}");
    }

    #[test]
    fn rules_that_make_no_sense_are_refused() {
        for rules in [
            "",
            r#"{"metric": "exact_calls"}"#,
            r#"{"metric": "exact_calls", "at_leest": 0.9}"#,
            r#"{"metric": "exact_calls", "at_least": "0.9"}"#,
            r#"{"at_least": 0.9}"#,
        ] {
            assert!(Gate::from_json(&format!(r#"{{"rules": [{rules}]}}"#)).is_err(), "{rules}");
        }
        assert!(
            Gate {
                rules: vec![GateRule {
                    metric: "x".to_owned(),
                    group: None,
                    at_least: Some(f64::NAN),
                    at_most: None,
                    bound: Bound::Value,
                }]
            }
            .validate()
            .is_err()
        );
    }
}
