//! All metrics of a run: by held-out set and overall.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tooltune_chat::{ToolCall, Value};

use crate::error::Error;
use crate::metric::{Goal, Metric, MetricValue};
use crate::record::Record;
use crate::standard::standard_metrics;
use crate::tool_confusion::ToolConfusion;

/// The version of the JSON that [`Scorecard`] and [`Comparison`](crate::Comparison) are written as.
pub const SCHEMA: u64 = 2;

/// The scores of one run.
///
/// Written with [`to_json`](Self::to_json), [`to_markdown`](Self::to_markdown) and [`to_terminal`](Self::to_terminal);
/// read back with [`from_json`](Self::from_json), so that a later run can be compared with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scorecard {
    /// [`SCHEMA`].
    pub schema: u64,
    /// The scores over all records.
    pub overall: GroupScores,
    /// The scores of each held-out set, in the order in which the records name them.
    pub groups: Vec<GroupScores>,
    /// Which function is called in place of which, over all records.
    pub tool_confusion: ToolConfusion,
    /// The judgement of each record, in order.
    pub verdicts: Vec<Verdict>,
}

/// The scores of one held-out set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupScores {
    /// The set's name; `overall` for all records together.
    pub group: String,
    /// How many records.
    pub n: u64,
    /// How many of them want a call.
    pub n_wanted: u64,
    /// The metrics, in table order.
    pub metrics: Vec<NamedValue>,
}

/// A metric's name and value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedValue {
    /// The metric's name.
    pub name: String,
    /// Which way is better.
    #[serde(default)]
    pub goal: Goal,
    /// Its value.
    #[serde(flatten)]
    pub value: MetricValue,
}

/// One record's judgement: what a comparison pairs, and what to look at when a figure disappoints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The record's id.
    pub id: String,
    /// The record's held-out set.
    pub group: String,
    /// The wanted calls, as `name({"argument": value})`.
    pub gold: Vec<String>,
    /// A call was wanted, and none in particular.
    #[serde(default)]
    pub any_call: bool,
    /// The calls made, likewise; empty where the attempt is malformed.
    pub calls: Vec<String>,
    /// The model tried to call, be it malformed.
    pub attempted: bool,
    /// The response was ended by a stop token.
    pub stopped: bool,
    /// Exactly the wanted calls were made; where none is wanted, none was attempted; where any
    /// is, one was made.
    pub right: bool,
    /// The last thing that the user said; empty where the record has no conversation.
    pub request: String,
    /// What the model wrote.
    pub text: String,
    /// The yes or no of each metric that is a share of records and is about this one: what comparisons pair.
    pub outcomes: BTreeMap<String, bool>,
}

impl Scorecard {
    /// Scores `records` with the [`standard_metrics`].
    #[must_use]
    pub fn score(records: &[Record]) -> Self {
        Self::score_with(records, standard_metrics)
    }

    /// Scores `records` with metrics of one's own; `metrics` makes a fresh set for each held-out set.
    #[must_use]
    pub fn score_with(records: &[Record], metrics: impl Fn() -> Vec<Box<dyn Metric>>) -> Self {
        let mut overall = Tally::new("overall", metrics());
        let mut groups: Vec<Tally> = Vec::new();
        for record in records {
            overall.update(record);
            match groups.iter_mut().find(|tally| tally.group == record.group) {
                Some(tally) => tally.update(record),
                None => {
                    let mut tally = Tally::new(&record.group, metrics());
                    tally.update(record);
                    groups.push(tally);
                }
            }
        }
        Self {
            schema: SCHEMA,
            overall: overall.scores(),
            groups: groups.iter().map(Tally::scores).collect(),
            tool_confusion: ToolConfusion::of(records),
            verdicts: records.iter().map(|record| Verdict::of(record, &overall.metrics)).collect(),
        }
    }

    /// The scores of the held-out set `group`.
    #[must_use]
    pub fn group(&self, group: &str) -> Option<&GroupScores> {
        self.groups.iter().find(|scores| scores.group == group)
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// [`Error::Schema`] for another version, [`Error::Json`] for anything else that is no scorecard.
    pub fn from_json(json: &str) -> Result<Self, Error> {
        let value: serde_json::Value = serde_json::from_str(json)?;
        match value.get("schema").and_then(serde_json::Value::as_u64) {
            Some(SCHEMA) => Ok(serde_json::from_value(value)?),
            found => Err(Error::Schema { found, expected: SCHEMA }),
        }
    }
}

impl GroupScores {
    /// The value of the metric `name`; `None` where it was not measured.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<&MetricValue> {
        self.metrics.iter().find(|metric| metric.name == name).map(|metric| &metric.value)
    }
}

impl Verdict {
    fn of(record: &Record, metrics: &[Box<dyn Metric>]) -> Self {
        let calls = record.calls();
        Self {
            id: record.id.clone(),
            group: record.group.clone(),
            gold: record.gold.iter().map(written).collect(),
            any_call: record.wants_any_call(),
            calls: calls.iter().map(written).collect(),
            attempted: record.attempted(),
            stopped: record.response.stopped,
            right: record.is_right(),
            request: record.request().unwrap_or_default().to_owned(),
            text: record.response.text.clone(),
            outcomes: metrics
                .iter()
                .filter_map(|metric| Some((metric.name().to_owned(), metric.outcome(record)?)))
                .collect(),
        }
    }
}

