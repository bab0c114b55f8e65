//! Shares of records: every metric that asks a yes / no question of single records.

use crate::metric::{Goal, Metric, MetricValue};
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
    goal: Goal,
}

impl Rate {
    /// The share of records for which `question` yields `Some(true)` among those for which it yields `Some`.
    #[must_use]
    pub fn new(name: &'static str, question: fn(&Record) -> Option<bool>) -> Self {
        Self { name, question, yes: 0, asked: 0, seen: 0, goal: Goal::Higher }
    }

    /// The same rate as one of errors: less is better.
    #[must_use]
    pub fn lower_is_better(self) -> Self {
        Self { goal: Goal::Lower, ..self }
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

    fn goal(&self) -> Goal {
        self.goal
    }

    fn outcome(&self, record: &Record) -> Option<bool> {
        (self.question)(record)
    }
}
