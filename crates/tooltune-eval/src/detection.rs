//! Is a function called when, and only when, one is wanted?

use crate::metric::{Metric, MetricValue};
use crate::record::Record;
use crate::stats::Confusion;

/// Tool-call detection: precision, recall or F1 of the decision to call, whatever the call says.
///
/// | | the model calls | malformed attempt | no attempt |
/// |---|---|---|---|
/// | **call wanted** | true positive | false negative | false negative |
/// | **no call wanted** | false positive | false positive | true negative |
///
/// All three are undefined where no record wants a call: precision could only be 0 or undefined there, which says how the
/// set was made and not how the model behaves. Such a set is what
/// [`Rate::irrelevance_accuracy`](crate::Rate::irrelevance_accuracy) is for.
///
/// F1 = 2 TP / (2 TP + FP + FN) counts the true positives twice, so it is no proportion of records and has no Wilson
/// interval.
#[derive(Clone, Debug)]
pub struct Detection {
    figure: Figure,
    confusion: Confusion,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    Precision,
    Recall,
    F1,
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

    /// The counts so far.
    #[must_use]
    pub fn confusion(&self) -> Confusion {
        self.confusion
    }

    fn new(figure: Figure) -> Self {
        Self { figure, confusion: Confusion::default() }
    }
}

impl Metric for Detection {
    fn name(&self) -> &str {
        match self.figure {
            Figure::Precision => "detection_precision",
            Figure::Recall => "detection_recall",
            Figure::F1 => "detection_f1",
        }
    }

    fn update(&mut self, record: &Record) {
        let decision = if record.wants_call() { !record.calls().is_empty() } else { record.attempted() };
        self.confusion.add(record.wants_call(), decision);
    }

    fn value(&self) -> MetricValue {
        let table = &self.confusion;
        let (hits, wrong, n) = (table.true_positive, table.false_positive, table.total());
        let value = match self.figure {
            Figure::Precision => MetricValue::proportion(hits, hits + wrong, n),
            Figure::Recall => MetricValue::proportion(hits, table.positives(), n),
            Figure::F1 => MetricValue::ratio(2 * hits, 2 * hits + wrong + table.false_negative, n),
        };
        if table.positives() == 0 { value.undefined() } else { value }
    }

    fn merge(&mut self, other: Self) {
        debug_assert_eq!(self.figure, other.figure, "only metrics of the same name merge");
        self.confusion.merge(other.confusion);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{malformed, record, silent, well_formed};

    fn figures(records: &[Record]) -> [Option<f64>; 3] {
        [Detection::precision(), Detection::recall(), Detection::f1()].map(|mut metric| {
            records.iter().for_each(|record| metric.update(record));
            metric.value().value
        })
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
        let mut metric = Detection::f1();
        records.iter().for_each(|record| metric.update(record));
        let table = Confusion { true_positive: 2, false_positive: 3, false_negative: 2, true_negative: 1 };
        assert_eq!(metric.confusion(), table);
        assert_eq!(figures(&records), [Some(2.0 / 5.0), Some(2.0 / 4.0), Some(4.0 / 9.0)]);
        let value = metric.value();
        assert_eq!((value.numerator, value.denominator, value.n, value.interval), (4, 9, 8, None));
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
