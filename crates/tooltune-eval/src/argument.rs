//! Are the parameters correct? Parameter by parameter, in calls paired with the wanted ones.

use std::collections::BTreeMap;

use tooltune_chat::{Number, Value};

use crate::judge::{Ratio, Share};
use crate::metric::{Metric, MetricValue, quotient};
use crate::pairing::pair_calls;
use crate::rate::Rate;
use crate::record::Record;
use crate::schema::{has_declared_type, parameter_schema};
use crate::stats::Bootstrap;

impl Ratio {
    /// `parameter_precision`: of the parameters given where calls are wanted, those that are wanted, with an equal value.
    #[must_use]
    pub fn parameter_precision() -> Self {
        Self::new("parameter_precision", |record| {
            let counts = total(record)?;
            Some(Share { hits: counts.right, of: counts.given })
        })
    }

    /// `parameter_recall`: of the parameters wanted, those that are given, with an equal value.
    #[must_use]
    pub fn parameter_recall() -> Self {
        Self::new("parameter_recall", |record| {
            let counts = total(record)?;
            Some(Share { hits: counts.right, of: counts.wanted })
        })
    }

    /// `parameter_f1`: the harmonic mean of the two, 2 TP / (parameters given + parameters wanted): the micro average.
    #[must_use]
    pub fn parameter_f1() -> Self {
        Self::new("parameter_f1", |record| {
            let counts = total(record)?;
            Some(Share { hits: 2 * counts.right, of: counts.given + counts.wanted })
        })
    }

    /// `value_accuracy`: of the wanted parameters that are given, those with an equal value.
    #[must_use]
    pub fn value_accuracy() -> Self {
        Self::new("value_accuracy", |record| {
            let present = present(record)?;
            let hits = present.iter().filter(|p| p.wanted == p.given).count() as u64;
            Some(Share { hits, of: present.len() as u64 })
        })
    }

    /// `type_accuracy`: of the wanted parameters that are given, those whose value has the declared type; where the tool
    /// declares none, the type of the wanted value.
    #[must_use]
    pub fn type_accuracy() -> Self {
        Self::new("type_accuracy", |record| {
            let present = present(record)?;
            let hits = present.iter().filter(|p| has_right_type(record, p)).count() as u64;
            Some(Share { hits, of: present.len() as u64 })
        })
    }
}

impl Rate {
    /// `unexpected_param`: of the records with a call of a wanted function, those in which such a call has a parameter
    /// that is not wanted, be it declared or not.
    #[must_use]
    pub fn unexpected_param() -> Self {
        Self::new("unexpected_param", |record| {
            let pairs = pair_calls(&record.gold, record.calls());
            let unexpected = |&(g, c): &(usize, usize)| {
                record.calls()[c].arguments.keys().any(|key| !record.gold[g].arguments.contains_key(key))
            };
            (!pairs.is_empty()).then(|| pairs.iter().any(unexpected))
        })
        .lower_is_better()
    }
}

/// Macro averages: each parameter that is wanted somewhere, as `city` of `get_weather`, has a precision, a recall and an
/// F1 of its own, and counts the same however rare it is.
///
/// A parameter that is never given has no precision and is left out of that mean; its recall and F1 are 0. The numerator
/// is the sum over parameters, the denominator how many there are. The interval is a bootstrap by dialogue.
#[derive(Clone, Debug)]
pub struct ArgumentMacro {
    figure: Figure,
    /// By cluster, and in it by function and parameter.
    clusters: BTreeMap<String, BTreeMap<Label, Counts>>,
    seen: u64,
}

/// A function and a parameter of it.
type Label = (String, String);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    Precision,
    Recall,
    F1,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    right: u64,
    given: u64,
    wanted: u64,
}

impl ArgumentMacro {
    /// `parameter_macro_precision`.
    #[must_use]
    pub fn precision() -> Self {
        Self::new(Figure::Precision)
    }

    /// `parameter_macro_recall`.
    #[must_use]
    pub fn recall() -> Self {
        Self::new(Figure::Recall)
    }

    /// `parameter_macro_f1`.
    #[must_use]
    pub fn f1() -> Self {
        Self::new(Figure::F1)
    }

    fn new(figure: Figure) -> Self {
        Self { figure, clusters: BTreeMap::new(), seen: 0 }
    }

    /// The sum of the figure over the parameters that are wanted, and their number.
    fn mean_of(&self, counts: &[Counts]) -> (f64, f64) {
        let wanted = counts.iter().filter(|counts| counts.wanted > 0);
        let values = wanted.filter_map(|counts| match self.figure {
            Figure::Precision => quotient(counts.right as f64, counts.given as f64),
            Figure::Recall => quotient(counts.right as f64, counts.wanted as f64),
            Figure::F1 => quotient(2.0 * counts.right as f64, (counts.given + counts.wanted) as f64),
        });
        values.fold((0.0, 0.0), |(sum, number), value| (sum + value, number + 1.0))
    }
}

