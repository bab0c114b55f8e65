//! The seam: what every metric is, and what it yields.

use serde::{Deserialize, Serialize, Serializer};

use crate::record::Record;
use crate::stats::{Interval, wilson};

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

    /// Which way is better.
    fn goal(&self) -> Goal {
        Goal::Higher
    }

    /// For a share of records: this record's yes or no, `None` where the metric is not about it. It is what two runs
    /// are paired by; other metrics have none.
    fn outcome(&self, record: &Record) -> Option<bool> {
        let _ = record;
        None
    }
}

/// Which way a figure is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// More is better: an accuracy.
    #[default]
    Higher,
    /// Less is better: a rate of errors.
    Lower,
}

/// What a figure is measured in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// 0 to 1, shown in per cent.
    #[default]
    Share,
    /// −1 to 1, shown as it is.
    Coefficient,
    /// Any number, shown as it is.
    Number,
}

/// Where an interval comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntervalMethod {
    /// The Wilson score interval of a proportion of records.
    Wilson,
    /// The percentile bootstrap, by dialogue.
    Bootstrap,
}

/// A figure with the counts it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricValue {
    /// `numerator / denominator`; `None` (JSON `null`) where that is undefined.
    pub value: Option<f64>,
    /// What stands above the line: a count, or for means and coefficients a sum.
    #[serde(serialize_with = "count")]
    pub numerator: f64,
    /// What stands below the line: how many records, calls or parameters the figure is about.
    #[serde(serialize_with = "count")]
    pub denominator: f64,
    /// The records seen, those included that the figure is not about.
    pub n: u64,
    /// The 95 % interval; `None` where the value is undefined, or the records say nothing about its precision.
    pub interval: Option<Interval>,
    /// Where the interval comes from.
    pub interval_method: Option<IntervalMethod>,
    /// What the value is measured in.
    #[serde(default)]
    pub unit: Unit,
}

impl MetricValue {
    /// `numerator` of `denominator` records, with a Wilson interval; `n` records were seen.
    #[must_use]
    pub fn proportion(numerator: u64, denominator: u64, n: u64) -> Self {
        let interval = wilson(numerator, denominator);
        Self {
            interval,
            interval_method: interval.map(|_| IntervalMethod::Wilson),
            ..Self::quotient(numerator as f64, denominator as f64, n)
        }
    }

    /// A ratio of counts that is no proportion of independent records: it gets no interval of itself.
    #[must_use]
    pub fn ratio(numerator: u64, denominator: u64, n: u64) -> Self {
        Self::quotient(numerator as f64, denominator as f64, n)
    }

    /// A ratio of sums, without an interval; undefined over 0.
    #[must_use]
    pub fn quotient(numerator: f64, denominator: f64, n: u64) -> Self {
        Self {
            value: quotient(numerator, denominator),
            numerator,
            denominator,
            n,
            interval: None,
            interval_method: None,
            unit: Unit::Share,
        }
    }

    /// The same figure with an interval by resampling.
    #[must_use]
    pub fn with_bootstrap(self, interval: Option<Interval>) -> Self {
        let interval = self.value.and(interval);
        Self { interval, interval_method: interval.map(|_| IntervalMethod::Bootstrap), ..self }
    }

    /// The same figure in another unit.
    #[must_use]
    pub fn in_unit(self, unit: Unit) -> Self {
        Self { unit, ..self }
    }

    /// The same counts, with nothing to be read from them.
    #[must_use]
    pub fn undefined(self) -> Self {
        Self { value: None, interval: None, interval_method: None, ..self }
    }
}

/// `numerator / denominator`, `None` over 0.
pub(crate) fn quotient(numerator: f64, denominator: f64) -> Option<f64> {
    (denominator > 0.0).then(|| numerator / denominator)
}

