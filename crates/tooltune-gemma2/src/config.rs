//! `config.json`, in both generations of its keys.

use std::fs;
use std::path::Path;

use burn::tensor::DType;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Error;

const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Which keys a layer sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerType {
    /// The last `sliding_window` tokens, the query's own included.
    SlidingAttention,
    /// All earlier tokens.
    FullAttention,
}

/// Shape and constants of a Gemma-2 model, under Hugging Face's names.
///
/// Reads the keys of 2024 (`rope_theta`, `hidden_act`, `torch_dtype`, no `layer_types`) and the newer ones (`rope_parameters`,
/// `layer_types`, `dtype`). Keys that would change the model in a way that is not implemented are refused, not ignored.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "RawConfig")]
pub struct Gemma2Config {
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the feed-forward network.
    pub intermediate_size: usize,
    /// Decoder layers.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads.
    pub num_key_value_heads: usize,
    /// Width of a head; not `hidden_size / num_attention_heads` in general.
    pub head_dim: usize,
    /// Longest sequence that the model was made for, in tokens. Not enforced by the forward pass.
    pub max_position_embeddings: usize,
    /// Epsilon of the norms.
    pub rms_norm_eps: f64,
    /// Base of the rotary angles.
    pub rope_theta: f64,
    /// Soft-cap on attention scores.
    pub attn_logit_softcapping: Option<f64>,
    /// Soft-cap on logits.
    pub final_logit_softcapping: Option<f64>,
    /// Scores are divided by its square root.
    pub query_pre_attn_scalar: f64,
    /// Tokens that a sliding layer sees, the query's own included.
    pub sliding_window: usize,
    /// The type of each layer.
    pub layer_types: Vec<LayerType>,
    /// Standard deviation of random initial matrices.
    pub initializer_range: f64,
    /// Ids of the tokens with a role of their own.
    pub special_tokens: SpecialTokens,
    /// Is the head the embedding? In every published Gemma-2 it is; merging an adapter may untie them.
    pub tie_word_embeddings: bool,
}

/// Ids of the tokens with a role of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecialTokens {
    /// Starts every sequence.
    pub bos_token_id: u32,
    /// Each of these ends a sequence.
    pub eos_token_id: Vec<u32>,
    /// Fills short sequences up.
    pub pad_token_id: u32,
}

impl Default for SpecialTokens {
    fn default() -> Self {
        Self { bos_token_id: 2, eos_token_id: vec![1], pad_token_id: 0 }
    }
}

impl Gemma2Config {
    /// `google/gemma-2-2b` and `gemma-2-2b-it`.
    pub fn gemma2_2b() -> Self {
        Self::preset(2304, 9216, 26, [8, 4, 256], 256.0)
    }

    /// `google/gemma-2-9b` and `gemma-2-9b-it`.
    pub fn gemma2_9b() -> Self {
        Self::preset(3584, 14336, 42, [16, 8, 256], 256.0)
    }

    /// `google/gemma-2-27b` and `gemma-2-27b-it`, whose scores are scaled by hidden_size / heads instead of head_dim.
    pub fn gemma2_27b() -> Self {
        Self::preset(4608, 36864, 46, [32, 16, 128], 144.0)
    }

    /// A million parameters, for tests and for models trained from scratch.
    pub fn tiny() -> Self {
        Self {
            vocab_size: 1024,
            max_position_embeddings: 1024,
            sliding_window: 512,
            ..Self::preset(128, 384, 5, [4, 2, 32], 32.0)
        }
    }

    /// 138 million parameters: large enough for timings to mean something, small enough for two cores.
    pub fn small() -> Self {
        Self { vocab_size: 32_000, sliding_window: 256, ..Self::preset(768, 3072, 12, [8, 4, 128], 128.0) }
    }

