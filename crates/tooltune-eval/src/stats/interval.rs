//! Confidence intervals of one proportion.

use serde::{Deserialize, Serialize};
use statrs::function::beta::inv_beta_reg;

/// The standard normal's 97.5 % quantile: half of the 5 % left out lies on each side.
pub(crate) const Z_95: f64 = 1.959_963_984_540_054;

/// A closed interval, written as `[lo, hi]` in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "[f64; 2]", from = "[f64; 2]")]
pub struct Interval {
    /// The lower end.
    pub lo: f64,
    /// The upper end.
    pub hi: f64,
}

/// The Wilson score interval, 95 % two-sided, of `k` successes in `n` trials.
///
/// With p = k / n and z = 1.96 it is (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n) (Wilson 1927). Unlike the
/// textbook p ± z √(p(1−p)/n) it stays inside 0 to 1 and has a width at 0 of n and n of n, which is where an
/// untrained and a trained model are found.
///
/// `None` where the proportion is undefined: `n` is 0, or `k` exceeds `n`.
///
/// ```
/// use tooltune_eval::stats::wilson;
///
/// let interval = wilson(10, 10).unwrap();
/// assert!(interval.lo > 0.72 && interval.lo < 0.73 && interval.hi == 1.0);
/// assert_eq!(wilson(0, 0), None);
/// ```
#[must_use]
pub fn wilson(k: u64, n: u64) -> Option<Interval> {
    if n == 0 || k > n {
        return None;
    }
    let (successes, trials) = (k as f64, n as f64);
    let p = successes / trials;
    let z2 = Z_95 * Z_95;
    let scale = 1.0 + z2 / trials;
    let centre = (p + z2 / (2.0 * trials)) / scale;
    let half = Z_95 * (p * (1.0 - p) / trials + z2 / (4.0 * trials * trials)).sqrt() / scale;
    // At the ends the formula gives exactly 0 and 1; the arithmetic misses them by a rounding error.
    let lo = if k == 0 { 0.0 } else { (centre - half).max(0.0) };
    let hi = if k == n { 1.0 } else { (centre + half).min(1.0) };
    Some(Interval { lo, hi })
}

/// The Clopper-Pearson interval, 95 % two-sided, of `k` successes in `n` trials: never too narrow, often too wide.
///
/// The ends are the proportions at which k or more, or k or fewer, successes have probability 2.5 % (Clopper and Pearson
/// 1934): quantiles of Beta(k, n − k + 1) and Beta(k + 1, n − k). `None` as for [`wilson`].
#[must_use]
pub fn clopper_pearson(k: u64, n: u64) -> Option<Interval> {
    if n == 0 || k > n {
        return None;
    }
    let (successes, failures) = (k as f64, (n - k) as f64);
    let lo = if k == 0 { 0.0 } else { inv_beta_reg(successes, failures + 1.0, 0.025) };
    let hi = if k == n { 1.0 } else { inv_beta_reg(successes + 1.0, failures, 0.975) };
    Some(Interval { lo, hi })
}

impl From<[f64; 2]> for Interval {
    fn from([lo, hi]: [f64; 2]) -> Self {
        Self { lo, hi }
    }
}

impl From<Interval> for [f64; 2] {
    fn from(interval: Interval) -> Self {
        [interval.lo, interval.hi]
    }
}

#[cfg(test)]
mod tests {
    use statrs::function::beta::beta_reg;

    use super::*;

    #[test]
    fn the_ends_are_exact_and_mirror_each_other() {
        for n in 1..200 {
            let none = wilson(0, n).unwrap();
            let all = wilson(n, n).unwrap();
            assert_eq!((none.lo, all.hi), (0.0, 1.0));
            assert!((none.hi - (1.0 - all.lo)).abs() < 1e-12, "n = {n}");
        }
    }

    #[test]
    fn a_proportion_lies_in_its_interval() {
        for n in 1..60 {
            for k in 0..=n {
                let Interval { lo, hi } = wilson(k, n).unwrap();
                let p = k as f64 / n as f64;
                assert!(lo <= p && p <= hi && lo < hi, "{k} of {n}: [{lo}, {hi}]");
            }
        }
    }

    #[test]
    fn clopper_pearson_is_the_wider_one_and_mirrors() {
        for n in 1..40 {
            for k in 0..=n {
                let exact = clopper_pearson(k, n).unwrap();
                let mirror = clopper_pearson(n - k, n).unwrap();
                assert!((exact.lo - (1.0 - mirror.hi)).abs() < 1e-12, "{k} of {n}");
                let p = k as f64 / n as f64;
                assert!(exact.lo <= p && p <= exact.hi);
            }
        }
        // At k = n the lower end is the n-th root of 2.5 %.
        for n in [1, 7, 1000, 100_000] {
            let lo = clopper_pearson(n, n).unwrap().lo;
            assert!((lo - (0.025_f64.ln() / n as f64).exp()).abs() < 1e-11, "{n}: {lo}");
        }
        assert_eq!((clopper_pearson(0, 0), clopper_pearson(3, 2)), (None, None));
    }

    #[test]
    fn the_ends_leave_a_fortieth_on_each_side() {
        for n in [1, 2, 7, 50, 1000, 20_000] {
            for k in (1..n).step_by(n as usize / 20 + 1) {
                let Interval { lo, hi } = clopper_pearson(k, n).unwrap();
                let (successes, failures) = (k as f64, (n - k) as f64);
                assert!((beta_reg(successes, failures + 1.0, lo) - 0.025).abs() < 1e-9, "{k} of {n}: {lo}");
                assert!((beta_reg(successes + 1.0, failures, hi) - 0.975).abs() < 1e-9, "{k} of {n}: {hi}");
            }
        }
    }

    #[test]
    fn no_interval_for_what_is_no_proportion() {
        assert_eq!(wilson(0, 0), None);
        assert_eq!(wilson(3, 2), None);
    }
}
