//! The same task tried several times.

/// pass^k: the chance that all of `k` tries succeed, estimated from `successes` in `trials` tries: C(c, k) / C(n, k).
///
/// What is drawn is k of the n tries without putting any back, so the estimate is unbiased (Yao et al. 2024, τ-bench).
/// `None` where `k` is 0 or more than `trials`, or there are more successes than trials.
#[must_use]
pub fn pass_hat_k(trials: u64, successes: u64, k: u64) -> Option<f64> {
    (0 < k && k <= trials && successes <= trials).then(|| all_of(successes, trials, k))
}

/// pass@k: the chance that at least one of `k` tries succeeds: 1 − C(n − c, k) / C(n, k) (Chen et al. 2021, Codex).
///
/// `None` where `k` is 0 or more than `trials`, or there are more successes than trials.
#[must_use]
pub fn pass_at_k(trials: u64, successes: u64, k: u64) -> Option<f64> {
    (0 < k && k <= trials && successes <= trials).then(|| 1.0 - all_of(trials - successes, trials, k))
}

/// C(some, k) / C(all, k), as a product of k shares: nothing overflows.
fn all_of(some: u64, all: u64, k: u64) -> f64 {
    if some < k {
        return 0.0;
    }
    (0..k).map(|i| (some - i) as f64 / (all - i) as f64).product()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_counting() {
        // 3 of 5 tries succeed; of the 10 pairs 3 succeed twice, and 1 fails twice.
        assert!((pass_hat_k(5, 3, 2).unwrap() - 0.3).abs() < 1e-15);
        assert!((pass_at_k(5, 3, 2).unwrap() - 0.9).abs() < 1e-15);
        assert_eq!((pass_hat_k(4, 4, 4), pass_at_k(4, 0, 4)), (Some(1.0), Some(0.0)));
    }

    #[test]
    fn undefined_beyond_the_trials() {
        for (trials, successes, k) in [(4, 3, 5), (4, 3, 0), (3, 4, 1), (0, 0, 1)] {
            assert_eq!(pass_hat_k(trials, successes, k), None);
            assert_eq!(pass_at_k(trials, successes, k), None);
        }
    }

    #[test]
    fn large_counts_do_not_overflow() {
        let p = pass_hat_k(1_000_000, 999_000, 1000).unwrap();
        assert!((0.36..0.37).contains(&p), "{p}");
    }
}
