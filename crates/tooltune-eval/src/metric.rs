//! The seam: what every metric is, and what it yields.

use serde::{Deserialize, Serialize};

use crate::record::Record;
use crate::stats::{Interval, confusion::ratio, wilson};

/// A figure gathered over records, one at a time.
///
/// Law: the records may be split in any way over clones of a fresh metric and the parts merged; the value is the same as
/// after updating one metric with all of them.
pub trait Metric {
    /// The name in tables and files, in `snake_case`.
    fn name(&self) -> &str;

    /// Counts one record.
    fn update(&mut self, record: &Record);

    /// The figure over the records so far.
    fn value(&self) -> MetricValue;

    /// Takes over what another metric of the same name has counted.
    fn merge(&mut self, other: Self)
    where
        Self: Sized;
}

/// A figure with the counts it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricValue {
    /// `numerator / denominator`; `None` (JSON `null`) where that is undefined.
    pub value: Option<f64>,
    /// The count above the line.
    pub numerator: u64,
    /// The count below the line: the records that the figure is about.
    pub denominator: u64,
    /// The records seen, those included that the figure is not about.
    pub n: u64,
    /// The 95 % Wilson interval; `None` where the value is undefined or is not a proportion of records (F1).
    pub interval: Option<Interval>,
}

impl MetricValue {
    /// `numerator` of `denominator` records, with a Wilson interval; `n` records were seen.
    #[must_use]
    pub fn proportion(numerator: u64, denominator: u64, n: u64) -> Self {
        Self {
            value: ratio(numerator, denominator),
            numerator,
            denominator,
            n,
            interval: wilson(numerator, denominator),
        }
    }

    /// A ratio that is no proportion of independent records: it gets no interval.
    #[must_use]
    pub fn ratio(numerator: u64, denominator: u64, n: u64) -> Self {
        Self { value: ratio(numerator, denominator), numerator, denominator, n, interval: None }
    }

    /// The same counts, with nothing to be read from them.
    #[must_use]
    pub fn undefined(self) -> Self {
        Self { value: None, interval: None, ..self }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::Response;
    use crate::testing::{malformed, record, silent, well_formed};
    use crate::{Detection, Rate};

    fn responses() -> impl Strategy<Value = Response> {
        let names = prop::collection::vec(prop::sample::select(vec!["f", "g"]), 0..3);
        (
            prop_oneof![Just(silent()), Just(malformed()), names.prop_map(|names| well_formed(&names))],
            any::<bool>(),
        )
            .prop_map(|(response, stopped)| Response { stopped, ..response })
    }

    fn records() -> impl Strategy<Value = Vec<Record>> {
        let gold = prop::collection::vec(prop::sample::select(vec!["f", "g"]), 0..3);
        let one = (gold, responses()).prop_map(|(gold, response)| record(&gold, response));
        prop::collection::vec(one, 0..20)
    }

    fn over<M: Metric>(mut metric: M, records: &[Record]) -> M {
        records.iter().for_each(|record| metric.update(record));
        metric
    }

    fn check<M: Metric + Clone>(fresh: &M, first: &[Record], second: &[Record]) {
        let mut merged = over(fresh.clone(), first);
        merged.merge(over(fresh.clone(), second));
        let whole = over(fresh.clone(), &[first, second].concat());
        assert_eq!(merged.value(), whole.value(), "{}", fresh.name());
    }

    proptest! {
        #[test]
        fn merging_is_counting_all(first in records(), second in records()) {
            for metric in [Detection::precision(), Detection::recall(), Detection::f1()] {
                check(&metric, &first, &second);
            }
            for metric in [
                Rate::name_accuracy(),
                Rate::arg_exact_match(),
                Rate::exact_calls(),
                Rate::irrelevance_accuracy(),
                Rate::parse_ok(),
                Rate::recovered(),
                Rate::malformed(),
                Rate::stopped(),
            ] {
                check(&metric, &first, &second);
            }
        }

        #[test]
        fn counts_fit_each_other(records in records()) {
            for mut metric in crate::standard_metrics() {
                records.iter().for_each(|record| metric.update(record));
                let value = metric.value();
                prop_assert!(value.numerator <= value.denominator);
                prop_assert_eq!(value.n, records.len() as u64);
                if let (Some(p), Some(interval)) = (value.value, value.interval) {
                    prop_assert!(interval.lo <= p && p <= interval.hi);
                }
            }
            let numerator = |metric: Rate| over(metric, &records).value().numerator;
            // Right names with right arguments are the exact calls.
            prop_assert_eq!(numerator(Rate::arg_exact_match()), numerator(Rate::exact_calls()));
        }
    }
}