/// A call for people's eyes: `get_weather({"city": "Paris"})`.
fn written(call: &ToolCall) -> String {
    format!("{}({})", call.name, Value::Object(call.arguments.clone()).to_json())
}

/// The metrics of a held-out set while they are counted.
struct Tally {
    group: String,
    n: u64,
    n_wanted: u64,
    metrics: Vec<Box<dyn Metric>>,
}

impl Tally {
    fn new(group: &str, metrics: Vec<Box<dyn Metric>>) -> Self {
        Self { group: group.to_owned(), n: 0, n_wanted: 0, metrics }
    }

    fn update(&mut self, record: &Record) {
        self.n += 1;
        self.n_wanted += u64::from(record.wants_call());
        self.metrics.iter_mut().for_each(|metric| metric.update(record));
    }

    fn scores(&self) -> GroupScores {
        let metrics = self
            .metrics
            .iter()
            .map(|metric| NamedValue {
                name: metric.name().to_owned(),
                goal: metric.goal(),
                value: metric.value(),
            })
            .collect();
        GroupScores { group: self.group.clone(), n: self.n, n_wanted: self.n_wanted, metrics }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::Rate;
    use crate::testing::{example, malformed, silent, well_formed};

    fn card() -> Scorecard {
        Scorecard::score(&[
            example("1", "seen", &["f"], well_formed(&["f"])),
            example("2", "irrelevance", &[], silent()),
            example("3", "seen", &["f"], well_formed(&["g"])),
            example("4", "irrelevance", &[], malformed()),
            example("5", "seen", &["f"], well_formed(&["f"])),
        ])
    }

    fn counts(scores: &GroupScores, name: &str) -> (u64, u64) {
        let value = scores.metric(name).unwrap();
        (value.numerator as u64, value.denominator as u64)
    }

    #[test]
    fn sets_apart_and_overall() {
        let card = card();
        assert_eq!(card.groups.iter().map(|g| g.group.as_str()).collect::<Vec<_>>(), ["seen", "irrelevance"]);
        let (seen, irrelevance) = (card.group("seen").unwrap(), card.group("irrelevance").unwrap());
        assert_eq!((seen.n, seen.n_wanted, irrelevance.n, irrelevance.n_wanted), (3, 3, 2, 0));
        assert_eq!((card.overall.n, card.overall.n_wanted), (5, 3));
        assert_eq!(counts(seen, "exact_calls"), (2, 3));
        assert_eq!(counts(irrelevance, "irrelevance_accuracy"), (1, 2));
        assert_eq!(counts(&card.overall, "exact_calls"), (2, 3));
        assert_eq!(counts(&card.overall, "detection_precision"), (3, 4));
    }

    #[test]
    fn a_figure_without_records_is_undefined() {
        let card = card();
        assert_eq!(card.group("seen").unwrap().metric("irrelevance_accuracy").unwrap().value, None);
        let irrelevance = card.group("irrelevance").unwrap();
        for name in
            ["detection_precision", "detection_recall", "detection_f1", "name_accuracy", "exact_calls"]
        {
            assert_eq!(irrelevance.metric(name).unwrap().value, None, "{name}");
            assert_eq!(irrelevance.metric(name).unwrap().interval, None, "{name}");
        }
        assert!(Scorecard::score(&[]).overall.metrics.iter().all(|metric| metric.value.value.is_none()));
    }

    #[test]
    fn verdicts_tell_right_from_wrong() {
        let card = card();
        assert_eq!(
            card.verdicts.iter().map(|v| v.right).collect::<Vec<_>>(),
            [true, true, false, false, true]
        );
        assert_eq!(
            (card.verdicts[2].gold[0].as_str(), card.verdicts[2].calls[0].as_str()),
            ("f({})", "g({})")
        );
        assert!(card.verdicts[3].attempted && card.verdicts[3].calls.is_empty());
        assert_eq!(card.verdicts[2].outcomes.get("name_accuracy"), Some(&false));
        assert_eq!(card.verdicts[3].outcomes.get("name_accuracy"), None);
    }

    #[test]
    fn a_set_that_wants_any_call() {
        let any = |id: &str, response| {
            example(id, "relevance", &[], response).with_category(crate::ast::Category::Relevance)
        };
        let card = Scorecard::score(&[any("1", well_formed(&["f"])), any("2", silent())]);
        assert_eq!((card.overall.n, card.overall.n_wanted), (2, 2));
        assert_eq!(counts(&card.overall, "relevance_accuracy"), (1, 2));
        assert_eq!(counts(&card.overall, "exact_set_match"), (1, 2));
        for name in
            ["irrelevance_accuracy", "name_accuracy", "exact_calls", "call_precision", "parameter_precision"]
        {
            assert_eq!(card.overall.metric(name).unwrap().value, None, "{name}");
        }
        assert_eq!(
            card.verdicts.iter().map(|v| (v.any_call, v.right)).collect::<Vec<_>>(),
            [(true, true), (true, false)]
        );
    }

    #[test]
    fn ones_own_metrics() {
        let card = Scorecard::score_with(&[example("1", "a", &[], silent())], || {
            vec![Box::new(Rate::new("always", |_| Some(true)))]
        });
        assert_eq!(card.overall.metrics.len(), 1);
        assert_eq!(counts(&card.overall, "always"), (1, 1));
    }
}
