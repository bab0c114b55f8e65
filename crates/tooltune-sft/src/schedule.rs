//! The learning rate of a step.

use serde::{Deserialize, Serialize};

use crate::Error;

/// How the learning rate goes down after the warm-up. The formulas are those of transformers' `get_scheduler`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchedulerType {
    /// Half a cosine, to 0.
    #[default]
    Cosine,
    /// A line, to 0.
    Linear,
    /// It does not.
    Constant,
}

/// The settings of a schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleConfig {
    /// The highest learning rate.
    pub learning_rate: f64,
    /// The shape after the warm-up.
    pub lr_scheduler_type: SchedulerType,
    /// Steps of linear warm-up from 0; step 0 of a warm-up has learning rate 0.
    pub warmup_steps: usize,
    /// Share of all steps, rounded up; used when `warmup_steps` is 0.
    pub warmup_ratio: f64,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self { warmup_ratio: 0.1, ..Self::cosine(1e-4) }
    }
}

impl ScheduleConfig {
    /// A cosine without warm-up.
    pub fn cosine(learning_rate: f64) -> Self {
        Self { learning_rate, lr_scheduler_type: SchedulerType::Cosine, warmup_steps: 0, warmup_ratio: 0.0 }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] names the setting that is out of range.
    pub fn validate(&self) -> Result<(), Error> {
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return Err(Error::InvalidConfig { field: "learning_rate", rule: "must be finite and positive" });
        }
        if !(0.0..=1.0).contains(&self.warmup_ratio) {
            return Err(Error::InvalidConfig { field: "warmup_ratio", rule: "must be in [0, 1]" });
        }
        Ok(())
    }
}

/// A schedule over a known number of steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    kind: SchedulerType,
    peak: f64,
    warmup_steps: usize,
    total_steps: usize,
}

impl Schedule {
    /// Lays `config` over `total_steps`.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] names the setting that is out of range.
    pub fn new(config: &ScheduleConfig, total_steps: usize) -> Result<Self, Error> {
        config.validate()?;
        let share = (total_steps as f64 * config.warmup_ratio).ceil() as usize;
        let warmup_steps = if config.warmup_steps > 0 { config.warmup_steps } else { share };
        Ok(Self { kind: config.lr_scheduler_type, peak: config.learning_rate, warmup_steps, total_steps })
    }

    /// The learning rate that step `step`, counted from 0, uses.
    pub fn learning_rate(&self, step: usize) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step as f64 / self.warmup_steps as f64);
        }
        let length = self.total_steps.saturating_sub(self.warmup_steps).max(1) as f64;
        let progress = ((step - self.warmup_steps) as f64 / length).min(1.0);
        let factor = match self.kind {
            SchedulerType::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
            SchedulerType::Linear => 1.0 - progress,
            SchedulerType::Constant => 1.0,
        };
        self.peak * factor
    }
}
