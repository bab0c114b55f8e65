//! What an evaluation leaves: files, tables, and what to do next.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use tooltune::eval::failure::{Failure, FailureMode};
use tooltune::eval::{Comparison, FailureCount, Gate, GateResult, HtmlReport, Record, Scorecard};

use crate::predictions::write_predictions;
use crate::rules::Judged;

/// How many ids are named where there may be many.
const NAMED: usize = 5;

/// A run before, and the comparison with it.
pub type Compared<'a> = Option<(&'a Scorecard, &'a Comparison)>;

/// Writes scorecard.json, scorecard.md, predictions.jsonl, failures.jsonl, resampling.json and report.html to `out`; with a comparison
/// report.json and report.md too.
///
/// # Errors
/// With the file that cannot be written.
pub fn write_results(
    out: &Path,
    title: &str,
    judged: &Judged,
    records: &[Record],
    compared: Compared<'_>,
    gate: Option<&GateResult>,
) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(out).map_err(|error| format!("{}: {error}", out.display()))?;
    write_predictions(&out.join("predictions.jsonl"), records)?;
    let failures: Result<Vec<String>, _> = judged.failures.iter().map(|report| report.to_jsonl()).collect();
    let mut html = HtmlReport::new(title, &judged.card).with_failures(judged.failure_counts());
    let mut markdown = judged.card.to_markdown();
    let advice = judged.advice();
    if !advice.is_empty() {
        markdown.push_str(&format!("\n## Failures\n\n```text\n{advice}```\n"));
    }
    if let Some((before, comparison)) = compared {
        html = html.with_comparison(before, comparison);
        let text = comparison.to_markdown();
        markdown.push_str(&format!("\n## Comparison\n\n{text}"));
        write(&out.join("report.json"), &comparison.to_json()?)?;
        write(&out.join("report.md"), &text)?;
    }
    if let Some(gate) = gate {
        html = html.with_gate(gate);
        markdown.push_str(&format!("\n## Gate\n\n{}", gate.to_markdown()));
    }
    let weights: Vec<_> = judged.failures.iter().flat_map(|report| report.resampling_weights()).collect();
    write(&out.join("scorecard.md"), &markdown)?;
    write(&out.join("resampling.json"), &serde_json::to_string_pretty(&weights)?)?;
    write(&out.join("scorecard.json"), &judged.card.to_json()?)?;
    write(&out.join("failures.jsonl"), &failures?.concat())?;
    write(&out.join("report.html"), &html.render())
}

/// Writes a file.
///
/// # Errors
/// With its name.
pub fn write(path: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Reads a scorecard.json.
///
/// # Errors
/// With its name.
pub fn read_scorecard(path: &Path) -> Result<Scorecard, Box<dyn Error>> {
    let named = |error: &dyn Error| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| named(&error))?;
    Ok(Scorecard::from_json(&text).map_err(|error| named(&error))?)
}

/// Reads the rules of a gate, so that a mistake in them is known before anything is run.
///
/// # Errors
/// With its name.
pub fn read_gate(path: &Path) -> Result<Gate, Box<dyn Error>> {
    let named = |error: &dyn Error| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| named(&error))?;
    Ok(Gate::from_json(&text).map_err(|error| named(&error))?)
}

/// Shows each rule of a gate; an error where one does not hold.
///
/// # Errors
/// With the metrics of the rules that do not hold.
pub fn enforce(gate: &GateResult) -> Result<(), Box<dyn Error>> {
    println!("{}", gate.to_terminal());
    if gate.passed() {
        return Ok(());
    }
    let failed = gate.checks.iter().filter(|check| check.outcome.as_str() != "pass");
    let failed: Vec<String> = failed
        .map(|check| {
            let group = check.rule.group.as_ref().map_or_else(String::new, |group| format!(" ({group})"));
            format!("{}{group}", check.rule.metric)
        })
        .collect();
    let rules = gate.checks.len();
    Err(format!("the gate is shut: {} of {rules} rules do not hold: {}", failed.len(), failed.join(", "))
        .into())
}

impl Judged {
    /// All failing examples.
    fn failing(&self) -> impl Iterator<Item = &Failure> {
        self.failures.iter().flat_map(|report| report.failures())
    }

