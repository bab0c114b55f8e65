//! Scorecards and comparisons as JSON, Markdown and aligned text.

use crate::comparison::{Comparison, GroupComparison, MetricChange};
use crate::error::Error;
use crate::metric::{IntervalMethod, MetricValue, Unit};
use crate::paired::PairedMetric;
use crate::scorecard::{GroupScores, Scorecard};
use crate::standard::{is_summary, standard_metrics};
use crate::table::{Table, one_line, wrapped};

/// Wider tables are wrapped by column.
const TERMINAL_WIDTH: usize = 100;
const UNDEFINED: &str = "–";
const LEGEND: &str = "A cell holds the value, its counts and its 95 % interval: Wilson's for a share of examples, a \
    bootstrap by dialogue (b) for what is none. – means undefined: the set has no example that the figure is about. \
    arg_exact_match is about the examples whose names are right; parse_ok, recovered and malformed are about the \
    attempts to call. Metrics that are undefined everywhere have no row.\n";

impl Scorecard {
    /// The scorecard as JSON, with each figure's counts and interval and each example's verdict.
    ///
    /// # Errors
    /// [`Error::Json`] where serde_json refuses.
    pub fn to_json(&self) -> Result<String, Error> {
        Ok(serde_json::to_string_pretty(self)?)
    }

    /// A Markdown table: a row for each metric, a column for each held-out set; each figure with counts and interval.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        format!("{}\n{LEGEND}", self.table(full, |_| true).markdown())
    }

    /// The main figures and one's own as aligned text, at most 100 columns wide where the names allow; values only. The
    /// rest is in [`to_markdown`](Self::to_markdown).
    #[must_use]
    pub fn to_terminal(&self) -> String {
        let standard = standard_metrics();
        self.table(value, |name| is_summary(name, &standard)).text(TERMINAL_WIDTH)
    }

    fn table(&self, cell: fn(&MetricValue) -> String, shown: impl Fn(&str) -> bool) -> Table {
        let sets: Vec<&GroupScores> = std::iter::once(&self.overall).chain(&self.groups).collect();
        // Overall is defined where any set is.
        let names = self.overall.metrics.iter().filter(|metric| metric.value.value.is_some());
        let names: Vec<&str> = names.map(|metric| metric.name.as_str()).filter(|name| shown(name)).collect();
        by_set(
            &sets.iter().map(|set| (set.group.as_str(), set.n, set.n_wanted)).collect::<Vec<_>>(),
            &names,
            |set, name| sets[set].metric(name).map_or_else(undefined, cell),
        )
    }
}

impl Comparison {
    /// The comparison as JSON, with each figure's counts and interval and the paired tests.
    ///
    /// # Errors
    /// [`Error::Json`] where serde_json refuses.
    pub fn to_json(&self) -> Result<String, Error> {
        Ok(serde_json::to_string_pretty(self)?)
    }

