//! PEFT's folder: `adapter_config.json` and `adapter_model.safetensors`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::tensor::{DType, Device};
use tooltune_lm::checkpoint::NamedTensor;
use tooltune_lm::{TensorFile, write_safetensors, write_text};

use crate::{AdapterWeights, Error, LoraConfig};

const PREFIX: &str = "base_model.model.";
const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";

impl AdapterWeights {
    /// Writes a folder that PEFT loads; it is made if need be. A in `[r, in]`, B in `[out, r]`, f32, as PEFT has them.
    ///
    /// # Errors
    /// [`Error::Lm`] when writing fails.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<(), Error> {
        let folder = folder.as_ref();
        fs::create_dir_all(folder).map_err(tooltune_lm::Error::io(folder))?;
        let mut named = Vec::with_capacity(2 * self.tensors.len());
        for (path, (a, b)) in &self.tensors {
            for (part, tensor) in [("lora_A", a), ("lora_B", b)] {
                let tensor = tensor.clone();
                let name = format!("{PREFIX}{path}.{part}.weight");
                named.push(NamedTensor::new(name, tensor.dims().to_vec(), DType::F32, move || {
                    tensor.to_data()
                }));
            }
        }
        write_safetensors(folder.join(WEIGHTS), &named)?;
        write_text(folder.join(CONFIG), &self.config.to_json())?;
        Ok(())
    }

    /// Reads a folder that PEFT or [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// As [`LoraConfig::from_file`]; [`Error::Lm`] when the weights file is invalid, holds a tensor that is not part of a linear adapter, or
    /// lacks one half of a pair; [`Error::Mismatch`] when a rank is not the config's.
    pub fn load(folder: impl AsRef<Path>, device: &Device) -> Result<Self, Error> {
        let folder = folder.as_ref();
        let config = LoraConfig::from_file(folder.join(CONFIG))?;
        let file = TensorFile::open(folder.join(WEIGHTS))?;
        let mut unexpected = Vec::new();
        let mut halves: BTreeMap<String, [bool; 2]> = BTreeMap::new();
        for (name, _) in file.shapes() {
            match split_name(name) {
                Some((path, half)) if config.targets(path) => {
                    halves.entry(path.to_owned()).or_default()[half] = true
                }
                _ => unexpected.push(name.to_owned()),
            }
        }
        let missing: Vec<String> = halves
            .iter()
            .flat_map(|(path, [a, b])| {
                [("lora_A", *a), ("lora_B", *b)].map(|(part, there)| (path, part, there))
            })
            .filter(|(_, _, there)| !there)
            .map(|(path, part, _)| format!("{PREFIX}{path}.{part}.weight"))
            .collect();
        if !(missing.is_empty() && unexpected.is_empty()) {
            let path = file.path().to_owned();
            return Err(
                tooltune_lm::Error::TensorSet { path, missing, unexpected, mismatched: vec![] }.into()
            );
        }
        let mut tensors = BTreeMap::new();
        for path in halves.into_keys() {
            let read =
                |part: &str| file.tensor::<2>(&format!("{PREFIX}{path}.{part}.weight"), DType::F32, device);
            let (a, b) = (read("lora_A")?, read("lora_B")?);
            if a.dims()[0] != config.r || b.dims()[1] != config.r {
                let problem = format!("the config says r = {}", config.r);
                return Err(Error::Mismatch { path, a: a.dims(), b: b.dims(), problem });
            }
            tensors.insert(path, (a, b));
        }
        Ok(Self { config, tensors })
    }
}

/// `base_model.model.{path}.lora_A.weight` → path and 0, or 1 for B.
fn split_name(name: &str) -> Option<(&str, usize)> {
    let inner = name.strip_prefix(PREFIX)?.strip_suffix(".weight")?;
    inner
        .strip_suffix(".lora_A")
        .map(|path| (path, 0))
        .or_else(|| inner.strip_suffix(".lora_B").map(|path| (path, 1)))
}
