//! Reading and writing `save_pretrained` folders.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::module::Param;
use burn::tensor::{DType, Device, Tensor};
use tooltune_lm::checkpoint::{MAX_SHARD_BYTES, NamedTensor, write_shards};
use tooltune_lm::{Checkpoint, EmbeddingTable, Linear, MapProjections, write_text};

use crate::attention::{Gemma2Attention, HeadShape};
use crate::decoder_layer::Gemma2DecoderLayer;
use crate::mlp::Gemma2Mlp;
use crate::rms_norm::GemmaRmsNorm;
use crate::{Error, Gemma2, Gemma2Config};

impl Gemma2<Linear> {
    /// Loads `config.json` and the weights of `folder`, with the matrices in `dtype` (f32 or bf16) and the norms in f32.
    ///
    /// One tensor is read at a time, the largest first, so that the peak is the size of the model.
    ///
    /// # Errors
    /// [`Error::ConfigFile`], [`Error::Float16`], and [`Error::Lm`] for missing, unexpected or wrongly shaped
    /// tensors and for files that break the limits of [`tooltune_lm::checkpoint`].
    pub fn from_pretrained(folder: impl AsRef<Path>, dtype: DType, device: &Device) -> Result<Self, Error> {
        if !matches!(dtype, DType::F32 | DType::BF16) {
            return Err(Error::Float16);
        }
        let folder = folder.as_ref();
        let config = Gemma2Config::from_file(folder.join("config.json"))?;
        let checkpoint = Checkpoint::open(folder)?;
        checkpoint.expect_shapes(&expected_shapes(&config))?;
        let reader = Reader { checkpoint, dtype, device, eps: config.rms_norm_eps };
        let table = reader.checkpoint.tensor(EMBEDDING, dtype, device)?;
        let embed_tokens = if config.tie_word_embeddings {
            EmbeddingTable::tied(table)
        } else {
            EmbeddingTable::untied(table, reader.checkpoint.tensor(HEAD, dtype, device)?)
        };
        let layers = (0..config.num_hidden_layers)
            .map(|index| reader.layer(index, &config))
            .collect::<Result<_, _>>()?;
        Ok(Self { embed_tokens, layers, norm: reader.norm("model.norm")?, config })
    }

    /// Writes `config.json` and the weights to `folder`, which is made if need be, with all tensors in `dtype`; the weights in one file up to
    /// [`MAX_SHARD_BYTES`].
    ///
    /// # Errors
    /// As [`save_sharded`](Self::save_sharded).
    pub fn save_pretrained(&self, folder: impl AsRef<Path>, dtype: DType) -> Result<(), Error> {
        self.save_sharded(folder, dtype, MAX_SHARD_BYTES).map(|_| ())
    }

    /// [`save_pretrained`](Self::save_pretrained) with at most `max_shard_bytes` of weights in a file; see [`write_shards`]. Gives the number of
    /// these files.
    ///
    /// # Errors
    /// [`Error::Lm`] when writing fails, [`Error::Float16`].
    pub fn save_sharded(
        &self,
        folder: impl AsRef<Path>,
        dtype: DType,
        max_shard_bytes: u64,
    ) -> Result<usize, Error> {
        if !matches!(dtype, DType::F32 | DType::BF16) {
            return Err(Error::Float16);
        }
        let folder = folder.as_ref();
        fs::create_dir_all(folder).map_err(tooltune_lm::Error::io(folder))?;
        let count = write_shards(folder, &self.named_tensors(dtype), max_shard_bytes)?;
        write_text(folder.join("config.json"), &self.config.to_json(dtype))?;
        Ok(count)
    }

    fn named_tensors(&self, dtype: DType) -> Vec<NamedTensor> {
        fn named<const D: usize>(name: String, value: Tensor<D>, dtype: DType) -> NamedTensor {
            NamedTensor::new(name, value.dims().to_vec(), dtype, move || value.to_data())
        }
        let mut out = vec![named(EMBEDDING.to_owned(), self.embed_tokens.weight.val(), dtype)];
        if let Some(head) = &self.embed_tokens.lm_head {
            out.push(named(HEAD.to_owned(), head.val(), dtype));
        }
        self.visit_projections(&mut |path, linear| {
            out.push(named(format!("{path}.weight"), linear.weight.val(), dtype))
        });
        for (index, layer) in self.layers.iter().enumerate() {
            for (name, norm) in layer_norms(layer) {
                out.push(named(format!("model.layers.{index}.{name}.weight"), norm.weight.val(), dtype));
            }
        }
        out.push(named("model.norm.weight".to_owned(), self.norm.weight.val(), dtype));
        out
    }
}

