#![doc = include_str!("../../../README.md")]
//!
//! # Crates
//!
//! | module | crate | what it is |
//! |---|---|---|
//! | [`chat`] | `tooltune-chat` | conversations and tools → tokens with provenance; text → tool calls |
//! | [`lm`] | `tooltune-lm` | what a causal language model is here; generation; checkpoint files |
//! | [`gemma2`] | `tooltune-gemma2` | the model |
//! | [`lora`] | `tooltune-lora` | adapters, PEFT files |
//! | [`sft`] | `tooltune-sft` | the trainer |
//! | [`eval`] | `tooltune-eval` | metrics and reports |
//! | [`kernels`] | `tooltune-kernels` | fused CPU kernels |
#![recursion_limit = "256"]

pub use tooltune_chat as chat;
pub use tooltune_eval as eval;
pub use tooltune_gemma2 as gemma2;
pub use tooltune_kernels as kernels;
pub use tooltune_lm as lm;
pub use tooltune_lora as lora;
pub use tooltune_sft as sft;
