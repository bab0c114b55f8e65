//! Scorecards and comparisons as JSON, Markdown and aligned text.

use crate::comparison::{Comparison, GroupComparison, MetricChange, PairedOutcome};
use crate::error::Error;
use crate::metric::MetricValue;
use crate::scorecard::{GroupScores, Scorecard};
use crate::table::{Table, one_line};

/// Wider tables are wrapped by column.
const TERMINAL_WIDTH: usize = 100;
const UNDEFINED: &str = "–";
const LEGEND: &str = "A cell holds the value, its counts and its 95 % Wilson interval; – means undefined: the set has no \
    example that the figure is about. The counts of detection_f1 are 2 TP and 2 TP + FP + FN; it is no proportion of \
    examples and has no interval. arg_exact_match is about the examples whose names are right; parse_ok, recovered \
    and malformed are about the attempts to call.\n";
const PAIRED_LEGEND: &str = "change: Newcombe's 95 % interval of the paired difference, in points; p: McNemar's exact \
    test, two-sided, not corrected for testing several sets.\n";

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
        format!("{}\n{LEGEND}", self.table(full).markdown())
    }

    /// The table as aligned text, at most 100 columns wide where the names allow; values only.
    #[must_use]
    pub fn to_terminal(&self) -> String {
        self.table(percent).text(TERMINAL_WIDTH)
    }

    fn table(&self, cell: fn(&MetricValue) -> String) -> Table {
        let sets: Vec<&GroupScores> = std::iter::once(&self.overall).chain(&self.groups).collect();
        let names: Vec<&str> = self.overall.metrics.iter().map(|metric| metric.name.as_str()).collect();
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

    /// Markdown: the paired tables, then each held-out set's metrics before and after with counts and intervals.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut out = String::new();
        for (name, table) in self.paired_tables() {
            out.push_str(&format!("### {name}, paired by example\n\n{}\n", table.markdown()));
        }
        out.push_str(PAIRED_LEGEND);
        for set in self.sets() {
            let mut table = Table::new(["", "before", "after", "change"].map(str::to_owned));
            for metric in &set.metrics {
                let change = metric.change.map_or_else(undefined, points);
                table.row([metric.name.clone(), full(&metric.before), full(&metric.after), change]);
            }
            let (group, n, wanted) = (one_line(&set.group), set.n, set.n_wanted);
            let table = table.markdown();
            out.push_str(&format!("\n### {group}: {n} examples, {wanted} with a call wanted\n\n{table}"));
        }
        format!("{out}\n{LEGEND}")
    }

    /// The before / after table and the paired tables as aligned text, at most 100 columns wide where the names allow.
    #[must_use]
    pub fn to_terminal(&self) -> String {
        let sets: Vec<&GroupComparison> = self.sets().collect();
        let names: Vec<&str> = self.overall.metrics.iter().map(|metric| metric.name.as_str()).collect();
        let table = by_set(
            &sets.iter().map(|set| (set.group.as_str(), set.n, set.n_wanted)).collect::<Vec<_>>(),
            &names,
            |set, name| sets[set].metric(name).map_or_else(undefined, before_after),
        );
        let mut out = format!("before → after (–: nothing to measure)\n\n{}", table.text(TERMINAL_WIDTH));
        for (name, table) in self.paired_tables() {
            out.push_str(&format!("\n{name}, paired by example\n\n{}", table.text(TERMINAL_WIDTH)));
        }
        out + "\np: McNemar's exact test; interval: 95 % of the change, in points\n"
    }

    /// Overall, then the held-out sets.
    fn sets(&self) -> impl Iterator<Item = &GroupComparison> {
        std::iter::once(&self.overall).chain(&self.groups)
    }

    /// The paired outcomes; a set without examples that a table is about has no row in it.
    fn paired_tables(&self) -> Vec<(&'static str, Table)> {
        let table = |outcome: fn(&GroupComparison) -> Option<PairedOutcome>| {
            let header =
                ["", "n", "change", "interval", "fixed", "broken", "still right", "still wrong", "p"];
            let mut table = Table::new(header.map(str::to_owned));
            for set in self.sets() {
                if let Some(outcome) = outcome(set) {
                    table.row(std::iter::once(set.group.clone()).chain(paired_cells(&outcome)));
                }
            }
            table
        };
        let tables = [
            ("exact_calls", table(|set| set.exact_calls)),
            ("irrelevance_accuracy", table(|set| set.irrelevance_accuracy)),
        ];
        tables.into_iter().filter(|(_, table)| !table.is_empty()).collect()
    }
}

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

fn undefined() -> String {
    UNDEFINED.to_owned()
}

/// `95.5 %`
fn percent(value: &MetricValue) -> String {
    value.value.map_or_else(undefined, |value| format!("{:.1} %", 100.0 * value))
}

