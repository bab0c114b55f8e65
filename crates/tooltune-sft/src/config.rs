//! The settings of a run.

use burn::optim::ModuleOptimizer;
use serde::{Deserialize, Serialize};

use crate::{Error, ScheduleConfig};

/// How much goes into one forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchSize {
    /// This many samples (`per_device_train_batch_size` of transformers); with packing this many rows.
    Samples(usize),
    /// As many samples as fit into this many tokens, padding included; at least one. With packing no row is longer, but for one of a single
    /// sample.
    Tokens(usize),
}

impl BatchSize {
    /// Do `rows` rows of `width` tokens fit?
    pub fn has_room(self, rows: usize, width: usize) -> bool {
        match self {
            Self::Samples(limit) => rows <= limit,
            Self::Tokens(budget) => rows * width <= budget,
        }
    }
}

/// AdamW (Loshchilov & Hutter, 2019) with torch's defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Decay of the first moment.
    pub adam_beta1: f32,
    /// Decay of the second moment.
    pub adam_beta2: f32,
    /// Added to the root of the second moment.
    pub adam_epsilon: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self { adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8, weight_decay: 0.01 }
    }
}

impl OptimizerConfig {
    /// The optimizer, for all parameters.
    pub fn build(&self) -> ModuleOptimizer {
        self.adamw().init()
    }
}

/// When each layer's activations are computed again in the backward pass instead of being kept (Chen et al., 2016, "Training Deep Nets with
/// Sublinear Memory Cost"). It costs about a third more time, and changes no result beyond rounding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GradientCheckpointing {
    /// Never: all activations are kept.
    Off,
    /// Always: of each layer only its input is kept.
    On,
    /// When the run would otherwise not fit into the memory that is free when it starts: see
    /// [`MemoryEstimate`](crate::MemoryEstimate).
    #[default]
    Auto,
}

/// How steps are computed: what changes time and memory, not what a sample's loss and gradients are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExecutionConfig {
    /// Micro-batches of a step that run at a time, each in a thread of its own: for small models on CPU, whose operations are too small
    /// to be split. With dropout their forward passes still take turns.
    pub micro_batch_threads: usize,
    /// Whether layers are computed again instead of being kept.
    pub gradient_checkpointing: GradientCheckpointing,
    /// Samples are laid end to end in rows of at most `max_length` tokens instead of one in a row. They stay apart: none sees another, each
    /// starts at position 0, and none is cut. A [`BatchSize`] then counts rows, so a step holds more samples.
    pub packing: bool,
}

impl Default for ExecutionConfig {
    fn default() -> Self {
        Self { micro_batch_threads: 1, gradient_checkpointing: GradientCheckpointing::Auto, packing: false }
    }
}

/// The settings of a run; the names are those of transformers' `TrainingArguments` where it has them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// Seed of the shuffle and of dropout.
    pub seed: u64,
    /// Passes over the samples, unless `max_steps` is set.
    pub num_train_epochs: usize,
    /// Optimizer steps, over as many epochs as that takes.
    pub max_steps: Option<usize>,
    /// Size of a micro-batch.
    pub batch_size: BatchSize,
    /// Micro-batches in a step.
    pub gradient_accumulation_steps: usize,
    /// Threads, and memory against time.
    pub execution: ExecutionConfig,
    /// Put samples of similar length together; with packing, rows.
    pub group_by_length: bool,
    /// Shuffle each epoch.
    pub shuffle: bool,
    /// Longer samples are dropped, and counted; with packing also the length of a row.
    pub max_length: usize,
    /// Global gradient norm above which gradients are scaled down.
    pub max_grad_norm: f64,
    /// Learning rate.
    pub schedule: ScheduleConfig,
    /// Optimizer.
    pub optimizer: OptimizerConfig,
    /// Evaluate every so many steps; at the end in any case, when there are evaluation samples.
    pub eval_steps: Option<usize>,
}

impl Default for TrainingConfig {
    /// What the course trains with: batch 1, accumulation 4, lr 1e-4, cosine with 10 % warm-up, weight decay 0.1, norm 1, one epoch.
    fn default() -> Self {
        Self {
            seed: 42,
            num_train_epochs: 1,
            max_steps: None,
            batch_size: BatchSize::Samples(1),
            gradient_accumulation_steps: 4,
            execution: ExecutionConfig::default(),
            group_by_length: false,
            shuffle: true,
            max_length: 2048,
            max_grad_norm: 1.0,
            schedule: ScheduleConfig::default(),
            optimizer: OptimizerConfig { weight_decay: 0.1, ..OptimizerConfig::default() },
            eval_steps: None,
        }
    }
}

const MAX_STEPS: usize = 10_000_000;
const MAX_EPOCHS: usize = 10_000;

impl TrainingConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] names the setting that is out of range.
    pub fn validate(&self) -> Result<(), Error> {
        self.schedule.validate()?;
        if self.max_steps.is_some_and(|steps| steps > MAX_STEPS) {
            return Err(Error::InvalidConfig {
                field: "max_steps",
                rule: "must be at most 10,000,000: a run is planned as a whole",
            });
        }
        if self.num_train_epochs > MAX_EPOCHS {
            return Err(Error::InvalidConfig {
                field: "num_train_epochs",
                rule: "must be at most 10,000: a run is planned as a whole",
            });
        }
        let batch = match self.batch_size {
            BatchSize::Samples(count) | BatchSize::Tokens(count) => count,
        };
        let at_least_one = [
            ("batch_size", batch),
            ("gradient_accumulation_steps", self.gradient_accumulation_steps),
            ("micro_batch_threads", self.execution.micro_batch_threads),
            ("max_length", self.max_length),
            ("num_train_epochs", self.num_train_epochs),
            ("max_steps", self.max_steps.unwrap_or(1)),
            ("eval_steps", self.eval_steps.unwrap_or(1)),
        ];
        for (field, value) in at_least_one {
            if value == 0 {
                return Err(Error::InvalidConfig { field, rule: "must be at least 1" });
            }
        }
        if self.max_grad_norm.is_nan() || self.max_grad_norm <= 0.0 {
            return Err(Error::InvalidConfig { field: "max_grad_norm", rule: "must be positive" });
        }
        let OptimizerConfig { adam_beta1, adam_beta2, adam_epsilon, weight_decay } = self.optimizer;
        let betas = [adam_beta1, adam_beta2].iter().all(|beta| (0.0..1.0).contains(beta));
        if !(betas && adam_epsilon > 0.0 && weight_decay >= 0.0) {
            let rule = "needs betas in [0, 1), a positive epsilon and a weight decay that is not negative";
            return Err(Error::InvalidConfig { field: "optimizer", rule });
        }
        Ok(())
    }
}
