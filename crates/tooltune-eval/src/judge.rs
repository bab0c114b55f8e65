//! The seam for judging what a model says, and figures over parts of records.

use std::fmt;
use std::sync::Arc;

use crate::clusters::Clusters;
use crate::metric::{Goal, Metric, MetricValue, quotient};
use crate::record::Record;

/// So many of so many: facts mentioned, parameters right, marks given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// How many count.
    pub hits: u64,
    /// Of how many.
    pub of: u64,
}

/// Judges one aspect of a response, such as how well it rests on the tool results.
///
/// [`GroundingJudge`](crate::GroundingJudge) judges by rule. A judge that asks another model, or a person, asks before the
/// scoring, where it can fail and be repeated, and looks its answers up by [`Record::id`] here.
///
/// ```
/// use tooltune_eval::{Metric, Ratio, Record, ResponseJudge, Share};
///
/// /// How many of the answer's sentences end in a full stop.
/// struct Punctuation;
///
/// impl ResponseJudge for Punctuation {
///     fn name(&self) -> &str {
///         "punctuation"
///     }
///
///     fn judge(&self, record: &Record) -> Option<Share> {
///         let sentences: Vec<&str> = record.answer().lines().collect();
///         let hits = sentences.iter().filter(|line| line.ends_with('.')).count();
///         Some(Share { hits: hits as u64, of: sentences.len() as u64 })
///     }
/// }
///
/// assert_eq!(Ratio::judged(Punctuation).name(), "punctuation");
/// ```
pub trait ResponseJudge: Send + Sync {
    /// The name of the aspect, in `snake_case`: the metric's name.
    fn name(&self) -> &str;

    /// The judgement; `None` where the aspect does not apply to the record.
    fn judge(&self, record: &Record) -> Option<Share>;

    /// Which way is better.
    fn goal(&self) -> Goal {
        Goal::Higher
    }
}

/// The share of things of which a record has several (calls, parameters, facts), over all records together.
///
/// Things of one record are not independent, and neither are records of one dialogue, so the interval is a bootstrap by
/// dialogue. The counterpart for one yes or no per record is [`Rate`](crate::Rate).
#[derive(Clone)]
pub struct Ratio {
    judge: Arc<dyn ResponseJudge>,
    clusters: Clusters<2>,
}

impl Ratio {
    /// The sums of what `judge` finds.
    #[must_use]
    pub fn judged(judge: impl ResponseJudge + 'static) -> Self {
        Self { judge: Arc::new(judge), clusters: Clusters::default() }
    }

    /// The sums of what `share` yields; records for which it is `None` are left out.
    #[must_use]
    pub fn new(name: &'static str, share: fn(&Record) -> Option<Share>) -> Self {
        Self::judged(Counted { name, share })
    }
}

impl fmt::Debug for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ratio").field("name", &self.judge.name()).field("clusters", &self.clusters).finish()
    }
}

impl Metric for Ratio {
    fn name(&self) -> &str {
        self.judge.name()
    }

    fn update(&mut self, record: &Record) {
        let share = self.judge.judge(record);
        self.clusters.add(record, share.map(|share| [share.hits as f64, share.of as f64]));
    }

    fn value(&self) -> MetricValue {
        let [hits, of] = self.clusters.total();
        MetricValue::quotient(hits, of, self.clusters.seen)
            .with_bootstrap(self.clusters.interval(|[hits, of]| quotient(*hits, *of)))
    }

    fn merge(&mut self, other: Self) {
        debug_assert_eq!(self.name(), other.name(), "only metrics of the same name merge");
        self.clusters.merge(other.clusters);
    }

    fn goal(&self) -> Goal {
        self.judge.goal()
    }
}

/// A judge that is a function.
struct Counted {
    name: &'static str,
    share: fn(&Record) -> Option<Share>,
}

impl ResponseJudge for Counted {
    fn name(&self) -> &str {
        self.name
    }

    fn judge(&self, record: &Record) -> Option<Share> {
        (self.share)(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{record, well_formed};

    fn calls_of(names: &[&[&str]], dialogue: impl Fn(usize) -> String) -> MetricValue {
        let mut ratio = Ratio::new("f_share", |record| {
            let hits = record.calls().iter().filter(|call| call.name == "f").count() as u64;
            Some(Share { hits, of: record.calls().len() as u64 })
        });
        for (i, names) in names.iter().enumerate() {
            ratio.update(&record(&["f"], well_formed(names)).in_dialogue(dialogue(i), 0, i as u32));
        }
        ratio.value()
    }

    #[test]
    fn things_are_pooled_and_dialogues_resampled() {
        let names: Vec<&[&str]> = vec![&["f", "f"], &["f", "f", "f"], &["g"], &["g", "g"], &["f"], &["g"]];
        let single = calls_of(&names, |i| i.to_string());
        assert_eq!((single.numerator, single.denominator, single.n), (6.0, 10.0, 6));
        // Two dialogues of three records each: fewer observations, so a wider interval.
        let paired = calls_of(&names, |i| (i / 2).to_string());
        let width = |value: &MetricValue| value.interval.map(|i| i.hi - i.lo).unwrap();
        assert!(width(&paired) > width(&single), "{paired:?} {single:?}");
        // One dialogue says nothing about others.
        assert_eq!(calls_of(&names, |_| "one".to_owned()).interval, None);
        assert_eq!(calls_of(&[], |i| i.to_string()).value, None);
    }
}
