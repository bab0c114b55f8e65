//! The metrics of a scorecard, in the order of the questions: form, calls, arguments, answers, dialogues.

use crate::argument::ArgumentMacro;
use crate::detection::Detection;
use crate::dialogue::Dialogues;
use crate::grounding::GroundingJudge;
use crate::judge::Ratio;
use crate::metric::Metric;
use crate::rate::Rate;

/// The figures that a short table shows; a report has them all.
const SUMMARY: [&str; 15] = [
    "detection_precision",
    "detection_recall",
    "detection_f1",
    "irrelevance_accuracy",
    "name_accuracy",
    "arg_exact_match",
    "exact_calls",
    "parse_ok",
    "malformed",
    "schema_validity",
    "truncated",
    "response_coverage",
    "error_acknowledgement",
    "dialogue_success",
    "state_match",
];

/// The metrics of a [`Scorecard`](crate::Scorecard), in table order.
#[must_use]
pub fn standard_metrics() -> Vec<Box<dyn Metric>> {
    sections().into_iter().flat_map(|(_, metrics)| metrics).collect()
}

/// The standard metrics by the question that they answer.
pub(crate) fn sections() -> Vec<(&'static str, Vec<Box<dyn Metric>>)> {
    let mut called = all(standard_detections());
    called.extend(all(calling_rates()));
    called.extend(all(call_ratios()));
    let mut arguments = all(argument_rates());
    arguments.extend(all(parameter_ratios()));
    arguments.extend(all(standard_macros()));
    let mut answers = all(answer_ratios());
    answers.extend(all(answer_rates()));
    let mut dialogues = all(dialogue_rates());
    dialogues.extend(all(standard_dialogues()));
    vec![
        ("Is the response well formed?", all(format_rates())),
        ("Is the function called?", called),
        ("Are the arguments right?", arguments),
        ("Is the result handled well?", answers),
        ("Are whole dialogues right?", dialogues),
    ]
}

/// A short table has a row for it: it is one of the main figures, or one of the caller's own.
pub(crate) fn is_summary(name: &str, standard: &[Box<dyn Metric>]) -> bool {
    SUMMARY.contains(&name) || !standard.iter().any(|metric| metric.name() == name)
}

fn all<M: Metric + 'static>(metrics: Vec<M>) -> Vec<Box<dyn Metric>> {
    metrics.into_iter().map(|metric| Box::new(metric) as Box<dyn Metric>).collect()
}

/// Is the response well formed?
fn format_rates() -> Vec<Rate> {
    vec![
        Rate::parse_ok(),
        Rate::recovered(),
        Rate::malformed(),
        Rate::json_validity(),
        Rate::schema_validity(),
        Rate::truncated(),
        Rate::turn_overrun(),
        Rate::repetition_loop(),
        Rate::hallucinated_tool_response(),
    ]
}

/// Is the function called?
pub(crate) fn standard_detections() -> Vec<Detection> {
    vec![
        Detection::precision(),
        Detection::recall(),
        Detection::f1(),
        Detection::mcc(),
        Detection::balanced_accuracy(),
    ]
}

fn calling_rates() -> Vec<Rate> {
    vec![
        Rate::relevance_accuracy(),
        Rate::irrelevance_accuracy(),
        Rate::over_call_rate(),
        Rate::under_call_rate(),
        Rate::name_accuracy(),
        Rate::hallucinated_function_rate(),
    ]
}

fn call_ratios() -> Vec<Ratio> {
    vec![Ratio::call_precision(), Ratio::call_recall(), Ratio::call_f1()]
}

/// Are the arguments right?
fn argument_rates() -> Vec<Rate> {
    vec![
        Rate::arg_exact_match(),
        Rate::exact_calls(),
        Rate::exact_set_match(),
        Rate::missing_required(),
        Rate::hallucinated_param(),
        Rate::unexpected_param(),
        Rate::enum_violation(),
    ]
}

fn parameter_ratios() -> Vec<Ratio> {
    vec![
        Ratio::value_accuracy(),
        Ratio::type_accuracy(),
        Ratio::parameter_precision(),
        Ratio::parameter_recall(),
        Ratio::parameter_f1(),
    ]
}

pub(crate) fn standard_macros() -> Vec<ArgumentMacro> {
    vec![ArgumentMacro::precision(), ArgumentMacro::recall(), ArgumentMacro::f1()]
}

/// Is the response handled well?
fn answer_ratios() -> Vec<Ratio> {
    vec![
        Ratio::judged(GroundingJudge::response_coverage()),
        Ratio::judged(GroundingJudge::unsupported_numbers()),
    ]
}

fn answer_rates() -> Vec<Rate> {
    vec![
        Rate::error_acknowledgement(),
        Rate::false_success_claim(),
        Rate::premature_answer(),
        Rate::redundant_repeat_call(),
        Rate::leaked_markup(),
        Rate::empty_answer(),
    ]
}

/// Are whole dialogues right?
fn dialogue_rates() -> Vec<Rate> {
    vec![Rate::turn_accuracy(), Rate::state_match()]
}

pub(crate) fn standard_dialogues() -> Vec<Dialogues> {
    vec![Dialogues::success(), Dialogues::first_failing_turn()]
}

#[cfg(test)]
pub(crate) fn standard_rates() -> Vec<Rate> {
    [format_rates(), calling_rates(), argument_rates(), answer_rates(), dialogue_rates()].concat()
}

#[cfg(test)]
pub(crate) fn standard_ratios() -> Vec<Ratio> {
    [call_ratios(), parameter_ratios(), answer_ratios()].concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_metric_is_documented() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/evaluation.md");
        let text = std::fs::read_to_string(path).unwrap();
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
        for metric in standard_metrics() {
            let name = format!("`{}`", metric.name());
            assert!(rows.iter().any(|row| row.contains(&name)), "{name} has no row in {path}");
            // The marks in the table are what the metric says of itself.
            let row = rows.iter().find(|row| row.starts_with(&format!("| {name}"))).unwrap();
            let marks = row.split('|').nth(1).unwrap();
            assert_eq!(marks.contains('−'), metric.goal() == crate::metric::Goal::Lower, "{row}");
        }
    }

    #[test]
    fn names_are_unique_and_the_summary_names_metrics() {
        let metrics = standard_metrics();
        let names: BTreeSet<&str> = metrics.iter().map(|metric| metric.name()).collect();
        assert_eq!(names.len(), metrics.len());
        assert!(SUMMARY.iter().all(|name| names.contains(name)));
        assert!(is_summary("exact_calls", &metrics) && is_summary("ones_own", &metrics));
        assert!(!is_summary("enum_violation", &metrics));
    }
}
