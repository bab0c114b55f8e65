//! By which rules records are judged, and what comes of it.

use std::collections::BTreeMap;

use clap::ValueEnum;
use tooltune::eval::ast::{AstAccuracy, AstOptions, Category, Profile};
use tooltune::eval::failure::FailureReport;
use tooltune::eval::{
    Comparison, ComparisonConfig, Error, Metric, Rate, Record, Scorecard, standard_metrics,
};

/// How strictly arguments are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProfileName {
    /// As the Berkeley leaderboard's own checker, defects included; for its own files only.
    Bfcl,
    /// By value; spelling that means nothing in prose is forgiven.
    #[default]
    Strict,
    /// As strict, and forgives form: "5" for 5.
    Lenient,
}

/// The rules of an evaluation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// How arguments are compared by the metric `ast_…` and in failures.
    pub profile: ProfileName,
    /// The records come from the leaderboard's files: figures that rest on equality with one wanted call are left out, because these
    /// files accept several.
    pub bfcl: bool,
}

/// Scores and failures.
pub struct Judged {
    /// The scores.
    pub card: Scorecard,
    /// The failures, by category where that is known.
    pub failures: Vec<FailureReport>,
}

impl Rules {
    /// The rules for records of the leaderboard's files, `bfcl`, or of other conversations.
    ///
    /// # Errors
    /// For the leaderboard's rules on anything but its own files: they know its schema dialect only.
    pub fn new(profile: Option<ProfileName>, bfcl: bool) -> Result<Self, &'static str> {
        let default = if bfcl { ProfileName::Bfcl } else { ProfileName::Strict };
        match profile.unwrap_or(default) {
            ProfileName::Bfcl if !bfcl => {
                Err("--profile bfcl needs --bfcl: the leaderboard's checker does not read JSON Schema")
            }
            profile => Ok(Self { profile, bfcl }),
        }
    }

    /// The name of the share of records whose calls match.
    pub fn metric(self) -> &'static str {
        match self.profile {
            ProfileName::Bfcl => "ast_bfcl",
            ProfileName::Strict => "ast_strict",
            ProfileName::Lenient => "ast_lenient",
        }
    }

    /// The calls of a record match; where none is wanted, none is made.
    pub fn is_right(self, record: &Record) -> bool {
        self.accuracy().is_right(record)
    }

    /// Judges the records.
    pub fn judge(self, records: &[Record]) -> Judged {
        let mut card = Scorecard::score_with(records, || self.metrics());
        if self.bfcl {
            // Equality with one wanted call is not what these files ask for.
            for (verdict, record) in card.verdicts.iter_mut().zip(records) {
                verdict.right = self.is_right(record);
            }
        }
        let mut failures: BTreeMap<Option<Category>, FailureReport> = BTreeMap::new();
        for record in records {
            let report =
                failures.entry(record.category).or_insert_with(|| FailureReport::new(self.options()));
            report.add(record, &record.conversation);
        }
        Judged { card, failures: failures.into_values().collect() }
    }

    /// Compares two scorecards that these rules made.
    ///
    /// # Errors
    /// When they are not about the same examples or metrics.
    pub fn compare(self, before: &Scorecard, after: &Scorecard) -> Result<Comparison, Error> {
        let mut config = ComparisonConfig::default();
        if self.bfcl {
            config.family = Some(vec![self.metric().to_owned()]);
        }
        Comparison::with(before, after, &config)
    }

    fn accuracy(self) -> AstAccuracy {
        AstAccuracy::new(self.options())
    }

    /// Each record knows its category.
    fn options(self) -> AstOptions {
        AstOptions::new(match self.profile {
            ProfileName::Bfcl => Profile::Bfcl,
            ProfileName::Strict => Profile::Strict,
            ProfileName::Lenient => Profile::Lenient,
        })
    }

    fn metrics(self) -> Vec<Box<dyn Metric>> {
        let accuracy: Box<dyn Metric> = Box::new(self.accuracy());
        if !self.bfcl {
            return standard_metrics().into_iter().chain([accuracy]).collect();
        }
        let rates = [
            Rate::parse_ok(),
            Rate::recovered(),
            Rate::malformed(),
            Rate::json_validity(),
            Rate::hallucinated_function_rate(),
            Rate::stopped(),
            Rate::truncated(),
            Rate::repetition_loop(),
            Rate::hallucinated_tool_response(),
        ];
        let boxed = |rate| -> Box<dyn Metric> { Box::new(rate) };
        [accuracy].into_iter().chain(rates.map(boxed)).collect()
    }
}
