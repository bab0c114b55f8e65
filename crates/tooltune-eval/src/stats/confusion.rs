//! The two by two table of a yes / no decision.

use serde::{Deserialize, Serialize};

/// Counts of a yes / no decision against the truth. Every ratio is `None` where its denominator is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// Yes, rightly.
    pub true_positive: u64,
    /// Yes, wrongly.
    pub false_positive: u64,
    /// No, wrongly.
    pub false_negative: u64,
    /// No, rightly.
    pub true_negative: u64,
}

impl Confusion {
    /// Counts one decision.
    pub fn add(&mut self, truth: bool, decision: bool) {
        match (truth, decision) {
            (true, true) => self.true_positive += 1,
            (false, true) => self.false_positive += 1,
            (true, false) => self.false_negative += 1,
            (false, false) => self.true_negative += 1,
        }
    }

    /// Adds another table's counts.
    pub fn merge(&mut self, other: Self) {
        self.true_positive += other.true_positive;
        self.false_positive += other.false_positive;
        self.false_negative += other.false_negative;
        self.true_negative += other.true_negative;
    }

    /// How many decisions were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.true_positive + self.false_positive + self.false_negative + self.true_negative
    }

    /// Decisions that should have been yes.
    #[must_use]
    pub fn positives(&self) -> u64 {
        self.true_positive + self.false_negative
    }

    /// TP / (TP + FP): of what was decided yes, how much was right.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        ratio(self.true_positive, self.true_positive + self.false_positive)
    }

    /// TP / (TP + FN): of what should have been yes, how much was found.
    #[must_use]
    pub fn recall(&self) -> Option<f64> {
        ratio(self.true_positive, self.positives())
    }

    /// 2 TP / (2 TP + FP + FN): the harmonic mean of precision and recall.
    #[must_use]
    pub fn f1(&self) -> Option<f64> {
        ratio(2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative)
    }
}

/// `numerator / denominator`, `None` over 0.
pub(crate) fn ratio(numerator: u64, denominator: u64) -> Option<f64> {
    (denominator > 0).then(|| numerator as f64 / denominator as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_by_hand() {
        let mut table = Confusion::default();
        for (truth, decision) in [(true, true), (true, true), (true, false), (false, true), (false, false)] {
            table.add(truth, decision);
        }
        assert_eq!(table.precision(), Some(2.0 / 3.0));
        assert_eq!(table.recall(), Some(2.0 / 3.0));
        assert_eq!(table.f1(), Some(4.0 / 6.0));
        assert_eq!((table.total(), table.positives()), (5, 3));
    }

    #[test]
    fn undefined_is_none_and_zero_is_zero() {
        let missed = Confusion { false_negative: 5, ..Confusion::default() };
        assert_eq!((missed.precision(), missed.recall(), missed.f1()), (None, Some(0.0), Some(0.0)));
        assert_eq!(Confusion::default().f1(), None);
    }
}
