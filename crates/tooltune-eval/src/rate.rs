//! Shares of records: every metric that asks a yes / no question of single records.

use tooltune_chat::ParseStatus;

use crate::align::{calls_match, names_match};
use crate::metric::{Metric, MetricValue};
use crate::record::Record;

/// The share of records that answer a yes / no question with yes, with a Wilson interval.
///
/// The question yields `None` for a record that it is not about. The unit is the record, not the single call, because
/// the calls of one response are not independent of each other.
///
/// ```
/// use tooltune_eval::{Metric, Rate};
///
/// // A question of one's own.
/// let apologies = Rate::new("apologises", |record| Some(record.response.text.contains("sorry")));
/// assert_eq!(apologies.name(), "apologises");
/// assert_eq!(apologies.value().value, None);
/// ```
#[derive(Clone, Debug)]
pub struct Rate {
    name: &'static str,
    question: fn(&Record) -> Option<bool>,
    yes: u64,
    asked: u64,
    seen: u64,
}

impl Rate {
    /// The share of records for which `question` yields `Some(true)` among those for which it yields `Some`.
    #[must_use]
    pub fn new(name: &'static str, question: fn(&Record) -> Option<bool>) -> Self {
        Self { name, question, yes: 0, asked: 0, seen: 0 }
    }

    /// `name_accuracy`: where calls are wanted, the functions called are those wanted, each as often.
    #[must_use]
    pub fn name_accuracy() -> Self {
        Self::new("name_accuracy", |record| record.wants_call().then(|| right_names(record)))
    }

    /// `arg_exact_match`: where the names are right, the arguments are too.
    #[must_use]
    pub fn arg_exact_match() -> Self {
        Self::new("arg_exact_match", |record| {
            (record.wants_call() && right_names(record)).then(|| is_exact(record))
        })
    }

    /// `exact_calls`: where calls are wanted, those and no others are made, with equal arguments, in any order.
    #[must_use]
    pub fn exact_calls() -> Self {
        Self::new("exact_calls", |record| record.wants_call().then(|| is_exact(record)))
    }

    /// `irrelevance_accuracy`: where no call is wanted, none is attempted.
    #[must_use]
    pub fn irrelevance_accuracy() -> Self {
        Self::new("irrelevance_accuracy", |record| (!record.wants_call()).then(|| !record.attempted()))
    }

    /// `parse_ok`: of the attempts to call, those that are exactly in the call format.
    #[must_use]
    pub fn parse_ok() -> Self {
        Self::new("parse_ok", |record| attempt_is(record, ParseStatus::Calls))
    }

    /// `recovered`: of the attempts to call, those in a broken form of which calls could still be read. What was read
    /// counts as called.
    #[must_use]
    pub fn recovered() -> Self {
        Self::new("recovered", |record| attempt_is(record, ParseStatus::Recovered))
    }

    /// `malformed`: of the attempts to call, those that can't be read.
    #[must_use]
    pub fn malformed() -> Self {
        Self::new("malformed", |record| attempt_is(record, ParseStatus::Malformed))
    }

    /// `stopped`: the response was ended by a stop token, not by the length limit.
    #[must_use]
    pub fn stopped() -> Self {
        Self::new("stopped", |record| Some(record.response.stopped))
    }
}

impl Metric for Rate {
    fn name(&self) -> &str {
        self.name
    }

    fn update(&mut self, record: &Record) {
        self.seen += 1;
        if let Some(yes) = (self.question)(record) {
            self.asked += 1;
            self.yes += u64::from(yes);
        }
    }

    fn value(&self) -> MetricValue {
        MetricValue::proportion(self.yes, self.asked, self.seen)
    }

    fn merge(&mut self, other: Self) {
        debug_assert_eq!(self.name, other.name, "only metrics of the same name merge");
        self.yes += other.yes;
        self.asked += other.asked;
        self.seen += other.seen;
    }
}

fn right_names(record: &Record) -> bool {
    names_match(&record.gold, record.calls())
}

fn is_exact(record: &Record) -> bool {
    calls_match(&record.gold, record.calls())
}

fn attempt_is(record: &Record, status: ParseStatus) -> Option<bool> {
    record.attempted().then(|| record.response.parsed.status == status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Response;
    use crate::testing::{call, malformed, record, response, silent, well_formed};

    /// Numerator and denominator.
    fn counts(mut rate: Rate, records: &[Record]) -> (u64, u64) {
        records.iter().for_each(|record| rate.update(record));
        let value = rate.value();
        assert_eq!(value.n, records.len() as u64);
        assert_eq!(value.value.is_some(), value.denominator > 0);
        assert_eq!(value.interval.is_some(), value.denominator > 0);
        (value.numerator, value.denominator)
    }

    fn calling(arguments: &str) -> Response {
        response(ParseStatus::Calls, vec![call("f", arguments)])
    }

    #[test]
    fn names_arguments_and_exact_calls() {
        let records = [
            record(&["f"], well_formed(&["f"])),           // exact
            record(&["f", "g"], well_formed(&["g", "f"])), // exact, in another order
            record(&["f"], calling(r#"{"x":1}"#)),         // right name, wrong arguments
            record(&["f"], well_formed(&["g"])),           // wrong name
            record(&["f"], well_formed(&["f", "f"])),      // once too often
            record(&["f"], malformed()),                   // would be exact, can't be read
            record(&["f"], silent()),                      // no call
            record(&[], silent()),                         // not about it
            record(&[], well_formed(&["f"])),              // not about it
        ];
        assert_eq!(counts(Rate::name_accuracy(), &records), (3, 7));
        assert_eq!(counts(Rate::arg_exact_match(), &records), (2, 3));
        assert_eq!(counts(Rate::exact_calls(), &records), (2, 7));
        assert_eq!(counts(Rate::irrelevance_accuracy(), &records), (1, 2));
    }

    #[test]
    fn irrelevance_counts_every_attempt_as_an_error() {
        let recovered = response(ParseStatus::Recovered, vec![call("f", "{}")]);
        let records = [
            record(&[], silent()),
            record(&[], malformed()),
            record(&[], recovered),
            record(&[], well_formed(&[])),
        ];
        assert_eq!(counts(Rate::irrelevance_accuracy(), &records), (1, 4));
        assert_eq!(counts(Rate::exact_calls(), &records), (0, 0));
    }

    #[test]
    fn the_parse_rates_share_the_attempts_out() {
        let recovered = || response(ParseStatus::Recovered, vec![call("f", "{}")]);
        let records = [
            record(&["f"], well_formed(&["f"])),
            record(&[], recovered()),
            record(&["f"], recovered()),
            record(&["f"], malformed()),
            record(&["f"], silent()),
        ];
        assert_eq!(counts(Rate::parse_ok(), &records), (1, 4));
        assert_eq!(counts(Rate::recovered(), &records), (2, 4));
        assert_eq!(counts(Rate::malformed(), &records), (1, 4));
        // A recovered call is a call.
        assert_eq!(counts(Rate::exact_calls(), &records), (2, 4));
    }

    #[test]
    fn stopped_is_about_every_record() {
        let mut endless = silent();
        endless.stopped = false;
        assert_eq!(counts(Rate::stopped(), &[record(&[], endless), record(&["f"], silent())]), (1, 2));
    }
}
