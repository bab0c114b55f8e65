//! PEFT's folder: `adapter_config.json` and `adapter_model.safetensors`.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{DType, Device, Tensor};
use tooltune_lm::TensorFile;
use tooltune_lm::checkpoint::NamedTensor;

use crate::adapter_folder::{self, AdapterFiles};
use crate::config::{EMBED_TOKENS, LM_HEAD, is_suffix, is_vocabulary};
use crate::kind::split_vector;
use crate::weights::{BaseCopy, check_shape};
use crate::{AdapterWeights, Error, LoraConfig};

const PREFIX: &str = "base_model.model.";

/// What a tensor of the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    A,
    B,
    EmbeddingA,
    EmbeddingB,
    Vector(&'static str),
    TokenRows,
    BaseCopy,
    Saved,
}

impl Part {
    /// Those with a name of their own; a kind names its vectors.
    const FIXED: [(Self, &'static str); 7] = [
        (Self::A, "lora_A.weight"),
        (Self::B, "lora_B.weight"),
        (Self::EmbeddingA, "lora_embedding_A"),
        (Self::EmbeddingB, "lora_embedding_B"),
        (Self::TokenRows, "token_adapter.trainable_tokens_delta"),
        (Self::BaseCopy, "base_layer.weight"),
        // Last: the others may end in it too.
        (Self::Saved, "weight"),
    ];

    fn name(self, path: &str) -> String {
        let fixed = || Self::FIXED.iter().find(|(part, _)| *part == self).map_or("", |(_, name)| name);
        let name = if let Self::Vector(name) = self { name } else { fixed() };
        format!("{PREFIX}{path}.{name}")
    }

    fn split(name: &str) -> Option<(&str, Self)> {
        let inner = name.strip_prefix(PREFIX)?;
        if let Some((path, vector)) = split_vector(inner) {
            return Some((path, Self::Vector(vector)));
        }
        let fixed = |(part, name): &(Self, &str)| Some((inner.strip_suffix(name)?.strip_suffix('.')?, *part));
        Self::FIXED.iter().find_map(fixed)
    }
}

impl AdapterWeights {
    /// Writes a folder that PEFT loads; it is made if need be. f32, shapes and names as PEFT has them; no weight of the base. Other files in the
    /// folder stay as they are.
    ///
    /// When this returns `Ok`, the adapter is on the disk. Whenever it is interrupted, [`load`](Self::load) finds the adapter that was there before,
    /// whole, or this one, whole. PEFT does too, but for a moment in which it finds no `adapter_config.json` and says so.
    ///
    /// # Errors
    /// [`Error::Lm`] when writing fails, or a value is NaN or infinite; what was in the folder is still there.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<(), Error> {
        self.save_as(folder, DType::F32)
    }

    /// [`save`](Self::save) with the tensors in f32, bf16 or f16.
    ///
    /// # Errors
    /// As [`save`](Self::save), also when a value is infinite in `dtype`.
    pub fn save_as(&self, folder: impl AsRef<Path>, dtype: DType) -> Result<(), Error> {
        Ok(adapter_folder::replace(folder.as_ref(), &self.named_tensors(dtype), &self.config.to_json())?)
    }

    pub(crate) fn named_tensors(&self, dtype: DType) -> Vec<NamedTensor> {
        fn named<const D: usize>(name: String, tensor: &Tensor<D>, dtype: DType) -> NamedTensor {
            let tensor = tensor.clone();
            NamedTensor::new(name, tensor.dims().to_vec(), dtype, move || tensor.to_data())
        }
        let mut out = Vec::new();
        for (path, (a, b)) in &self.tensors {
            let embedding = is_embedding(path);
            let parts = if embedding { [Part::EmbeddingA, Part::EmbeddingB] } else { [Part::A, Part::B] };
            out.extend(parts.into_iter().zip([a, b]).map(|(part, t)| named(part.name(path), t, dtype)));
            if self.config.ensure_weight_tying && embedding {
                // PEFT ties the two in memory, but looks for both in the file.
                let head = [(Part::A, b.clone().transpose()), (Part::B, a.clone().transpose())];
                out.extend(head.into_iter().map(|(part, t)| named(part.name(LM_HEAD), &t, dtype)));
            }
        }
        for (name, vector) in &self.vectors {
            out.push(named(format!("{PREFIX}{name}"), vector, dtype));
        }
        if let Some(rows) = &self.token_rows {
            out.push(named(Part::TokenRows.name(&self.embedding_path), rows, dtype));
        }
        for (path, weight) in &self.saved_modules {
            out.push(named(Part::Saved.name(path), weight, dtype));
            if self.config.ensure_weight_tying && is_embedding(path) {
                out.push(named(Part::Saved.name(LM_HEAD), weight, dtype));
            }
        }
        out
    }