const EMBEDDING: &str = "model.embed_tokens.weight";
const HEAD: &str = "lm_head.weight";

fn layer_norms<P: burn::module::Module>(layer: &Gemma2DecoderLayer<P>) -> [(&'static str, &GemmaRmsNorm); 4] {
    [
        ("input_layernorm", &layer.input_layernorm),
        ("post_attention_layernorm", &layer.post_attention_layernorm),
        ("pre_feedforward_layernorm", &layer.pre_feedforward_layernorm),
        ("post_feedforward_layernorm", &layer.post_feedforward_layernorm),
    ]
}

/// Names and shapes of all tensors that a checkpoint of this config holds.
pub fn expected_shapes(config: &Gemma2Config) -> BTreeMap<String, Vec<usize>> {
    let (hidden, intermediate) = (config.hidden_size, config.intermediate_size);
    let (queries, keys) = (config.q_features(), config.kv_features());
    let mut out = BTreeMap::from([
        (EMBEDDING.to_owned(), vec![config.vocab_size, hidden]),
        ("model.norm.weight".to_owned(), vec![hidden]),
    ]);
    if !config.tie_word_embeddings {
        out.insert(HEAD.to_owned(), vec![config.vocab_size, hidden]);
    }
    for index in 0..config.num_hidden_layers {
        let tensors = [
            ("self_attn.q_proj", vec![queries, hidden]),
            ("self_attn.k_proj", vec![keys, hidden]),
            ("self_attn.v_proj", vec![keys, hidden]),
            ("self_attn.o_proj", vec![hidden, queries]),
            ("mlp.gate_proj", vec![intermediate, hidden]),
            ("mlp.up_proj", vec![intermediate, hidden]),
            ("mlp.down_proj", vec![hidden, intermediate]),
            ("input_layernorm", vec![hidden]),
            ("post_attention_layernorm", vec![hidden]),
            ("pre_feedforward_layernorm", vec![hidden]),
            ("post_feedforward_layernorm", vec![hidden]),
        ];
        out.extend(tensors.map(|(name, shape)| (format!("model.layers.{index}.{name}.weight"), shape)));
    }
    out
}

struct Reader<'a> {
    checkpoint: Checkpoint,
    dtype: DType,
    device: &'a Device,
    eps: f64,
}

impl Reader<'_> {
    fn linear(&self, path: &str) -> Result<Linear, Error> {
        let weight = self.checkpoint.tensor(&format!("{path}.weight"), self.dtype, self.device)?;
        Ok(Linear::from_weight(weight))
    }

    fn norm(&self, path: &str) -> Result<GemmaRmsNorm, Error> {
        let weight = self.checkpoint.tensor(&format!("{path}.weight"), DType::F32, self.device)?;
        Ok(GemmaRmsNorm { weight: Param::from_tensor(weight), eps: self.eps })
    }

    fn layer(&self, index: usize, config: &Gemma2Config) -> Result<Gemma2DecoderLayer<Linear>, Error> {
        let linear = |name: &str| self.linear(&format!("model.layers.{index}.{name}"));
        let norm = |name: &str| self.norm(&format!("model.layers.{index}.{name}"));
        Ok(Gemma2DecoderLayer {
            self_attn: Gemma2Attention {
                q_proj: linear("self_attn.q_proj")?,
                k_proj: linear("self_attn.k_proj")?,
                v_proj: linear("self_attn.v_proj")?,
                o_proj: linear("self_attn.o_proj")?,
                heads: HeadShape::new(config),
            },
            mlp: Gemma2Mlp {
                gate_proj: linear("mlp.gate_proj")?,
                up_proj: linear("mlp.up_proj")?,
                down_proj: linear("mlp.down_proj")?,
            },
            input_layernorm: norm("input_layernorm")?,
            post_attention_layernorm: norm("post_attention_layernorm")?,
            pre_feedforward_layernorm: norm("pre_feedforward_layernorm")?,
            post_feedforward_layernorm: norm("post_feedforward_layernorm")?,
        })
    }
}
