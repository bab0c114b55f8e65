//! The whole model.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use tooltune_lm::projection::normal;
use tooltune_lm::{
    AttentionMask, CausalLm, Embedding, EmbeddingTable, Head, KvCache, LayerActivations, Linear,
    MapProjections, Projection, TokenBatch,
};

use crate::attention::{Gemma2Attention, HeadShape, Rotary};
use crate::decoder_layer::Gemma2DecoderLayer;
use crate::mlp::Gemma2Mlp;
use crate::rms_norm::GemmaRmsNorm;
use crate::{Error, Gemma2Config, LayerType};

/// Gemma-2 with projections of kind `P`: plain ([`Linear`]) or adapted.
///
/// Activations are f32 whatever the dtype of the weights.
#[derive(Module, Debug)]
pub struct Gemma2<P: Projection = Linear> {
    /// `[vocab, hidden]`: the embedding, and the head that is tied to it.
    pub embed_tokens: P::Embedding,
    /// The decoder layers.
    pub layers: Vec<Gemma2DecoderLayer<P>>,
    /// The final norm.
    pub norm: GemmaRmsNorm,
    /// Its shape and constants.
    #[module(skip)]
    pub config: Gemma2Config,
}

/// Rotary tables and masks of a batch.
#[derive(Clone, Debug)]
pub struct Gemma2Context {
    rotary: Rotary,
    full: AttentionMask,
    sliding: AttentionMask,
}

impl Gemma2<Linear> {
    /// Draws all matrices from a normal distribution with the config's `initializer_range`. Seed the device for the same model again.
    ///
    /// # Errors
    /// As [`Gemma2Config::validate`].
    pub fn random(config: &Gemma2Config, device: &Device) -> Result<Self, Error> {
        let std = config.initializer_range;
        Self::from_matrices(config, device, |shape| normal(shape, std, device))
    }

    /// A model whose matrices `matrix` makes on `device`, given `[out_features, in_features]` or `[vocab, hidden]`; norms change nothing.
    ///
    /// # Errors
    /// As [`Gemma2Config::validate`].
    pub fn from_matrices(
        config: &Gemma2Config,
        device: &Device,
        matrix: impl Fn([usize; 2]) -> Tensor<2>,
    ) -> Result<Self, Error> {
        config.validate()?;
        let linear = |inputs, outputs| Linear::from_weight(matrix([outputs, inputs]));
        let norm = || GemmaRmsNorm::new(config.hidden_size, config.rms_norm_eps, device);
        let (hidden, intermediate) = (config.hidden_size, config.intermediate_size);
        let (queries, keys) = (config.q_features(), config.kv_features());
        let layer = |_| Gemma2DecoderLayer {
            self_attn: Gemma2Attention {
                q_proj: linear(hidden, queries),
                k_proj: linear(hidden, keys),
                v_proj: linear(hidden, keys),
                o_proj: linear(queries, hidden),
                heads: HeadShape::new(config),
            },
            mlp: Gemma2Mlp {
                gate_proj: linear(hidden, intermediate),
                up_proj: linear(hidden, intermediate),
                down_proj: linear(intermediate, hidden),
            },
            input_layernorm: norm(),
            post_attention_layernorm: norm(),
            pre_feedforward_layernorm: norm(),
            post_feedforward_layernorm: norm(),
        };
        let table = || Param::from_tensor(matrix([config.vocab_size, hidden]));
        Ok(Self {
            embed_tokens: EmbeddingTable {
                weight: table(),
                lm_head: (!config.tie_word_embeddings).then(table),
            },
            layers: (0..config.num_hidden_layers).map(layer).collect(),
            norm: norm(),
            config: config.clone(),
        })
    }
}

impl<P: Projection> Gemma2<P> {
    /// `cos` and `sin` of every token's angles: position / theta^(2i / head_dim) (Su et al., 2021, RoFormer).
    fn rotary(&self, batch: &TokenBatch, device: &Device) -> Rotary {
        let half = self.config.head_dim / 2;
        let exponent = |i: usize| -2.0 * i as f64 / self.config.head_dim as f64;
        let frequencies: Vec<f64> = (0..half).map(|i| self.config.rope_theta.powf(exponent(i))).collect();
        let angles =
            batch.positions().iter().flat_map(|&p| frequencies.iter().map(move |f| f64::from(p) * f));
        let (sin, cos): (Vec<f32>, Vec<f32>) =
            angles.map(f64::sin_cos).map(|(sin, cos)| (sin as f32, cos as f32)).unzip();
        let shape = [batch.batch(), batch.seq(), half];
        let table = |values| Tensor::from_data(TensorData::new(values, shape), (device, DType::F32));
        Rotary { cos: table(cos), sin: table(sin) }
    }

    fn layer(
        &self,
        index: usize,
        hidden: Tensor<3>,
        rows: Option<&Tensor<1, Int>>,
        context: &Gemma2Context,
        cache: Option<&mut KvCache>,
    ) -> Tensor<3> {
        let mask = match self.config.layer_types[index] {
            LayerType::SlidingAttention => &context.sliding,
            LayerType::FullAttention => &context.full,
        };
        let cache = cache.map(|cache| (cache, index));
        self.layers[index].forward(hidden, &context.rotary, mask.hidden(), cache, rows)
    }
}

