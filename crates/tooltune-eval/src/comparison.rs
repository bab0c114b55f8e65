//! Before and after, on the same examples.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::metric::{Goal, MetricValue};
use crate::paired::{ComparisonConfig, PairedMetric, paired};
use crate::scorecard::{GroupScores, SCHEMA, Scorecard, Verdict};

/// Two runs on the same examples, compared: each metric side by side, and the examples paired by their ids.
///
/// A base and a tuned model, or two adapters: which run is called what is [`before`](Self::before) and
/// [`after`](Self::after).
/// Written with [`to_json`](Self::to_json), [`to_markdown`](Self::to_markdown) and [`to_terminal`](Self::to_terminal).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// [`SCHEMA`].
    pub schema: u64,
    /// What the first run is called.
    pub before: String,
    /// What the second run is called.
    pub after: String,
    /// How the runs were compared.
    pub config: ComparisonConfig,
    /// Over all examples.
    pub overall: GroupComparison,
    /// Each held-out set, in the order of the first scorecard.
    pub groups: Vec<GroupComparison>,
}

/// One held-out set before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupComparison {
    /// The set's name; `overall` for all examples together.
    pub group: String,
    /// How many examples.
    pub n: u64,
    /// How many of them want a call.
    pub n_wanted: u64,
    /// Each metric before and after, in table order.
    pub metrics: Vec<MetricChange>,
    /// Each metric that is a share of records, paired; those without a pair of records are left out.
    pub paired: Vec<PairedMetric>,
}

/// A metric before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricChange {
    /// The metric's name.
    pub name: String,
    /// Which way is better.
    pub goal: Goal,
    /// Its value in the first run.
    pub before: MetricValue,
    /// Its value in the second run.
    pub after: MetricValue,
    /// After less before; `None` where either is undefined.
    pub change: Option<f64>,
}

impl Comparison {
    /// Compares two runs on the same examples; their order may differ.
    ///
    /// # Errors
    /// [`Error::DuplicateIds`], [`Error::UnequalIds`], [`Error::DifferentExamples`] and [`Error::DifferentMetrics`]
    /// where the runs can't be paired. Nothing is left out to make them fit.
    pub fn new(before: &Scorecard, after: &Scorecard) -> Result<Self, Error> {
        Self::with(before, after, &ComparisonConfig::default())
    }

    /// Compares two runs as [`new`](Self::new) does, with a level, a difference and a family of metrics of one's own.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`Error::Config`] and [`Error::UnknownMetric`] where the configuration makes no sense.
    pub fn with(before: &Scorecard, after: &Scorecard, config: &ComparisonConfig) -> Result<Self, Error> {
        config.validate()?;
        let pairs = pair(&before.verdicts, &after.verdicts)?;
        let groups = before
            .groups
            .iter()
            .map(|scores| {
                let after = after.group(&scores.group).ok_or_else(|| Error::DifferentExamples {
                    ids: pairs
                        .iter()
                        .filter(|(b, _)| b.group == scores.group)
                        .map(|(b, _)| b.id.clone())
                        .collect(),
                })?;
                let members: Vec<_> =
                    pairs.iter().filter(|(verdict, _)| verdict.group == scores.group).copied().collect();
                GroupComparison::new(scores, after, &members, config)
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let overall = GroupComparison::new(&before.overall, &after.overall, &pairs, config)?;
        let (before, after) = ("before".to_owned(), "after".to_owned());
        Ok(Self { schema: SCHEMA, before, after, config: config.clone(), overall, groups })
    }

    /// The same comparison with names for the two runs, as `base` and `tuned`.
    #[must_use]
    pub fn named(self, before: impl Into<String>, after: impl Into<String>) -> Self {
        Self { before: before.into(), after: after.into(), ..self }
    }
}

impl GroupComparison {
    fn new(
        before: &GroupScores,
        after: &GroupScores,
        pairs: &[(&Verdict, &Verdict)],
        config: &ComparisonConfig,
    ) -> Result<Self, Error> {
        let metrics = changes(before, after)?;
        if let Some(name) =
            config.family.iter().flatten().find(|name| metrics.iter().all(|m| m.name != **name))
        {
            return Err(Error::UnknownMetric { name: name.clone() });
        }
        let paired = paired(&metrics, pairs, config);
        Ok(Self { group: before.group.clone(), n: before.n, n_wanted: before.n_wanted, metrics, paired })
    }

    /// The metric `name` before and after; `None` where it was not measured.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<&MetricChange> {
        self.metrics.iter().find(|change| change.name == name)
    }

    /// The examples that the metric `name` is about, judged twice; `None` where there are none, or it is no share of records.
    #[must_use]
    pub fn paired(&self, name: &str) -> Option<&PairedMetric> {
        self.paired.iter().find(|paired| paired.name == name)
    }
}

fn changes(before: &GroupScores, after: &GroupScores) -> Result<Vec<MetricChange>, Error> {
    let names = |scores: &GroupScores| scores.metrics.iter().map(|m| m.name.clone()).collect::<Vec<_>>();
    if names(before) != names(after) {
        return Err(Error::DifferentMetrics { before: names(before), after: names(after) });
    }
    let change = |(b, a): (&crate::NamedValue, &crate::NamedValue)| MetricChange {
        name: b.name.clone(),
        goal: b.goal,
        before: b.value,
        after: a.value,
        change: b.value.value.zip(a.value.value).map(|(before, after)| after - before),
    };
    Ok(before.metrics.iter().zip(&after.metrics).map(change).collect())
}

/// Each example's two verdicts, in the order of `before`.
fn pair<'v>(before: &'v [Verdict], after: &'v [Verdict]) -> Result<Vec<(&'v Verdict, &'v Verdict)>, Error> {
    refuse_duplicates(before)?;
    refuse_duplicates(after)?;
    let by_id: HashMap<&str, &Verdict> = after.iter().map(|v| (v.id.as_str(), v)).collect();
    let ids_before: HashSet<&str> = before.iter().map(|v| v.id.as_str()).collect();
    let mut only_before = Vec::new();
    let mut pairs = Vec::with_capacity(before.len());
    for verdict in before {
        match by_id.get(verdict.id.as_str()) {
            Some(other) => pairs.push((verdict, *other)),
            None => only_before.push(verdict.id.clone()),
        }
    }
    let only_after = ids_of(after.iter().filter(|v| !ids_before.contains(v.id.as_str())));
    if !only_before.is_empty() || !only_after.is_empty() {
        return Err(Error::UnequalIds { only_before, only_after });
    }
    let different =
        ids_of(pairs.iter().filter(|(b, a)| b.group != a.group || b.gold != a.gold).map(|(b, _)| *b));
    if different.is_empty() { Ok(pairs) } else { Err(Error::DifferentExamples { ids: different }) }
}

