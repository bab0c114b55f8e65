//! What can go wrong in this crate.

use std::path::PathBuf;

use burn::tensor::DType;

use crate::config::{LM_HEAD, is_vocabulary};
use crate::portability::Rule;

/// An error of `tooltune-lora`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of the adapter's config is out of range.
    #[error("adapter config: {field} is {value}: {rule}")]
    InvalidConfig {
        /// The key of `adapter_config.json`.
        field: &'static str,
        /// Its value.
        value: String,
        /// What it must satisfy.
        rule: String,
    },
    /// The adapter uses a feature of PEFT that is not implemented.
    #[error("{path}: {key} = {value} is not supported")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The key of `adapter_config.json`.
        key: String,
        /// Its value.
        value: String,
    },
    /// `adapter_config.json` is not readable.
    #[error("{path}: {reason}")]
    ConfigFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No module of the model is among the target modules.
    #[error("target_modules {targets:?} match nothing in the model; it has, for example, {example}")]
    NoTarget {
        /// The configured targets.
        targets: Vec<String>,
        /// A projection that the model has.
        example: String,
    },
    /// The weights are not those of this model.
    #[error("the adapter has weights for {path}, of shape A {a:?} and B {b:?}, but {problem}")]
    Mismatch {
        /// The projection.
        path: String,
        /// Shape of A, `[r, in]`.
        a: [usize; 2],
        /// Shape of B, `[out, r]`.
        b: [usize; 2],
        /// What does not fit.
        problem: String,
    },
    /// The adapter lacks weights for projections that its config targets, or holds none at all.
    #[error("the adapter is incomplete: {}", list_missing(.paths))]
    MissingWeights {
        /// The projections.
        paths: Vec<String>,
    },
    /// The config asks for a tensor that is not there.
    #[error("the adapter is incomplete: {name} is missing")]
    MissingTensor {
        /// Its name.
        name: String,
    },
    /// There is a tensor that the config does not speak of.
    #[error("the adapter holds {name}, of which its config says nothing")]
    UnexpectedTensor {
        /// Its name.
        name: String,
    },
    /// A tensor does not have the shape that config and model give it.
    #[error("{name} is {found:?} where config and model say {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// The shape that it should have.
        expected: Vec<usize>,
        /// The shape that it has.
        found: Vec<usize>,
    },
    /// The adapter brings a copy of a base weight, and the model has another.
    #[error(
        "{name} is a copy of a base weight that differs from the model's: the adapter was trained on another base, or on one whose embedding was resized"
    )]
    OtherBase {
        /// The copy.
        name: String,
    },
    /// There is no adapter of this name.
    #[error("there is no adapter {name}; known are {known:?}")]
    NoSuchAdapter {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// Adapters have no weighted sum.
    #[error("these adapters cannot be combined: {reason}")]
    CannotCombine {
        /// Why.
        reason: String,
    },
    /// Not every consumer would load the adapter.
    #[error("not portable: {}: {}", .rule.consumer, .rule.reason)]
    NotPortable {
        /// The first rule that speaks against it.
        rule: Rule,
    },
    /// A module of the adapter has no counterpart in a GGUF file.
    #[error("{path}: llama.cpp has no name for this module")]
    NoGgufName {
        /// The module.
        path: String,
    },
    /// A value cannot be written in the dtype that was asked for.
    #[error("{name} holds a value that is not finite in {dtype:?}")]
    NotFinite {
        /// The tensor.
        name: String,
        /// The dtype.
        dtype: DType,
    },
    /// The row of a token cannot be made.
    #[error("token {id}: {problem}")]
    TokenRows {
        /// The token.
        id: u32,
        /// What is wrong with it.
        problem: String,
    },
    /// Embedding and head are to be tied, but are not.
    #[error("ensure_weight_tying is set, but the {part} weights of embedding and head differ")]
    NotTied {
        /// Which of their weights.
        part: &'static str,
    },
    /// The base weights cannot be had back from merged ones.
    #[error(
        "an adapter with {kind} cannot be unmerged: the merge has overwritten what it was made from; keep the base"
    )]
    CannotUnmerge {
        /// The module or setting.
        kind: String,
    },
    /// Reading or writing tensors failed.
    #[error(transparent)]
    Lm(#[from] tooltune_lm::Error),
}

const SHOWN: usize = 8;

fn list_missing(paths: &[String]) -> String {
    if paths.is_empty() {
        return "it holds no weights, and its target_modules match no projection of the model".to_owned();
    }
    let name = |path: &String| match is_vocabulary(path) && path != LM_HEAD {
        true => format!("base_model.model.{path}.lora_embedding_A"),
        false => format!("base_model.model.{path}.lora_A.weight"),
    };
    let shown: Vec<String> = paths.iter().take(SHOWN).map(name).collect();
    let rest = paths.len().saturating_sub(SHOWN);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("its target_modules ask for {}{more}, which are not there, nor their B", shown.join(", "))
}