impl Metric for ArgumentMacro {
    fn name(&self) -> &str {
        match self.figure {
            Figure::Precision => "parameter_macro_precision",
            Figure::Recall => "parameter_macro_recall",
            Figure::F1 => "parameter_macro_f1",
        }
    }

    fn update(&mut self, record: &Record) {
        self.seen += 1;
        let found = by_parameter(record);
        if !found.is_empty() {
            let cluster = self.clusters.entry(record.cluster().to_owned()).or_default();
            for (label, counts) in found {
                cluster.entry(label).or_default().add(counts);
            }
        }
    }

    fn value(&self) -> MetricValue {
        let labels = self.clusters.values().flat_map(BTreeMap::keys);
        let mut index: BTreeMap<&Label, usize> = labels.map(|label| (label, 0)).collect();
        index.values_mut().enumerate().for_each(|(place, index)| *index = place);
        let clusters: Vec<Vec<(usize, Counts)>> = self
            .clusters
            .values()
            .map(|found| found.iter().map(|(label, counts)| (index[label], *counts)).collect())
            .collect();
        let sum = |drawn: &mut dyn Iterator<Item = usize>, sums: &mut Vec<Counts>| {
            sums.clear();
            sums.resize(index.len(), Counts::default());
            for cluster in drawn {
                clusters[cluster].iter().for_each(|&(label, counts)| sums[label].add(counts));
            }
            self.mean_of(sums)
        };
        let mut sums = Vec::new();
        let (total, number) = sum(&mut (0..clusters.len()), &mut sums);
        let interval = Bootstrap::default().interval(clusters.len(), |drawn| {
            let (total, number) = sum(&mut drawn.iter().copied(), &mut sums);
            quotient(total, number)
        });
        MetricValue::quotient(total, number, self.seen).with_bootstrap(interval)
    }

    fn merge(&mut self, other: Self) {
        debug_assert_eq!(self.figure, other.figure, "only metrics of the same name merge");
        self.seen += other.seen;
        for (cluster, found) in other.clusters {
            let own = self.clusters.entry(cluster).or_default();
            for (label, counts) in found {
                own.entry(label).or_default().add(counts);
            }
        }
    }
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.right += other.right;
        self.given += other.given;
        self.wanted += other.wanted;
    }
}

/// A wanted parameter that a call of its function gives.
struct Present<'r> {
    function: &'r str,
    parameter: &'r str,
    wanted: &'r Value,
    given: &'r Value,
}

/// The wanted parameters that are given; `None` where no calls are wanted.
fn present(record: &Record) -> Option<Vec<Present<'_>>> {
    record.has_gold().then(|| {
        let pairs = pair_calls(&record.gold, record.calls());
        let of_pair = |(g, c): (usize, usize)| {
            let (gold, call) = (&record.gold[g], &record.calls()[c]);
            let given = |(parameter, wanted)| {
                let given = call.arguments.get(parameter)?;
                Some(Present { function: &gold.name, parameter, wanted, given })
            };
            gold.arguments.iter().filter_map(given)
        };
        pairs.into_iter().flat_map(of_pair).collect()
    })
}

/// Parameters right, given and wanted, in all calls; `None` where no calls are wanted.
fn total(record: &Record) -> Option<Counts> {
    let right = present(record)?.iter().filter(|p| p.wanted == p.given).count() as u64;
    let parameters = |calls: &[tooltune_chat::ToolCall]| calls.iter().map(|c| c.arguments.len() as u64).sum();
    Some(Counts { right, given: parameters(record.calls()), wanted: parameters(&record.gold) })
}

/// The same counts for each parameter of each function; nothing where no calls are wanted.
fn by_parameter(record: &Record) -> BTreeMap<Label, Counts> {
    let mut found: BTreeMap<Label, Counts> = BTreeMap::new();
    let Some(present) = present(record) else { return found };
    let mut entry = |function: &str, parameter: &str, counts: Counts| {
        found.entry((function.to_owned(), parameter.to_owned())).or_default().add(counts);
    };
    for p in present.iter().filter(|p| p.wanted == p.given) {
        entry(p.function, p.parameter, Counts { right: 1, ..Counts::default() });
    }
    for call in record.calls() {
        call.arguments
            .keys()
            .for_each(|key| entry(&call.name, key, Counts { given: 1, ..Counts::default() }));
    }
    for gold in &record.gold {
        gold.arguments
            .keys()
            .for_each(|key| entry(&gold.name, key, Counts { wanted: 1, ..Counts::default() }));
    }
    found
}

