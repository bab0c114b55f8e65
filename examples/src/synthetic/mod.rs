//! The synthetic world of the embedded default: what its base is pre-trained on, and the function-calling
//! conversations that teach and test it.
//!
//! Everything is keyed by `(seed, stream, index)`: example `i` of a set is the same however many are drawn. Training
//! text and held-out sets are disjoint by construction: [`words::Side`] halves values, names and made-up words by a
//! hash, and the words of [`words::HELD_OBJECTS`] and [`words::HELD_VERBS`] stand in held-out tools only.
//!
//! | module | what |
//! |---|---|
//! | [`calling`] | conversations with tools: the training set and the held-out sets |
//! | [`pretraining`] | dialogues without tools: the curriculum of the base |
//! | [`tokenizer`] | byte-level BPE for both |
//! | [`tool`], [`request`], [`kind`] | tools, requests for them, kinds of parameter |
//! | [`hand_written`], [`composed`] | where tools come from |

pub mod calling;
pub mod chat;
pub mod composed;
pub mod hand_written;
pub mod kind;
pub mod pretraining;
pub mod request;
pub mod rng;
pub mod tokenizer;
pub mod tool;
mod word_lists;
pub mod words;

#[cfg(test)]
mod tests;

pub use calling::{CallingData, Split};
pub use pretraining::{PretrainingData, Stage};
