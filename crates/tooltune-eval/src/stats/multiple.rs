//! Several tests at once: the more are made, the more of them succeed by chance.

/// Holm's step-down adjustment of `p_values`, in their order.
///
/// The i-th smallest of m p-values, counted from 0, is multiplied by m − i, made no smaller than the one before it and
/// no larger than 1 (Holm 1979). Rejecting what is at most α keeps the chance of even one false rejection below α,
/// however the tests depend on each other. A value that is not a number stays one and counts as the largest.
///
/// ```
/// use tooltune_eval::stats::holm;
///
/// assert_eq!(holm(&[0.5, 0.25, 0.01]), [0.5, 0.5, 0.03]);
/// ```
#[must_use]
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = p_values.to_vec();
    let mut floor = 0.0_f64;
    for (rank, &index) in order.iter().enumerate() {
        let p = p_values[index];
        if !p.is_nan() {
            floor = floor.max(p * (p_values.len() - rank) as f64).min(1.0);
            adjusted[index] = floor;
        }
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_test_is_left_alone_and_none_is_none() {
        assert_eq!(holm(&[0.03]), [0.03]);
        assert!(holm(&[]).is_empty());
        assert!(holm(&[f64::NAN, 0.01])[0].is_nan());
    }

    proptest! {
        #[test]
        fn order_is_kept_and_nothing_shrinks(p in prop::collection::vec(0.0..=1.0_f64, 0..12)) {
            let adjusted = holm(&p);
            for (i, &a) in adjusted.iter().enumerate() {
                prop_assert!(p[i] <= a && a <= 1.0);
                for (j, &b) in adjusted.iter().enumerate() {
                    prop_assert!(p[i] > p[j] || a <= b);
                }
            }
        }
    }
}
