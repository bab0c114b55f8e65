//! Self-attention with grouped queries, rotary positions and soft-capped scores.

use burn::module::Module;
use burn::tensor::{Bool, Int, Tensor};
use tooltune_lm::{KvCache, Projection};

use crate::Gemma2Config;

/// `self_attn`: each key and value head serves `heads / kv_heads` query heads.
#[derive(Module, Debug)]
pub struct Gemma2Attention<P: Module> {
    /// `hidden → heads · head_dim`.
    pub q_proj: P,
    /// `hidden → kv_heads · head_dim`.
    pub k_proj: P,
    /// `hidden → kv_heads · head_dim`.
    pub v_proj: P,
    /// `heads · head_dim → hidden`.
    pub o_proj: P,
    /// Shape and scaling of the heads.
    #[module(skip)]
    pub heads: HeadShape,
}

/// Shape and scaling of the attention heads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeadShape {
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads.
    pub num_key_value_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Scores are multiplied by its inverse square root.
    pub query_pre_attn_scalar: f64,
    /// Scores become `cap · tanh(score / cap)`.
    pub softcap: Option<f64>,
}

impl HeadShape {
    /// Takes the shape from a config.
    pub fn new(config: &Gemma2Config) -> Self {
        Self {
            num_attention_heads: config.num_attention_heads,
            num_key_value_heads: config.num_key_value_heads,
            head_dim: config.head_dim,
            query_pre_attn_scalar: config.query_pre_attn_scalar,
            softcap: config.attn_logit_softcapping,
        }
    }
}

/// What attention needs besides the residual stream.
#[derive(Clone, Debug)]
pub struct Rotary {
    /// `[batch, seq, head_dim / 2]`.
    pub cos: Tensor<3>,
    /// `[batch, seq, head_dim / 2]`.
    pub sin: Tensor<3>,
}

impl<P: Projection> Gemma2Attention<P> {
    /// `[batch, seq, hidden] → [batch, seq, hidden]`; `hidden_keys` is true where a query must not look, `[batch, 1, seq, keys]`. With a
    /// cache, the keys and values of `layer` are appended to it and all of it is attended to. With `rows` of `batch · seq`, only theirs are
    /// projected at the end: `[1, rows, hidden]`.
    pub fn forward(
        &self,
        x: Tensor<3>,
        rotary: &Rotary,
        hidden_keys: Option<&Tensor<4, Bool>>,
        cache: Option<(&mut KvCache, usize)>,
        rows: Option<&Tensor<1, Int>>,
    ) -> Tensor<3> {
        let [batch, seq, hidden] = x.dims();
        let HeadShape { num_attention_heads, num_key_value_heads, head_dim, query_pre_attn_scalar, softcap } =
            self.heads;
        let x = x.reshape([batch * seq, hidden]);
        let heads = |x: Tensor<2>, heads: usize| x.reshape([batch, seq, heads, head_dim]).swap_dims(1, 2);
        let rotate = |x: Tensor<4>| tooltune_kernels::rope(x, rotary.cos.clone(), rotary.sin.clone());

        let query = rotate(heads(self.q_proj.project(x.clone()), num_attention_heads));
        let key = rotate(heads(self.k_proj.project(x.clone()), num_key_value_heads));
        let value = heads(self.v_proj.project(x), num_key_value_heads);
        let (key, value) = match cache {
            Some((cache, layer)) => cache.append(layer, key, value),
            None => (key, value),
        };
        let scale = query_pre_attn_scalar.powf(-0.5);
        let out = tooltune_kernels::attention(query, key, value, hidden_keys, scale, softcap);
        let out = out.swap_dims(1, 2).reshape([batch * seq, num_attention_heads * head_dim]);
        match rows {
            Some(rows) => self.o_proj.project(out.select(0, rows.clone())).unsqueeze(),
            None => self.o_proj.project(out).reshape([batch, seq, hidden]),
        }
    }
}
