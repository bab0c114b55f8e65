//! Before and after, on the same examples.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::metric::MetricValue;
use crate::scorecard::{GroupScores, SCHEMA, Scorecard, Verdict};
use crate::stats::{Interval, PairedCounts, mcnemar, newcombe};

/// Two runs on the same examples, compared: each metric side by side, and the examples paired by their ids.
///
/// Written with [`to_json`](Self::to_json), [`to_markdown`](Self::to_markdown) and [`to_terminal`](Self::to_terminal).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// [`SCHEMA`].
    pub schema: u64,
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
    /// The examples that want a call, right when exactly the wanted calls were made; `None` where the set has none.
    pub exact_calls: Option<PairedOutcome>,
    /// The examples that want no call, right when none was attempted; `None` where the set has none.
    pub irrelevance_accuracy: Option<PairedOutcome>,
}

/// A metric before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricChange {
    /// The metric's name.
    pub name: String,
    /// Its value in the first run.
    pub before: MetricValue,
    /// Its value in the second run.
    pub after: MetricValue,
    /// After less before; `None` where either is undefined.
    pub change: Option<f64>,
}

/// The same examples judged twice.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedOutcome {
    /// How many examples were fixed, broken, and neither.
    #[serde(flatten)]
    pub counts: PairedCounts,
    /// The share right after less that before.
    pub difference: f64,
    /// Newcombe's 95 % interval of the difference.
    pub interval: Interval,
    /// McNemar's exact two-sided p-value.
    pub mcnemar_exact_p: f64,
    /// McNemar's mid-p value.
    pub mcnemar_mid_p: f64,
}

impl Comparison {
    /// Compares two runs on the same examples; their order may differ.
    ///
    /// # Errors
    /// [`Error::DuplicateIds`], [`Error::UnequalIds`], [`Error::DifferentExamples`] and [`Error::DifferentMetrics`]
    /// where the runs can't be paired. Nothing is left out to make them fit.
    pub fn new(before: &Scorecard, after: &Scorecard) -> Result<Self, Error> {
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
                let members = pairs.iter().filter(|(verdict, _)| verdict.group == scores.group);
                GroupComparison::new(scores, after, members)
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let overall = GroupComparison::new(&before.overall, &after.overall, pairs.iter())?;
        Ok(Self { schema: SCHEMA, overall, groups })
    }
}

impl GroupComparison {
    fn new<'v>(
        before: &GroupScores,
        after: &GroupScores,
        pairs: impl Iterator<Item = &'v (&'v Verdict, &'v Verdict)>,
    ) -> Result<Self, Error> {
        let (mut wanted, mut unwanted) = (PairedCounts::default(), PairedCounts::default());
        for (first, second) in pairs {
            let counts = if first.gold.is_empty() { &mut unwanted } else { &mut wanted };
            counts.add(first.right, second.right);
        }
        Ok(Self {
            group: before.group.clone(),
            n: before.n,
            n_wanted: before.n_wanted,
            metrics: changes(before, after)?,
            exact_calls: PairedOutcome::new(wanted),
            irrelevance_accuracy: PairedOutcome::new(unwanted),
        })
    }

    /// The metric `name` before and after; `None` where it was not measured.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<&MetricChange> {
        self.metrics.iter().find(|change| change.name == name)
    }
}

impl PairedOutcome {
    /// The tests on these counts; `None` without examples.
    #[must_use]
    pub fn new(counts: PairedCounts) -> Option<Self> {
        let test = mcnemar(counts.broken, counts.fixed);
        Some(Self {
            counts,
            difference: counts.difference()?,
            interval: newcombe(&counts)?,
            mcnemar_exact_p: test.exact_p,
            mcnemar_mid_p: test.mid_p,
        })
    }
}

fn changes(before: &GroupScores, after: &GroupScores) -> Result<Vec<MetricChange>, Error> {
    let names = |scores: &GroupScores| scores.metrics.iter().map(|m| m.name.clone()).collect::<Vec<_>>();
    if names(before) != names(after) {
        return Err(Error::DifferentMetrics { before: names(before), after: names(after) });
    }
    let change = |(b, a): (&crate::NamedValue, &crate::NamedValue)| MetricChange {
        name: b.name.clone(),
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
        let exact = comparison.overall.exact_calls.unwrap();
        assert_eq!(exact.counts, PairedCounts { fixed: 1, still_right: 1, ..PairedCounts::default() });
        assert_eq!((exact.difference, exact.mcnemar_exact_p, exact.mcnemar_mid_p), (0.5, 1.0, 0.5));
        let irrelevance = comparison.overall.irrelevance_accuracy.unwrap();
        assert_eq!(irrelevance.counts, PairedCounts { fixed: 1, ..PairedCounts::default() });

        let [a, b] = &comparison.groups[..] else { panic!("two sets") };
        assert_eq!((a.group.as_str(), b.group.as_str()), ("a", "b"));
        assert_eq!((a.exact_calls, a.irrelevance_accuracy), (Some(exact), None));
        assert_eq!((b.exact_calls, b.irrelevance_accuracy), (None, Some(irrelevance)));
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
