//! Is a function called when, and only when, one is wanted?

use crate::clusters::Clusters;
use crate::metric::{Metric, MetricValue, Unit};
use crate::record::Record;
use crate::stats::Confusion;

/// Tool-call detection: figures of the decision to call, whatever the call says.
///
/// | | the model calls | malformed attempt | no attempt |
/// |---|---|---|---|
/// | **call wanted** | true positive | false negative | false negative |
/// | **no call wanted** | false positive | false positive | true negative |
///
/// All are undefined where no record wants a call: precision could only be 0 or undefined there, which says how the
/// set was made and not how the model behaves. Such a set is what
/// [`Rate::irrelevance_accuracy`](crate::Rate::irrelevance_accuracy) is for.
///
/// F1 = 2 TP / (2 TP + FP + FN) counts the true positives twice, so it is no proportion of records; its interval, and that
/// of Matthews' correlation and of balanced accuracy, is a bootstrap by dialogue.
#[derive(Clone, Debug)]
pub struct Detection {
    figure: Figure,
    /// True and false positives, false and true negatives.
    clusters: Clusters<4>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    Precision,
    Recall,
    F1,
    Mcc,
    BalancedAccuracy,
}

impl Detection {
    /// Of the records with a call, how many wanted one: `detection_precision`.
    #[must_use]
    pub fn precision() -> Self {
        Self::new(Figure::Precision)
    }

    /// Of the records that want a call, how many got one: `detection_recall`.
    #[must_use]
    pub fn recall() -> Self {
        Self::new(Figure::Recall)
    }

    /// The harmonic mean of the two: `detection_f1`.
    #[must_use]
    pub fn f1() -> Self {
        Self::new(Figure::F1)
    }

    /// Matthews' correlation of the decision with what was wanted, −1 to 1: `detection_mcc`. It counts all four cells, so
    /// that always calling, or never, earns nothing, whatever the mix of the records. Undefined for such a model.
    #[must_use]
    pub fn mcc() -> Self {
        Self::new(Figure::Mcc)
    }

    /// The mean of the recall and of the share rightly left alone: `detection_balanced_accuracy`.
    #[must_use]
    pub fn balanced_accuracy() -> Self {
        Self::new(Figure::BalancedAccuracy)
    }

    /// The counts so far.
    #[must_use]
    pub fn confusion(&self) -> Confusion {
        table(&self.clusters.total())
    }

    fn new(figure: Figure) -> Self {
        Self { figure, clusters: Clusters::default() }
    }
}

impl Metric for Detection {
    fn name(&self) -> &str {
        match self.figure {
            Figure::Precision => "detection_precision",
            Figure::Recall => "detection_recall",
            Figure::F1 => "detection_f1",
            Figure::Mcc => "detection_mcc",
            Figure::BalancedAccuracy => "detection_balanced_accuracy",
        }
    }

    fn update(&mut self, record: &Record) {
        let decision = if record.wants_call() { !record.calls().is_empty() } else { record.attempted() };
        let mut confusion = Confusion::default();
        confusion.add(record.wants_call(), decision);
        let Confusion { true_positive, false_positive, false_negative, true_negative } = confusion;
        let parts = [true_positive, false_positive, false_negative, true_negative].map(|count| count as f64);
        self.clusters.add(record, Some(parts));
    }

    fn value(&self) -> MetricValue {
        let table = self.confusion();
        let (hits, wrong, n) = (table.true_positive, table.false_positive, table.total());
        let value = match self.figure {
            Figure::Precision => MetricValue::proportion(hits, hits + wrong, n),
            Figure::Recall => MetricValue::proportion(hits, table.positives(), n),
            Figure::F1 => {
                let value = MetricValue::ratio(2 * hits, 2 * hits + wrong + table.false_negative, n);
                self.resampled(value, Confusion::f1)
            }
            Figure::Mcc => {
                let (numerator, denominator) = table.mcc_parts();
                let value = MetricValue::quotient(numerator, denominator, n);
                self.resampled(value, Confusion::mcc).in_unit(Unit::Coefficient)
            }
            Figure::BalancedAccuracy => match table.recall().zip(table.specificity()) {
                Some((recall, specificity)) => {
                    let value = MetricValue::quotient(recall + specificity, 2.0, n);
                    self.resampled(value, Confusion::balanced_accuracy)
                }
                None => MetricValue::quotient(0.0, 0.0, n),
            },
        };
        if table.positives() == 0 { value.undefined() } else { value }
    }

