//! What can go wrong in this crate.

use std::path::PathBuf;

/// An error of `tooltune-gemma2`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of the config is out of range or asks for something that Gemma-2 does not have.
    #[error("config: {field} is {value}: {rule}")]
    InvalidConfig {
        /// The key of `config.json`.
        field: &'static str,
        /// Its value.
        value: String,
        /// What it must satisfy.
        rule: &'static str,
    },
    /// `config.json` is not readable as a Gemma-2 config.
    #[error("{path}: {reason}")]
    ConfigFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The dtype would overflow.
    #[error("Gemma-2 overflows in f16: load it in bf16 or f32")]
    Float16,
    /// Reading or writing the weights failed.
    #[error(transparent)]
    Lm(#[from] tooltune_lm::Error),
}
