//! Results of the pairs, and what they come to.

use serde_json::{Map, Value, json};
use tooltune_benches::median;

use crate::rows::{Figure, Row};

/// One turn of both sides; an error says why a side has no result.
#[derive(Debug)]
pub struct Pair {
    pub ours: Result<Value, String>,
    /// `None` without a peer.
    pub other: Option<Result<Value, String>>,
}

impl Pair {
    /// Ours by the other side's.
    pub fn ratio(&self, field: &str) -> Option<f64> {
        Some(number(&self.ours, field)? / number(self.other.as_ref()?, field)?)
    }

    /// A line for the file of results.
    pub fn to_json(&self, row: &Row, pair: usize) -> Value {
        let side = |result: &Result<Value, String>| match result {
            Ok(value) => value.clone(),
            Err(error) => json!({ "error": error }),
        };
        let mut ratios = Map::new();
        for figure in row.figures {
            ratios.insert(figure.field.to_owned(), json!(self.ratio(figure.field)));
        }
        json!({
            "row": row.name,
            "pair": pair,
            "ours": side(&self.ours),
            "other": self.other.as_ref().map(side),
            "ratios": ratios,
        })
    }
}

fn number(result: &Result<Value, String>, field: &str) -> Option<f64> {
    result.as_ref().ok()?.get(field)?.as_f64()
}

/// The heading of the table.
pub const HEADING: &str = "| work | threads | ours, tokens/s | peer, tokens/s | ratio | peak memory, ours | peak memory, peer | pairs |\n|---|---|---|---|---|---|---|---|";

/// A line for each figure of a row: medians, with the ratio's range.
pub fn lines(row: &Row, threads: usize, pairs: &[Pair]) -> Vec<String> {
    let line = |figure: &Figure| {
        let ours = |field: &str| median_of(pairs.iter().map(|pair| number(&pair.ours, field)));
        let other = |field: &str| median_of(pairs.iter().map(|pair| number(pair.other.as_ref()?, field)));
        let ratios: Vec<f64> = pairs.iter().filter_map(|pair| pair.ratio(figure.field)).collect();
        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let most = ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let ratio = match median(&ratios) {
            Some(ratio) if ratios.len() > 1 => format!("{ratio:.2} ({least:.2}–{most:.2})"),
            Some(ratio) => format!("{ratio:.2}"),
            None => "–".to_owned(),
        };
        format!(
            "| {}{} | {threads} | {} | {} | {ratio} | {} | {} | {} |",
            row.work,
            figure.name,
            cell(ours(figure.field), 1, ""),
            cell(other(figure.field), 1, ""),
            cell(ours("peak_rss_mib"), 0, " MiB"),
            cell(other("peak_rss_mib"), 0, " MiB"),
            // Of a failed side there is no pair.
            if pairs.iter().all(|pair| pair.other.is_none()) { pairs.len() } else { ratios.len() },
        )
    };
    row.figures.iter().map(line).collect()
}

fn median_of(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    median(&values.flatten().collect::<Vec<_>>())
}

fn cell(value: Option<f64>, digits: usize, unit: &str) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}{unit}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::ROWS;

    fn result(rate: f64, peak: u64) -> Result<Value, String> {
        Ok(json!({ "tok_per_s": rate, "peak_rss_mib": peak }))
    }

    #[test]
    fn the_ratio_is_the_median_of_the_pairs() {
        let row = &ROWS[0];
        let pairs = [
            Pair { ours: result(100.0, 10), other: Some(result(50.0, 20)) },
            Pair { ours: result(90.0, 12), other: Some(result(30.0, 22)) },
            Pair { ours: result(110.0, 11), other: Some(result(100.0, 21)) },
            Pair { ours: result(95.0, 11), other: Some(Err("no memory".to_owned())) },
        ];
        let expected = format!("| {} | 2 | 97.5 | 50.0 | 2.00 (1.10–3.00) | 11 MiB | 21 MiB | 3 |", row.work);
        assert_eq!(lines(row, 2, &pairs), [expected]);
        let failed = pairs[3].to_json(row, 4);
        assert_eq!(failed["other"]["error"], "no memory");
        assert!(failed["ratios"]["tok_per_s"].is_null());
    }

    #[test]
    fn without_a_peer_ours_stands_alone() {
        let row = &ROWS[0];
        let expected = format!("| {} | 1 | 100.0 | – | – | 10 MiB | – | 1 |", row.work);
        assert_eq!(lines(row, 1, &[Pair { ours: result(100.0, 10), other: None }]), [expected]);
    }
}
