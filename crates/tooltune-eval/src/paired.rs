//! The same examples judged twice, metric by metric.

use serde::{Deserialize, Serialize};

use crate::comparison::MetricChange;
use crate::error::Error;
use crate::metric::Goal;
use crate::scorecard::Verdict;
use crate::stats::{
    Interval, McNemar, PairedCounts, detectable_difference, holm, mcnemar, mcnemar_power, newcombe,
};

/// The metrics whose tests are corrected together unless others are named: each asks something of its own.
const FAMILY: [&str; 4] = ["exact_calls", "irrelevance_accuracy", "name_accuracy", "schema_validity"];

/// How two runs are compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ComparisonConfig {
    /// The level of the tests: a change is called one where p is at most this. 0.05.
    pub alpha: f64,
    /// The chance of showing the difference that the number of examples must give. 0.8.
    pub power: f64,
    /// The difference that the comparison should be able to show, as a share: 0.05 is five points.
    pub difference: f64,
    /// The metrics that the conclusion rests on, corrected together by Holm's method within each set. `None` for
    /// `exact_calls`, `irrelevance_accuracy`, `name_accuracy` and `schema_validity`, where they were measured.
    pub family: Option<Vec<String>>,
}

impl Default for ComparisonConfig {
    fn default() -> Self {
        Self { alpha: 0.05, power: 0.8, difference: 0.05, family: None }
    }
}