    fn preset(hidden: usize, intermediate: usize, layers: usize, heads: [usize; 3], scalar: f64) -> Self {
        let [num_attention_heads, num_key_value_heads, head_dim] = heads;
        Self {
            vocab_size: 256_000,
            hidden_size: hidden,
            intermediate_size: intermediate,
            num_hidden_layers: layers,
            num_attention_heads,
            num_key_value_heads,
            head_dim,
            max_position_embeddings: 8192,
            rms_norm_eps: 1e-6,
            rope_theta: 10_000.0,
            attn_logit_softcapping: Some(50.0),
            final_logit_softcapping: Some(30.0),
            query_pre_attn_scalar: scalar,
            sliding_window: 4096,
            layer_types: alternating(layers),
            initializer_range: 0.02,
            special_tokens: SpecialTokens::default(),
            tie_word_embeddings: true,
        }
    }

    /// Output width of `q_proj`.
    pub fn q_features(&self) -> usize {
        self.num_attention_heads * self.head_dim
    }

    /// Output width of `k_proj` and `v_proj`.
    pub fn kv_features(&self) -> usize {
        self.num_key_value_heads * self.head_dim
    }

    /// Reads `config.json` and validates it.
    ///
    /// # Errors
    /// [`Error::ConfigFile`] when the file is unreadable, over 1 MiB, not a Gemma-2 config, or not [valid](Self::validate).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let broken = |reason: String| Error::ConfigFile { path: path.to_owned(), reason };
        let length = fs::metadata(path).map_err(|e| broken(e.to_string()))?.len();
        if length > MAX_CONFIG_BYTES {
            return Err(broken(format!("{length} bytes long; at most {MAX_CONFIG_BYTES} are accepted")));
        }
        let text = fs::read_to_string(path).map_err(|e| broken(e.to_string()))?;
        let config: Self = serde_json::from_str(&text).map_err(|e| broken(e.to_string()))?;
        config.validate().map_err(|e| broken(e.to_string()))?;
        Ok(config)
    }

    /// Checks every field and the sizes that follow from them.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] names the first field that is out of range.
    pub fn validate(&self) -> Result<(), Error> {
        let sizes = [
            ("vocab_size", self.vocab_size, 1 << 20),
            ("hidden_size", self.hidden_size, 65_536),
            ("intermediate_size", self.intermediate_size, 1 << 20),
            ("num_hidden_layers", self.num_hidden_layers, 1024),
            ("num_attention_heads", self.num_attention_heads, 1024),
            ("num_key_value_heads", self.num_key_value_heads, 1024),
            ("head_dim", self.head_dim, 4096),
            ("max_position_embeddings", self.max_position_embeddings, 1 << 24),
            ("sliding_window", self.sliding_window, 1 << 24),
        ];
        for (field, value, limit) in sizes {
            if value == 0 || value > limit {
                return Err(invalid(field, value, "must be at least 1 and of a plausible size"));
            }
        }
        if !self.num_attention_heads.is_multiple_of(self.num_key_value_heads) {
            return Err(invalid(
                "num_key_value_heads",
                self.num_key_value_heads,
                "must divide num_attention_heads",
            ));
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(invalid("head_dim", self.head_dim, "must be even: rotary positions rotate pairs"));
        }
        if self.layer_types.len() != self.num_hidden_layers {
            let rule = "must have one entry per layer (num_hidden_layers)";
            return Err(invalid("layer_types", self.layer_types.len(), rule));
        }
        let positive = [
            ("rms_norm_eps", Some(self.rms_norm_eps)),
            ("rope_theta", Some(self.rope_theta)),
            ("attn_logit_softcapping", self.attn_logit_softcapping),
            ("final_logit_softcapping", self.final_logit_softcapping),
            ("query_pre_attn_scalar", Some(self.query_pre_attn_scalar)),
            ("initializer_range", Some(self.initializer_range)),
        ];
        for (field, value) in positive {
            if value.is_some_and(|value| !(value.is_finite() && value > 0.0)) {
                return Err(invalid(field, format!("{value:?}"), "must be finite and positive"));
            }
        }
        if self.special_tokens.eos_token_id.contains(&self.special_tokens.pad_token_id) {
            let rule = "must not be a stop token: padding would end every text";
            return Err(invalid("pad_token_id", self.special_tokens.pad_token_id, rule));
        }
        Ok(())
    }

    /// The text of `config.json` for weights in `dtype`, with the keys of both generations.
    pub fn to_json(&self, dtype: DType) -> String {
        let dtype = if dtype == DType::BF16 { "bfloat16" } else { "float32" };
        let eos = match self.special_tokens.eos_token_id.as_slice() {
            [one] => json!(one),
            many => json!(many),
        };
        let config = json!({
            "architectures": ["Gemma2ForCausalLM"],
            "model_type": "gemma2",
            "attention_bias": false,
            "attention_dropout": 0.0,
            "attn_logit_softcapping": self.attn_logit_softcapping,
            "bos_token_id": self.special_tokens.bos_token_id,
            "dtype": dtype,
            "eos_token_id": eos,
            "final_logit_softcapping": self.final_logit_softcapping,
            "head_dim": self.head_dim,
            "hidden_act": ACTIVATION,
            "hidden_activation": ACTIVATION,
            "hidden_size": self.hidden_size,
            "initializer_range": self.initializer_range,
            "intermediate_size": self.intermediate_size,
            "layer_types": self.layer_types,
            "max_position_embeddings": self.max_position_embeddings,
            "num_attention_heads": self.num_attention_heads,
            "num_hidden_layers": self.num_hidden_layers,
            "num_key_value_heads": self.num_key_value_heads,
            "pad_token_id": self.special_tokens.pad_token_id,
            "query_pre_attn_scalar": whole(self.query_pre_attn_scalar),
            "rms_norm_eps": self.rms_norm_eps,
            "rope_parameters": {"rope_theta": self.rope_theta, "rope_type": "default"},
            "rope_theta": self.rope_theta,
            "sliding_window": self.sliding_window,
            "tie_word_embeddings": self.tie_word_embeddings,
            "torch_dtype": dtype,
            "use_cache": true,
            "vocab_size": self.vocab_size,
        });
        format!("{config:#}\n")
    }
}

