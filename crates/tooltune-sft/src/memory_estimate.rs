//! The memory that a run will need, before it starts.

use burn::module::{ModuleVisitor, Param};
use burn::tensor::Tensor;
use tooltune_lm::{CausalLm, TokenBatch};

use crate::{ExecutionConfig, GradientCheckpointing, Plan, PlannedBatch, Sample, TrainingConfig, memory};

const F32_BYTES: u64 = 4;
/// Logits of a chunk of rows, which become their gradient, and what a product makes of that.
const LOGITS_COPIES: u64 = 2;
/// Residual streams that exist beside those of the layers: of the head, its loss and their gradients.
const HIDDEN_COPIES: u64 = 6;
/// Program, threads, and what the allocator keeps.
const PROGRAM_BYTES: u64 = 64 << 20;

/// An estimate of the peak, for the fused kernels of the CPU and AdamW. Printed by whoever observes the run; it decides
/// [`GradientCheckpointing::Auto`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// The most tokens that are in memory at a time, padding included.
    pub tokens: u64,
    /// All parameters, as they are held.
    pub weights_bytes: u64,
    /// Gradients and the optimizer's moments.
    pub training_bytes: u64,
    /// Activations, and the logits of a chunk, at the worst moment, when all activations are kept.
    pub kept_bytes: u64,
    /// The same with gradient checkpointing.
    pub checkpointed_bytes: u64,
    /// Free memory before the run, where the system tells and the device has none of its own.
    pub available_bytes: Option<u64>,
    /// Whether the run uses gradient checkpointing.
    pub gradient_checkpointing: bool,
}

impl MemoryEstimate {
    /// The estimate for training `model` on `samples` as `plan` has it, with logits of `chunk_rows` rows at a time.
    pub fn of_run<M: CausalLm>(
        model: &M,
        samples: &[Sample],
        plan: &Plan,
        config: &TrainingConfig,
        chunk_rows: usize,
    ) -> Self {
        let ExecutionConfig { micro_batch_threads: threads, gradient_checkpointing, .. } = config.execution;
        let load = Load::most(samples, plan, threads, chunk_rows);
        let mut parameters = Parameters::default();
        model.visit(&mut parameters);
        let activations = Activations::of(model);
        let hidden = model.hidden_size() as u64 * load.tokens * F32_BYTES;
        let logits = LOGITS_COPIES * load.logits_rows * model.vocab_size() as u64 * F32_BYTES;
        let layer = |elements: usize| elements as u64 * load.tokens * F32_BYTES;
        let ends = HIDDEN_COPIES * hidden + load.mask_bytes;
        let inputs = activations.layers as u64 * hidden;
        let mut out = Self {
            tokens: load.tokens,
            weights_bytes: parameters.bytes,
            // Two moments, the sum of the gradients, and those of every micro-batch on its way.
            training_bytes: parameters.trained * F32_BYTES * (3 + threads as u64),
            kept_bytes: ends + layer(activations.kept) + logits.max(layer(activations.working)),
            checkpointed_bytes: ends
                + inputs
                + logits.max(layer(activations.largest) + layer(activations.working)),
            available_bytes: memory::available_bytes(&model.device()),
            gradient_checkpointing: false,
        };
        out.gradient_checkpointing = match gradient_checkpointing {
            GradientCheckpointing::On => true,
            GradientCheckpointing::Off => false,
            GradientCheckpointing::Auto => out.exceeds_available(),
        };
        out
    }

    /// The peak of the process.
    pub fn peak_bytes(&self, gradient_checkpointing: bool) -> u64 {
        PROGRAM_BYTES + self.weights_bytes + self.added_bytes(gradient_checkpointing)
    }

    /// The part of the peak that is not there before the run.
    pub fn added_bytes(&self, gradient_checkpointing: bool) -> u64 {
        self.training_bytes + if gradient_checkpointing { self.checkpointed_bytes } else { self.kept_bytes }
    }

    /// Would keeping all activations leave less than a tenth of the free memory?
    fn exceeds_available(&self) -> bool {
        self.available_bytes.is_some_and(|available| self.added_bytes(false) > available / 10 * 9)
    }

    /// `config` with [`Auto`](GradientCheckpointing::Auto) decided.
    pub(crate) fn decide(&self, config: &TrainingConfig) -> TrainingConfig {
        let gradient_checkpointing = match self.gradient_checkpointing {
            true => GradientCheckpointing::On,
            false => GradientCheckpointing::Off,
        };
        let execution = ExecutionConfig { gradient_checkpointing, ..config.execution.clone() };
        TrainingConfig { execution, ..config.clone() }
    }
}