impl ComparisonConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Config`] where a share is not between 0 and 1.
    pub fn validate(&self) -> Result<(), Error> {
        let shares = [("alpha", self.alpha), ("power", self.power), ("difference", self.difference)];
        match shares.into_iter().find(|(_, share)| !(*share > 0.0 && *share < 1.0)) {
            Some((field, share)) => {
                Err(Error::Config { field, problem: format!("{share} is not between 0 and 1") })
            }
            None => Ok(()),
        }
    }

    fn is_family(&self, name: &str) -> bool {
        match &self.family {
            Some(family) => family.iter().any(|member| member == name),
            None => FAMILY.contains(&name),
        }
    }
}

/// A metric that is a share of records, with the same examples judged twice.
///
/// *Right* is what the metric wants: yes for an accuracy, no for a rate of errors. So *fixed* is always better, and the
/// difference is positive where the second run is better, whichever way the metric's own value goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedMetric {
    /// The metric's name.
    pub name: String,
    /// How many examples were fixed, broken, and neither.
    #[serde(flatten)]
    pub counts: PairedCounts,
    /// Examples that the metric is about in one run only, as arguments are judged where the name is right: not counted.
    pub unpaired: u64,
    /// The share right after less that before.
    pub difference: f64,
    /// Newcombe's 95 % interval of the difference.
    pub interval: Interval,
    /// McNemar's tests of the fixed against the broken.
    pub mcnemar: McNemar,
    /// The mid-p value, corrected for the other metrics of the family; `None` for metrics outside it.
    pub holm_p: Option<f64>,
    /// The chance that so many examples show the difference asked for, if so many of them change as did here.
    pub power: f64,
    /// The smallest difference that so many examples show with the power asked for, if so many of them change as did here;
    /// `None` where there is none.
    pub detectable_difference: Option<f64>,
    /// What may be said.
    pub conclusion: Conclusion,
}

/// What a paired test says.
///
/// The rule: `better` or `worse` where p (Holm's where there is one, else mid-p) is at most the level. Otherwise
/// `underpowered` where the chance of the mid-p test to show the difference asked for (5 points unless told otherwise),
/// at the share of examples that changed here, is below the power asked for (0.8); otherwise `no_difference`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// The second run is better.
    Better,
    /// The second run is worse.
    Worse,
    /// A difference as large as asked for would have shown, and did not.
    NoDifference,
    /// Too few examples to tell.
    Underpowered,
}

impl Conclusion {
    /// For tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::NoDifference => "no difference",
            Self::Underpowered => "underpowered",
        }
    }
}

/// All metrics that are shares of records, paired, in table order.
pub(crate) fn paired(
    metrics: &[MetricChange],
    pairs: &[(&Verdict, &Verdict)],
    config: &ComparisonConfig,
) -> Vec<PairedMetric> {
    let mut found: Vec<PairedMetric> =
        metrics.iter().filter_map(|metric| pair_up(&metric.name, metric.goal, pairs, config)).collect();
    let family: Vec<usize> = (0..found.len()).filter(|&i| config.is_family(&found[i].name)).collect();
    let p_values: Vec<f64> = family.iter().map(|&i| found[i].mcnemar.mid_p).collect();
    for (index, p) in family.into_iter().zip(holm(&p_values)) {
        found[index].holm_p = Some(p);
    }
    found.iter_mut().for_each(|metric| metric.conclusion = conclude(metric, config));
    found
}

fn pair_up(
    name: &str,
    goal: Goal,
    pairs: &[(&Verdict, &Verdict)],
    config: &ComparisonConfig,
) -> Option<PairedMetric> {
    let (mut counts, mut unpaired) = (PairedCounts::default(), 0);
    let right = |verdict: &Verdict| verdict.outcomes.get(name).map(|&yes| yes == (goal == Goal::Higher));
    for (before, after) in pairs {
        match (right(before), right(after)) {
            (Some(before), Some(after)) => counts.add(before, after),
            (None, None) => {}
            _ => unpaired += 1,
        }
    }
    let n = counts.total();
    let discordance = (counts.fixed + counts.broken) as f64 / n.max(1) as f64;
    Some(PairedMetric {
        name: name.to_owned(),
        counts,
        unpaired,
        difference: counts.difference()?,
        interval: newcombe(&counts)?,
        mcnemar: mcnemar(counts.broken, counts.fixed),
        holm_p: None,
        power: mcnemar_power(n, discordance, config.difference, config.alpha).unwrap_or(0.0),
        detectable_difference: detectable_difference(n, discordance, config.alpha, config.power),
        conclusion: Conclusion::Underpowered,
    })
}

fn conclude(metric: &PairedMetric, config: &ComparisonConfig) -> Conclusion {
    let p = metric.holm_p.unwrap_or(metric.mcnemar.mid_p);
    if p <= config.alpha {
        if metric.difference > 0.0 { Conclusion::Better } else { Conclusion::Worse }
    } else if metric.power < config.power {
        Conclusion::Underpowered
    } else {
        Conclusion::NoDifference
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::Comparison;
    use crate::record::Record;
    use crate::scorecard::Scorecard;
    use crate::testing::{example, malformed, silent, well_formed};

    /// `n` examples that want `f`; those for which `right` says so are right.
    fn card(n: usize, right: impl Fn(usize) -> bool) -> Scorecard {
        let record = |i: usize| {
            let response = if right(i) { well_formed(&["f"]) } else { well_formed(&["g"]) };
            example(&i.to_string(), "a", &["f"], response)
        };
        Scorecard::score(&(0..n).map(record).collect::<Vec<Record>>())
    }

    fn exact(before: &Scorecard, after: &Scorecard, config: &ComparisonConfig) -> PairedMetric {
        Comparison::with(before, after, config).unwrap().overall.paired("exact_calls").unwrap().clone()
    }

    #[test]
    fn what_may_be_said() {
        let config = ComparisonConfig::default();
        // 40 of 100 fixed.
        let found = exact(&card(100, |i| i < 40), &card(100, |i| i < 80), &config);
        assert_eq!((found.counts.fixed, found.counts.broken), (40, 0));
        assert_eq!(found.conclusion, Conclusion::Better);
        let worse = exact(&card(100, |i| i < 80), &card(100, |i| i < 40), &config);
        assert_eq!((worse.conclusion, worse.difference), (Conclusion::Worse, -0.4));
        // 3 of 20 fixed: who knows.
        let few = exact(&card(20, |i| i < 5), &card(20, |i| i < 8), &config);
        assert_eq!(few.conclusion, Conclusion::Underpowered);
        assert!(few.power < 0.8);
        // The same 600 twice: a change of five points would have shown.
        let same = exact(&card(600, |i| i < 300), &card(600, |i| i < 300), &config);
        assert_eq!(same.conclusion, Conclusion::NoDifference);
        // A smaller difference is asked for: no longer.
        let fine = ComparisonConfig { difference: 0.004, ..config };
        assert_eq!(
            exact(&card(600, |i| i < 300), &card(600, |i| i < 300), &fine).conclusion,
            Conclusion::Underpowered
        );
    }

    #[test]
    fn errors_are_fixed_when_they_go_away() {
        let run = |response: fn() -> crate::Response| {
            Scorecard::score(
                &(0..10).map(|i| example(&i.to_string(), "a", &["f"], response())).collect::<Vec<_>>(),
            )
        };
        let comparison = Comparison::new(&run(malformed), &run(|| well_formed(&["f"]))).unwrap();
        let malformed = comparison.overall.paired("malformed").unwrap();
        assert_eq!((malformed.counts.fixed, malformed.difference, malformed.unpaired), (10, 1.0, 0));
        let change = comparison.overall.metric("malformed").unwrap();
        assert_eq!((change.goal, change.change), (Goal::Lower, Some(-1.0)));
        // Silent records make no attempt, so there is nothing to pair.
        let comparison = Comparison::new(&run(silent), &run(|| well_formed(&["f"]))).unwrap();
        assert_eq!(comparison.overall.paired("malformed"), None);
    }

    #[test]
    fn pairs_are_counted_only_where_both_runs_are_judged() {
        // Arguments are judged where the name is right: examples 0 and 1 before, 1 and 2 after.
        let comparison = Comparison::new(&card(4, |i| i < 2), &card(4, |i| i == 1 || i == 2)).unwrap();
        let arguments = comparison.overall.paired("arg_exact_match").unwrap();
        assert_eq!((arguments.counts.total(), arguments.unpaired), (1, 2));
    }

    #[test]
    fn holm_corrects_the_family_and_nothing_else() {
        let (before, after) = (card(100, |i| i < 40), card(100, |i| i < 52));
        let family = |names: &[&str]| ComparisonConfig {
            family: Some(names.iter().map(|&name| name.to_owned()).collect()),
            ..ComparisonConfig::default()
        };
        let alone = exact(&before, &after, &family(&["exact_calls"]));
        assert_eq!(alone.holm_p, Some(alone.mcnemar.mid_p));
        let two = exact(&before, &after, &family(&["exact_calls", "name_accuracy"]));
        assert_eq!(two.holm_p, Some(2.0 * two.mcnemar.mid_p));
        let outside = exact(&before, &after, &family(&["name_accuracy"]));
        assert_eq!(outside.holm_p, None);
        let error = Comparison::with(&before, &after, &family(&["no_such"])).unwrap_err();
        assert!(matches!(error, Error::UnknownMetric { ref name } if name == "no_such"), "{error}");
    }

    #[test]
    fn settings_are_checked() {
        for config in [
            ComparisonConfig { alpha: 0.0, ..ComparisonConfig::default() },
            ComparisonConfig { power: f64::NAN, ..ComparisonConfig::default() },
            ComparisonConfig { difference: -0.1, ..ComparisonConfig::default() },
        ] {
            assert!(matches!(config.validate(), Err(Error::Config { .. })), "{config:?}");
        }
        assert!(serde_json::from_str::<ComparisonConfig>(r#"{"alfa": 0.1}"#).is_err());
        assert_eq!(serde_json::from_str::<ComparisonConfig>("{}").unwrap(), ComparisonConfig::default());
    }
}
