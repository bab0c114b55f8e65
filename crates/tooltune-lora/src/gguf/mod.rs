//! GGUF: the adapter as llama.cpp loads it (`--lora FILE`).
//!
//! llama.cpp scales each pair by `alpha / r`, with one `alpha` for the file and the `r` of the pair. So ranks may differ; an alpha that differs,
//! and rsLoRA's root, move into B. What else an adapter may have (DoRA, embedding and head, token rows, whole modules) has no place in the file
//! and is refused, by the rules of [`portability`](crate::portability).

mod file;
mod names;

use std::path::Path;

use burn::tensor::{DType, Tensor};

use crate::{AdapterWeights, Consumer, Error, Feature};
use file::{GgufFile, GgufTensor, GgufValue};

/// The dtype of the tensors of a GGUF adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GgufDtype {
    /// 4 bytes a value: exactly what was trained.
    #[default]
    F32,
    /// 2 bytes a value.
    F16,
}

/// What a GGUF adapter says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GgufOptions {
    /// `general.architecture`, llama.cpp's name of the base's; it refuses an adapter for another one.
    pub architecture: String,
    /// `general.name`.
    pub name: String,
    /// The dtype of all tensors.
    pub dtype: GgufDtype,
}

impl Default for GgufOptions {
    fn default() -> Self {
        Self { architecture: "gemma2".to_owned(), name: "adapter".to_owned(), dtype: GgufDtype::F32 }
    }
}

/// What [`AdapterWeights::save_gguf`] moves into B; everything else that llama.cpp does not read is refused.
const FOLDED: [Feature; 2] = [Feature::RsLora, Feature::AlphaPattern];

/// `general.quantization_version`, the only one there is.
const QUANTIZATION_VERSION: u32 = 2;

impl AdapterWeights {
    /// Writes the adapter as a GGUF file (version 3, little-endian) for llama.cpp.
    ///
    /// # Errors
    /// [`Error::NotPortable`] for what has no place in such a file; [`Error::NoGgufName`] for a module that llama.cpp does not know;
    /// [`Error::NotFinite`] for values that the dtype cannot hold; [`Error::MissingWeights`] when there are no pairs, [`Error::Mismatch`] when
    /// one does not fit together; [`Error::InvalidConfig`] when alpha is nothing in f32; [`Error::Lm`] when writing fails.
    pub fn save_gguf(&self, path: impl AsRef<Path>, options: &GgufOptions) -> Result<(), Error> {
        self.check_gguf()?;
        let (alpha, pairs) = self.gguf_pairs()?;
        let dtype = match options.dtype {
            GgufDtype::F32 => DType::F32,
            GgufDtype::F16 => DType::F16,
        };
        let tensors = pairs
            .into_iter()
            .map(|(name, tensor)| GgufTensor::new(name, tensor, dtype))
            .collect::<Result<Vec<_>, _>>()?;
        let text = |text: &str| GgufValue::String(text.to_owned());
        let metadata = vec![
            ("general.architecture", text(&options.architecture)),
            ("general.type", text("adapter")),
            ("general.name", text(&options.name)),
            ("general.quantization_version", GgufValue::U32(QUANTIZATION_VERSION)),
            ("adapter.type", text("lora")),
            ("adapter.lora.alpha", GgufValue::F32(alpha)),
        ];
        GgufFile { metadata, tensors }.write(path.as_ref())
    }

    /// Refuses what has no place in the file, by the config and by what is there.
    fn check_gguf(&self) -> Result<(), Error> {
        // Added tokens are trained rows like others here.
        let rules = self.config.portability(usize::MAX).into_iter();
        let mut rules =
            rules.filter(|(consumer, _)| *consumer == Consumer::LlamaCpp).flat_map(|(_, rules)| rules);
        if let Some(rule) = rules.find(|rule| !FOLDED.contains(&rule.feature)) {
            return Err(Error::NotPortable { rule });
        }
        // Weights that the config does not speak of must not be left out silently.
        let others = self
            .vectors
            .keys()
            .cloned()
            .chain(self.token_rows.as_ref().map(|_| "trainable_tokens_delta".to_owned()))
            .chain(self.saved_modules.keys().map(|path| format!("{path}.weight")));
        match others.into_iter().next() {
            Some(name) => Err(Error::UnexpectedTensor { name }),
            None => Ok(()),
        }
    }

    /// The alpha of the file, and its tensors by name, each A before its B.
    fn gguf_pairs(&self) -> Result<(f32, Vec<(String, Tensor<2>)>), Error> {
        if self.tensors.is_empty() {
            return Err(Error::MissingWeights { paths: Vec::new() });
        }
        let config = &self.config;
        let root = if config.use_rslora { (config.r as f64).sqrt() } else { 1.0 };
        let alpha = (config.lora_alpha * root) as f32;
        // llama.cpp takes an alpha of zero to mean a scale of one.
        if !alpha.is_normal() {
            let (value, rule) = (config.lora_alpha.to_string(), "must be a normal number in f32".to_owned());
            return Err(Error::InvalidConfig { field: "lora_alpha", value, rule });
        }
        let mut out = Vec::with_capacity(2 * self.tensors.len());
        for (path, (a, b)) in &self.tensors {
            let ([rank, _], [_, columns]) = (a.dims(), b.dims());
            if rank != columns || rank != config.rank(path) {
                let problem = format!("the config says r = {}", config.rank(path));
                return Err(Error::Mismatch { path: path.clone(), a: a.dims(), b: b.dims(), problem });
            }
            let Some(name) = names::weight(path) else {
                return Err(Error::NoGgufName { path: path.clone() });
            };
            let factor = config.scaling(path) * rank as f64 / f64::from(alpha);
            // What needs no factor is left bit for bit.
            let b = if (factor - 1.0).abs() < 1e-7 { b.clone() } else { b.clone().mul_scalar(factor) };
            out.push((format!("{name}.lora_a"), a.clone()));
            out.push((format!("{name}.lora_b"), b));
        }
        Ok((alpha, out))
    }
}
