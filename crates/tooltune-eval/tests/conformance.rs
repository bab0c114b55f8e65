//! The matcher against the verdicts of the Berkeley leaderboard's own checker: `eval/conformance.jsonl` in the data
//! folder.

mod common;

use std::collections::BTreeMap;

use common::{Row, rows};
use tooltune_eval::ast::{Profile, ast_match};

/// Bfcl: the verdict, the error type and the error types of the candidates, on every row.
#[test]
fn bfcl_profile_is_the_leaderboards_checker() {
    let rows = rows();
    let mut wrong = Vec::new();
    for row in &rows {
        let verdict = ast_match(&row.tools, &row.gold, row.output(), &row.options(Profile::Bfcl));
        let sub_errors = row.sub_error_types.as_ref().map(|_| verdict.sub_error_types());
        let same = verdict.valid() == row.valid
            && verdict.error_type() == row.error_type.as_deref()
            && sub_errors.map(|names| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
                == row.sub_error_types;
        if !same {
            wrong.push(format!(
                "{} {}: {:?} {:?} against {:?} {:?}",
                row.id,
                row.tag,
                verdict.error_type(),
                verdict.sub_error_types(),
                row.error_type,
                row.sub_error_types
            ));
        }
    }
    println!("bfcl: {} rows, {} mismatches", rows.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Strict: the preferred verdict wherever the checker's is a bug or the data are broken.
#[test]
fn strict_profile_does_better() {
    let rows = rows();
    let valid =
        |row: &Row| ast_match(&row.tools, &row.gold, row.output(), &row.options(Profile::Strict)).valid();
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for row in &rows {
        let count = counts.entry(row.severity()).or_default();
        count.0 += 1;
        if valid(row) == row.preferred() {
            continue;
        }
        count.1 += 1;
        println!(
            "strict {}: {} {}: {}{}",
            row.severity(),
            row.id,
            row.tag,
            valid(row),
            row.divergence.as_ref().map_or_else(String::new, |divergence| format!(" ({})", divergence.2))
        );
        if matches!(row.severity(), "bug" | "data") {
            wrong.push(row.id.clone());
        }
    }
    for (severity, (rows, mismatches)) in &counts {
        println!("strict: severity {severity}: {rows} rows, {mismatches} mismatches");
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Lenient: accepts whatever Strict accepts.
#[test]
fn lenient_profile_accepts_what_strict_accepts() {
    let mut more = 0;
    for row in &rows() {
        let valid = |profile| ast_match(&row.tools, &row.gold, row.output(), &row.options(profile)).valid();
        let (strict, lenient) = (valid(Profile::Strict), valid(Profile::Lenient));
        assert!(lenient || !strict, "{} {}", row.id, row.tag);
        more += usize::from(lenient && !strict);
    }
    println!("lenient accepts {more} rows more than strict");
}

/// Microseconds a row; meaningful with `--release` on an idle machine.
#[test]
#[ignore = "a timing"]
fn microseconds_a_row() {
    let rows = rows();
    for profile in [Profile::Bfcl, Profile::Strict, Profile::Lenient] {
        let options: Vec<_> = rows.iter().map(|row| row.options(profile)).collect();
        let mut best = f64::INFINITY;
        for _ in 0..200 {
            let start = std::time::Instant::now();
            for (row, options) in rows.iter().zip(&options) {
                let verdict = ast_match(&row.tools, &row.gold, row.output(), options);
                std::hint::black_box(verdict.valid());
            }
            best = best.min(start.elapsed().as_secs_f64());
        }
        println!("{}: {:.3} µs a row", profile.as_str(), best * 1e6 / rows.len() as f64);
    }
}