impl<P: Projection> CausalLm for Gemma2<P> {
    type Context = Gemma2Context;

    fn vocab_size(&self) -> usize {
        self.config.vocab_size
    }

    fn num_layers(&self) -> usize {
        self.layers.len()
    }

    fn hidden_size(&self) -> usize {
        self.config.hidden_size
    }

    fn device(&self) -> Device {
        self.embed_tokens.device()
    }

    fn context(&self, batch: &TokenBatch, cache: Option<&KvCache>) -> Gemma2Context {
        let device = self.device();
        let full = AttentionMask::new(batch, cache, None, &device);
        let longest = batch.positions().iter().max().map_or(0, |&p| p as usize + 1);
        let window = self.config.sliding_window;
        let sliding = if longest <= window {
            full.clone()
        } else {
            AttentionMask::new(batch, cache, Some(window), &device)
        };
        Gemma2Context { rotary: self.rotary(batch, &device), full, sliding }
    }

    fn embed(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let [batch, seq] = ids.dims();
        let hidden = self.config.hidden_size;
        let rows = self.embed_tokens.embed(ids.reshape([batch * seq]));
        rows.mul_scalar((hidden as f64).sqrt()).reshape([batch, seq, hidden])
    }

    fn decoder_layer(
        &self,
        index: usize,
        hidden: Tensor<3>,
        context: &Gemma2Context,
        cache: Option<&mut KvCache>,
    ) -> Tensor<3> {
        self.layer(index, hidden, None, context, cache)
    }

    fn decoder_layer_rows(
        &self,
        index: usize,
        hidden: Tensor<3>,
        rows: &Tensor<1, Int>,
        context: &Gemma2Context,
        cache: Option<&mut KvCache>,
    ) -> Tensor<3> {
        self.layer(index, hidden, Some(rows), context, cache)
    }

    fn final_norm(&self, hidden: Tensor<3>) -> Tensor<3> {
        self.norm.forward(hidden)
    }

    fn head(&self, hidden: &Tensor<2>) -> Head {
        Head { softcap: self.config.final_logit_softcapping, ..self.embed_tokens.head(hidden) }
    }

    fn visit_layer<V: ModuleVisitor>(&self, index: usize, visitor: &mut V) {
        self.layers[index].visit(visitor);
    }

    fn layer_activations(&self, index: usize) -> LayerActivations {
        self.layers[index].activations(&self.config)
    }
}

impl<P: Projection> MapProjections for Gemma2<P> {
    type Projection = P;
    type With<Q: Projection> = Gemma2<Q>;

    fn map_projections<Q: Projection, E>(
        self,
        f: &mut dyn FnMut(&str, P) -> Result<Q, E>,
        embedding: &mut dyn FnMut(P::Embedding) -> Result<Q::Embedding, E>,
    ) -> Result<Gemma2<Q>, E> {
        let embed_tokens = embedding(self.embed_tokens)?;
        let [vocab_size, _] = embed_tokens.table_dims();
        let config = Gemma2Config { vocab_size, tie_word_embeddings: embed_tokens.is_tied(), ..self.config };
        let mut layers = Vec::with_capacity(self.layers.len());
        for (index, layer) in self.layers.into_iter().enumerate() {
            let mut map = |name: &str, projection| f(&format!("model.layers.{index}.{name}"), projection);
            let (attention, mlp) = (layer.self_attn, layer.mlp);
            layers.push(Gemma2DecoderLayer {
                self_attn: Gemma2Attention {
                    q_proj: map("self_attn.q_proj", attention.q_proj)?,
                    k_proj: map("self_attn.k_proj", attention.k_proj)?,
                    v_proj: map("self_attn.v_proj", attention.v_proj)?,
                    o_proj: map("self_attn.o_proj", attention.o_proj)?,
                    heads: attention.heads,
                },
                mlp: Gemma2Mlp {
                    gate_proj: map("mlp.gate_proj", mlp.gate_proj)?,
                    up_proj: map("mlp.up_proj", mlp.up_proj)?,
                    down_proj: map("mlp.down_proj", mlp.down_proj)?,
                },
                input_layernorm: layer.input_layernorm,
                post_attention_layernorm: layer.post_attention_layernorm,
                pre_feedforward_layernorm: layer.pre_feedforward_layernorm,
                post_feedforward_layernorm: layer.post_feedforward_layernorm,
            });
        }
        Ok(Gemma2 { embed_tokens, layers, norm: self.norm, config })
    }

    fn visit_projections(&self, f: &mut dyn FnMut(&str, &P)) {
        for (index, layer) in self.layers.iter().enumerate() {
            let (attention, mlp) = (&layer.self_attn, &layer.mlp);
            let named = [
                ("self_attn.q_proj", &attention.q_proj),
                ("self_attn.k_proj", &attention.k_proj),
                ("self_attn.v_proj", &attention.v_proj),
                ("self_attn.o_proj", &attention.o_proj),
                ("mlp.gate_proj", &mlp.gate_proj),
                ("mlp.up_proj", &mlp.up_proj),
                ("mlp.down_proj", &mlp.down_proj),
            ];
            for (name, projection) in named {
                f(&format!("model.layers.{index}.{name}"), projection);
            }
        }
    }

    fn embedding(&self) -> &P::Embedding {
        &self.embed_tokens
    }
}
