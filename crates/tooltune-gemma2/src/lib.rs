//! The Gemma-2 model on Burn: the forward pass of the reference implementation, and Hugging Face checkpoints.
//!
//! Grouped-query attention with soft-capped scores, a sliding window on every other layer, four norms a layer with scale `1 + w`, GeGLU,
//! tied and scaled embeddings (Gemma Team, 2024, "Gemma 2: Improving Open Language Models at a Practical Size"). The module and field
//! names are those of the checkpoint.
//!
//! What it is not: it knows nothing about adapters, losses or text. Adapters come through
//! [`MapProjections`](tooltune_lm::MapProjections), everything else through [`CausalLm`](tooltune_lm::CausalLm).
//!
//! ```
//! use burn::tensor::Device;
//! use tooltune_gemma2::{Gemma2, Gemma2Config};
//! use tooltune_lm::{CausalLm, TokenBatch};
//!
//! let device = Device::flex();
//! let model = Gemma2::random(&Gemma2Config::tiny(), &device)?;
//! let logits = model.forward(&TokenBatch::single(&[2, 5, 9]));
//! assert_eq!(logits.dims(), [1, 3, Gemma2Config::tiny().vocab_size]);
//! # Ok::<(), tooltune_gemma2::Error>(())
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`attention`] | `self_attn`: projections, rotary positions, grouped queries |
//! | [`config`] | `config.json`, both generations of its keys |
//! | [`decoder_layer`] | one layer: attention and feed-forward between four norms |
//! | [`mlp`] | `mlp`: the gated feed-forward network |
//! | [`model`] | the whole model |
//! | [`pretrained`] | reading and writing `save_pretrained` folders |
//! | [`rms_norm`] | Gemma's RMSNorm |
#![recursion_limit = "256"]

pub mod attention;
pub mod config;
pub mod decoder_layer;
mod error;
pub mod mlp;
pub mod model;
pub mod pretrained;
pub mod rms_norm;

pub use config::{Gemma2Config, LayerType};
pub use error::Error;
pub use model::{Gemma2, Gemma2Context};
