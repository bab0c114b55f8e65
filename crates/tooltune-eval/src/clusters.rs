//! Sums kept apart by dialogue, so that dialogues can be resampled.

use std::collections::BTreeMap;

use crate::record::Record;
use crate::stats::{Bootstrap, Interval};

/// `N` sums for each cluster of records: for each dialogue, or each record that is in none.
///
/// Only clusters with something in them are kept. Their order is by name, so that it does not depend on the order of
/// the records, and neither does a bootstrap from a fixed seed.
#[derive(Clone, Debug)]
pub(crate) struct Clusters<const N: usize> {
    sums: BTreeMap<String, [f64; N]>,
    /// Records seen, those included that added nothing.
    pub(crate) seen: u64,
}

impl<const N: usize> Default for Clusters<N> {
    fn default() -> Self {
        Self { sums: BTreeMap::new(), seen: 0 }
    }
}

impl<const N: usize> Clusters<N> {
    /// Counts one record; `None` where the figure is not about it.
    pub(crate) fn add(&mut self, record: &Record, parts: Option<[f64; N]>) {
        self.seen += 1;
        if let Some(parts) = parts {
            self.add_parts(record.cluster(), &parts);
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.seen += other.seen;
        for (cluster, parts) in &other.sums {
            self.add_parts(cluster, parts);
        }
    }

    /// The sums over all clusters. All parts are counts, so their order does not show in the sum.
    pub(crate) fn total(&self) -> [f64; N] {
        self.sums.values().fold([0.0; N], |mut total, parts| {
            add(&mut total, parts);
            total
        })
    }

    /// The bootstrap interval of what `statistic` makes of the sums.
    pub(crate) fn interval(&self, statistic: impl Fn(&[f64; N]) -> Option<f64>) -> Option<Interval> {
        let clusters: Vec<[f64; N]> = self.sums.values().copied().collect();
        Bootstrap::default().of_sums(&clusters, statistic)
    }

    fn add_parts(&mut self, cluster: &str, parts: &[f64; N]) {
        match self.sums.get_mut(cluster) {
            Some(sums) => add(sums, parts),
            None => {
                self.sums.insert(cluster.to_owned(), *parts);
            }
        }
    }
}

fn add<const N: usize>(sums: &mut [f64; N], parts: &[f64; N]) {
    for (sum, part) in sums.iter_mut().zip(parts) {
        *sum += part;
    }
}
