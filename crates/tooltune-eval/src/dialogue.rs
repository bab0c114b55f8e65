//! Several decisions in a row: is the whole dialogue right, and again when it is tried again?

use std::collections::BTreeMap;

use crate::metric::{Goal, Metric, MetricValue, Unit};
use crate::rate::Rate;
use crate::record::Record;
use crate::stats::{Bootstrap, pass_hat_k};

impl Rate {
    /// `turn_accuracy`: of the decisions in dialogues, those with exactly the wanted calls; where none is wanted, none is
    /// attempted.
    #[must_use]
    pub fn turn_accuracy() -> Self {
        Self::new("turn_accuracy", |record| record.turn.is_some().then(|| record.is_right()))
    }

    /// `state_match`: of the dialogues that were run in an [`Environment`](crate::Environment), those that ended in the
    /// state that was wanted, by whatever calls.
    #[must_use]
    pub fn state_match() -> Self {
        Self::new("state_match", |record| record.state_match)
    }
}

/// Figures of whole dialogues: of records whose [`turn`](Record::turn) says where they belong.
///
/// A dialogue is right when each of its decisions is and it was not [`cut_short`](Record::cut_short): then the first
/// decision that was due and never came is wrong.
#[derive(Clone, Debug)]
pub struct Dialogues {
    figure: Figure,
    name: String,
    /// By dialogue and by try: the first decision that is wrong.
    tries: BTreeMap<String, BTreeMap<u32, Option<u32>>>,
    seen: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    Success,
    FirstFailingTurn,
    PassHatK(u32),
}

impl Dialogues {
    /// `dialogue_success`: of the dialogues, those that are right from start to end; each try counts as a dialogue. The
    /// interval is Wilson's where each dialogue was tried once, else a bootstrap by dialogue.
    #[must_use]
    pub fn success() -> Self {
        Self::new(Figure::Success, "dialogue_success".to_owned())
    }

    /// `first_failing_turn`: the mean, over the dialogues that go wrong, of the first decision that does, counted from 1.
    #[must_use]
    pub fn first_failing_turn() -> Self {
        Self::new(Figure::FirstFailingTurn, "first_failing_turn".to_owned())
    }

    /// `pass_hat_k`, with the number in place of k: the chance that `k` tries at the same dialogue are all right, as a mean
    /// over the dialogues that were tried `k` times or more. See [`pass_hat_k`].
    ///
    /// For repeated runs of single questions, a question is a dialogue of one decision: `in_dialogue(question, run, 0)`.
    #[must_use]
    pub fn pass_hat_k(k: u32) -> Self {
        Self::new(Figure::PassHatK(k), format!("pass_hat_{k}"))
    }

    fn new(figure: Figure, name: String) -> Self {
        Self { figure, name, tries: BTreeMap::new(), seen: 0 }
    }

    /// A sum and a number for each dialogue that the figure is about.
    fn parts(&self) -> Vec<[f64; 2]> {
        let part = |tries: &BTreeMap<u32, Option<u32>>| {
            let right = tries.values().filter(|failed| failed.is_none()).count() as u64;
            let trials = tries.len() as u64;
            match self.figure {
                Figure::Success => Some([right as f64, trials as f64]),
                Figure::FirstFailingTurn => {
                    let failed = tries.values().flatten().map(|&index| f64::from(index) + 1.0);
                    (right < trials).then(|| [failed.sum(), (trials - right) as f64])
                }
                Figure::PassHatK(k) => pass_hat_k(trials, right, u64::from(k)).map(|chance| [chance, 1.0]),
            }
        };
        self.tries.values().filter_map(part).collect()
    }
}

impl Metric for Dialogues {
    fn name(&self) -> &str {
        &self.name
    }

    fn update(&mut self, record: &Record) {
        self.seen += 1;
        let Some(turn) = &record.turn else { return };
        let tries = self.tries.entry(turn.dialogue.clone()).or_default();
        let failed = match record.is_right() {
            false => Some(turn.index),
            true => record.cut_short.then_some(turn.index.saturating_add(1)),
        };
        let first = tries.entry(turn.trial).or_default();
        *first = earlier(*first, failed);
    }

