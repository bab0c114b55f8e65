//! Inline SVG: confidence bars and the matrix of tools.

use std::collections::{BTreeMap, BTreeSet};

use super::escape::escape;
use crate::metric::{MetricValue, Unit};
use crate::report::{interval, value};
use crate::tool_confusion::{Called, ConfusionCell, ToolConfusion};

const BAR_WIDTH: f64 = 220.0;
const BAR_HEIGHT: f64 = 22.0;
/// Room for a dot at either end.
const MARGIN: f64 = 8.0;
/// A matrix with more functions is cut to those with most errors.
const MAX_FUNCTIONS: usize = 24;
const CELL: f64 = 34.0;

/// A figure on a line from 0 to 1 (a coefficient: from −1), with its interval; before as a ring, after as a dot. A figure
/// without such a scale has no bar.
pub(crate) fn bar(before: Option<&MetricValue>, after: &MetricValue) -> String {
    let (lowest, width) = match after.unit {
        Unit::Share => (0.0, 1.0),
        Unit::Coefficient => (-1.0, 2.0),
        Unit::Number => return String::new(),
    };
    let x = |value: f64| {
        let part = ((value - lowest) / width).clamp(0.0, 1.0);
        MARGIN + part * (BAR_WIDTH - 2.0 * MARGIN)
    };
    let label = match before {
        Some(before) => format!("before {}, after {} {}", value(before), value(after), interval(after)),
        None => format!("{} {}", value(after), interval(after)),
    };
    let mut svg = format!(
        "<svg width=\"{BAR_WIDTH}\" height=\"{BAR_HEIGHT}\" viewBox=\"0 0 {BAR_WIDTH} {BAR_HEIGHT}\" role=\"img\">\
         <title>{}</title>",
        escape(&label)
    );
    let middle = BAR_HEIGHT / 2.0;
    svg.push_str(&line("track", x(lowest), middle, x(lowest + width), middle));
    for part in [0.0, 0.5, 1.0] {
        let at = x(lowest + part * width);
        svg.push_str(&line("track", at, middle - 3.0, at, middle + 3.0));
    }
    let figures = [
        (before, "before", if before.is_some() { 6.0 } else { middle }),
        (Some(after), "after", if before.is_some() { 16.0 } else { middle }),
    ];
    for (figure, class, y) in figures {
        let Some((figure, at)) = figure.and_then(|figure| Some((figure, figure.value?))) else { continue };
        if let Some(interval) = figure.interval {
            svg.push_str(&line(&format!("range {class}"), x(interval.lo), y, x(interval.hi), y));
        }
        svg.push_str(&format!("<circle class=\"dot {class}\" cx=\"{:.1}\" cy=\"{y}\" r=\"3.5\"/>", x(at)));
    }
    svg + "</svg>"
}

/// A bar for a count, as long as its share of the largest one.
pub(crate) fn count_bar(count: u64, largest: u64) -> String {
    let width = BAR_WIDTH * count as f64 / largest.max(1) as f64;
    format!(
        "<svg width=\"{BAR_WIDTH}\" height=\"12\" viewBox=\"0 0 {BAR_WIDTH} 12\" role=\"img\"><title>{count}</title>\
         <rect class=\"wrong\" width=\"{width:.1}\" height=\"12\" rx=\"2\"/></svg>"
    )
}

