//! Could these many examples have shown the difference at all?

use statrs::distribution::{Binomial, Discrete, DiscreteCDF};

/// The power of McNemar's mid-p test, two-sided at level `alpha`: the chance that `n` pairs show a true `difference`.
///
/// `discordance` is the share of pairs whose judgement changes, `difference` the share fixed less the share broken. The
/// number of changed pairs is binomial(n, discordance); of m changed ones, binomial(m, (discordance + difference) / (2
/// discordance)) are fixed. A difference larger than the discordance can't be: the discordance is then taken to be the
/// difference. Terms beyond eight standard deviations are left out.
///
/// `None` where the question makes no sense: no pairs, a share outside 0 to 1, `alpha` not between 0 and 1.
///
/// ```
/// use tooltune_eval::stats::mcnemar_power;
///
/// // With 20 % of the judgements changing, 100 examples show 10 points more often than not, 200 nearly always.
/// let power = |n| mcnemar_power(n, 0.2, 0.1, 0.05).unwrap();
/// assert!(power(100) > 0.5 && power(100) < 0.8 && power(200) > 0.85);
/// ```
#[must_use]
pub fn mcnemar_power(n: u64, discordance: f64, difference: f64, alpha: f64) -> Option<f64> {
    let test = MidPTest::new(n, discordance.max(difference.abs()), alpha)?;
    (difference.abs() <= 1.0).then(|| test.power(difference))
}

/// The smallest difference that `n` pairs show with chance `power`, where the share `discordance` of them changes.
///
/// Found by bisection to 0.0001. `None` where no difference up to the discordance is shown so often, or the question
/// makes no sense.
#[must_use]
pub fn detectable_difference(n: u64, discordance: f64, alpha: f64, power: f64) -> Option<f64> {
    let test = MidPTest::new(n, discordance, alpha)?;
    if discordance == 0.0 || test.power(discordance) < power {
        return None;
    }
    let (mut lo, mut hi) = (0.0, discordance);
    while hi - lo > 1e-4 {
        let middle = 0.5 * (lo + hi);
        if test.power(middle) < power { lo = middle } else { hi = middle }
    }
    Some(hi)
}

/// The test at one level, for every number of changed pairs that may come up.
struct MidPTest {
    discordance: f64,
    /// The number of changed pairs, its probability, and the largest count of the rarer change that is significant.
    cases: Vec<(u64, f64, Option<u64>)>,
}

impl MidPTest {
    fn new(n: u64, discordance: f64, alpha: f64) -> Option<Self> {
        if n == 0 || !(0.0..=1.0).contains(&discordance) || !(alpha > 0.0 && alpha < 1.0) {
            return None;
        }
        let changed = Binomial::new(discordance, n).ok()?;
        let mean = discordance * n as f64;
        let reach = 8.0 * (mean * (1.0 - discordance)).sqrt() + 1.0;
        let first = (mean - reach).max(0.0) as u64;
        let last = ((mean + reach).ceil() as u64).min(n);
        let mut critical = None;
        let cases = (first..=last).map(|m| {
            critical = largest_significant(m, alpha, critical);
            (m, changed.pmf(m), critical)
        });
        Some(Self { discordance, cases: cases.collect() })
    }

    fn power(&self, difference: f64) -> f64 {
        if self.discordance == 0.0 {
            return 0.0;
        }
        let fixed = (0.5 * (1.0 + difference / self.discordance)).clamp(0.0, 1.0);
        let reject = |m: u64, critical: u64| {
            let Ok(split) = Binomial::new(fixed, m) else { return 0.0 };
            // The two tails never meet: `critical` is below half of m.
            split.cdf(critical) + split.sf(m - critical - 1)
        };
        let cases = self.cases.iter();
        cases.filter_map(|&(m, weight, critical)| Some(weight * reject(m, critical?))).sum::<f64>().min(1.0)
    }
}

/// The largest k for which mid-p = P(X ≤ k) + P(X < k) of a binomial(m, ½) is at most `alpha`, searched from `guess`.
fn largest_significant(m: u64, alpha: f64, guess: Option<u64>) -> Option<u64> {
    let half = Binomial::new(0.5, m).ok()?;
    let significant = |k: u64| {
        let below = if k == 0 { 0.0 } else { half.cdf(k - 1) };
        2 * k < m && half.cdf(k) + below <= alpha
    };
    // Two standard deviations below the middle is where the 5 % level lies.
    let start = guess.unwrap_or_else(|| (0.5 * m as f64 - (m as f64).sqrt()).max(0.0) as u64);
    let mut k = start;
    while !significant(k) {
        k = k.checked_sub(1)?;
    }
    while significant(k + 1) {
        k += 1;
    }
    Some(k)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::mcnemar;

    #[test]
    fn critical_counts_agree_with_the_test() {
        let mut guess = None;
        for m in 0..200 {
            guess = largest_significant(m, 0.05, guess);
            assert_eq!(guess, largest_significant(m, 0.05, None), "{m}");
            let by_search = (0..=m / 2).filter(|&k| 2 * k < m && mcnemar(k, m - k).mid_p <= 0.05).max();
            assert_eq!(guess, by_search, "{m} changed pairs");
        }
    }

    #[test]
    fn published_powers() {
        // 20 % discordance: 100 pairs show 10 points 62 % of the time, 200 pairs 90 %; 5 points need about 1000.
        let power = |n, difference| mcnemar_power(n, 0.2, difference, 0.05).unwrap();
        assert!((power(100, 0.1) - 0.62).abs() < 0.02, "{}", power(100, 0.1));
        assert!((power(200, 0.1) - 0.90).abs() < 0.02, "{}", power(200, 0.1));
        assert!((0.9..0.98).contains(&power(1000, 0.05)), "{}", power(1000, 0.05));
    }

    #[test]
    fn without_a_difference_the_power_is_the_level() {
        let level = mcnemar_power(400, 0.3, 0.0, 0.05).unwrap();
        assert!((0.04..=0.05).contains(&level), "{level}");
    }

    #[test]
    fn the_sign_does_not_matter_and_more_pairs_show_more() {
        let power = |n, difference| mcnemar_power(n, 0.25, difference, 0.05).unwrap();
        assert!((power(60, 0.1) - power(60, -0.1)).abs() < 1e-9);
        assert!(power(60, 0.1) < power(120, 0.1) && power(120, 0.1) < power(120, 0.2));
    }

    #[test]
    fn detectable_differences() {
        let found = detectable_difference(200, 0.2, 0.05, 0.8).unwrap();
        assert!((mcnemar_power(200, 0.2, found, 0.05).unwrap() - 0.8).abs() < 0.01);
        // Four changes, be they all fixes, never reach p ≤ 0.05.
        assert_eq!(detectable_difference(4, 1.0, 0.05, 0.8), None);
        assert_eq!(mcnemar_power(4, 1.0, 1.0, 0.05), Some(0.0));
    }

    #[test]
    fn nonsense_is_none() {
        assert_eq!(mcnemar_power(0, 0.2, 0.1, 0.05), None);
        assert_eq!(mcnemar_power(10, 1.2, 0.1, 0.05), None);
        assert_eq!(mcnemar_power(10, f64::NAN, f64::NAN, 0.05), None);
        assert_eq!(mcnemar_power(10, 0.2, 0.1, 1.0), None);
        assert_eq!(mcnemar_power(10, 0.0, 0.0, 0.05), Some(0.0));
    }
}
