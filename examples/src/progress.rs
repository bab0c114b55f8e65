//! A progress bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tooltune::sft::{Control, Error, MemoryEstimate, RunStart, StepReport, TrainerCallback, TrainingSummary};

/// Shows a run as it goes.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    total_steps: usize,
    last_line: Option<Instant>,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// Looks whether standard error is a terminal.
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} steps  {msg}  {eta} left");
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { bar, total_steps: 0, last_line: None }
    }
}

/// Writes lines that do not tear the bar.
#[derive(Clone, Debug)]
pub struct Printer(Option<ProgressBar>);

impl Printer {
    /// Writes a line to standard error.
    pub fn line(&self, text: &str) {
        self.0.as_ref().map_or_else(|| eprintln!("{text}"), |bar| bar.println(text));
    }
}

impl Progress {
    /// For others who have something to say while the bar is shown.
    pub fn printer(&self) -> Printer {
        Printer(self.bar.clone())
    }
}

impl<M> TrainerCallback<M> for Progress {
    fn on_start(&mut self, start: &RunStart) {
        self.total_steps = start.total_steps;
        eprintln!("training on {} samples, {} steps", start.samples, start.total_steps);
        for (what, ids) in
            [("have no trained token", &start.untrained), ("are longer than --max-length", &start.too_long)]
        {
            if let Some(first) = ids.first() {
                eprintln!("dropped {} samples that {what} (the first is {first})", ids.len());
            }
        }
        if let Some(first) = start.evaluation_dropped.first() {
            let count = start.evaluation_dropped.len();
            eprintln!(
                "left {count} samples out of the held-out loss: too long, or nothing trained (the first is {first})"
            );
        }
        eprintln!("{}", memory_line(&start.memory));
        if let Some(bar) = &self.bar {
            bar.set_length(start.total_steps as u64);
        }
    }

    fn on_step(&mut self, report: &StepReport, _model: &M) -> Result<Control, Error> {
        let text =
            format!("loss {:.3}  lr {:.2e}  {:.0} tokens/s", report.loss, report.lr, report.tokens_per_sec);
        match &self.bar {
            Some(bar) => {
                bar.set_position(report.step as u64);
                bar.set_message(text);
            }
            None => {
                let due = self.last_line.is_none_or(|last| last.elapsed() > Duration::from_secs(10));
                if due || report.step == self.total_steps {
                    self.last_line = Some(Instant::now());
                    eprintln!("step {}/{}  {text}", report.step, self.total_steps);
                }
            }
        }
        if let Some(loss) = report.eval_loss {
            let line = format!("step {}: held-out loss {loss:.4}", report.step);
            self.bar.as_ref().map_or_else(|| eprintln!("{line}"), |bar| bar.println(&line));
        }
        Ok(Control::Continue)
    }

    fn on_end(&mut self, summary: &TrainingSummary) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let rate = summary.tokens as f64 / summary.duration_secs;
        eprintln!(
            "{} steps, {} tokens in {:.0} s ({rate:.0} tokens/s)",
            summary.steps, summary.tokens, summary.duration_secs
        );
    }
}

/// What a run is expected to need.
fn memory_line(memory: &MemoryEstimate) -> String {
    let gib = |bytes: u64| format!("{:.2} GiB", bytes as f64 / f64::from(1 << 30));
    let (used, other) = (memory.gradient_checkpointing, !memory.gradient_checkpointing);
    let word = |checkpointing| if checkpointing { "with" } else { "without" };
    format!(
        "expected peak memory {} {} gradient checkpointing, {} {} it: weights {}, gradients and optimizer {}, activations of {} tokens {}{}",
        gib(memory.peak_bytes(used)),
        word(used),
        gib(memory.peak_bytes(other)),
        word(other),
        gib(memory.weights_bytes),
        gib(memory.training_bytes),
        memory.tokens,
        gib(memory.added_bytes(used) - memory.training_bytes),
        memory.available_bytes.map_or_else(String::new, |free| format!("; free now {}", gib(free))),
    )
}

/// Keeps every report, for the plot.
#[derive(Clone, Debug, Default)]
pub struct History(pub Vec<StepReport>);

impl<M> TrainerCallback<M> for History {
    fn on_step(&mut self, report: &StepReport, _model: &M) -> Result<Control, Error> {
        self.0.push(report.clone());
        Ok(Control::Continue)
    }
}
