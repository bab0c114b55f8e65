//! `adapter_config.json`.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::config::{ALL_LINEAR, ALL_PROJECTIONS, EMBED_TOKENS};
use crate::init::InitLoraWeights;
use crate::patterns::Patterns;
use crate::{Error, LoraConfig};

const MAX_CONFIG_BYTES: u64 = 1 << 20;

impl LoraConfig {
    /// Reads `adapter_config.json`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::read(path).map(|(config, _)| config)
    }

    /// Reads `adapter_config.json`, and names the fields that no known version of PEFT writes and that are not empty: they are ignored,
    /// and the caller should say so.
    ///
    /// # Errors
    /// [`Error::ConfigFile`], also when a field is out of range, and [`Error::Unsupported`] for any known setting that would change the
    /// result and is not implemented.
    pub fn read(path: impl AsRef<Path>) -> Result<(Self, Vec<String>), Error> {
        let path = path.as_ref();
        let broken = |reason: String| Error::ConfigFile { path: path.to_owned(), reason };
        let length = fs::metadata(path).map_err(|e| broken(e.to_string()))?.len();
        if length > MAX_CONFIG_BYTES {
            return Err(broken(format!("{length} bytes long; at most {MAX_CONFIG_BYTES} are accepted")));
        }
        let text = fs::read_to_string(path).map_err(|e| broken(e.to_string()))?;
        let raw: Map<String, Value> = serde_json::from_str(&text).map_err(|e| broken(e.to_string()))?;
        let unknown = refuse_unsupported(&raw, path)?;
        let config = Fields(&raw).config().map_err(broken)?;
        config.validate().map_err(|e| broken(e.to_string()))?;
        Ok((config, unknown))
    }

    /// The text of `adapter_config.json`, with the keys that every server reads.
    pub fn to_json(&self) -> String {
        let optional = |names: &[String]| if names.is_empty() { Value::Null } else { json!(names) };
        let patterns = &self.patterns;
        let ranks: Map<_, _> = patterns.rank_pattern.iter().map(|(k, r)| (k.clone(), json!(r))).collect();
        let alphas: Map<_, _> =
            patterns.alpha_pattern.iter().map(|(k, alpha)| (k.clone(), number(*alpha))).collect();
        let targets = self.target_modules.iter().flat_map(|name| match name.as_str() {
            // A list is understood by more readers.
            ALL_LINEAR => ALL_PROJECTIONS.map(str::to_owned).to_vec(),
            _ => vec![name.clone()],
        });
        let tokens = match self.trainable_token_indices.as_slice() {
            [] => Value::Null,
            ids => json!({ EMBED_TOKENS: ids }),
        };
        let mut config = json!({
            "alpha_pattern": alphas,
            "auto_mapping": null,
            "base_model_name_or_path": self.base_model_name_or_path,
            "bias": "none",
            "fan_in_fan_out": false,
            "inference_mode": true,
            "init_lora_weights": self.init_lora_weights.to_json(),
            "layers_pattern": optional(&patterns.layers_pattern),
            "layers_to_transform": patterns.layers_to_transform,
            "lora_alpha": number(self.lora_alpha),
            "lora_dropout": self.lora_dropout,
            "modules_to_save": optional(&self.modules_to_save),
            "peft_type": "LORA",
            "r": self.r,
            "rank_pattern": ranks,
            "revision": null,
            "target_modules": targets.collect::<Vec<_>>(),
            "task_type": "CAUSAL_LM",
            "use_dora": self.use_dora,
            "use_rslora": self.use_rslora,
        });
        // Older readers do not know these: they are only there when they say something.
        let rare = [
            ("ensure_weight_tying", json!(true), self.ensure_weight_tying),
            ("exclude_modules", json!(patterns.exclude_modules), !patterns.exclude_modules.is_empty()),
            ("trainable_token_indices", tokens, !self.trainable_token_indices.is_empty()),
        ];
        for (key, value, present) in rare {
            if present {
                config[key] = value;
            }
        }
        format!("{config:#}\n")
    }
}

/// Whole numbers are written as such: some readers take no others.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value < 1e15 { json!(value as u64) } else { json!(value) }
}

struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn config(&self) -> Result<LoraConfig, String> {
        let required = |key: &str| self.0.get(key).ok_or_else(|| format!("{key} is missing"));
        Ok(LoraConfig {
            r: whole("r", required("r")?)?,
            lora_alpha: float("lora_alpha", required("lora_alpha")?)?,
            lora_dropout: self.present("lora_dropout").map_or(Ok(0.0), |v| float("lora_dropout", v))?,
            target_modules: match self.present("target_modules") {
                None => Vec::new(),
                Some(Value::String(all)) if all == ALL_LINEAR => ALL_PROJECTIONS.map(str::to_owned).to_vec(),
                Some(Value::String(_)) => {
                    return Err("target_modules must be a list of names or \"all-linear\"".to_owned());
                }
                Some(_) => self.names("target_modules")?,
            },
            base_model_name_or_path: self
                .present("base_model_name_or_path")
                .and_then(Value::as_str)
                .map(str::to_owned),
            use_rslora: self.flag("use_rslora")?,
            use_dora: self.flag("use_dora")?,
            init_lora_weights: match self.0.get("init_lora_weights").and_then(Value::as_str) {
                Some("gaussian") => InitLoraWeights::Gaussian,
                _ => InitLoraWeights::Default,
            },
            ensure_weight_tying: self.flag("ensure_weight_tying")?,
            trainable_token_indices: self.tokens()?,
            modules_to_save: self.names("modules_to_save")?,
            patterns: Patterns {
                rank_pattern: self.pattern("rank_pattern", whole)?,
                alpha_pattern: self.pattern("alpha_pattern", float)?,
                layers_to_transform: match self.present("layers_to_transform") {
                    None => None,
                    Some(Value::Array(layers)) => Some(
                        layers.iter().map(|l| whole("layers_to_transform", l)).collect::<Result<_, _>>()?,
                    ),
                    Some(one) => Some(vec![whole("layers_to_transform", one)?]),
                },
                layers_pattern: self.names("layers_pattern")?,
                exclude_modules: self.names("exclude_modules")?,
            },
        })
    }

    fn present(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    fn flag(&self, key: &str) -> Result<bool, String> {
        match self.present(key) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| format!("{key} must be true or false")),
        }
    }

    /// A list of names, or one.
    fn names(&self, key: &str) -> Result<Vec<String>, String> {
        let wrong = || format!("{key} must be a list of names");
        match self.present(key) {
            None => Ok(Vec::new()),
            Some(Value::String(name)) => Ok(vec![name.clone()]),
            Some(Value::Array(names)) => {
                names.iter().map(|name| name.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
            }
            Some(_) => Err(wrong()),
        }
    }

    fn pattern<T>(
        &self,
        key: &str,
        read: fn(&str, &Value) -> Result<T, String>,
    ) -> Result<Vec<(String, T)>, String> {
        match self.present(key) {
            None => Ok(Vec::new()),
            Some(Value::Object(entries)) => {
                entries.iter().map(|(name, value)| Ok((name.clone(), read(key, value)?))).collect()
            }
            Some(_) => Err(format!("{key} must be an object")),
        }
    }

    /// A list, or a list under the name of the embedding.
    fn tokens(&self) -> Result<Vec<u32>, String> {
        let key = "trainable_token_indices";
        let list = match self.present(key) {
            None => return Ok(Vec::new()),
            Some(Value::Object(modules)) => {
                let names: Vec<&String> = modules.keys().collect();
                match (names.as_slice(), modules.values().next()) {
                    ([], _) => return Ok(Vec::new()),
                    ([name], Some(list)) if name.rsplit('.').next() == Some(EMBED_TOKENS) => list,
                    _ => return Err(format!("{key} is supported for {EMBED_TOKENS}, not for {names:?}")),
                }
            }
            Some(list) => list,
        };
        let wrong = || format!("{key} must hold token ids");
        let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok()).ok_or_else(wrong);
        list.as_array().ok_or_else(wrong)?.iter().map(id).collect()
    }
}

fn whole(key: &str, value: &Value) -> Result<usize, String> {
    let whole = value.as_u64().and_then(|value| usize::try_from(value).ok());
    whole.ok_or_else(|| format!("{key} must hold whole numbers"))
}

fn float(key: &str, value: &Value) -> Result<f64, String> {
    value.as_f64().ok_or_else(|| format!("{key} must hold numbers"))
}

/// Keys that are read above, or that say nothing about what the adapter computes.
const UNDERSTOOD: [&str; 23] = [
    "alpha_pattern",
    "auto_mapping",
    "base_model_name_or_path",
    "ensure_weight_tying",
    "exclude_modules",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "lora_alpha",
    "lora_dropout",
    "megatron_core",
    "modules_to_save",
    "peft_version",
    "qalora_group_size",
    "r",
    "rank_pattern",
    "revision",
    "runtime_config",
    "target_modules",
    "trainable_token_indices",
    "use_dora",
    "use_rslora",
    "ephemeral_gpu_offload",
];

/// Keys of PEFT that change what the adapter computes, in ways that are not implemented unless the value says that they are off.
const REFUSED: [&str; 25] = [
    "alora_invocation_tokens",
    "arrow_config",
    "bias",
    "corda_config",
    "eva_config",
    "fan_in_fan_out",
    "init_lora_weights",
    "kasa_config",
    "layer_replication",
    "loftq_config",
    "lora_bias",
    "lora_ga_config",
    "megatron_config",
    "monteclora_config",
    "peft_type",
    "target_parameters",
    "task_type",
    "use_bdlora",
    "use_qalora",
    "velora_config",
    "use_xlora",
    "xlora_config",
    "intruder_config",
    "mica_config",
    "olora_config",
];

/// PEFT writes all its switches; one that is off is null, false or empty. A known one that is on would silently compute something different;
/// the names of unknown ones are returned.
fn refuse_unsupported(raw: &Map<String, Value>, path: &Path) -> Result<Vec<String>, Error> {
    let mut unknown = Vec::new();
    for (key, value) in raw {
        let off = match value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(entries) => entries.is_empty(),
            // Others than these change the base's weights too.
            Value::Bool(true) => key == "init_lora_weights",
            Value::String(text) => match key.as_str() {
                "init_lora_weights" => text == "gaussian",
                "peft_type" => text == "LORA",
                "task_type" => text == "CAUSAL_LM",
                "bias" => text == "none",
                _ => false,
            },
            Value::Number(_) => false,
        };
        if off || UNDERSTOOD.contains(&key.as_str()) {
            continue;
        }
        if !REFUSED.contains(&key.as_str()) {
            unknown.push(key.clone());
            continue;
        }
        return Err(Error::Unsupported { path: path.to_owned(), key: key.clone(), value: value.to_string() });
    }
    Ok(unknown)
}
