//! Supervised fine-tuning of causal language models: samples, masked loss, schedules, the training loop and its observers.
//!
//! Each part can be used alone: [`train`] is one short function over public pieces, and `examples/custom_loop` builds it again from
//! them. The trainer knows neither the model's name nor its adapter: it needs [`CausalLm`](tooltune_lm::CausalLm) and Burn's `Module`.
//!
//! What it is not: it never prints (bring a [`TrainerCallback`]), never truncates a sample (too long ones are dropped and counted), and
//! does not read conversations (`tooltune-chat` makes ids and weights of them).
//!
//! ```
//! use tooltune_sft::{Schedule, ScheduleConfig};
//!
//! let schedule = Schedule::new(&ScheduleConfig { warmup_steps: 2, ..ScheduleConfig::cosine(1e-4) }, 10)?;
//! assert_eq!(schedule.learning_rate(0), 0.0);
//! assert_eq!(schedule.learning_rate(2), 1e-4);
//! # Ok::<(), tooltune_sft::Error>(())
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`batch`] | samples side by side or end to end, and which of their tokens are trained |
//! | [`callback`] | observers of a run |
//! | [`config`] | the settings of a run, and the presets |
//! | [`cross_entropy`] | the loss in chunks, so that `[tokens, vocab]` never exists |
//! | [`evaluate`] | the loss on held-out samples |
//! | [`gradients`] | global norm and clipping |
//! | [`guard`] | what must be true of the first step |
//! | [`learning_rates`] | rates that differ between parameters |
//! | [`memory`] | peak memory of the process, and what is free |
//! | [`memory_estimate`] | the memory that a run will need |
//! | [`metrics`] | `metrics.jsonl` |
//! | [`objective`] | what is minimised |
//! | [`plan`] | which samples form which step |
//! | [`sample`] | token ids and loss weights of one conversation |
//! | [`schedule`] | the learning rate of a step |
//! | [`trainer`] | the loop |

pub mod batch;
pub mod callback;
mod checkpointing;
pub mod config;
pub mod cross_entropy;
mod draws;
mod error;
pub mod evaluate;
pub mod gradients;
pub mod guard;
pub mod learning_rates;
pub mod memory;
pub mod memory_estimate;
pub mod metrics;
mod micro_batch;
pub mod objective;
mod packing;
pub mod plan;
mod random;
pub mod sample;
pub mod schedule;
pub mod trainer;

pub use batch::SampleBatch;
pub use callback::{Control, RunStart, StepReport, TrainerCallback};
pub use config::{BatchSize, ExecutionConfig, GradientCheckpointing, OptimizerConfig, TrainingConfig};
pub use error::Error;
pub use evaluate::evaluation_loss;
pub use guard::GradientGuard;
pub use memory_estimate::MemoryEstimate;
pub use metrics::MetricsFile;
pub use objective::{MaskedCrossEntropy, Objective};
pub use plan::{Plan, PlannedBatch};
pub use sample::Sample;
pub use schedule::{Schedule, ScheduleConfig, SchedulerType};
pub use trainer::{TrainingSummary, train, train_with};
