//! What can go wrong in this crate.

use std::path::PathBuf;

/// An error of `tooltune-sft`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is out of range.
    #[error("{field} {rule}")]
    InvalidConfig {
        /// The setting.
        field: &'static str,
        /// What it must satisfy.
        rule: &'static str,
    },
    /// There is nothing to train on.
    #[error(
        "no sample can be trained on: {given} were given, {untrained} have no trained token, {too_long} are longer than max_length"
    )]
    EmptyDataset {
        /// Samples given.
        given: usize,
        /// Samples without a trained token.
        untrained: usize,
        /// Samples over `max_length`.
        too_long: usize,
    },
    /// A model turn would be trained without its end, so that the model would never learn to stop.
    #[error(
        "sample {sample}: the end of turn after trained token {token} is not in the loss; a model trained so never stops"
    )]
    EndOfTurnNotTrained {
        /// The sample.
        sample: String,
        /// Index of the turn's last trained token.
        token: usize,
    },
    /// Ids and weights do not have the same length.
    #[error("sample {sample} has {ids} ids and {weights} weights")]
    SampleLengths {
        /// The sample.
        sample: String,
        /// Number of ids.
        ids: usize,
        /// Number of weights.
        weights: usize,
    },
    /// A token is not in the model's vocabulary.
    #[error(
        "sample {sample} has token {token}, but the model's vocabulary has {vocab}: the tokenizer does not fit the model"
    )]
    TokenOutOfVocabulary {
        /// The sample.
        sample: String,
        /// The token.
        token: u32,
        /// Size of the vocabulary.
        vocab: usize,
    },
    /// The loss or the gradient is NaN or infinite. The step is not made; a callback's `on_error` has seen the model as it was before it.
    #[error(
        "{what} is {value} at step {step}, on samples {samples:?}: lower the learning rate or look at these samples"
    )]
    NotFinite {
        /// Loss or gradient norm.
        what: &'static str,
        /// Its value.
        value: f64,
        /// The step, counted from 1.
        step: usize,
        /// The samples of the step.
        samples: Vec<String>,
    },
    /// The first step did not reach every parameter that must learn, or reached one that must not.
    #[error("after the first step {parameter} {problem}")]
    FirstStep {
        /// The parameter.
        parameter: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A tensor could not be read back from the device.
    #[error("a tensor could not be read from the device: {reason}")]
    TensorRead {
        /// The device's reason.
        reason: String,
    },
    /// A file could not be written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
}
