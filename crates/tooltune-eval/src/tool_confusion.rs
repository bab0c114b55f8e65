//! Which function is called in place of which.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::pairing::pair_calls;
use crate::record::Record;

/// How often a function was called where another one was wanted.
///
/// Wanted calls and calls made are paired, those of the same function first; what is left over is paired in order, and
/// what is left over then stands alone: a wanted call without a call, or a call where none was wanted. Records that want
/// a call but [none in particular](Record::wants_any_call) say nothing about functions: they are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ToolConfusion {
    /// In the order of the names.
    cells: Vec<ConfusionCell>,
}

/// One cell of the matrix: a wanted function, what was called, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfusionCell {
    /// The function wanted; `None` where no call was.
    pub wanted: Option<String>,
    /// What was called.
    pub called: Called,
    /// How often.
    pub count: u64,
}

/// What was called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Called {
    /// This function, which is declared or wanted.
    Function(String),
    /// A function that is neither declared nor wanted. Their names are not kept: a model can invent any number.
    Undeclared,
    /// An attempt that can't be read.
    Malformed,
    /// Nothing.
    Nothing,
}

impl ToolConfusion {
    /// The matrix over `records`.
    #[must_use]
    pub fn of(records: &[Record]) -> Self {
        let mut matrix = Self::default();
        let mut cells = BTreeMap::new();
        records.iter().for_each(|record| count(record, &mut cells));
        matrix.take(cells);
        matrix
    }

    /// Counts one record.
    pub fn update(&mut self, record: &Record) {
        self.merge(Self::of(std::slice::from_ref(record)));
    }

    /// Adds another matrix's counts.
    pub fn merge(&mut self, other: Self) {
        let cells = std::mem::take(&mut self.cells).into_iter().chain(other.cells);
        let mut sums = BTreeMap::new();
        cells.for_each(|cell| *sums.entry((cell.wanted, cell.called)).or_default() += cell.count);
        self.take(sums);
    }

    /// The cells that are not 0, by wanted function and then by what was called.
    #[must_use]
    pub fn cells(&self) -> &[ConfusionCell] {
        &self.cells
    }

    /// How often `called` stood where `wanted` was wanted.
    #[must_use]
    pub fn count(&self, wanted: Option<&str>, called: &Called) -> u64 {
        let cell = self.cells.iter().find(|cell| cell.wanted.as_deref() == wanted && cell.called == *called);
        cell.map_or(0, |cell| cell.count)
    }

    fn take(&mut self, cells: BTreeMap<(Option<String>, Called), u64>) {
        let cell = |((wanted, called), count)| ConfusionCell { wanted, called, count };
        self.cells = cells.into_iter().map(cell).collect();
    }
}

fn count(record: &Record, cells: &mut BTreeMap<(Option<String>, Called), u64>) {
    if record.wants_any_call() {
        return;
    }
    let (gold, calls) = (&record.gold, record.calls());
    let known: BTreeSet<&str> =
        record.tools.iter().map(|t| t.name.as_str()).chain(gold.iter().map(|g| g.name.as_str())).collect();
    let called = |c: usize| {
        let name = calls[c].name.as_str();
        if known.contains(name) { Called::Function(name.to_owned()) } else { Called::Undeclared }
    };
    let mut add = |wanted: Option<usize>, called: Called| {
        *cells.entry((wanted.map(|g| gold[g].name.clone()), called)).or_default() += 1;
    };
    let pairs = pair_calls(gold, calls);
    pairs.iter().for_each(|&(g, c)| add(Some(g), called(c)));
    let (paired_gold, paired_calls): (BTreeSet<usize>, BTreeSet<usize>) = pairs.into_iter().unzip();
    let mut left_calls = (0..calls.len()).filter(|c| !paired_calls.contains(c));
    let malformed = record.attempted() && calls.is_empty();
    let without = if malformed { Called::Malformed } else { Called::Nothing };
    for g in (0..gold.len()).filter(|g| !paired_gold.contains(g)) {
        add(Some(g), left_calls.next().map_or_else(|| without.clone(), &called));
    }
    left_calls.for_each(|c| add(None, called(c)));
    if gold.is_empty() && calls.is_empty() {
        add(None, without);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{malformed, record, records, silent, well_formed};

    #[test]
    fn each_kind_of_cell() {
        let matrix = ToolConfusion::of(&[
            record(&["f"], well_formed(&["f"])),
            record(&["f", "g"], well_formed(&["g", "h", "f", "f"])),
            record(&["f"], well_formed(&["g"])),
            record(&["f", "g"], well_formed(&["g"])),
            record(&["g"], malformed()),
            record(&[], silent()),
            record(&[], malformed()),
        ]);
        let function = |name: &str| Called::Function(name.to_owned());
        for (wanted, called, count) in [
            (Some("f"), function("f"), 2),
            (Some("g"), function("g"), 2),
            (Some("f"), Called::Undeclared, 1), // g, which that record neither declares nor wants
            (Some("f"), Called::Nothing, 1),
            (Some("g"), Called::Malformed, 1),
            (None, Called::Undeclared, 1),
            (None, function("f"), 1),
            (None, Called::Nothing, 1),
            (None, Called::Malformed, 1),
        ] {
            assert_eq!(matrix.count(wanted, &called), count, "{wanted:?} {called:?}");
        }
        assert_eq!(matrix.cells().iter().map(|cell| cell.count).sum::<u64>(), 11);
        let json = serde_json::to_string(&matrix).unwrap();
        assert_eq!(serde_json::from_str::<ToolConfusion>(&json).unwrap(), matrix);
    }

    #[test]
    fn where_any_call_will_do_none_is_confused() {
        let any = |response| record(&[], response).with_category(crate::ast::Category::Relevance);
        let records = [any(well_formed(&["f"])), any(silent()), any(malformed())];
        assert!(ToolConfusion::of(&records).cells().is_empty());
        assert_eq!(records.each_ref().map(Record::is_right), [true, false, false]);
        assert!(records.iter().all(Record::wants_call));
        // Declared wanted calls win over the category.
        assert!(!record(&["f"], silent()).with_category(crate::ast::Category::Relevance).wants_any_call());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn merging_is_counting_all(first in records(), second in records()) {
            let mut merged = ToolConfusion::of(&first);
            merged.merge(ToolConfusion::of(&second));
            let mut one_by_one = ToolConfusion::default();
            first.iter().chain(&second).for_each(|record| one_by_one.update(record));
            let whole = ToolConfusion::of(&[first, second].concat());
            prop_assert_eq!(&merged, &whole);
            prop_assert_eq!(&one_by_one, &whole);
        }
    }
}