    /// Failing examples by primary mode and by where it was found, the most frequent first.
    fn failure_counts(&self) -> Vec<FailureCount> {
        let mut counts: BTreeMap<(FailureMode, String), Vec<String>> = BTreeMap::new();
        for failure in self.failing() {
            let finding = failure.findings.iter().find(|finding| finding.mode == failure.primary);
            let part = |part: Option<&String>| part.cloned().unwrap_or_default();
            let (tool, parameter) = finding
                .map_or_else(Default::default, |f| (part(f.tool.as_ref()), part(f.parameter.as_ref())));
            let place = if parameter.is_empty() { tool } else { format!("{tool}.{parameter}") };
            counts.entry((failure.primary, place)).or_default().push(failure.id.clone());
        }
        let mut counts: Vec<FailureCount> = counts
            .into_iter()
            .map(|((mode, place), mut ids)| {
                let count = ids.len() as u64;
                ids.truncate(NAMED);
                FailureCount { mode: mode.to_string(), place, count, ids }
            })
            .collect();
        counts.sort_by_key(|count| std::cmp::Reverse(count.count));
        counts
    }

    /// The failure modes, how often each comes first, and what to do about it; empty where nothing failed.
    pub fn advice(&self) -> String {
        let mut modes: BTreeMap<FailureMode, (u64, &str)> = BTreeMap::new();
        for failure in self.failing() {
            modes.entry(failure.primary).or_insert((0, &failure.id)).0 += 1;
        }
        let examples: u64 = self.failures.iter().map(|report| report.examples()).sum();
        let failing: u64 = modes.values().map(|(count, _)| count).sum();
        if failing == 0 {
            return String::new();
        }
        let mut modes: Vec<_> = modes.into_iter().collect();
        modes.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        let mut text =
            format!("{failing} of {examples} examples fail; what to do, the most frequent first:\n");
        for (mode, (count, id)) in modes {
            text.push_str(&format!("  {count:>5}  {:<22} {} (e.g. {id})\n", mode.as_str(), remedy(mode)));
        }
        let weights = self.failures.iter().flat_map(|report| report.resampling_weights());
        let mut tools: Vec<(String, f64)> = weights.map(|weight| (weight.tool, weight.tool_weight)).collect();
        tools.dedup();
        tools.retain(|(_, weight)| *weight > 1.05);
        tools.sort_by(|a, b| b.1.total_cmp(&a.1));
        let tools: Vec<String> =
            tools.iter().take(NAMED).map(|(tool, weight)| format!("{tool} ×{weight:.1}")).collect();
        if !tools.is_empty() {
            text.push_str(&format!(
                "  draw training examples of these tools more often: {}\n",
                tools.join(", ")
            ));
        }
        text
    }
}

/// What changes of the data or of the run mend a failure mode.
fn remedy(mode: FailureMode) -> &'static str {
    match mode {
        FailureMode::NoCall => "add requests that need the tool in words that do not name it",
        FailureMode::OverCall => "add requests that no declared tool fits, answered in words",
        FailureMode::Malformed => "train longer, or look at the calls' text in the training data",
        FailureMode::Truncated => "raise --max-new-tokens, or check that the end of turn is trained",
        FailureMode::WrongTool => "add pairs of similar tools declared side by side",
        FailureMode::HallucinatedTool => "vary which tools are declared, and their names",
        FailureMode::MissingRequired => "add requests that give this parameter late or in passing",
        FailureMode::HallucinatedParam => "vary the parameters of similar tools",
        FailureMode::WrongType => "add values of the type that look like another, and check the gold",
        FailureMode::Enum => "add requests that paraphrase each value of the enum",
        FailureMode::WrongCount => "add requests that need several calls, and such that need one",
        FailureMode::Order => "add requests in which the order of calls matters",
        FailureMode::UngroundedAnswer => "add answers that repeat the tool result's numbers",
        FailureMode::IgnoredError => "add tool results that are errors, with answers that say so",
        FailureMode::UnusableGold => "mend the declaration or the wanted call: the checker can't use it",
        FailureMode::WrongValue(_) => "add examples with more varied values of this parameter",
        _ => "look at the examples in failures.jsonl",
    }
}
