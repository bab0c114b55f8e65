//! Evaluation by generation while a model is trained.

use std::error::Error as StdError;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::module::Module;
use serde::Serialize;
use tooltune::chat::HfTokenizer;
use tooltune::eval::{GroupScores, Record};
use tooltune::gemma2::Gemma2;
use tooltune::lora::LoraLinear;
use tooltune::sft::{Control, Error, RunStart, StepReport, TrainerCallback};

use crate::adapter_folder::AdapterFolder;
use crate::progress::Printer;
use crate::rules::Rules;
use crate::scoring::{Question, ScoringConfig, answer};

/// Every so many steps, and after the last: answers held-out questions, writes the scores as a line of `evaluations.jsonl`, and keeps
/// the best adapter so far in `adapter-best/`.
///
/// The best is the one with the most right answers: exactly the wanted calls, or silence where none is wanted. Of equal ones the
/// earlier is kept.
pub struct EvaluateByGeneration<'a> {
    every: usize,
    total_steps: usize,
    questions: Vec<Question>,
    scoring: ScoringConfig,
    tokenizer: &'a HfTokenizer,
    writer: &'a AdapterFolder,
    out: PathBuf,
    log: PathBuf,
    file: File,
    printer: Printer,
    best: Option<Best>,
}

/// The best step so far.
pub struct Best {
    /// The step.
    pub step: usize,
    /// Right answers.
    pub right: usize,
    /// Questions.
    pub of: usize,
    /// The model after the step; it shares the frozen weights with the one that is trained.
    pub model: Gemma2<LoraLinear>,
}

/// A line of `evaluations.jsonl`.
#[derive(Serialize)]
struct Evaluation<'a> {
    step: usize,
    right: usize,
    best: bool,
    seconds: f64,
    metrics: &'a GroupScores,
}

impl<'a> EvaluateByGeneration<'a> {
    /// Evaluates every `every` steps on `questions`, and writes to the folder `out`.
    ///
    /// # Errors
    /// When there are no questions, or `evaluations.jsonl` cannot be written.
    pub fn new(
        every: usize,
        questions: Vec<Question>,
        scoring: ScoringConfig,
        tokenizer: &'a HfTokenizer,
        writer: &'a AdapterFolder,
        out: &Path,
        printer: Printer,
    ) -> Result<Self, Box<dyn StdError>> {
        if questions.is_empty() {
            return Err("there are no held-out prompts to evaluate on while training".into());
        }
        let log = out.join("evaluations.jsonl");
        let file = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let (out, best) = (out.join("adapter-best"), None);
        let every = every.max(1);
        let total_steps = 0;
        Ok(Self { every, total_steps, questions, scoring, tokenizer, writer, out, log, file, printer, best })
    }

    /// The best step, once there was an evaluation.
    pub fn into_best(self) -> Option<Best> {
        self.best
    }

    fn evaluate(&mut self, step: usize, model: &Gemma2<LoraLinear>) -> Result<(), Box<dyn StdError>> {
        let start = Instant::now();
        let dialect = &self.writer.dialect;
        let records = answer(&model.valid(), self.tokenizer, dialect, &self.questions, self.scoring)?;
        let card = Rules::default().judge(&records).card;
        let (right, of) = (records.iter().filter(|record| Record::is_right(record)).count(), records.len());
        let best = self.best.as_ref().is_none_or(|best| right > best.right);
        let seconds = start.elapsed().as_secs_f64();
        let line = Evaluation { step, right, best, seconds, metrics: &card.overall };
        writeln!(self.file, "{}", serde_json::to_string(&line)?)?;
        self.file.flush()?;
        let mark = if best { ", the best so far" } else { "" };
        self.printer
            .line(&format!("step {step}: {right} of {of} held-out prompts right{mark} ({seconds:.0} s)"));
        if best {
            self.writer.write(model, &self.out)?;
            self.best = Some(Best { step, right, of, model: model.clone() });
        }
        Ok(())
    }
}

/// `count` of the questions, spread evenly over them, and the others; both in their order.
pub fn split_evenly(questions: Vec<Question>, count: usize) -> (Vec<Question>, Vec<Question>) {
    let total = questions.len();
    let (mut chosen, mut others) = (Vec::new(), Vec::new());
    for (index, question) in questions.into_iter().enumerate() {
        // Every place at which index × count / total goes up by one.
        let taken = index * count / total != (index + 1) * count / total;
        if taken { chosen.push(question) } else { others.push(question) }
    }
    (chosen, others)
}

impl TrainerCallback<Gemma2<LoraLinear>> for EvaluateByGeneration<'_> {
    fn on_start(&mut self, start: &RunStart) {
        self.total_steps = start.total_steps;
    }

    fn on_step(&mut self, report: &StepReport, model: &Gemma2<LoraLinear>) -> Result<Control, Error> {
        if report.step.is_multiple_of(self.every) || report.step == self.total_steps {
            self.evaluate(report.step, model).map_err(|error| Error::Io {
                path: self.log.clone(),
                source: io::Error::other(error.to_string()),
            })?;
        }
        Ok(Control::Continue)
    }
}