    /// Reads a folder that PEFT or [`save`](Self::save) wrote. Fields of the config that are not known are listed in `warnings`.
    ///
    /// # Errors
    /// As [`LoraConfig::read`]; [`Error::Lm`] when the weights file is invalid, holds a tensor that the config does not speak of, or lacks
    /// one half of a pair; [`Error::Mismatch`] when a rank is not the config's; [`Error::NotTied`] when embedding and head differ although
    /// the config ties them.
    pub fn load(folder: impl AsRef<Path>, device: &Device) -> Result<Self, Error> {
        let files = AdapterFiles::find(folder.as_ref());
        let (config, warnings) = LoraConfig::read(files.config)?;
        let file = TensorFile::open(files.weights)?;
        let parts = sort_out(&file, &config)?;
        let mut out = Self { warnings, interrupted_save: files.interrupted, ..Self::empty(config) };
        let read = |path: &str, part: Part| -> Result<Tensor<2>, Error> {
            Ok(file.tensor::<2>(&part.name(path), DType::F32, device)?)
        };
        for (path, parts) in &parts {
            for part in parts {
                match part {
                    Part::A | Part::EmbeddingA => {
                        let second = if *part == Part::A { Part::B } else { Part::EmbeddingB };
                        let (a, b) = (read(path, *part)?, read(path, second)?);
                        let r = out.config.rank(path);
                        if a.dims()[0] != r || b.dims()[1] != r {
                            let problem = format!("the config says r = {r}");
                            return Err(Error::Mismatch {
                                path: path.clone(),
                                a: a.dims(),
                                b: b.dims(),
                                problem,
                            });
                        }
                        out.tensors.insert(path.clone(), (a, b));
                    }
                    Part::B | Part::EmbeddingB => {}
                    Part::Vector(name) => {
                        let vector = file.tensor::<1>(&part.name(path), DType::F32, device)?;
                        out.vectors.insert(format!("{path}.{name}"), vector);
                    }
                    Part::TokenRows => {
                        let rows = read(path, *part)?;
                        let expected = [out.config.trainable_token_indices.len(), rows.dims()[1]];
                        check_shape(&part.name(path), &expected, &rows.dims())?;
                        out.embedding_path.clone_from(path);
                        out.token_rows = Some(rows);
                    }
                    Part::BaseCopy => out.base_copies.push(BaseCopy {
                        file: file.clone(),
                        path: path.clone(),
                        name: part.name(path),
                    }),
                    Part::Saved => {
                        out.saved_modules.insert(path.clone(), read(path, *part)?);
                    }
                }
            }
        }
        if out.config.ensure_weight_tying {
            out.drop_tied_head()?;
        }
        Ok(out)
    }

    /// What a tied head has in the file is that of the embedding once more.
    fn drop_tied_head(&mut self) -> Result<(), Error> {
        let embedding = |paths: Vec<&String>| paths.into_iter().find(|path| is_embedding(path)).cloned();
        let same = |a: Tensor<2>, b: Tensor<2>| a.dims() == b.dims() && a.to_data() == b.to_data();
        if let Some((head_a, head_b)) = self.tensors.remove(LM_HEAD) {
            let pair = embedding(self.tensors.keys().collect()).and_then(|path| self.tensors.get(&path));
            let tied = pair.is_some_and(|(a, b)| {
                same(head_a, b.clone().transpose()) && same(head_b, a.clone().transpose())
            });
            if !tied {
                return Err(Error::NotTied { part: "LoRA" });
            }
        }
        if let Some(head) = self.saved_modules.remove(LM_HEAD) {
            let copy =
                embedding(self.saved_modules.keys().collect()).and_then(|path| self.saved_modules.get(&path));
            if !copy.is_some_and(|copy| same(head, copy.clone())) {
                return Err(Error::NotTied { part: "modules_to_save" });
            }
        }
        Ok(())
    }
}

/// Sorts the tensors of the file by module; refuses what the config does not speak of, and modules of which a part is missing.
fn sort_out(file: &TensorFile, config: &LoraConfig) -> Result<BTreeMap<String, Vec<Part>>, Error> {
    let mut unexpected = Vec::new();
    let mut modules: BTreeMap<String, Vec<Part>> = BTreeMap::new();
    let (tied, vectors) = (config.ensure_weight_tying, config.kind().vectors);
    let any_vocabulary = |named: fn(&LoraConfig, &str) -> bool| {
        // The path of the embedding is the model's; the file's own names are what is asked about.
        move |path: &str| named(config, path) || (tied && is_vocabulary(path))
    };
    let (targeted, saved) = (any_vocabulary(LoraConfig::targets), any_vocabulary(LoraConfig::saves));
    for (name, _) in file.shapes() {
        let expected = |(path, part): &(&str, Part)| match part {
            Part::A | Part::B => targeted(path) && !is_embedding(path),
            Part::EmbeddingA | Part::EmbeddingB => targeted(path) && is_embedding(path),
            Part::Vector(name) => vectors.contains(name) && config.targets(path),
            Part::TokenRows => !config.trainable_token_indices.is_empty() && is_embedding(path),
            Part::BaseCopy => is_vocabulary(path) && targeted(path),
            Part::Saved => saved(path) && is_vocabulary(path),
        };
        match Part::split(name).filter(expected) {
            Some((path, part)) => modules.entry(path.to_owned()).or_default().push(part),
            None => unexpected.push(name.to_owned()),
        }
    }
    let mut missing = Vec::new();
    for (path, parts) in &modules {
        let mut pairs = vec![(Part::A, Part::B), (Part::EmbeddingA, Part::EmbeddingB)];
        pairs.extend(vectors.iter().map(|name| (Part::A, Part::Vector(name))));
        for (one, other) in pairs {
            match (parts.contains(&one), parts.contains(&other)) {
                (true, false) => missing.push(other.name(path)),
                (false, true) => missing.push(one.name(path)),
                _ => {}
            }
        }
    }
    if missing.is_empty() && unexpected.is_empty() {
        return Ok(modules);
    }
    let path = file.path().to_owned();
    Err(tooltune_lm::Error::TensorSet { path, missing, unexpected, mismatched: vec![] }.into())
}

fn is_embedding(path: &str) -> bool {
    path == EMBED_TOKENS || is_suffix(path, EMBED_TOKENS)
}
