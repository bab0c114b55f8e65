//! The statistics against reference values computed with scipy and statsmodels: `eval/stats_vectors.json` in the data folder.

use std::path::PathBuf;

use serde_json::{Map, Value};
use tooltune_eval::stats::{
    Bootstrap, Confusion, PairedCounts, clopper_pearson, holm, mcnemar, newcombe, pass_at_k, pass_hat_k,
    wilson,
};

/// Relative to the reference, so that a tiny p-value is held to its digits too.
const TOLERANCE: f64 = 1e-9;

fn vectors() -> Map<String, Value> {
    let folder = std::env::var_os("TOOLTUNE_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data")),
        PathBuf::from,
    );
    let path = folder.join("eval/stats_vectors.json");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e} (TOOLTUNE_DATA names the data folder)", path.display()));
    let value: Value = serde_json::from_str(&text).expect("stats_vectors.json is JSON");
    value.as_object().expect("an object of kinds").clone()
}

fn rows(value: &Value) -> &[Value] {
    let rows = value.as_array().expect("an array of rows");
    assert!(!rows.is_empty(), "no rows");
    rows
}

fn count(row: &Value, key: &str) -> u64 {
    row[key].as_u64().unwrap_or_else(|| panic!("{key} missing in {row}"))
}

/// The reference values of one row that were compared, and the largest error so far.
#[derive(Default)]
struct Check {
    compared: usize,
    worst: f64,
}

impl Check {
    #[track_caller]
    fn close(&mut self, ours: f64, theirs: f64, what: &str) {
        let error = (ours - theirs).abs();
        assert!(error <= TOLERANCE * theirs.abs() + 1e-14, "{what}: {ours} against {theirs}");
        self.compared += 1;
        self.worst = self.worst.max(error);
    }

    /// Compares every key of `row` that is not an input; a reference that no key of ours stands for fails.
    #[track_caller]
    fn row(&mut self, row: &Value, inputs: &[&str], ours: &[(&str, Option<f64>)]) {
        for (key, theirs) in row.as_object().expect("a row is an object") {
            if inputs.contains(&key.as_str()) {
                continue;
            }
            let ours = ours.iter().find(|(name, _)| name == key);
            let (_, ours) = ours.unwrap_or_else(|| panic!("nothing computes {key} of {row}"));
            match (ours, theirs.as_f64()) {
                (Some(ours), Some(theirs)) => self.close(*ours, theirs, &format!("{key} of {row}")),
                (None, None) => self.compared += 1,
                (ours, _) => panic!("{key}: {ours:?} against {theirs} in {row}"),
            }
        }
    }
}

fn check(kind: &str, value: &Value) -> Check {
    let mut check = Check::default();
    match kind {
        "wilson_95" | "clopper_pearson_95" => {
            let interval = if kind == "wilson_95" { wilson } else { clopper_pearson };
            for row in rows(value) {
                let interval = interval(count(row, "k"), count(row, "n"));
                let ends = [("lo", interval.map(|i| i.lo)), ("hi", interval.map(|i| i.hi))];
                check.row(row, &["k", "n"], &ends);
            }
        }
        "mcnemar" => {
            for row in rows(value) {
                let test = mcnemar(count(row, "b_only_before"), count(row, "c_only_after"));
                let ours = [
                    ("exact_p", Some(test.exact_p)),
                    ("mid_p", Some(test.mid_p)),
                    ("chi2_cc_p", test.chi2_cc_p),
                ];
                check.row(row, &["b_only_before", "c_only_after"], &ours);
            }
        }
        "newcombe_paired_diff_95" => {
            for row in rows(value) {
                // The reference's difference is first less second; ours is after less before.
                let counts = PairedCounts {
                    still_right: count(row, "both_ok"),
                    fixed: count(row, "first_only"),
                    broken: count(row, "second_only"),
                    still_wrong: count(row, "both_wrong"),
                };
                let interval = newcombe(&counts);
                let ours = [
                    ("diff", counts.difference()),
                    ("lo", interval.map(|i| i.lo)),
                    ("hi", interval.map(|i| i.hi)),
                ];
                check.row(row, &["both_ok", "first_only", "second_only", "both_wrong"], &ours);
            }
        }
        "holm" => {
            let numbers = |key: &str| -> Vec<f64> {
                rows(&value[key]).iter().map(|p| p.as_f64().expect("a number")).collect()
            };
            let (ours, theirs) = (holm(&numbers("p")), numbers("adjusted"));
            assert_eq!(ours.len(), theirs.len());
            ours.iter().zip(&theirs).for_each(|(ours, theirs)| check.close(*ours, *theirs, "holm"));
        }
        "f1" => {
            for row in rows(value) {
                let table = Confusion {
                    true_positive: count(row, "tp"),
                    false_positive: count(row, "fp"),
                    false_negative: count(row, "fn"),
                    true_negative: count(row, "tn"),
                };
                let ours = [
                    ("precision", table.precision()),
                    ("recall", table.recall()),
                    ("f1", table.f1()),
                    ("fpr", table.false_positive_rate()),
                    ("mcc", table.mcc()),
                    ("balanced_accuracy", table.balanced_accuracy()),
                ];
                check.row(row, &["tp", "fp", "fn", "tn"], &ours);
            }
        }
        "pass_hat_k" | "pass_at_k" => {
            let pass = if kind == "pass_hat_k" { pass_hat_k } else { pass_at_k };
            for row in rows(value) {
                let ours = pass(count(row, "n"), count(row, "c"), count(row, "k"));
                check.row(row, &["n", "c", "k"], &[("v", ours)]);
            }
        }
        "bootstrap_percentile_check" => {
            let number = |key: &str| value[key].as_f64().unwrap_or_else(|| panic!("{key} in {value}"));
            let (k, n) = (count(value, "k"), count(value, "n"));
            let values: Vec<f64> = (0..n).map(|i| f64::from(u8::from(i < k))).collect();
            for seed in 0..5 {
                let interval = Bootstrap { seed, ..Bootstrap::default() }.of_mean(&values).expect("varies");
                for (ours, theirs) in [(interval.lo, "normal_lo"), (interval.hi, "normal_hi")] {
                    let error = (ours - number(theirs)).abs();
                    assert!(error <= number("tolerance"), "{theirs}: {ours} with seed {seed}");
                    check.compared += 1;
                    check.worst = check.worst.max(error);
                }
            }
        }
        _ => panic!("a kind of vector that nothing reads: {kind}"),
    }
    check
}

#[test]
fn every_vector_of_every_kind() {
    let vectors = vectors();
    let kinds = vectors.iter().filter(|(kind, _)| *kind != "note");
    let mut read = 0;
    for (kind, value) in kinds {
        let check = check(kind, value);
        assert!(check.compared > 0, "{kind}: nothing compared");
        println!("{kind}: {} values, largest error {:.1e}", check.compared, check.worst);
        read += 1;
    }
    assert!(read > 0, "no kinds");
}
