//! A report as one HTML file: no script, no network, light and dark.

mod chart;
mod escape;
mod example;

use std::collections::HashMap;

use chart::{bar, count_bar, matrix};
use escape::escape;
use example::example;

use crate::comparison::{Comparison, GroupComparison};
use crate::gate::GateResult;
use crate::metric::MetricValue;
use crate::report::{
    PAIRED_HEADER, counts, difference, interval, is_defined, paired_cells, undefined, value,
};
use crate::scorecard::{GroupScores, Scorecard, Verdict};
use crate::standard::sections;
use crate::table::Table;

/// The figures at the top of the page, as far as they are defined.
const TILES: [&str; 6] = [
    "exact_set_match",
    "exact_calls",
    "irrelevance_accuracy",
    "detection_f1",
    "response_coverage",
    "dialogue_success",
];

/// How often examples failed in one way; plain data, from whatever sorts failures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureCount {
    /// The way, as `wrong_value`.
    pub mode: String,
    /// The function and parameter that it was in, as far as known; empty where not.
    pub place: String,
    /// How many examples.
    pub count: u64,
    /// The ids of some of them.
    pub ids: Vec<String>,
}

/// A scorecard, and what belongs to it, as one HTML file.
///
/// Everything is inside the file: style, drawings, examples with their differences marked. It holds no script, refers to
/// nothing outside, and its content security policy forbids both. All texts are escaped, whoever wrote them. Long texts
/// and long lists are cut, and say by how much; the JSON has everything.
///
/// ```
/// use tooltune_eval::{HtmlReport, Scorecard};
///
/// let html = HtmlReport::new("My <model>", &Scorecard::score(&[])).render();
/// assert!(html.starts_with("<!DOCTYPE html>") && html.contains("<h1>My &lt;model&gt;</h1>"));
/// ```
#[derive(Clone, Debug)]
pub struct HtmlReport<'r> {
    title: String,
    card: &'r Scorecard,
    compared: Option<(&'r Scorecard, &'r Comparison)>,
    failures: Vec<FailureCount>,
    gate: Option<&'r GateResult>,
    max_examples: usize,
}

impl<'r> HtmlReport<'r> {
    /// A report on one run.
    #[must_use]
    pub fn new(title: impl Into<String>, card: &'r Scorecard) -> Self {
        Self { title: title.into(), card, compared: None, failures: Vec::new(), gate: None, max_examples: 20 }
    }

    /// The report with the run before, and the comparison of that run with this one.
    #[must_use]
    pub fn with_comparison(self, before: &'r Scorecard, comparison: &'r Comparison) -> Self {
        Self { compared: Some((before, comparison)), ..self }
    }

    /// The report with a table of failures, in their order.
    #[must_use]
    pub fn with_failures(self, failures: Vec<FailureCount>) -> Self {
        Self { failures, ..self }
    }

    /// The report with the outcome of a gate.
    #[must_use]
    pub fn with_gate(self, gate: &'r GateResult) -> Self {
        Self { gate: Some(gate), ..self }
    }

    /// The report with at most so many examples of each kind; 20 unless told otherwise.
    #[must_use]
    pub fn with_max_examples(self, max_examples: usize) -> Self {
        Self { max_examples, ..self }
    }

