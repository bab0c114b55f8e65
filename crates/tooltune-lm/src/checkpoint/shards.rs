//! The weights of a checkpoint in one file, or in several with an index.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::json;

use super::folder::{INDEX, SINGLE};
use super::{NamedTensor, write_safetensors, write_text};
use crate::Error;

/// Where a checkpoint is split unless something else is asked for: 5 GB, as transformers did for years.
pub const MAX_SHARD_BYTES: u64 = 5_000_000_000;

/// Writes `tensors` to `folder`: as `model.safetensors` where their values take at most `max_shard_bytes`, else as
/// `model-00001-of-00003.safetensors` and so on with `model.safetensors.index.json`. A tensor is never cut: one that is larger has a file of its
/// own. Gives the number of files.
///
/// The index, or the `model.safetensors`, of an earlier checkpoint in the folder is removed at the end; its shards are not.
///
/// # Errors
/// As [`write_safetensors`].
pub fn write_shards(
    folder: impl AsRef<Path>,
    tensors: &[NamedTensor],
    max_shard_bytes: u64,
) -> Result<usize, Error> {
    let folder = folder.as_ref();
    let shards = split(tensors, max_shard_bytes);
    let (single, index) = (folder.join(SINGLE), folder.join(INDEX));
    if let [whole] = shards.as_slice() {
        write_safetensors(single, whole)?;
        remove(&index)?;
        return Ok(1);
    }
    let count = shards.len();
    let mut places = BTreeMap::new();
    for (number, shard) in (1..).zip(&shards) {
        let name = format!("model-{number:05}-of-{count:05}.safetensors");
        write_safetensors(folder.join(&name), shard)?;
        places.extend(shard.iter().map(|tensor| (tensor.name(), name.clone())));
    }
    let total_parameters: usize = tensors.iter().map(NamedTensor::num_elements).sum();
    let total_size: u64 = tensors.iter().map(NamedTensor::bytes).sum();
    let metadata = json!({ "total_parameters": total_parameters, "total_size": total_size });
    let text = format!("{:#}\n", json!({ "metadata": metadata, "weight_map": places }));
    // Last: a folder without it is recognised as incomplete.
    write_text(&index, &text)?;
    remove(&single)?;
    Ok(count)
}

/// Runs of tensors of at most `max_bytes` each, in order; at least one run.
fn split(tensors: &[NamedTensor], max_bytes: u64) -> Vec<&[NamedTensor]> {
    let (mut shards, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (index, tensor) in tensors.iter().enumerate() {
        if index > start && bytes + tensor.bytes() > max_bytes {
            shards.push(&tensors[start..index]);
            (start, bytes) = (index, 0);
        }
        bytes += tensor.bytes();
    }
    shards.push(&tensors[start..]);
    shards
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(Error::io(path)(source)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, TensorData};

    fn tensor(name: &str, count: usize) -> NamedTensor {
        NamedTensor::new(name, [count], DType::F32, move || TensorData::new(vec![0f32; count], [count]))
    }

    #[test]
    fn no_shard_is_too_large_unless_one_tensor_is() {
        let tensors = [tensor("a", 3), tensor("b", 2), tensor("c", 9), tensor("d", 1), tensor("e", 4)];
        let names = |max_bytes| -> Vec<String> {
            let join = |shard: &[NamedTensor]| shard.iter().map(NamedTensor::name).collect();
            split(&tensors, max_bytes).into_iter().map(join).collect()
        };
        assert_eq!(names(20), ["ab", "c", "de"]);
        assert_eq!(names(12), ["a", "b", "c", "d", "e"]);
        assert_eq!(names(76), ["abcde"]);
        assert_eq!(names(75), ["abcd", "e"]);
        assert_eq!(names(0), ["a", "b", "c", "d", "e"]);
        assert_eq!(split(&[], 0).len(), 1);
    }
}