    fn value(&self) -> MetricValue {
        let parts = self.parts();
        let (sum, number) =
            parts.iter().fold((0.0, 0.0), |(sum, number), part| (sum + part[0], number + part[1]));
        if self.figure == Figure::Success && self.tries.values().all(|tries| tries.len() == 1) {
            return MetricValue::proportion(sum as u64, number as u64, self.seen);
        }
        let unit = if self.figure == Figure::FirstFailingTurn { Unit::Number } else { Unit::Share };
        let ratio = |[sum, number]: &[f64; 2]| (*number > 0.0).then(|| sum / number);
        MetricValue::quotient(sum, number, self.seen)
            .with_bootstrap(Bootstrap::default().of_sums(&parts, ratio))
            .in_unit(unit)
    }

    fn merge(&mut self, other: Self) {
        debug_assert_eq!(self.name, other.name, "only metrics of the same name merge");
        self.seen += other.seen;
        for (dialogue, tries) in other.tries {
            let own = self.tries.entry(dialogue).or_default();
            for (trial, failed) in tries {
                let first = own.entry(trial).or_default();
                *first = earlier(*first, failed);
            }
        }
    }

    fn goal(&self) -> Goal {
        Goal::Higher
    }
}

fn earlier(a: Option<u32>, b: Option<u32>) -> Option<u32> {
    a.into_iter().chain(b).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::IntervalMethod;
    use crate::testing::{counts, record, silent, well_formed};

    /// Tries of dialogues, each decision right or wrong.
    fn tries(dialogues: &[(&str, u32, &[bool])]) -> Vec<Record> {
        let decision = |&right: &bool| if right { well_formed(&["f"]) } else { silent() };
        let records = dialogues.iter().flat_map(|(dialogue, trial, turns)| {
            turns.iter().enumerate().map(move |(index, right)| {
                record(&["f"], decision(right)).in_dialogue(*dialogue, *trial, index as u32)
            })
        });
        records.collect()
    }

    fn value(mut metric: Dialogues, records: &[Record]) -> MetricValue {
        // The last decision first: the order must not matter.
        records.iter().rev().for_each(|record| metric.update(record));
        metric.value()
    }

    #[test]
    fn turns_and_dialogues() {
        let mut records = tries(&[
            ("a", 0, &[true, true, true]),
            ("b", 0, &[true, false, true, false]),
            ("c", 0, &[false]),
            ("d", 0, &[true]),
        ]);
        records.push(record(&["f"], silent()));
        assert_eq!(counts(Rate::turn_accuracy(), &records), (6, 9));
        let success = value(Dialogues::success(), &records);
        assert_eq!((success.numerator, success.denominator, success.n), (2.0, 4.0, 10));
        assert_eq!(success.interval_method, Some(IntervalMethod::Wilson));
        let failing = value(Dialogues::first_failing_turn(), &records);
        assert_eq!((failing.value, failing.denominator, failing.unit), (Some(1.5), 2.0, Unit::Number));
    }

    #[test]
    fn tries_at_the_same_dialogue() {
        let records = tries(&[
            ("a", 0, &[true]),
            ("a", 1, &[true]),
            ("a", 2, &[false]),
            ("b", 0, &[true, true]),
            ("b", 1, &[true, true]),
            ("c", 0, &[true]),
        ]);
        let success = value(Dialogues::success(), &records);
        assert_eq!((success.numerator, success.denominator), (5.0, 6.0));
        assert_eq!(success.interval_method, Some(IntervalMethod::Bootstrap));
        // a: C(2, 2) / C(3, 2) = 1/3; b: 1; c was tried once.
        let pass = value(Dialogues::pass_hat_k(2), &records);
        assert_eq!((pass.numerator, pass.denominator), (1.0 / 3.0 + 1.0, 2.0));
        assert_eq!(value(Dialogues::pass_hat_k(4), &records).value, None);
        assert_eq!(Dialogues::pass_hat_k(4).name(), "pass_hat_4");
    }

    #[test]
    fn repeated_runs_of_single_questions() {
        let run = |question: &str, runs: &[bool]| -> Vec<Record> {
            let answered = |right: bool| record(&["f"], if right { well_formed(&["f"]) } else { silent() });
            (0..).zip(runs).map(|(trial, right)| answered(*right).in_dialogue(question, trial, 0)).collect()
        };
        let records = [run("a", &[true, true, false, true]), run("b", &[true; 4])].concat();
        // a: C(3, 2) / C(4, 2) = 1/2; b: 1.
        assert_eq!(value(Dialogues::pass_hat_k(2), &records).value, Some(0.75));
        assert_eq!(value(Dialogues::pass_hat_k(1), &records).value, Some(0.875));
    }
}