/// What is in memory at a time.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    tokens: u64,
    logits_rows: u64,
    mask_bytes: u64,
}

impl Load {
    /// The most of each over the micro-batches that run at a time.
    fn most(samples: &[Sample], plan: &Plan, threads: usize, chunk_rows: usize) -> Self {
        let of_batch = |batch: &PlannedBatch| {
            let (rows, width) = (batch.rows.len(), batch.width(samples));
            let trained: usize = batch.samples().map(|index| samples[index].trained_tokens()).sum();
            Self {
                tokens: (rows * width) as u64,
                logits_rows: trained.min(chunk_rows) as u64,
                // Of layers that see everything and of those with a window.
                mask_bytes: (2 * rows * width * width) as u64,
            }
        };
        let sum = |a: Self, b: Self| Self {
            tokens: a.tokens + b.tokens,
            logits_rows: a.logits_rows + b.logits_rows,
            mask_bytes: a.mask_bytes + b.mask_bytes,
        };
        let groups = plan.steps.iter().flat_map(|step| step.chunks(threads.max(1)));
        groups.map(|group| group.iter().map(of_batch).fold(Self::default(), sum)).fold(
            Self::default(),
            |a, b| Self {
                tokens: a.tokens.max(b.tokens),
                logits_rows: a.logits_rows.max(b.logits_rows),
                mask_bytes: a.mask_bytes.max(b.mask_bytes),
            },
        )
    }
}

#[derive(Default)]
struct Parameters {
    bytes: u64,
    /// Number of values that are trained.
    trained: u64,
}

impl ModuleVisitor for Parameters {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let count = param.lazy_shape().num_elements() as u64;
        self.bytes += count * param.val().dtype().size() as u64;
        if param.is_require_grad() {
            self.trained += count;
        }
    }
}

/// Values per token over the layers that gradients reach.
#[derive(Debug, Default)]
struct Activations {
    layers: usize,
    kept: usize,
    largest: usize,
    working: usize,
}

impl Activations {
    fn of<M: CausalLm>(model: &M) -> Self {
        let embedded = model.embed(TokenBatch::single(&[0]).ids_tensor(&model.device()));
        let reached = |index: &usize| embedded.is_tracked() || model.is_layer_trained(*index);
        let lowest = (0..model.num_layers()).find(reached).unwrap_or(model.num_layers());
        let mut out = Self { layers: model.num_layers() - lowest, ..Self::default() };
        for index in 0..model.num_layers() {
            let layer = model.layer_activations(index);
            out.working = out.working.max(layer.working);
            if index >= lowest {
                out.kept += layer.kept;
                out.largest = out.largest.max(layer.kept);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BatchSize;

    #[test]
    fn the_load_is_that_of_the_largest_micro_batches_at_a_time() {
        let lengths = [5, 7, 3, 100];
        let sample = |&n: &usize| Sample { id: String::new(), ids: vec![0; n], weights: vec![1.0; n] };
        let samples: Vec<Sample> = lengths.iter().map(sample).collect();
        let config = TrainingConfig {
            batch_size: BatchSize::Samples(2),
            gradient_accumulation_steps: 2,
            shuffle: false,
            ..TrainingConfig::default()
        };
        let plan = Plan::new(&samples, &config);
        let one = Load::most(&samples, &plan, 1, 50);
        assert_eq!((one.tokens, one.logits_rows, one.mask_bytes), (200, 50, 40_000));
        let two = Load::most(&samples, &plan, 2, 50);
        assert_eq!((two.tokens, two.logits_rows, two.mask_bytes), (214, 60, 40_196));
        assert_eq!(Load::most(&[], &Plan::new(&[], &config), 1, 50).tokens, 0);

        let execution = ExecutionConfig { packing: true, ..ExecutionConfig::default() };
        let packed =
            TrainingConfig { max_length: 100, batch_size: BatchSize::Samples(1), execution, ..config };
        // Rows of 100 and of 7 + 5 + 3.
        let both = Load::most(&samples, &Plan::new(&samples, &packed), 2, 50);
        assert_eq!((both.tokens, both.logits_rows, both.mask_bytes), (115, 62, 20_450));
    }

    #[test]
    fn auto_looks_at_what_is_free() {
        let estimate = |available_bytes| MemoryEstimate {
            training_bytes: 10,
            kept_bytes: 900,
            checkpointed_bytes: 100,
            available_bytes,
            ..MemoryEstimate::default()
        };
        assert!(estimate(Some(1000)).exceeds_available());
        assert!(!estimate(Some(1020)).exceeds_available());
        assert!(!estimate(None).exceeds_available());
    }
}