    /// Markdown: the main figures, the paired tables that the conclusion rests on, each held-out set's metrics before and
    /// after with counts and intervals, and the other paired tables.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let (tested, others) = (
            |paired: &PairedMetric| paired.holm_p.is_some(),
            |paired: &PairedMetric| paired.holm_p.is_none(),
        );
        let mut out = format!("{}\n\n{}\n", self.title(), self.summary().markdown());
        let paired = |out: &mut String, tables: Vec<(String, Table)>| {
            for (name, table) in tables {
                out.push_str(&format!("### {name}, paired by example\n\n{}\n", table.markdown()));
            }
        };
        paired(&mut out, self.paired_tables(tested));
        out.push_str(&self.paired_legend());
        for set in self.sets() {
            let names = [String::new(), one_line(&self.before), one_line(&self.after), "change".to_owned()];
            let mut table = Table::new(names);
            for metric in set.metrics.iter().filter(|metric| is_defined(metric)) {
                let change =
                    metric.change.map_or_else(undefined, |change| difference(change, metric.after.unit));
                table.row([metric.name.clone(), full(&metric.before), full(&metric.after), change]);
            }
            let (group, n, wanted) = (one_line(&set.group), set.n, set.n_wanted);
            let table = table.markdown();
            out.push_str(&format!("\n### {group}: {n} examples, {wanted} with a call wanted\n\n{table}"));
        }
        out.push_str(&format!("\n{LEGEND}\n"));
        paired(&mut out, self.paired_tables(others));
        out
    }

    /// The main figures before and after, and the paired tables of those that the conclusion rests on, as aligned text, at
    /// most 100 columns wide where the names allow.
    #[must_use]
    pub fn to_terminal(&self) -> String {
        let mut out = format!("{}\n\n{}", self.title(), self.summary().text(TERMINAL_WIDTH));
        for (name, table) in self.paired_tables(|paired| paired.holm_p.is_some()) {
            out.push_str(&format!("\n{name}, paired by example\n\n{}", table.text(TERMINAL_WIDTH)));
        }
        out + "\n" + &wrapped(&self.paired_legend(), TERMINAL_WIDTH)
    }

    fn title(&self) -> String {
        format!("{} → {} (–: nothing to measure)", one_line(&self.before), one_line(&self.after))
    }

    /// The main figures, a column for each held-out set.
    fn summary(&self) -> Table {
        let standard = standard_metrics();
        let sets: Vec<&GroupComparison> = self.sets().collect();
        let metrics = self.overall.metrics.iter().filter(|metric| is_defined(metric));
        let names = metrics.map(|metric| metric.name.as_str()).filter(|name| is_summary(name, &standard));
        by_set(
            &sets.iter().map(|set| (set.group.as_str(), set.n, set.n_wanted)).collect::<Vec<_>>(),
            &names.collect::<Vec<_>>(),
            |set, name| sets[set].metric(name).map_or_else(undefined, before_after),
        )
    }

    /// Overall, then the held-out sets.
    pub(crate) fn sets(&self) -> impl Iterator<Item = &GroupComparison> {
        std::iter::once(&self.overall).chain(&self.groups)
    }

    /// The paired metrics that `shown` accepts; a set without examples that a metric is about has no row in its table.
    fn paired_tables(&self, shown: impl Fn(&PairedMetric) -> bool) -> Vec<(String, Table)> {
        let names = self.overall.paired.iter().filter(|paired| shown(paired)).map(|paired| &paired.name);
        let table = |name: &String| {
            let mut table = Table::new(PAIRED_HEADER.map(str::to_owned));
            for set in self.sets() {
                if let Some(paired) = set.paired(name) {
                    table.row(std::iter::once(set.group.clone()).chain(paired_cells(paired)));
                }
            }
            (one_line(name), table)
        };
        names.map(table).collect()
    }

    pub(crate) fn paired_legend(&self) -> String {
        let config = &self.config;
        format!(
            "change: more examples right, in points, with Newcombe's 95 % interval. p: McNemar's test (mid-p), Holm: \
             corrected for the metrics tested together in a set. better, worse: p at most {}. underpowered: so few \
             examples show a difference of {} points less than {} % of the time, where so many change as here.\n",
            config.alpha,
            100.0 * config.difference,
            100.0 * config.power,
        )
    }
}

pub(crate) const PAIRED_HEADER: [&str; 11] =
    ["", "n", "change", "interval", "fixed", "broken", "right", "wrong", "p", "Holm", ""];

/// Rows of metrics under columns of `(set, n, n_wanted)`.
fn by_set(sets: &[(&str, u64, u64)], metrics: &[&str], cell: impl Fn(usize, &str) -> String) -> Table {
    let named = |name: &str, cells: Vec<String>| std::iter::once(name.to_owned()).chain(cells);
    let mut table = Table::new(named("", sets.iter().map(|set| set.0.to_owned()).collect()));
    table.row(named("examples", sets.iter().map(|set| set.1.to_string()).collect()));
    table.row(named("with a call wanted", sets.iter().map(|set| set.2.to_string()).collect()));
    for name in metrics {
        table.row(named(name, (0..sets.len()).map(|set| cell(set, name)).collect()));
    }
    table
}

pub(crate) fn undefined() -> String {
    UNDEFINED.to_owned()
}

pub(crate) fn is_defined(metric: &MetricChange) -> bool {
    metric.before.value.is_some() || metric.after.value.is_some()
}

/// `95.5 %`; a coefficient or a mean as it is.
pub(crate) fn value(metric: &MetricValue) -> String {
    metric.value.map_or_else(undefined, |number| match metric.unit {
        Unit::Share => format!("{:.1} %", 100.0 * number),
        Unit::Coefficient | Unit::Number => format!("{number:.2}"),
    })
}

