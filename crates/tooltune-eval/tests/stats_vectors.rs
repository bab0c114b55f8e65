//! The statistics against reference values computed with scipy and statsmodels: `eval/stats_vectors.json` in the data folder.

use std::path::PathBuf;

use serde_json::Value;
use tooltune_eval::stats::{Confusion, PairedCounts, mcnemar, newcombe, wilson};

fn vectors() -> Value {
    let folder = std::env::var_os("TOOLTUNE_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data")),
        PathBuf::from,
    );
    let path = folder.join("eval/stats_vectors.json");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e} (TOOLTUNE_DATA names the data folder)", path.display()));
    serde_json::from_str(&text).expect("stats_vectors.json is JSON")
}

fn rows<'v>(vectors: &'v Value, key: &str) -> &'v [Value] {
    let rows = vectors[key].as_array().unwrap_or_else(|| panic!("{key} is no array"));
    assert!(!rows.is_empty(), "{key} is empty");
    rows
}

fn count(row: &Value, key: &str) -> u64 {
    row[key].as_u64().unwrap_or_else(|| panic!("{key} missing in {row}"))
}

/// Relative to the reference, so that a tiny p-value is held to its digits too.
#[track_caller]
fn assert_close(ours: f64, row: &Value, key: &str) {
    let theirs = row[key].as_f64().unwrap_or_else(|| panic!("{key} missing in {row}"));
    assert!((ours - theirs).abs() <= 1e-9 * theirs.abs() + 1e-14, "{key}: {ours} against {theirs} in {row}");
}

#[track_caller]
fn assert_ratio(ours: Option<f64>, row: &Value, key: &str) {
    match ours {
        Some(ours) => assert_close(ours, row, key),
        None => assert!(row[key].is_null(), "{key}: undefined against {} in {row}", row[key]),
    }
}

#[test]
fn wilson_intervals() {
    let vectors = vectors();
    for row in rows(&vectors, "wilson_95") {
        let interval = wilson(count(row, "k"), count(row, "n")).unwrap();
        assert_close(interval.lo, row, "lo");
        assert_close(interval.hi, row, "hi");
    }
}

#[test]
fn mcnemar_exact_and_mid_p() {
    let vectors = vectors();
    for row in rows(&vectors, "mcnemar") {
        let test = mcnemar(count(row, "b_only_before"), count(row, "c_only_after"));
        assert_close(test.exact_p, row, "exact_p");
        assert_close(test.mid_p, row, "mid_p");
    }
}

#[test]
fn newcombe_paired_difference() {
    let vectors = vectors();
    for row in rows(&vectors, "newcombe_paired_diff_95") {
        // The reference's difference is first less second; ours is after less before.
        let counts = PairedCounts {
            still_right: count(row, "both_ok"),
            fixed: count(row, "first_only"),
            broken: count(row, "second_only"),
            still_wrong: count(row, "both_wrong"),
        };
        let interval = newcombe(&counts).unwrap();
        assert_close(counts.difference().unwrap(), row, "diff");
        assert_close(interval.lo, row, "lo");
        assert_close(interval.hi, row, "hi");
    }
}

#[test]
fn precision_recall_f1() {
    let vectors = vectors();
    for row in rows(&vectors, "f1") {
        let table = Confusion {
            true_positive: count(row, "tp"),
            false_positive: count(row, "fp"),
            false_negative: count(row, "fn"),
            true_negative: count(row, "tn"),
        };
        assert_ratio(table.precision(), row, "precision");
        assert_ratio(table.recall(), row, "recall");
        assert_ratio(table.f1(), row, "f1");
    }
}
