//! Low-rank adapters (LoRA: Hu et al., 2021) for the projections, the embedding and the head of any model, and PEFT's files.
//!
//! The adapter works on activations, `y = W x + scaling · B(A(dropout x))`: the frozen weight is never copied, composed or given a gradient.
//! Attaching consumes a model with plain projections and returns the same model with adapted ones, so that "is it adapted?" is a question
//! of type; merging goes back.
//!
//! What it is not: a trainer, and nothing here knows which model it adapts; it sees
//! [`MapProjections`](tooltune_lm::MapProjections) alone. What PEFT can do and this crate cannot is refused by name.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use tooltune_lm::{Linear, Projection};
//! use tooltune_lora::{LoraConfig, LoraLinear};
//!
//! let device = Device::flex();
//! let base = Linear::from_weight(Tensor::ones([3, 4], &device));
//! let config = LoraConfig { r: 2, lora_alpha: 4.0, ..LoraConfig::default() };
//! let adapted = LoraLinear::new(base.clone(), &config, "model.layers.0.self_attn.q_proj", 42);
//! // B starts at zero: attaching changes nothing until something is learnt.
//! let x = Tensor::ones([1, 4], &device);
//! assert_eq!(adapted.project(x.clone()).into_data(), base.project(x).into_data());
//! assert_eq!(adapted.adapter.map(|a| a.scaling), Some(2.0));
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`adapters`] | several adapters for one base |
//! | [`mod@attach`] | attaching fresh adapters to a model |
//! | [`config`] | what gets an adapter, of what kind and size |
//! | [`config_file`] | `adapter_config.json` |
//! | [`dora`] | magnitudes beside directions |
//! | [`gguf`] | the adapter as llama.cpp loads it |
//! | [`init`] | what training starts from |
//! | [`kind`] | the kinds, and in what they may differ |
//! | [`lora`] | the plain kind |
//! | [`lora_embedding`] | an adapted embedding and head, tied or not |
//! | [`lora_linear`] | an adapted projection |
//! | [`lora_plus`] | learning rates that differ between A and B |
//! | [`mod@merge`] | back to an ordinary model |
//! | [`modules_to_save`] | embedding and head trained whole |
//! | [`parameter_count`] | how much is trained, of how much |
//! | [`patterns`] | exceptions for some modules |
//! | [`peft`] | `adapter_model.safetensors` |
//! | [`pissa`] | starting from principal components |
//! | [`portability`] | who will load an adapter, and why not |
//! | [`token_rows`] | what the rows of new tokens start from |
//! | [`trainable_tokens`] | some rows of the embedding |
//! | [`weights`] | an adapter apart from any model |

mod adapter_folder;
pub mod adapters;
pub mod attach;
pub mod config;
pub mod config_file;
pub mod dora;
mod error;
pub mod gguf;
pub mod init;
pub mod kind;
pub mod lora;
pub mod lora_embedding;
pub mod lora_linear;
pub mod lora_plus;
pub mod merge;
pub mod modules_to_save;
pub mod parameter_count;
pub mod patterns;
pub mod peft;
pub mod pissa;
pub mod portability;
pub mod token_rows;
pub mod trainable_tokens;
pub mod weights;

pub use adapters::{Adapters, detach};
pub use attach::{attach, learns_at_once, trainable_parameters};
pub use config::LoraConfig;
pub use error::Error;
pub use gguf::{GgufDtype, GgufOptions};
pub use init::InitLoraWeights;
pub use kind::Kind;
pub use lora_embedding::LoraEmbedding;
pub use lora_linear::{LoraAdapter, LoraLinear};
pub use lora_plus::LoraPlus;
pub use merge::{Merged, Rounding, merge};
pub use parameter_count::ParameterCount;
pub use patterns::Patterns;
pub use portability::{Consumer, Effect, Feature, Rule};
pub use token_rows::{InitialRow, add_tokens, start_rows};
pub use weights::AdapterWeights;