/// `[91.7, 97.6]`, with a mark for an interval that is no Wilson interval; empty where there is none.
pub(crate) fn interval(metric: &MetricValue) -> String {
    let mark = if metric.interval_method == Some(IntervalMethod::Bootstrap) { " b" } else { "" };
    metric.interval.map_or_else(String::new, |interval| match metric.unit {
        Unit::Share => format!("[{:.1}, {:.1}]{mark}", 100.0 * interval.lo, 100.0 * interval.hi),
        Unit::Coefficient | Unit::Number => format!("[{:.2}, {:.2}]{mark}", interval.lo, interval.hi),
    })
}

/// `191/200`, of sums with two decimals.
pub(crate) fn counts(metric: &MetricValue) -> String {
    let number = |x: f64| if x.fract() == 0.0 { format!("{x:.0}") } else { format!("{x:.2}") };
    format!("{}/{}", number(metric.numerator), number(metric.denominator))
}

/// `95.5 % (191/200) [91.7, 97.6]`
fn full(metric: &MetricValue) -> String {
    if metric.value.is_none() {
        return undefined();
    }
    let text = format!("{} ({}) {}", value(metric), counts(metric), interval(metric));
    text.trim_end().to_owned()
}

/// `0.0 → 95.5 %`, or `–` where both are undefined.
fn before_after(metric: &MetricChange) -> String {
    let before = value(&metric.before).trim_end_matches(" %").to_owned();
    let after = value(&metric.after);
    if before == UNDEFINED && after == UNDEFINED { after } else { format!("{before} → {after}") }
}

/// `+95.5`
pub(crate) fn points(change: f64) -> String {
    format!("{:+.1}", 100.0 * change)
}

pub(crate) fn difference(change: f64, unit: Unit) -> String {
    if unit == Unit::Share { points(change) } else { format!("{change:+.2}") }
}

pub(crate) fn paired_cells(paired: &PairedMetric) -> [String; 10] {
    let PairedMetric { counts, interval, .. } = paired;
    [
        counts.total().to_string(),
        points(paired.difference),
        format!("[{}, {}]", points(interval.lo), points(interval.hi)),
        counts.fixed.to_string(),
        counts.broken.to_string(),
        counts.still_right.to_string(),
        counts.still_wrong.to_string(),
        p_value(paired.mcnemar.mid_p),
        paired.holm_p.map_or_else(undefined, p_value),
        paired.conclusion.as_str().to_owned(),
    ]
}