const ACTIVATION: &str = "gelu_pytorch_tanh";

fn invalid(field: &'static str, value: impl ToString, rule: &'static str) -> Error {
    Error::InvalidConfig { field, value: value.to_string(), rule }
}

/// Full attention on every second layer, starting with a sliding one.
fn alternating(layers: usize) -> Vec<LayerType> {
    let kind = |index| if index % 2 == 0 { LayerType::SlidingAttention } else { LayerType::FullAttention };
    (0..layers).map(kind).collect()
}

/// Whole numbers without a fraction: transformers types this field as an integer.
fn whole(value: f64) -> Value {
    if value.fract() == 0.0 && value < 1e15 { json!(value as u64) } else { json!(value) }
}

/// The file as it is; both generations of keys are optional here.
#[derive(Deserialize)]
struct RawConfig {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: usize,
    head_dim: usize,
    #[serde(default = "default_positions")]
    max_position_embeddings: usize,
    #[serde(default = "default_eps")]
    rms_norm_eps: f64,
    rope_theta: Option<f64>,
    #[serde(default, deserialize_with = "rope_parameters")]
    rope_parameters: Option<RopeParameters>,
    rope_scaling: Option<Value>,
    // Absent means the default of transformers; null means no cap.
    #[serde(default = "default_attention_cap")]
    attn_logit_softcapping: Option<f64>,
    #[serde(default = "default_final_cap")]
    final_logit_softcapping: Option<f64>,
    query_pre_attn_scalar: f64,
    sliding_window: usize,
    layer_types: Option<Vec<LayerType>>,
    hidden_act: Option<String>,
    hidden_activation: Option<String>,
    attention_bias: Option<bool>,
    attention_dropout: Option<f64>,
    tie_word_embeddings: Option<bool>,
    use_bidirectional_attention: Option<bool>,
    quantization_config: Option<Value>,
    #[serde(default = "default_range")]
    initializer_range: f64,
    bos_token_id: Option<u32>,
    eos_token_id: Option<OneOrMany>,
    pad_token_id: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RopeParameters {
    rope_theta: Option<f64>,
    rope_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(u32),
    Many(Vec<u32>),
}

/// Errors inside the object say where they are.
fn rope_parameters<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<RopeParameters>, D::Error> {
    Option::deserialize(from).map_err(|error| serde::de::Error::custom(format!("rope_parameters: {error}")))
}

fn default_positions() -> usize {
    8192
}

fn default_eps() -> f64 {
    1e-6
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the field's type")]
fn default_attention_cap() -> Option<f64> {
    Some(50.0)
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the field's type")]
fn default_final_cap() -> Option<f64> {
    Some(30.0)
}

fn default_range() -> f64 {
    0.02
}

impl TryFrom<RawConfig> for Gemma2Config {
    type Error = Error;

    fn try_from(raw: RawConfig) -> Result<Self, Error> {
        raw.refuse_unsupported()?;
        let parameters = raw.rope_parameters.as_ref();
        let defaults = SpecialTokens::default();
        Ok(Self {
            vocab_size: raw.vocab_size,
            hidden_size: raw.hidden_size,
            intermediate_size: raw.intermediate_size,
            num_hidden_layers: raw.num_hidden_layers,
            num_attention_heads: raw.num_attention_heads,
            num_key_value_heads: raw.num_key_value_heads,
            head_dim: raw.head_dim,
            max_position_embeddings: raw.max_position_embeddings,
            rms_norm_eps: raw.rms_norm_eps,
            rope_theta: parameters.and_then(|p| p.rope_theta).or(raw.rope_theta).unwrap_or(10_000.0),
            attn_logit_softcapping: raw.attn_logit_softcapping,
            final_logit_softcapping: raw.final_logit_softcapping,
            query_pre_attn_scalar: raw.query_pre_attn_scalar,
            sliding_window: raw.sliding_window,
            // Bounded so that an absurd count fails validation instead of filling memory here.
            layer_types: raw.layer_types.unwrap_or_else(|| alternating(raw.num_hidden_layers.min(1024))),
            initializer_range: raw.initializer_range,
            special_tokens: SpecialTokens {
                bos_token_id: raw.bos_token_id.unwrap_or(defaults.bos_token_id),
                eos_token_id: match raw.eos_token_id {
                    None => defaults.eos_token_id,
                    Some(OneOrMany::One(id)) => vec![id],
                    Some(OneOrMany::Many(ids)) => ids,
                },
                pad_token_id: raw.pad_token_id.unwrap_or(defaults.pad_token_id),
            },
            tie_word_embeddings: raw.tie_word_embeddings.unwrap_or(true),
        })
    }
}

impl RawConfig {
    fn refuse_unsupported(&self) -> Result<(), Error> {
        if self.model_type != "gemma2" {
            return Err(invalid("model_type", &self.model_type, "only gemma2 is supported"));
        }
        let activation = self.hidden_activation.as_ref().or(self.hidden_act.as_ref());
        if let Some(other) = activation.filter(|name| *name != ACTIVATION) {
            return Err(invalid("hidden_activation", other, "Gemma-2 uses gelu_pytorch_tanh"));
        }
        if self.attention_bias == Some(true) {
            return Err(invalid("attention_bias", true, "Gemma-2's projections have no bias"));
        }
        if self.attention_dropout.is_some_and(|p| p != 0.0) {
            return Err(invalid("attention_dropout", format!("{:?}", self.attention_dropout), "must be 0"));
        }
        if self.use_bidirectional_attention == Some(true) {
            return Err(invalid("use_bidirectional_attention", true, "only causal attention is supported"));
        }
        if self.quantization_config.is_some() {
            return Err(invalid("quantization_config", "set", "quantised checkpoints are not supported"));
        }
        let rule = "only the default rotary positions are supported";
        if let Some(scaling) = self.rope_scaling.as_ref().filter(|value| !value.is_null()) {
            return Err(invalid("rope_scaling", scaling, rule));
        }
        let rope_type = self.rope_parameters.as_ref().and_then(|p| p.rope_type.as_deref());
        if let Some(other) = rope_type.filter(|name| *name != "default") {
            return Err(invalid("rope_parameters", other, rule));
        }
        Ok(())
    }
}
