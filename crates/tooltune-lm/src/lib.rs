//! What a causal language model is, here: the traits that models, adapters, trainers and generation share.
//!
//! A model implements [`CausalLm`] (embed, one decoder layer at a time, final norm, head) and [`MapProjections`] (the one seam that
//! adapters use, for projections and for the embedding with its head); in return it gets [`generate`], batches with padding or packing ([`TokenBatch`]), a [`KvCache`] and checkpoint
//! files ([`Checkpoint`]).
//!
//! What it is not: a model (see `tooltune-gemma2`), a trainer (`tooltune-sft`), or anything that knows about text.
//!
//! ```
//! use tooltune_lm::{Padding, TokenBatch};
//!
//! let batch = TokenBatch::padded(&[vec![2, 7, 9], vec![2, 7]], Padding::Left, 0);
//! assert_eq!((batch.batch(), batch.seq()), (2, 3));
//! assert_eq!(batch.ids(), [2, 7, 9, 0, 2, 7]);
//! assert_eq!(batch.positions(), [0, 1, 2, 0, 0, 1]);
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`activations`] | what a decoder layer keeps for its backward pass |
//! | [`batch`] | token ids, positions and document numbers of a batch, on the host |
//! | [`cache`] | keys and values of the tokens already seen |
//! | [`causal_lm`] | the trait of a decoder-only language model |
//! | [`checkpoint`] | safetensors files and folders, read through a memory map, and written |
//! | [`dtype`] | which element types a device can hold |
//! | [`embedding`] | the token embedding, and the head that may be tied to it |
//! | [`generation`] | decoding: an iterator of tokens, and whole batches |
//! | [`head`] | the output head as a sum of linear maps |
//! | [`mask`] | which key a query may see |
//! | [`projection`] | bias-free linear maps and the seam that swaps them |
//! | [`quantized`] | weights of 8 bits, for inference |
//! | [`sampling`] | from logits to a token |

pub mod activations;
pub mod batch;
pub mod cache;
pub mod causal_lm;
pub mod checkpoint;
pub mod dtype;
pub mod embedding;
mod error;
pub mod generation;
pub mod head;
pub mod mask;
pub mod projection;
pub mod quantized;
pub mod sampling;

pub use activations::LayerActivations;
pub use batch::{Padding, TokenBatch};
pub use cache::KvCache;
pub use causal_lm::CausalLm;
pub use checkpoint::{Checkpoint, TensorFile, write_file, write_safetensors, write_text};
pub use embedding::{Embedding, EmbeddingTable};
pub use error::Error;
pub use generation::{FinishReason, Generated, Generation, GenerationConfig, generate, generate_batch};
pub use head::{Head, HeadUpdate, HeadWeight};
pub use mask::AttentionMask;
pub use projection::{Linear, MapProjections, Projection};
pub use quantized::{QuantizedEmbedding, QuantizedLinear, quantize};
pub use sampling::{Sampler, SamplingConfig};