fn has_right_type(record: &Record, parameter: &Present<'_>) -> bool {
    let schema = parameter_schema(&record.tools, parameter.function, parameter.parameter);
    schema.and_then(|schema| has_declared_type(parameter.given, schema)).unwrap_or_else(|| {
        match (parameter.wanted, parameter.given) {
            // Where a fraction is wanted, a whole number is a number too.
            (Value::Number(Number::Float(_)), Value::Number(_)) => true,
            (wanted, given) => wanted.type_name() == given.type_name(),
        }
    })
}

#[cfg(test)]
mod tests {
    use tooltune_chat::{ParseStatus, ToolCall, ToolDefinition};

    use super::*;
    use crate::testing::{call, counts, malformed, record, response, silent};

    fn judged(gold: Vec<ToolCall>, calls: Vec<ToolCall>) -> Record {
        let status = if calls.is_empty() { ParseStatus::NoAttempt } else { ParseStatus::Calls };
        Record { gold, ..record(&[], response(status, calls)) }
    }

    fn examples() -> Vec<Record> {
        let gold = || call("f", r#"{"a":1,"b":"x"}"#);
        vec![
            judged(vec![gold()], vec![gold()]),
            judged(vec![gold()], vec![call("f", r#"{"a":2,"b":"x","c":0}"#)]),
            judged(vec![gold()], vec![call("f", r#"{"a":"1"}"#)]),
            judged(vec![gold()], vec![call("g", r#"{"a":1}"#)]),
            judged(vec![gold()], vec![]),
            Record { gold: vec![gold()], ..record(&[], malformed()) },
            judged(vec![], vec![gold()]),
            judged(vec![call("g", r#"{"a":1.5}"#)], vec![call("g", r#"{"a":1}"#)]),
        ]
    }

    fn value(mut metric: impl Metric) -> (f64, f64) {
        examples().iter().for_each(|record| metric.update(record));
        let value = metric.value();
        assert_eq!(value.n, 8);
        (value.numerator, value.denominator)
    }

    #[test]
    fn micro() {
        // Right: 2 + 1. Given: 2 + 3 + 1 + 1 + 1. Wanted: 6 · 2 + 1.
        assert_eq!(value(Ratio::parameter_precision()), (3.0, 8.0));
        assert_eq!(value(Ratio::parameter_recall()), (3.0, 13.0));
        assert_eq!(value(Ratio::parameter_f1()), (6.0, 21.0));
        // Present: a, b; a, b; a; and a of g.
        assert_eq!(value(Ratio::value_accuracy()), (3.0, 6.0));
        assert_eq!(value(Ratio::type_accuracy()), (5.0, 6.0));
    }

    #[test]
    fn each_parameter_counts_the_same_in_the_macro_average() {
        // f.a: right 1, given 3, wanted 6. f.b: right 2, given 2, wanted 6. g.a: right 0, given 2, wanted 1.
        // f.c is never wanted.
        assert_eq!(value(ArgumentMacro::precision()), (1.0 / 3.0 + 1.0, 3.0));
        assert_eq!(value(ArgumentMacro::recall()), (1.0 / 6.0 + 2.0 / 6.0, 3.0));
        assert_eq!(value(ArgumentMacro::f1()), (2.0 / 9.0 + 4.0 / 8.0, 3.0));
    }

    #[test]
    fn a_parameter_that_is_never_given_has_no_precision() {
        let records = [judged(vec![call("f", r#"{"a":1,"b":2}"#)], vec![call("f", r#"{"a":1}"#)])];
        let of = |mut metric: ArgumentMacro| {
            records.iter().for_each(|record| metric.update(record));
            metric.value()
        };
        assert_eq!(
            (of(ArgumentMacro::precision()).numerator, of(ArgumentMacro::precision()).denominator),
            (1.0, 1.0)
        );
        assert_eq!(of(ArgumentMacro::recall()).value, Some(0.5));
        assert_eq!(ArgumentMacro::f1().value().value, None);
    }

    #[test]
    fn declared_types_go_before_the_type_of_the_gold_value() {
        let schema =
            r#"{"type":"object","properties":{"a":{"type":"number"},"b":{"type":["string","null"]}}}"#;
        let tool = ToolDefinition::new("f", "", Value::parse_json(schema).unwrap());
        let of = |arguments: &str| {
            let gold = vec![call("f", r#"{"a":1,"b":"x"}"#)];
            let mut ratio = Ratio::type_accuracy();
            ratio.update(&Record { tools: vec![tool.clone()], ..judged(gold, vec![call("f", arguments)]) });
            ratio.value().numerator
        };
        assert_eq!(of(r#"{"a":1.5,"b":null}"#), 2.0);
        assert_eq!(of(r#"{"a":"1.5","b":7}"#), 0.0);
    }

    #[test]
    fn unexpected_parameters() {
        assert_eq!(counts(Rate::unexpected_param(), &examples()), (1, 4));
        assert_eq!(counts(Rate::unexpected_param(), &[record(&["f"], silent())]), (0, 0));
    }
}