/// `95.5 % (191/200) [91.7, 97.6]`
fn full(value: &MetricValue) -> String {
    if value.value.is_none() {
        return undefined();
    }
    let interval = value.interval.map_or_else(String::new, |interval| {
        format!(" [{:.1}, {:.1}]", 100.0 * interval.lo, 100.0 * interval.hi)
    });
    format!("{} ({}/{}){interval}", percent(value), value.numerator, value.denominator)
}

/// `0.0 → 95.5 %`, or `–` where both are undefined.
fn before_after(metric: &MetricChange) -> String {
    let before = metric.before.value.map_or_else(undefined, |value| format!("{:.1}", 100.0 * value));
    let after = percent(&metric.after);
    if before == UNDEFINED && after == UNDEFINED { after } else { format!("{before} → {after}") }
}

/// `+95.5`
fn points(change: f64) -> String {
    format!("{:+.1}", 100.0 * change)
}

fn paired_cells(outcome: &PairedOutcome) -> [String; 8] {
    let PairedOutcome { counts, interval, .. } = outcome;
    [
        counts.total().to_string(),
        points(outcome.difference),
        format!("[{}, {}]", points(interval.lo), points(interval.hi)),
        counts.fixed.to_string(),
        counts.broken.to_string(),
        counts.still_right.to_string(),
        counts.still_wrong.to_string(),
        p_value(outcome.mcnemar_exact_p),
    ]
}

fn p_value(p: f64) -> String {
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
        // F1 of 3 found and 1 missed: 6/7, without an interval.
        assert_eq!(row(&markdown, "detection_f1")[0], "85.7 % (6/7)");
    }

    #[test]
    fn comparison_tables() {
        let comparison = Comparison::new(&card(1), &card(4)).unwrap();
        let text = comparison.to_terminal();
        assert_eq!(row(&text, "exact_calls"), ["25.0 → 100.0 %", "25.0 → 100.0 %", "–"]);
        let paired = text.split("paired by example").nth(1).unwrap();
        let cells = row(paired, "seen");
        assert_eq!((cells[0], cells[1]), ("4", "+75.0"));
        // 3 fixed, none broken: p = 2 / 2³.
        assert_eq!(cells[3..], ["3", "0", "1", "0", "0.250"]);
        assert!(!paired.lines().any(|line| line.starts_with("irrelevance ")), "{paired}");
        let markdown = comparison.to_markdown();
        let seen = markdown.split("### seen: 4 examples, 4 with a call wanted").nth(1).unwrap();
        assert_eq!(row(seen, "exact_calls")[0], "25.0 % (1/4) [4.6, 69.9]");
        assert_eq!(row(seen, "exact_calls")[2], "+75.0");
        assert_eq!(row(seen, "irrelevance_accuracy"), ["–"; 3]);
    }

    #[test]
    fn json_is_versioned_and_reads_back() {
        let card = card(3);
        let json = card.to_json().unwrap();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["schema"], 1);
        let exact =
            value["groups"][0]["metrics"].as_array().unwrap().iter().find(|m| m["name"] == "exact_calls");
        let exact = exact.unwrap();
        assert_eq!(
            (&exact["numerator"], &exact["denominator"], &exact["n"]),
            (&3.into(), &4.into(), &4.into())
        );
        assert_eq!(exact["value"], 0.75);
        assert_eq!(exact["interval"].as_array().unwrap().len(), 2);
        let undefined = value["groups"][1]["metrics"][0].as_object().unwrap();
        assert!(undefined["value"].is_null() && undefined["interval"].is_null());

        let back = Scorecard::from_json(&json).unwrap();
        assert_eq!(back.verdicts, card.verdicts);
        let comparison = Comparison::new(&back, &card).unwrap();
        assert_eq!(comparison.overall.exact_calls.unwrap().counts.still_right, 3);
        let json: serde_json::Value = serde_json::from_str(&comparison.to_json().unwrap()).unwrap();
        assert_eq!((&json["schema"], &json["overall"]["exact_calls"]["still_wrong"]), (&1.into(), &1.into()));
        assert!(json["groups"][1]["exact_calls"].is_null());
    }

    #[test]
    fn another_schema_is_refused() {
        let json = card(1).to_json().unwrap().replacen("\"schema\": 1", "\"schema\": 2", 1);
        let error = Scorecard::from_json(&json).unwrap_err();
        assert_eq!(error.to_string(), "a scorecard of schema Some(2); this version reads schema 1");
        assert!(matches!(Scorecard::from_json("[]").unwrap_err(), Error::Schema { found: None, .. }));
        assert!(matches!(Scorecard::from_json("{\"schema\": 1}").unwrap_err(), Error::Json(_)));
        assert!(matches!(Scorecard::from_json("no").unwrap_err(), Error::Json(_)));
    }
}
