//! What can go wrong in this crate.

use std::path::PathBuf;

use burn::tensor::DType;

/// An error of `tooltune-lm`.
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
    /// The model produced NaN or infinity.
    #[error(
        "the logits of row {row} at step {step} are not finite: the weights are damaged, or the dtype overflows (use bf16 or f32)"
    )]
    NonFiniteLogits {
        /// Row in the batch.
        row: usize,
        /// Generated tokens so far.
        step: usize,
    },
    /// A tensor could not be read back from the device.
    #[error("a tensor could not be read from the device: {reason}")]
    TensorRead {
        /// The device's reason.
        reason: String,
    },
    /// The device cannot hold tensors of this type.
    #[error("this device cannot hold {dtype:?}: choose f32")]
    UnsupportedDtype {
        /// The type.
        dtype: DType,
    },
    /// A weight cannot be quantized.
    #[error("{path} has elements that are not finite, or too large: it cannot be quantized")]
    NotQuantizable {
        /// The weight's path in a checkpoint.
        path: String,
    },
    /// A file or folder could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A safetensors file breaks a rule of the format or one of our limits.
    #[error("{path}: {rule}")]
    InvalidSafetensors {
        /// The file.
        path: PathBuf,
        /// The rule that it breaks.
        rule: String,
    },
    /// A value cannot be written in the dtype of the file. Training that has diverged leaves such values, and f16 ends at 65,504.
    #[error("{path}: not written, because {tensor} holds a value that is not finite in {dtype:?}")]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The dtype.
        dtype: DType,
    },
    /// The index of a sharded checkpoint is not usable.
    #[error("{path}: {rule}")]
    InvalidIndex {
        /// The index.
        path: PathBuf,
        /// The rule that it breaks.
        rule: String,
    },
    /// A checkpoint does not hold exactly the tensors that are expected.
    #[error("{path}: {}", list_problems(.missing, .unexpected, .mismatched))]
    TensorSet {
        /// The file or folder.
        path: PathBuf,
        /// Names that are expected and not there.
        missing: Vec<String>,
        /// Names that are there and not expected.
        unexpected: Vec<String>,
        /// Name, expected shape and found shape.
        mismatched: Vec<(String, Vec<usize>, Vec<usize>)>,
    },
}

impl Error {
    /// Attaches a path to an I/O error.
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        |source| Self::Io { path, source }
    }
}

const SHOWN: usize = 8;

fn list_problems(
    missing: &[String],
    unexpected: &[String],
    mismatched: &[(String, Vec<usize>, Vec<usize>)],
) -> String {
    let mut parts = Vec::new();
    let mut list = |what: &str, names: Vec<String>| {
        if !names.is_empty() {
            let rest = names.len().saturating_sub(SHOWN);
            let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
            let shown: Vec<_> = names.into_iter().take(SHOWN).collect();
            parts.push(format!("{what}: {}{more}", shown.join(", ")));
        }
    };
    list("missing tensors", missing.to_vec());
    list("unexpected tensors", unexpected.to_vec());
    let shape = |(name, expected, found): &(String, Vec<usize>, Vec<usize>)| {
        format!("{name} is {found:?} where the config says {expected:?}")
    };
    list("wrong shapes", mismatched.iter().map(shape).collect());
    parts.join("; ")
}