/// A count is written as one: `3`, not `3.0`.
fn count<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        serializer.serialize_i64(*number as i64)
    } else {
        serializer.serialize_f64(*number)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::ast::{AstAccuracy, AstOptions, Profile};
    use crate::standard::{
        standard_detections, standard_dialogues, standard_macros, standard_metrics, standard_rates,
        standard_ratios,
    };
    use crate::testing::records;
    use crate::{ArgumentMacro, Detection, Dialogues, Rate, Ratio};

    fn over<M: Metric>(mut metric: M, records: &[Record]) -> M {
        records.iter().for_each(|record| metric.update(record));
        metric
    }

    fn check<M: Metric + Clone>(
        fresh: &[M],
        first: &[Record],
        second: &[Record],
        seen: &mut BTreeSet<String>,
    ) {
        for fresh in fresh {
            let mut merged = over(fresh.clone(), first);
            merged.merge(over(fresh.clone(), second));
            let whole = over(fresh.clone(), &[first, second].concat());
            assert_eq!(merged.value(), whole.value(), "{}", fresh.name());
            seen.insert(fresh.name().to_owned());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn merging_is_counting_all(first in records(), second in records()) {
            let mut seen = BTreeSet::new();
            let rates: Vec<Rate> = [standard_rates(), vec![
                Rate::ungrounded_value(), Rate::irrelevance_accuracy_bfcl(), Rate::stopped(),
            ]].concat();
            let ratios: Vec<Ratio> = standard_ratios();
            let detections: Vec<Detection> = standard_detections();
            let macros: Vec<ArgumentMacro> = standard_macros();
            let dialogues: Vec<Dialogues> = [standard_dialogues(), vec![Dialogues::pass_hat_k(2)]].concat();
            check(&rates, &first, &second, &mut seen);
            check(&ratios, &first, &second, &mut seen);
            check(&detections, &first, &second, &mut seen);
            check(&macros, &first, &second, &mut seen);
            check(&dialogues, &first, &second, &mut seen);
            let profiles = [Profile::Bfcl, Profile::Strict, Profile::Lenient];
            check(&profiles.map(|p| AstAccuracy::new(AstOptions::new(p))), &first, &second, &mut seen);
            for metric in standard_metrics() {
                prop_assert!(seen.contains(metric.name()), "{} is not tested", metric.name());
            }
        }

        #[test]
        fn counts_fit_each_other(records in records()) {
            for mut metric in standard_metrics() {
                records.iter().for_each(|record| metric.update(record));
                let value = metric.value();
                prop_assert_eq!(value.n, records.len() as u64);
                prop_assert_eq!(value.interval.is_some(), value.interval_method.is_some());
                if value.unit == Unit::Share {
                    prop_assert!(value.numerator <= value.denominator);
                }
                if let (Some(p), Some(interval)) = (value.value, value.interval) {
                    prop_assert!(interval.lo <= interval.hi);
                    if value.interval_method == Some(IntervalMethod::Wilson) {
                        prop_assert!(interval.lo <= p && p <= interval.hi);
                    }
                }
                // The yes and no of single records add up to the figure.
                let outcomes: Vec<bool> = records.iter().filter_map(|record| metric.outcome(record)).collect();
                if !outcomes.is_empty() {
                    let yes = outcomes.iter().filter(|yes| **yes).count() as f64;
                    prop_assert_eq!((value.numerator, value.denominator), (yes, outcomes.len() as f64));
                }
            }
            let numerator = |metric: Rate| over(metric, &records).value().numerator;
            // Right names with right arguments are the exact calls.
            prop_assert_eq!(numerator(Rate::arg_exact_match()), numerator(Rate::exact_calls()));
            let right = numerator(Rate::exact_calls()) + numerator(Rate::irrelevance_accuracy());
            prop_assert_eq!(numerator(Rate::exact_set_match()), right);
            let recall = over(Detection::recall(), &records).value();
            prop_assert_eq!(numerator(Rate::relevance_accuracy()), recall.numerator);
        }
    }

    #[test]
    fn counts_are_written_as_integers() {
        let json = |value: MetricValue| serde_json::to_value(value).unwrap();
        assert_eq!(json(MetricValue::proportion(3, 4, 5))["numerator"].to_string(), "3");
        assert_eq!(json(MetricValue::quotient(2.5, 4.0, 5))["numerator"].to_string(), "2.5");
        let value = MetricValue::quotient(2.5, 4.0, 5).in_unit(Unit::Number);
        assert_eq!(serde_json::from_value::<MetricValue>(json(value)).unwrap(), value);
    }
}