    fn merge(&mut self, other: Self) {
        debug_assert_eq!(self.figure, other.figure, "only metrics of the same name merge");
        self.clusters.merge(other.clusters);
    }
}

impl Detection {
    fn resampled(&self, value: MetricValue, figure: fn(&Confusion) -> Option<f64>) -> MetricValue {
        value.with_bootstrap(self.clusters.interval(|sums| figure(&table(sums))))
    }
}

fn table(sums: &[f64; 4]) -> Confusion {
    let [true_positive, false_positive, false_negative, true_negative] = sums.map(|sum| sum as u64);
    Confusion { true_positive, false_positive, false_negative, true_negative }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{malformed, record, silent, well_formed};

    fn value(mut metric: Detection, records: &[Record]) -> MetricValue {
        records.iter().for_each(|record| metric.update(record));
        metric.value()
    }

    fn figures(records: &[Record]) -> [Option<f64>; 3] {
        [Detection::precision(), Detection::recall(), Detection::f1()]
            .map(|metric| value(metric, records).value)
    }

    #[test]
    fn each_cell_of_the_table() {
        let records = [
            record(&["f"], well_formed(&["f"])),
            record(&["f"], well_formed(&["some_other"])),
            record(&["f"], malformed()),
            record(&["f"], silent()),
            record(&[], well_formed(&["f"])),
            record(&[], malformed()),
            record(&[], malformed()),
            record(&[], silent()),
        ];
        let named = |(i, record): (usize, Record)| Record { id: i.to_string(), ..record };
        let records: Vec<Record> = records.into_iter().enumerate().map(named).collect();
        let mut metric = Detection::f1();
        records.iter().for_each(|record| metric.update(record));
        let table = Confusion { true_positive: 2, false_positive: 3, false_negative: 2, true_negative: 1 };
        assert_eq!(metric.confusion(), table);
        assert_eq!(figures(&records), [Some(2.0 / 5.0), Some(2.0 / 4.0), Some(4.0 / 9.0)]);
        let f1 = metric.value();
        assert_eq!((f1.numerator, f1.denominator, f1.n), (4.0, 9.0, 8));
        let interval = f1.interval.unwrap();
        assert!(interval.lo < 4.0 / 9.0 && 4.0 / 9.0 < interval.hi);
        // (2 · 1 − 3 · 2) / √(5 · 4 · 4 · 3), and the mean of 2/4 and 1/4.
        let mcc = value(Detection::mcc(), &records);
        assert!((mcc.value.unwrap() + 4.0 / 240.0_f64.sqrt()).abs() < 1e-12 && mcc.unit == Unit::Coefficient);
        assert_eq!(value(Detection::balanced_accuracy(), &records).value, Some(0.375));
        // A model that always calls.
        let always = [record(&["f"], well_formed(&["f"])), record(&[], well_formed(&["f"]))];
        assert_eq!(value(Detection::mcc(), &always).value, None);
        assert_eq!(value(Detection::balanced_accuracy(), &always).value, Some(0.5));
    }

    #[test]
    fn undefined_without_wanted_calls_even_when_the_model_calls() {
        assert_eq!(figures(&[record(&[], silent()), record(&[], well_formed(&["f"]))]), [None; 3]);
        assert_eq!(figures(&[record(&["f"], silent())]), [None, Some(0.0), Some(0.0)]);
        assert_eq!(figures(&[]), [None; 3]);
    }

    #[test]
    fn an_attempt_without_a_call_is_a_miss_and_an_error() {
        let empty_list = || well_formed(&[]);
        assert_eq!(
            figures(&[record(&["f"], empty_list()), record(&[], empty_list())]),
            [Some(0.0), Some(0.0), Some(0.0)]
        );
    }
}
