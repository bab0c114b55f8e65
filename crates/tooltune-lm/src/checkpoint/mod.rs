//! Checkpoints: safetensors files and Hugging Face folders, read tensor by tensor through a memory map, and written.
//!
//! Nothing from a file is trusted: headers are bounded before they are parsed, duplicate names, dtypes other than f32 / f16 / bf16 and
//! shard names that could leave the folder are refused.

mod folder;
mod shards;
mod stop_tokens;
mod tensor_file;
mod whole_folder;
mod write;

pub use folder::Checkpoint;
pub use shards::{MAX_SHARD_BYTES, write_shards};
pub use stop_tokens::with_stop_tokens;
pub use tensor_file::{MAX_HEADER_BYTES, MAX_TENSORS, TensorFile};
pub use whole_folder::{sync_folder, write_folder};
pub use write::{NamedTensor, write_file, write_safetensors, write_text};
