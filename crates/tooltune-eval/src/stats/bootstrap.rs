//! The percentile bootstrap, for figures that are no proportion of independent records: F1, ratios of sums, means.

use super::interval::Interval;

/// How often and from which seed resamples are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// Resamples; at least 10 000 keep the ends of a 95 % interval steady to about 1 % of its width.
    pub resamples: u32,
    /// Same seed, same clusters in the same order: the same interval, on every machine.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 10_000, seed: 0x5EED }
    }
}

impl Bootstrap {
    /// The 95 % percentile interval of a statistic of `clusters` clusters (Efron 1979).
    ///
    /// Each resample draws as many clusters as there are, with repetition, and `statistic` gets the indices drawn. What
    /// depends on each other, as the turns of a dialogue do, belongs into one cluster: drawing single turns would make
    /// the interval too narrow. The ends are the 2.5 % and 97.5 % quantiles, linear between the two nearest resamples;
    /// a resample for which `statistic` yields `None` is left out.
    ///
    /// `None` where the interval would say nothing: fewer than two clusters, less than half of the resamples defined,
    /// or no variation between resamples (100 of 100 does not prove 100 %).
    pub fn interval(
        &self,
        clusters: usize,
        mut statistic: impl FnMut(&[usize]) -> Option<f64>,
    ) -> Option<Interval> {
        if clusters < 2 {
            return None;
        }
        let mut random = SplitMix64(self.seed);
        let mut drawn = vec![0; clusters];
        let mut values = Vec::with_capacity(self.resamples as usize);
        for _ in 0..self.resamples {
            drawn.iter_mut().for_each(|index| *index = random.below(clusters));
            values.extend(statistic(&drawn).filter(|value| value.is_finite()));
        }
        if values.len() * 2 < self.resamples as usize || values.is_empty() {
            return None;
        }
        values.sort_by(f64::total_cmp);
        let interval = Interval { lo: quantile(&values, 0.025), hi: quantile(&values, 0.975) };
        (values[0] < values[values.len() - 1]).then_some(interval)
    }

    /// The interval of a statistic that depends on the clusters' sums alone: a ratio of sums, a 2 × 2 table's figure.
    pub fn of_sums<const N: usize>(
        &self,
        clusters: &[[f64; N]],
        statistic: impl Fn(&[f64; N]) -> Option<f64>,
    ) -> Option<Interval> {
        self.interval(clusters.len(), |drawn| {
            let mut sums = [0.0; N];
            for &index in drawn {
                for (sum, part) in sums.iter_mut().zip(&clusters[index]) {
                    *sum += part;
                }
            }
            statistic(&sums)
        })
    }

    /// The interval of the mean of `values`, each a cluster of its own.
    #[must_use]
    pub fn of_mean(&self, values: &[f64]) -> Option<Interval> {
        let clusters: Vec<[f64; 1]> = values.iter().map(|&value| [value]).collect();
        let n = values.len() as f64;
        self.of_sums(&clusters, |[sum]| Some(sum / n))
    }
}

/// Of sorted values, linear between neighbours: Hyndman and Fan's type 7, the default of NumPy and R.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let place = q * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}

/// SplitMix64 (Steele, Lea and Flood 2014): small, fast, and every seed is a good one.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 to `bound` − 1, by the high half of a product; the bias is at most `bound` / 2⁶⁴.
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        // The reference implementation's first outputs for seed 1234567.
        let mut random = SplitMix64(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn draws_are_even() {
        let mut random = SplitMix64(1);
        let mut counts = [0_u32; 7];
        (0..70_000).for_each(|_| counts[random.below(7)] += 1);
        assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let values: Vec<f64> = (0..40).map(|i| f64::from(i * i % 101).sqrt()).collect();
        let at = |seed| Bootstrap { seed, ..Bootstrap::default() }.of_mean(&values);
        assert_eq!(at(1), at(1));
        assert_ne!(at(1), at(2));
    }

    #[test]
    fn clusters_widen_the_interval() {
        // 100 records, the ten of a dialogue all alike: there are ten observations, not a hundred.
        let dialogue = |i: usize| f64::from(u8::from(i.is_multiple_of(2)));
        let single: Vec<f64> = (0..100).map(|i| dialogue(i / 10)).collect();
        let clustered: Vec<[f64; 2]> = (0..10).map(|i| [10.0 * dialogue(i), 10.0]).collect();
        let narrow = Bootstrap::default().of_mean(&single).unwrap();
        let wide = Bootstrap::default().of_sums(&clustered, |[sum, n]| Some(sum / n)).unwrap();
        let ratio = (wide.hi - wide.lo) / (narrow.hi - narrow.lo);
        // √10, up to the coarseness of ten clusters.
        assert!((2.7..3.7).contains(&ratio), "{ratio}");
    }

    #[test]
    fn nothing_is_said_where_nothing_is_known() {
        let bootstrap = Bootstrap::default();
        assert_eq!(bootstrap.of_mean(&[]), None);
        assert_eq!(bootstrap.of_mean(&[0.5]), None);
        assert_eq!(bootstrap.of_mean(&[1.0; 30]), None);
        assert_eq!(bootstrap.interval(5, |_| None), None);
    }
}
