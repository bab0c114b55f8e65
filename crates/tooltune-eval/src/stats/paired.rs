//! Two judgements of the same records: did the second do better, and by how much?
//!
//! Comparing the two intervals of two proportions wastes the pairing. What tells is the records whose judgement changed:
//! *fixed* (wrong, then right) against *broken* (right, then wrong).

use serde::{Deserialize, Serialize};
use statrs::function::erf::erfc;

use super::interval::{Interval, wilson};

/// Records by their judgement before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairedCounts {
    /// Wrong before, right after.
    pub fixed: u64,
    /// Right before, wrong after.
    pub broken: u64,
    /// Right before and after.
    pub still_right: u64,
    /// Wrong before and after.
    pub still_wrong: u64,
}

impl PairedCounts {
    /// Counts one record.
    pub fn add(&mut self, right_before: bool, right_after: bool) {
        match (right_before, right_after) {
            (false, true) => self.fixed += 1,
            (true, false) => self.broken += 1,
            (true, true) => self.still_right += 1,
            (false, false) => self.still_wrong += 1,
        }
    }

    /// How many records were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.fixed + self.broken + self.still_right + self.still_wrong
    }

    /// The share of right records after less that before, −1 to 1; `None` without records.
    #[must_use]
    pub fn difference(&self) -> Option<f64> {
        let n = self.total();
        (n > 0).then(|| (self.fixed as f64 - self.broken as f64) / n as f64)
    }
}

/// The p-values of McNemar's test: how often chance alone would split the changed records this unevenly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    /// The exact two-sided p-value: never too small.
    pub exact_p: f64,
    /// The mid-p value: less conservative, the better choice with few changed records.
    pub mid_p: f64,
    /// The χ² test with continuity correction, for comparison with older reports; `None` where nothing changed.
    pub chi2_cc_p: Option<f64>,
}

/// McNemar's exact test on `broken` and `fixed` records (their order does not matter).
///
/// Were a change as likely to break as to fix, the smaller count k of m = broken + fixed would be binomial(m, ½).
/// exact_p = min(1, 2 P(X ≤ k)), mid_p = 2 P(X ≤ k) − P(X = k) (Fagerland, Lydersen and Laake 2013). Both are 1
/// when nothing changed. χ² = (|broken − fixed| − 1)² / m, with one degree of freedom (Edwards 1948). Takes time proportional to the smaller count.
#[must_use]
pub fn mcnemar(broken: u64, fixed: u64) -> McNemar {
    let fewer = broken.min(fixed);
    let changed = broken + fixed;
    let at = binomial_half(fewer, changed);
    // P(X = i − 1) = P(X = i) · i / (m − i + 1), downwards from the largest term.
    let mut below = 0.0;
    let mut term = at;
    for i in (1..=fewer).rev() {
        term *= i as f64 / (changed - i + 1) as f64;
        below += term;
        if term == 0.0 {
            break;
        }
    }
    let at_most = at + below;
    let chi2_cc_p = (changed > 0).then(|| {
        let distance = broken.abs_diff(fixed) as f64 - 1.0;
        // The upper tail of χ² with one degree of freedom at x is erfc(√(x / 2)).
        erfc((distance * distance / (2.0 * changed as f64)).sqrt())
    });
    McNemar { exact_p: (2.0 * at_most).min(1.0), mid_p: (2.0 * at_most - at).min(1.0), chi2_cc_p }
}

/// Newcombe's 95 % interval of the paired difference: the share right after less that before.
///
/// Method 10 of Newcombe 1998: the two Wilson intervals, squared and added with the correlation φ of the pairs (continuity
/// corrected) between them. `None` without records.
#[must_use]
pub fn newcombe(counts: &PairedCounts) -> Option<Interval> {
    let n = counts.total();
    let difference = counts.difference()?;
    let right_after = counts.still_right + counts.fixed;
    let right_before = counts.still_right + counts.broken;
    let after = wilson(right_after, n)?;
    let before = wilson(right_before, n)?;
    let p_after = right_after as f64 / n as f64;
    let p_before = right_before as f64 / n as f64;
    let phi = correlation(counts);
    let spread = |a: f64, b: f64| (a * a - 2.0 * phi * a * b + b * b).max(0.0).sqrt();
    Some(Interval {
        lo: difference - spread(p_after - after.lo, before.hi - p_before),
        hi: difference + spread(after.hi - p_after, p_before - before.lo),
    })
}

/// The φ coefficient of a two by two table; n / 2 is taken off a positive numerator, as Newcombe's method 10 has it.
fn correlation(counts: &PairedCounts) -> f64 {
    let (both, neither) = (counts.still_right as f64, counts.still_wrong as f64);
    let (fixed, broken) = (counts.fixed as f64, counts.broken as f64);
    let margins = (both + fixed) * (both + broken) * (neither + fixed) * (neither + broken);
    if margins == 0.0 {
        return 0.0;
    }
    let product = both * neither - fixed * broken;
    let corrected = if product > 0.0 { (product - counts.total() as f64 / 2.0).max(0.0) } else { product };
    corrected / margins.sqrt()
}

/// P(X = k) of a binomial(n, ½), k ≤ n / 2: C(n, k) / 2ⁿ.
///
/// The halvings are spent as the product grows, so that nothing overflows however large `n` is.
fn binomial_half(k: u64, n: u64) -> f64 {
    let mut value = 1.0;
    let mut halvings = n;
    for i in 1..=k {
        value *= (n - k + i) as f64 / i as f64;
        while value > 1.0 && halvings > 0 {
            value *= 0.5;
            halvings -= 1;
        }
    }
    // Beyond 1100 halvings every double is 0.
    value * 0.5_f64.powi(halvings.min(2000) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_tables_by_hand() {
        // 1 broken, 3 fixed: P(X ≤ 1) = (1 + 4) / 16, P(X = 1) = 4 / 16.
        let test = mcnemar(1, 3);
        assert_eq!((test.exact_p, test.mid_p), (10.0 / 16.0, 6.0 / 16.0));
        assert_eq!(mcnemar(3, 1), test);
        assert_eq!(mcnemar(0, 0), McNemar { exact_p: 1.0, mid_p: 1.0, chi2_cc_p: None });
        assert_eq!(mcnemar(0, 3).exact_p, 2.0 / 8.0);
    }

    #[test]
    fn large_counts_neither_overflow_nor_vanish() {
        let even = mcnemar(50_000, 50_000);
        assert_eq!(even.exact_p, 1.0);
        assert!((even.mid_p - 1.0).abs() < 1e-9, "{even:?}");
        // z = (51 000 − 49 000) / √100 000 = 6.32: p = 2.5e-10, from the normal tail.
        let uneven = mcnemar(49_000, 51_000).exact_p;
        assert!((2e-10..3e-10).contains(&uneven), "{uneven}");
        assert_eq!(mcnemar(0, 5_000).exact_p, 0.0);
    }

    #[test]
    fn swapping_before_and_after_mirrors_the_interval() {
        let forth = PairedCounts { fixed: 17, broken: 3, still_right: 20, still_wrong: 10 };
        let back = PairedCounts { fixed: 3, broken: 17, ..forth };
        let (a, b) = (newcombe(&forth).unwrap(), newcombe(&back).unwrap());
        assert!((a.lo + b.hi).abs() < 1e-12 && (a.hi + b.lo).abs() < 1e-12);
        assert!(a.lo > 0.0, "17 fixed against 3 broken of 50 is no chance: {a:?}");
        assert_eq!(newcombe(&PairedCounts::default()), None);
    }
}