pub(crate) fn p_value(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;
    use crate::testing::{example, silent, well_formed};

    /// Four examples that want `f`, two that want nothing; `exact` of the four are right.
    fn card(exact: usize) -> Scorecard {
        let wanted = (0..4).map(|i| {
            let response = if i < exact { well_formed(&["f"]) } else { silent() };
            example(&format!("w{i}"), "seen", &["f"], response)
        });
        let unwanted = (0..2).map(|i| example(&format!("u{i}"), "irrelevance", &[], silent()));
        Scorecard::score(&wanted.chain(unwanted).collect::<Vec<Record>>())
    }

    /// The cells of the first row that begins with `name`.
    fn row<'t>(table: &'t str, name: &str) -> Vec<&'t str> {
        let line = table.lines().find(|line| line.trim_start_matches("| ").starts_with(name)).unwrap();
        let cells: Vec<_> = if line.starts_with('|') {
            line.trim_matches('|').split('|').map(str::trim).collect()
        } else {
            line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
        };
        cells[1..].to_vec()
    }

    #[test]
    fn scorecard_tables() {
        let text = card(3).to_terminal();
        assert_eq!(row(&text, "examples"), ["6", "4", "2"]);
        assert_eq!(row(&text, "with a call wanted"), ["4", "4", "0"]);
        assert_eq!(row(&text, "exact_calls"), ["75.0 %", "75.0 %", "–"]);
        assert_eq!(row(&text, "irrelevance_accuracy"), ["100.0 %", "–", "100.0 %"]);
        let markdown = card(3).to_markdown();
        // Wilson of 3 in 4: [0.3006, 0.9544].
        assert_eq!(row(&markdown, "exact_calls")[..2], ["75.0 % (3/4) [30.1, 95.4]"; 2]);
        // F1 of 3 found and 1 missed: 6/7, with a bootstrap interval.
        let f1 = row(&markdown, "detection_f1")[0];
        assert!(f1.starts_with("85.7 % (6/7) [") && f1.ends_with(", 100.0] b"), "{f1}");
        let mcc = row(&markdown, "detection_mcc")[0];
        assert!(mcc.starts_with("0.71 (6/8.49) ["), "{mcc}");
        // The terminal has the main figures alone, and nothing that is undefined everywhere.
        for name in ["detection_mcc", "enum_violation", "dialogue_success"] {
            assert!(!text.contains(name), "{name}");
        }
        assert!(!markdown.contains("dialogue_success"));
    }

    #[test]
    fn comparison_tables() {
        let comparison = Comparison::new(&card(1), &card(4)).unwrap();
        let text = comparison.to_terminal();
        assert_eq!(row(&text, "exact_calls"), ["25.0 → 100.0 %", "25.0 → 100.0 %", "–"]);
        let paired =
            text.split("exact_calls, paired by example").nth(1).unwrap().split("paired by").next().unwrap();
        let cells = row(paired, "seen");
        assert_eq!((cells[0], cells[1]), ("4", "+75.0"));
        // 3 fixed, none broken: mid-p = 1 / 2³; the same for the names, so Holm doubles it.
        assert_eq!(cells[3..], ["3", "0", "1", "0", "0.125", "0.250", "underpowered"]);
        assert!(!paired.lines().any(|line| line.starts_with("irrelevance ")), "{paired}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        let named = comparison.clone().named("base", "tuned").to_terminal();
        assert!(named.starts_with("base → tuned"), "{named}");
        let markdown = comparison.to_markdown();
        // What the conclusion rests on first, the rest last.
        let at = |text: &str| markdown.find(text).unwrap_or_else(|| panic!("{text} in {markdown}"));
        assert!(
            at("exact_calls") < at("### exact_calls, paired")
                && at("### exact_calls, paired") < at("### seen:")
        );
        assert!(at("### irrelevance:") < at("### truncated, paired"));
        let seen = markdown.split("### seen: 4 examples, 4 with a call wanted").nth(1).unwrap();
        assert_eq!(row(seen, "exact_calls")[0], "25.0 % (1/4) [4.6, 69.9]");
        assert_eq!(row(seen, "exact_calls")[2], "+75.0");
        assert!(!seen.split("###").next().unwrap().contains("irrelevance_accuracy"), "{seen}");
    }

    #[test]
    fn json_is_versioned_and_reads_back() {
        let card = card(3);
        let json = card.to_json().unwrap();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["schema"], 2);
        let exact =
            value["groups"][0]["metrics"].as_array().unwrap().iter().find(|m| m["name"] == "exact_calls");
        let exact = exact.unwrap();
        assert_eq!(
            (&exact["numerator"], &exact["denominator"], &exact["n"]),
            (&3.into(), &4.into(), &4.into())
        );
        assert_eq!(exact["value"], 0.75);
        assert_eq!(exact["interval"].as_array().unwrap().len(), 2);
        let undefined = &value["groups"][1]["metrics"].as_array().unwrap()[0];
        assert!(undefined["value"].is_null() && undefined["interval"].is_null());

        let back = Scorecard::from_json(&json).unwrap();
        assert_eq!(back.verdicts, card.verdicts);
        let comparison = Comparison::new(&back, &card).unwrap();
        assert_eq!(comparison.overall.paired("exact_calls").unwrap().counts.still_right, 3);
        let json: serde_json::Value = serde_json::from_str(&comparison.to_json().unwrap()).unwrap();
        let paired = json["overall"]["paired"].as_array().unwrap();
        let exact = paired.iter().find(|paired| paired["name"] == "exact_calls").unwrap();
        assert_eq!((&json["schema"], &exact["still_wrong"]), (&2.into(), &1.into()));
        assert!(json["groups"][1]["paired"].as_array().unwrap().iter().all(|p| p["name"] != "exact_calls"));
        let back: Comparison = serde_json::from_value(json).unwrap();
        let counts =
            |c: &Comparison| c.overall.paired.iter().map(|p| (p.name.clone(), p.counts)).collect::<Vec<_>>();
        assert_eq!((counts(&back), &back.config), (counts(&comparison), &comparison.config));
    }

    #[test]
    fn another_schema_is_refused() {
        let json = card(1).to_json().unwrap().replacen("\"schema\": 2", "\"schema\": 3", 1);
        let error = Scorecard::from_json(&json).unwrap_err();
        assert_eq!(error.to_string(), "a scorecard of schema Some(3); this version reads schema 2");
        assert!(matches!(Scorecard::from_json("[]").unwrap_err(), Error::Schema { found: None, .. }));
        assert!(matches!(Scorecard::from_json("{\"schema\": 2}").unwrap_err(), Error::Json(_)));
        assert!(matches!(Scorecard::from_json("no").unwrap_err(), Error::Json(_)));
    }
}
