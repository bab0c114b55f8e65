//! The few CPU kernels that Burn's `flex` backend lacks, and read-only file mapping.
//!
//! Every kernel is a safe function on [`burn::tensor::Tensor`] with a gradient. On the `flex` device and with
//! feature `cpu`, `f32` inputs take a fused implementation: one pass over memory, vectorised, split over
//! threads. Any other device or element type takes the same formula composed of plain Burn operations, so a
//! model calls one function and runs everywhere. No feature changes a result beyond rounding
//! (products with weights in bf16 round their input to bf16 too), except in which elements dropout drops.
//!
//! This is not a tensor library: it holds what a decoder block of Gemma 2 spends its time in, but for large products in `f32`,
//! and nothing else. It is also the only crate of the workspace that contains `unsafe`.
//!
//! | item | what |
//! |---|---|
//! | [`linear()`] | rows through a weight, also one that is stored in bf16 |
//! | [`linear_q8()`] | the same for a weight of 8 bits, [`QuantizedWeight`] |
//! | [`lora_linear()`] | the same with a low-rank adapter beside it |
//! | [`geglu_lora_linear()`] | the same on what [`geglu()`] gives, which is not kept |
//! | [`cross_entropy()`] | loss and gradient of soft-capped logits, in place |
//! | [`geglu()`] | the gated activation of the feed-forward network |
//! | [`attention()`] | grouped-query attention with mask and soft-cap |
//! | [`rms_norm()`] | Gemma's root-mean-square norm |
//! | [`rope()`] | rotary position embedding, rotate-half layout |
//! | [`threads::on_worker_thread()`] | where a program's work with a model begins |
//! | [`mmap::MappedFile`] | a file mapped read-only into memory |
//!
//! Same inputs give the same bytes, whatever the number of threads.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//!
//! let device = Device::flex();
//! let gate = Tensor::<2>::from_floats([[-1.0, 0.0, 2.0]], &device);
//! let up = Tensor::<2>::from_floats([[1.0, 1.0, 0.5]], &device);
//! let out = tooltune_kernels::geglu(gate, up).into_data().try_to_vec::<f32>()?;
//! assert!((out[0] + 0.158808).abs() < 1e-6 && out[1] == 0.0);
//! # Ok::<(), burn::tensor::DataError>(())
//! ```

pub mod allocator;
mod attention;
mod cross_entropy;
mod device;
#[cfg(feature = "cpu")]
mod flex;
mod geglu;
mod linear;
mod lora;
pub mod mmap;
mod quantized;
mod rms_norm;
mod rope;
#[cfg(test)]
mod testing;
pub mod threads;

pub use attention::attention;
pub use cross_entropy::{CrossEntropy, cross_entropy};
pub use geglu::geglu;
pub use linear::{linear, linear_transposed};
pub use lora::{geglu_lora_linear, lora_linear};
pub use quantized::{QuantizedWeight, linear_q8, linear_q8_transposed};
pub use rms_norm::rms_norm;
pub use rope::rope;