    /// The page.
    #[must_use]
    pub fn render(&self) -> String {
        let title = escape(&self.title);
        let mut out = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>{title}</title>\n\
             <style>\n{}</style>\n</head>\n<body>\n<h1>{title}</h1>\n",
            include_str!("style.css")
        );
        self.header(&mut out);
        if let Some(gate) = self.gate {
            let outcome = if gate.passed() { "passed" } else { "failed" };
            heading(&mut out, &format!("Gate: {outcome}"));
            table(&mut out, &gate.table());
        }
        if let Some((_, comparison)) = self.compared {
            before_after(&mut out, comparison);
        }
        self.scores(&mut out);
        if !self.card.tool_confusion.cells().is_empty() {
            heading(&mut out, "Which function is called in place of which");
            note(
                &mut out,
                "Rows: the function wanted. Columns: what was called. Right cells are framed, wrong ones red, \
                the grey one holds the functions that are not shown apart; the stronger the colour, the larger the share of the row. \
                Examples for which any call will do are left out.",
            );
            out.push_str(&format!("<div class=\"scroll\">{}</div>\n", matrix(&self.card.tool_confusion)));
        }
        self.failure_table(&mut out);
        self.examples(&mut out);
        out + "</body>\n</html>\n"
    }

    fn header(&self, out: &mut String) {
        let overall = &self.card.overall;
        out.push_str(&format!(
            "<p class=\"note\">{} examples, {} with a call wanted; {} held-out sets.</p>\n<ul class=\"tiles\">",
            overall.n,
            overall.n_wanted,
            self.card.groups.len()
        ));
        for name in TILES {
            let Some(metric) = overall.metric(name).filter(|metric| metric.value.is_some()) else { continue };
            let change = self.compared.and_then(|(_, comparison)| comparison.overall.metric(name)?.change);
            let change = change.map_or_else(String::new, |c| format!(" ({})", difference(c, metric.unit)));
            out.push_str(&format!(
                "<li><span>{name}</span><b>{}</b><span>{} {}{change}</span></li>",
                value(metric),
                counts(metric),
                interval(metric)
            ));
        }
        out.push_str("</ul>\n");
    }

    fn scores(&self, out: &mut String) {
        heading(out, "All figures");
        note(
            out,
            "Value, counts and 95 % interval: Wilson's for a share of examples, a bootstrap by dialogue (b) for what is \
             none. – is undefined: no example of the set is what the figure is about. Figures that are undefined \
             everywhere have no row.",
        );
        let mut rest: Vec<&str> =
            self.card.overall.metrics.iter().map(|metric| metric.name.as_str()).collect();
        for (question, metrics) in sections() {
            let names: Vec<&str> = metrics.iter().map(|metric| metric.name()).collect();
            self.score_table(out, question, &names);
            rest.retain(|name| !names.contains(name));
        }
        self.score_table(out, "Own metrics", &rest);
    }

    fn score_table(&self, out: &mut String, question: &str, names: &[&str]) {
        let overall = &self.card.overall;
        let defined = |name: &&&str| overall.metric(name).is_some_and(|metric| metric.value.is_some());
        let names: Vec<&&str> = names.iter().filter(defined).collect();
        if names.is_empty() {
            return;
        }
        // One set is the same as all.
        let groups: &[GroupScores] = if self.card.groups.len() > 1 { &self.card.groups } else { &[] };
        out.push_str(&format!(
            "<h3>{question}</h3>\n<div class=\"scroll\"><table><thead><tr><th></th><th></th><th>overall</th>"
        ));
        for group in groups {
            out.push_str(&format!("<th>{}</th>", escape(&group.group)));
        }
        out.push_str("</tr></thead><tbody>\n");
        for name in names {
            let Some(metric) = overall.metric(name) else { continue };
            out.push_str(&format!(
                "<tr><th>{}</th><td>{}</td>{}",
                escape(name),
                bar(None, metric),
                cell(metric)
            ));
            for group in groups {
                out.push_str(&group.metric(name).map_or_else(|| "<td>–</td>".to_owned(), cell));
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody></table></div>\n");
    }

    fn failure_table(&self, out: &mut String) {
        if self.failures.is_empty() {
            return;
        }
        heading(out, "How examples fail");
        let largest = self.failures.iter().map(|failure| failure.count).max().unwrap_or(0);
        out.push_str("<div class=\"scroll\"><table><thead><tr><th>mode</th><th class=\"text\">in</th><th>examples</th><th></th><th class=\"text\">for example</th></tr></thead><tbody>\n");
        for FailureCount { mode, place, count, ids } in &self.failures {
            const SHOWN: usize = 3;
            let mut shown = ids.iter().take(SHOWN).map(|id| escape(id)).collect::<Vec<_>>().join(", ");
            if ids.len() > SHOWN {
                shown.push_str(", …");
            }
            out.push_str(&format!(
                "<tr><th>{}</th><td class=\"text\">{}</td><td>{count}</td><td>{}</td><td class=\"text\"><small>{shown}</small></td></tr>\n",
                escape(mode),
                escape(place),
                count_bar(*count, largest)
            ));
        }
        out.push_str("</tbody></table></div>\n");
    }

    fn examples(&self, out: &mut String) {
        let Some((before, comparison)) = self.compared else {
            let wrong: Vec<_> = self.card.verdicts.iter().filter(|v| !v.right).map(|v| (v, None)).collect();
            self.example_list(out, "Wrong examples", &wrong, "model");
            return;
        };
        let by_id: HashMap<&str, &Verdict> = before.verdicts.iter().map(|v| (v.id.as_str(), v)).collect();
        for (heading, was_right, is_right) in [
            ("Broken: right before, wrong now", true, false),
            ("Fixed: wrong before, right now", false, true),
            ("Still wrong", false, false),
        ] {
            let chosen = self.card.verdicts.iter().filter_map(|verdict| {
                let before = *by_id.get(verdict.id.as_str())?;
                (before.right == was_right && verdict.right == is_right)
                    .then_some((verdict, Some((comparison.before.as_str(), before))))
            });
            self.example_list(out, heading, &chosen.collect::<Vec<_>>(), &comparison.after);
        }
    }

    fn example_list(&self, out: &mut String, title: &str, chosen: &[Chosen<'_>], name: &str) {
        if chosen.is_empty() {
            return;
        }
        heading(out, &format!("{title} ({})", chosen.len()));
        for (verdict, before) in chosen.iter().take(self.max_examples) {
            out.push_str(&example(verdict, *before, name));
        }
        if chosen.len() > self.max_examples {
            note(out, &format!("{} more are not shown.", chosen.len() - self.max_examples));
        }
    }
}

/// A verdict, and the run before with its name.
type Chosen<'v> = (&'v Verdict, Option<(&'v str, &'v Verdict)>);

fn before_after(out: &mut String, comparison: &Comparison) {
    let (before, after) = (escape(&comparison.before), escape(&comparison.after));
    heading(out, &format!("{} → {}", comparison.before, comparison.after));
    let changed = |set: &GroupComparison| {
        set.paired.iter().filter(|paired| paired.holm_p.is_some()).map(|paired| paired.name.clone()).collect()
    };
    let names: Vec<String> = changed(&comparison.overall);
    for name in &names {
        let mut rows = Table::new(PAIRED_HEADER.map(str::to_owned));
        for set in comparison.sets() {
            if let Some(paired) = set.paired(name) {
                rows.row(std::iter::once(set.group.clone()).chain(paired_cells(paired)));
            }
        }
        out.push_str(&format!("<h3>{}, paired by example</h3>\n", escape(name)));
        table(out, &rows);
    }
    note(out, &comparison.paired_legend());
    out.push_str(&format!(
        "<h3>All figures of {} examples</h3>\n<p class=\"note\">Ring: {before}. Dot: {after}. Lines: 95 % intervals.</p>\n\
         <div class=\"scroll\"><table><thead><tr><th></th><th></th><th>{before}</th><th>{after}</th><th>change</th></tr>\
         </thead><tbody>\n",
        comparison.overall.n
    ));
    for metric in comparison.overall.metrics.iter().filter(|metric| is_defined(metric)) {
        let change = metric.change.map_or_else(undefined, |change| difference(change, metric.after.unit));
        let better = metric
            .change
            .filter(|change| *change != 0.0)
            .map(|change| (change > 0.0) == (metric.goal == crate::Goal::Higher));
        let class = better.map_or("", |better| if better { " class=\"good\"" } else { " class=\"bad\"" });
        out.push_str(&format!(
            "<tr><th>{}</th><td>{}</td>{}{}<td{class}>{change}</td></tr>\n",
            escape(&metric.name),
            bar(Some(&metric.before), &metric.after),
            cell(&metric.before),
            cell(&metric.after)
        ));
    }
    out.push_str("</tbody></table></div>\n");
}

fn cell(metric: &MetricValue) -> String {
    if metric.value.is_none() {
        return "<td>–</td>".to_owned();
    }
    format!("<td>{} <small>{} {}</small></td>", value(metric), counts(metric), interval(metric))
}

fn heading(out: &mut String, text: &str) {
    out.push_str(&format!("<h2>{}</h2>\n", escape(text)));
}

fn note(out: &mut String, text: &str) {
    out.push_str(&format!("<p class=\"note\">{}</p>\n", escape(text)));
}

/// A table of texts; words for better, worse and failure are coloured.
fn table(out: &mut String, table: &Table) {
    out.push_str("<div class=\"scroll\"><table><thead><tr>");
    table.header().iter().for_each(|cell| out.push_str(&format!("<th>{}</th>", escape(cell))));
    out.push_str("</tr></thead><tbody>\n");
    for row in table.rows() {
        out.push_str("<tr>");
        for cell in row {
            let class = match cell.as_str() {
                "better" | "pass" => " class=\"good\"",
                "worse" => " class=\"bad\"",
                cell if cell.starts_with("FAIL") => " class=\"bad\"",
                _ => "",
            };
            out.push_str(&format!("<td{class}>{}</td>", escape(cell)));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
}

#[cfg(test)]
mod tests;
