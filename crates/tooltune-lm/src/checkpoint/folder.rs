//! A `save_pretrained` folder: one safetensors file, or several with an index.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device, Tensor};
use serde::Deserialize;

use super::TensorFile;
use crate::Error;

pub(super) const SINGLE: &str = "model.safetensors";
pub(super) const INDEX: &str = "model.safetensors.index.json";
const MAX_INDEX_BYTES: u64 = 8 << 20;

/// The weights of a Hugging Face folder: `model.safetensors`, or the shards that `model.safetensors.index.json` lists.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    files: Vec<TensorFile>,
    index: BTreeMap<String, usize>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Opens the weights in `folder`.
    ///
    /// # Errors
    /// [`Error::Io`] when there are none, [`Error::InvalidIndex`] when the index is malformed, names a file outside the folder, does not
    /// agree with the shards, or lies beside a `model.safetensors`; and as [`TensorFile::open`].
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, Error> {
        let folder = folder.as_ref();
        match (folder.join(INDEX).exists(), folder.join(SINGLE).exists()) {
            (true, true) => {
                let rule = format!("{SINGLE} is there too: remove the one that is out of date");
                Err(Error::InvalidIndex { path: folder.join(INDEX), rule })
            }
            (true, false) => Self::sharded(folder),
            (false, _) => Self::single(folder),
        }
    }

    fn single(folder: &Path) -> Result<Self, Error> {
        let file = TensorFile::open(folder.join(SINGLE))?;
        let index = file.shapes().map(|(name, _)| (name.to_owned(), 0)).collect();
        Ok(Self { path: folder.to_owned(), files: vec![file], index })
    }

    fn sharded(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(INDEX);
        let invalid = |rule: String| Error::InvalidIndex { path: path.clone(), rule };
        let length = fs::metadata(&path).map_err(Error::io(&path))?.len();
        if length > MAX_INDEX_BYTES {
            return Err(invalid(format!("{length} bytes long; at most {MAX_INDEX_BYTES} are accepted")));
        }
        let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
        let map =
            serde_json::from_str::<Index>(&text).map_err(|e| invalid(format!("not a shard index: {e}")))?;
        let shards: BTreeSet<&String> = map.weight_map.values().collect();
        let mut files = Vec::new();
        let mut index = BTreeMap::new();
        for shard in shards {
            check_shard_name(folder, shard).map_err(|rule| invalid(format!("shard {shard:?} {rule}")))?;
            let file = TensorFile::open(folder.join(shard))?;
            for (name, _) in file.shapes() {
                if map.weight_map.get(name) != Some(shard) {
                    return Err(invalid(format!(
                        "{shard} holds {name}, which the index places elsewhere or not at all"
                    )));
                }
                index.insert(name.to_owned(), files.len());
            }
            files.push(file);
        }
        if let Some((name, shard)) = map.weight_map.iter().find(|(name, _)| !index.contains_key(*name)) {
            return Err(invalid(format!("{name} is not in {shard}, where the index places it")));
        }
        Ok(Self { path: folder.to_owned(), files, index })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names and shapes of all tensors.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.files.iter().flat_map(TensorFile::shapes)
    }

    /// Compares with what a config expects.
    ///
    /// # Errors
    /// [`Error::TensorSet`] lists every missing, unexpected and wrongly shaped tensor.
    pub fn expect_shapes(&self, expected: &BTreeMap<String, Vec<usize>>) -> Result<(), Error> {
        let found: BTreeMap<&str, &[usize]> = self.shapes().collect();
        let missing: Vec<_> =
            expected.keys().filter(|name| !found.contains_key(name.as_str())).cloned().collect();
        let unexpected: Vec<_> =
            found.keys().filter(|name| !expected.contains_key(**name)).map(|&name| name.to_owned()).collect();
        let differs = |(name, shape): (&String, &Vec<usize>)| {
            let actual = *found.get(name.as_str())?;
            (actual != shape.as_slice()).then(|| (name.clone(), shape.clone(), actual.to_vec()))
        };
        let mismatched: Vec<_> = expected.iter().filter_map(differs).collect();
        if missing.is_empty() && unexpected.is_empty() && mismatched.is_empty() {
            return Ok(());
        }
        Err(Error::TensorSet { path: self.path.clone(), missing, unexpected, mismatched })
    }

    /// Reads one tensor in the given dtype.
    ///
    /// # Errors
    /// As [`TensorFile::tensor`].
    pub fn tensor<const D: usize>(
        &self,
        name: &str,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor<D>, Error> {
        match self.index.get(name) {
            Some(&file) => self.files[file].tensor(name, dtype, device),
            None => Err(Error::TensorSet {
                path: self.path.clone(),
                missing: vec![name.to_owned()],
                unexpected: vec![],
                mismatched: vec![],
            }),
        }
    }
}

/// A shard must be a plain file of the folder: an index must not be able to name anything else.
fn check_shard_name(folder: &Path, name: &str) -> Result<(), &'static str> {
    let plain = name.ends_with(".safetensors") && !name.contains(['/', '\\', '\0']) && !name.contains("..");
    if !plain {
        return Err("is not a bare *.safetensors file name");
    }
    let real_folder = folder.canonicalize().map_err(|_| "is in a folder that cannot be resolved")?;
    let real = folder.join(name).canonicalize().map_err(|_| "does not exist")?;
    // A hub's cache links its files too. From here that cannot be told from an index that wants another file read.
    if real.parent() == Some(&real_folder) {
        Ok(())
    } else {
        Err(
            "is a link that leaves the folder: copy the files (cp -rL) or download them to a folder of their own",
        )
    }
}
