//! Low-rank adapters (LoRA: Hu et al., 2021) for the projections of any model, and PEFT's files.
//!
//! The adapter works on activations, `y = W x + scaling · B(A(dropout x))`: the frozen weight is never copied, composed or given a gradient.
//! Attaching consumes a model with plain projections and returns the same model with adapted ones, so that "is it adapted?" is a question
//! of type; merging goes back.
//!
//! What it is not: a trainer, and nothing here knows which model it adapts; it sees
//! [`MapProjections`](tooltune_lm::MapProjections) alone. Adapters on embeddings, DoRA and per-layer ranks are refused by name.
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
//! | [`mod@attach`] | attaching to a model, merging, taking the weights out again |
//! | [`config`] | `adapter_config.json` |
//! | [`lora_linear`] | an adapted projection |
//! | [`peft`] | `adapter_model.safetensors` |

pub mod attach;
pub mod config;
mod error;
pub mod lora_linear;
pub mod peft;

pub use attach::{AdapterWeights, attach, merge, trainable_parameters};
pub use config::LoraConfig;
pub use error::Error;
pub use lora_linear::{LoraAdapter, LoraLinear};