fn refuse_duplicates(verdicts: &[Verdict]) -> Result<(), Error> {
    let (mut seen, mut reported) = (HashSet::new(), HashSet::new());
    let ids = ids_of(verdicts.iter().filter(|v| !seen.insert(&v.id) && reported.insert(&v.id)));
    if ids.is_empty() { Ok(()) } else { Err(Error::DuplicateIds { ids }) }
}

fn ids_of<'v>(verdicts: impl Iterator<Item = &'v Verdict>) -> Vec<String> {
    verdicts.map(|verdict| verdict.id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Record, Response};
    use crate::stats::PairedCounts;
    use crate::testing::{example, silent, well_formed};

    fn card(records: &[Record]) -> Scorecard {
        Scorecard::score(records)
    }

    fn right() -> Response {
        well_formed(&["f"])
    }

    /// Two examples that want `f`, one that wants nothing.
    fn run(first: Response, second: Response, third: Response) -> [Record; 3] {
        [example("1", "a", &["f"], first), example("2", "a", &["f"], second), example("3", "b", &[], third)]
    }

    #[test]
    fn pairs_by_id_whatever_the_order() {
        let before = card(&run(silent(), right(), right()));
        let mut after = run(right(), right(), silent());
        after.reverse();
        let comparison = Comparison::new(&before, &card(&after)).unwrap();
        let exact = comparison.overall.paired("exact_calls").unwrap();
        assert_eq!(exact.counts, PairedCounts { fixed: 1, still_right: 1, ..PairedCounts::default() });
        assert_eq!((exact.difference, exact.mcnemar.exact_p, exact.mcnemar.mid_p), (0.5, 1.0, 0.5));
        let irrelevance = comparison.overall.paired("irrelevance_accuracy").unwrap();
        assert_eq!(irrelevance.counts, PairedCounts { fixed: 1, ..PairedCounts::default() });

        let [a, b] = &comparison.groups[..] else { panic!("two sets") };
        assert_eq!((a.group.as_str(), b.group.as_str()), ("a", "b"));
        let counts = |set: &GroupComparison, name: &str| set.paired(name).map(|paired| paired.counts);
        assert_eq!(counts(a, "exact_calls"), Some(exact.counts));
        assert_eq!(counts(a, "irrelevance_accuracy"), None);
        assert_eq!(counts(b, "exact_calls"), None);
        assert_eq!(counts(b, "irrelevance_accuracy"), Some(irrelevance.counts));
        let change = a.metric("exact_calls").unwrap();
        assert_eq!(
            (change.before.value, change.after.value, change.change),
            (Some(0.5), Some(1.0), Some(0.5))
        );
        assert_eq!(a.metric("irrelevance_accuracy").unwrap().change, None);
    }

    #[test]
    fn unequal_ids_are_refused_by_name() {
        let records = run(right(), right(), silent());
        let error = Comparison::new(&card(&records[..2]), &card(&records[1..])).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"before and after are not the same examples: only before "1"; only after "3""#
        );
        let Error::UnequalIds { only_before, only_after } = error else { panic!("{error}") };
        assert_eq!((only_before, only_after), (vec!["1".to_owned()], vec!["3".to_owned()]));
    }

    #[test]
    fn a_repeated_id_is_refused() {
        let once = example("1", "a", &["f"], right());
        let twice = card(&[once.clone(), once.clone(), once.clone()]);
        let error = Comparison::new(&card(&[once]), &twice).unwrap_err();
        assert!(matches!(error, Error::DuplicateIds { ref ids } if ids == &["1"]), "{error}");
    }

    #[test]
    fn other_examples_under_the_same_ids_are_refused() {
        let before = card(&[example("1", "a", &["f"], right())]);
        for other in [example("1", "a", &["g"], right()), example("1", "b", &["f"], right())] {
            let error = Comparison::new(&before, &card(&[other])).unwrap_err();
            assert!(matches!(error, Error::DifferentExamples { ref ids } if ids == &["1"]), "{error}");
        }
    }

    #[test]
    fn other_metrics_are_refused() {
        let records = run(right(), right(), silent());
        let other = Scorecard::score_with(&records, Vec::new);
        let error = Comparison::new(&card(&records), &other).unwrap_err();
        assert!(matches!(error, Error::DifferentMetrics { .. }), "{error}");
    }
}