/// Which function is called in place of which: a row for each function wanted, a column for each called. The darker, the
/// larger the share of the row; right cells are framed, wrong ones red, and where functions share a row and a
/// column the cell is grey: it holds both.
pub(crate) fn matrix(confusion: &ToolConfusion) -> String {
    let cells = confusion.cells();
    let names = functions(cells);
    let shown: BTreeSet<&str> = names.iter().take(MAX_FUNCTIONS).copied().collect();
    let place = |name: &str| if shown.contains(name) { name.to_owned() } else { OTHERS.to_owned() };
    let mut counts: BTreeMap<(Axis, Axis), u64> = BTreeMap::new();
    let (mut rows, mut columns) = (BTreeSet::new(), BTreeSet::new());
    for cell in cells {
        let row = cell.wanted.as_deref().map_or(Axis::NoCall, |name| Axis::Function(place(name)));
        let column = match &cell.called {
            Called::Function(name) => Axis::Function(place(name)),
            Called::Undeclared => Axis::Undeclared,
            Called::Malformed => Axis::Malformed,
            Called::Nothing => Axis::NoCall,
        };
        // A function has a row and a column, so that the right cells form a diagonal.
        for axis in [&row, &column] {
            if matches!(axis, Axis::Function(_)) {
                rows.insert(axis.clone());
                columns.insert(axis.clone());
            }
        }
        rows.insert(row.clone());
        columns.insert(column.clone());
        *counts.entry((row, column)).or_default() += cell.count;
    }
    let widest =
        |axes: &BTreeSet<Axis>| axes.iter().map(|axis| axis.label().chars().count()).max().unwrap_or(0);
    let left = 12.0 + 7.2 * widest(&rows) as f64;
    // Column names lean at 45 degrees.
    let top = 20.0 + 5.2 * widest(&columns) as f64;
    let (width, height) = (left + CELL * columns.len() as f64 + top, top + CELL * rows.len() as f64 + 4.0);
    let mut svg = format!(
        "<svg width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\
         <title>Functions wanted (rows) and called (columns)</title>"
    );
    for (j, column) in columns.iter().enumerate() {
        let (x, y) = (left + CELL * (j as f64 + 0.6), top - 8.0);
        svg.push_str(&format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" transform=\"rotate(-45 {x:.1} {y:.1})\">{}</text>",
            escape(&column.label())
        ));
    }
    let mut frames = String::new();
    for (i, row) in rows.iter().enumerate() {
        let y = top + CELL * i as f64;
        svg.push_str(&format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 8.0,
            y + CELL / 2.0 + 4.0,
            escape(&row.label())
        ));
        let total: u64 = columns.iter().filter_map(|column| counts.get(&(row.clone(), column.clone()))).sum();
        for (j, column) in columns.iter().enumerate() {
            let x = left + CELL * j as f64;
            let count = counts.get(&(row.clone(), column.clone())).copied().unwrap_or(0);
            let right = row == column && row.label() != OTHERS;
            if count > 0 {
                // Light enough for the number on it to be read.
                let shade = 0.12 + 0.43 * count as f64 / total.max(1) as f64;
                let class = match (right, row == column) {
                    (true, _) => "heat",
                    (false, true) => "mixed",
                    (false, false) => "wrong",
                };
                svg.push_str(&rect(class, x, y, &format!(" fill-opacity=\"{shade:.2}\"")));
                svg.push_str(&format!(
                    "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{count}</text>",
                    x + CELL / 2.0,
                    y + CELL / 2.0 + 4.0
                ));
            }
            // Frames last, or the neighbours' lines would cover them.
            let lines = if right { &mut frames } else { &mut svg };
            lines.push_str(&rect(if right { "right-cell" } else { "cell" }, x, y, ""));
        }
    }
    svg + &frames + "</svg>"
}

const OTHERS: &str = "(other functions)";

/// The functions in the matrix, those with most errors first.
fn functions(cells: &[ConfusionCell]) -> Vec<&str> {
    let mut errors: BTreeMap<&str, u64> = BTreeMap::new();
    for cell in cells {
        let called = if let Called::Function(name) = &cell.called { Some(name.as_str()) } else { None };
        let wrong = if cell.wanted.as_deref() == called { 0 } else { cell.count };
        for name in cell.wanted.as_deref().into_iter().chain(called) {
            *errors.entry(name).or_default() += wrong;
        }
    }
    let mut names: Vec<&str> = errors.keys().copied().collect();
    names.sort_by_key(|name| std::cmp::Reverse(errors[name]));
    names
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Axis {
    Function(String),
    Undeclared,
    Malformed,
    NoCall,
}

impl Axis {
    fn label(&self) -> String {
        const LONGEST: usize = 40;
        match self {
            Self::Function(name) if name.chars().count() > LONGEST => {
                name.chars().take(LONGEST - 1).chain(['…']).collect()
            }
            Self::Function(name) => name.clone(),
            Self::Undeclared => "(undeclared)".to_owned(),
            Self::Malformed => "(malformed)".to_owned(),
            Self::NoCall => "(no call)".to_owned(),
        }
    }
}

fn line(class: &str, x1: f64, y1: f64, x2: f64, y2: f64) -> String {
    format!("<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>")
}

fn rect(class: &str, x: f64, y: f64, more: &str) -> String {
    format!("<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{CELL}\" height=\"{CELL}\"{more}/>")
}
