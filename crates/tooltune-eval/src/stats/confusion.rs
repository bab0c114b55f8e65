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

    /// Decisions that should have been no.
    #[must_use]
    pub fn negatives(&self) -> u64 {
        self.false_positive + self.true_negative
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

    /// FP / (FP + TN): of what should have been no, how much was decided yes.
    #[must_use]
    pub fn false_positive_rate(&self) -> Option<f64> {
        ratio(self.false_positive, self.negatives())
    }

    /// TN / (FP + TN): of what should have been no, how much was decided so.
    #[must_use]
    pub fn specificity(&self) -> Option<f64> {
        ratio(self.true_negative, self.negatives())
    }

    /// The mean of recall and specificity: a decision that is always yes, or always no, gets ½.
    #[must_use]
    pub fn balanced_accuracy(&self) -> Option<f64> {
        Some(0.5 * (self.recall()? + self.specificity()?))
    }

    /// Matthews' correlation coefficient, −1 to 1:
    /// (TP TN − FP FN) / √((TP + FP)(TP + FN)(TN + FP)(TN + FN)).
    ///
    /// Undefined where all decisions, or all truths, are the same.
    #[must_use]
    pub fn mcc(&self) -> Option<f64> {
        let (numerator, denominator) = self.mcc_parts();
        (denominator > 0.0).then(|| numerator / denominator)
    }

    /// The coefficient's numerator and denominator.
    pub(crate) fn mcc_parts(&self) -> (f64, f64) {
        let [tp, fp, fn_, tn] =
            [self.true_positive, self.false_positive, self.false_negative, self.true_negative]
                .map(|count| count as f64);
        let margins = (tp + fp) * (tp + fn_) * (tn + fp) * (tn + fn_);
        (tp * tn - fp * fn_, margins.sqrt())
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
        assert_eq!((table.total(), table.positives(), table.negatives()), (5, 3, 2));
        assert_eq!((table.specificity(), table.false_positive_rate()), (Some(0.5), Some(0.5)));
        assert_eq!(table.balanced_accuracy(), Some(0.5 * (2.0 / 3.0 + 0.5)));
        // (2 · 1 − 1 · 1) / √(3 · 3 · 2 · 2).
        assert!((table.mcc().unwrap() - 1.0 / 6.0).abs() < 1e-15);
    }

    #[test]
    fn undefined_is_none_and_zero_is_zero() {
        let missed = Confusion { false_negative: 5, ..Confusion::default() };
        assert_eq!((missed.precision(), missed.recall(), missed.f1()), (None, Some(0.0), Some(0.0)));
        assert_eq!((missed.mcc(), missed.balanced_accuracy(), missed.specificity()), (None, None, None));
        assert_eq!(Confusion::default().f1(), None);
        let always = Confusion { true_positive: 3, false_positive: 4, ..Confusion::default() };
        assert_eq!((always.mcc(), always.balanced_accuracy()), (None, Some(0.5)));
        let perfect = Confusion { true_positive: 3, true_negative: 4, ..Confusion::default() };
        assert!((perfect.mcc().unwrap() - 1.0).abs() < 1e-15);
        let inverted = Confusion { false_positive: 3, false_negative: 4, ..Confusion::default() };
        assert!((inverted.mcc().unwrap() + 1.0).abs() < 1e-15);
    }
}
