//! The few CPU kernels that Burn's `flex` backend lacks, and read-only file mapping.
//!
//! Every kernel is a safe function on [`burn::tensor::Tensor`] with a gradient. On the `flex` device and with
//! feature `cpu`, `f32` inputs take a fused implementation: one pass over memory, vectorised, split over
//! threads. Any other device or element type takes the same formula composed of plain Burn operations, so a
//! model calls one function and runs everywhere. No feature changes a result beyond floating-point rounding.
//!
//! This is not a tensor library: it holds what a decoder block of Gemma 2 spends its time in outside of its
//! large matrix products, and nothing else. It is also the only crate of the workspace that contains `unsafe`.
//!
//! | module | what |
//! |---|---|
//! | [`geglu`] | the gated activation of the feed-forward network |
//! | [`attention`] | grouped-query attention with mask and soft-cap |
//! | [`rms_norm`] | Gemma's root-mean-square norm |
//! | [`rope`] | rotary position embedding, rotate-half layout |
//! | [`mmap`] | a file mapped read-only into memory |
//!
//! Same inputs and same number of threads give the same bytes.

mod attention;
mod device;
#[cfg(feature = "cpu")]
mod flex;
mod geglu;
pub mod mmap;
mod rms_norm;
mod rope;
#[cfg(test)]
mod testing;

pub use attention::attention;
pub use geglu::geglu;
pub use rms_norm::rms_norm;
pub use rope::rope;
