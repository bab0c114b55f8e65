//! `adapter_config.json`.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::Error;

const MAX_CONFIG_BYTES: u64 = 1 << 20;
const MAX_RANK: usize = 1024;

/// Which projections get an adapter and of what size, under PEFT's names.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraConfig {
    /// Rank of the update.
    pub r: usize,
    /// The update is scaled by `lora_alpha / r`.
    pub lora_alpha: f64,
    /// Probability of dropping an input of A while training.
    pub lora_dropout: f64,
    /// Names of the projections: each matches a path that equals it or ends in `.name`.
    pub target_modules: Vec<String>,
    /// The model that the adapter belongs to, as PEFT writes it.
    pub base_model_name_or_path: Option<String>,
}

/// The seven projections of a decoder layer.
pub const ALL_PROJECTIONS: [&str; 7] =
    ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

impl Default for LoraConfig {
    /// Rank 16 and alpha 64 on all seven projections, without dropout.
    fn default() -> Self {
        Self {
            r: 16,
            lora_alpha: 64.0,
            lora_dropout: 0.0,
            target_modules: ALL_PROJECTIONS.map(str::to_owned).to_vec(),
            base_model_name_or_path: None,
        }
    }
}

impl LoraConfig {
    /// `lora_alpha / r`.
    pub fn scaling(&self) -> f64 {
        self.lora_alpha / self.r as f64
    }

    /// Does this projection get an adapter?
    pub fn targets(&self, path: &str) -> bool {
        let matches = |target: &String| {
            path == target || path.strip_suffix(target.as_str()).is_some_and(|rest| rest.ends_with('.'))
        };
        self.target_modules.iter().any(matches)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] names the field that is out of range.
    pub fn validate(&self) -> Result<(), Error> {
        let invalid = |field, value: &dyn ToString, rule: &str| {
            Err(Error::InvalidConfig { field, value: value.to_string(), rule: rule.to_owned() })
        };
        if self.r == 0 || self.r > MAX_RANK {
            return invalid("r", &self.r, "must be from 1 to 1024");
        }
        if !(self.lora_alpha.is_finite() && self.lora_alpha > 0.0) {
            return invalid("lora_alpha", &self.lora_alpha, "must be finite and positive");
        }
        if !(0.0..1.0).contains(&self.lora_dropout) {
            return invalid("lora_dropout", &self.lora_dropout, "must be in [0, 1)");
        }
        if self.target_modules.is_empty() {
            return invalid("target_modules", &"[]", "must name at least one projection");
        }
        Ok(())
    }

    /// Reads `adapter_config.json`.
    ///
    /// # Errors
    /// [`Error::ConfigFile`], also when a field is out of range, and [`Error::Unsupported`] for any setting that would change the result
    /// and is not implemented.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let broken = |reason: String| Error::ConfigFile { path: path.to_owned(), reason };
        let length = fs::metadata(path).map_err(|e| broken(e.to_string()))?.len();
        if length > MAX_CONFIG_BYTES {
            return Err(broken(format!("{length} bytes long; at most {MAX_CONFIG_BYTES} are accepted")));
        }
        let text = fs::read_to_string(path).map_err(|e| broken(e.to_string()))?;
        let raw: Map<String, Value> = serde_json::from_str(&text).map_err(|e| broken(e.to_string()))?;
        refuse_unsupported(&raw, path)?;
        let number = |key: &str| raw.get(key).ok_or_else(|| broken(format!("{key} is missing")));
        let rank = number("r")?.as_u64().and_then(|r| usize::try_from(r).ok());
        let config = Self {
            r: rank.ok_or_else(|| broken("r must be a whole number".to_owned()))?,
            lora_alpha: number("lora_alpha")?
                .as_f64()
                .ok_or_else(|| broken("lora_alpha must be a number".to_owned()))?,
            lora_dropout: raw.get("lora_dropout").and_then(Value::as_f64).unwrap_or(0.0),
            target_modules: target_modules(raw.get("target_modules")).ok_or_else(|| {
                broken("target_modules must be a list of names or \"all-linear\"".to_owned())
            })?,
            base_model_name_or_path: raw
                .get("base_model_name_or_path")
                .and_then(Value::as_str)
                .map(str::to_owned),
        };
        config.validate().map_err(|e| broken(e.to_string()))?;
        Ok(config)
    }

    /// The text of `adapter_config.json`, with the keys that every server reads.
    pub fn to_json(&self) -> String {
        let whole = self.lora_alpha.fract() == 0.0 && self.lora_alpha < 1e15;
        let config = json!({
            "alpha_pattern": {},
            "auto_mapping": null,
            "base_model_name_or_path": self.base_model_name_or_path,
            "bias": "none",
            "fan_in_fan_out": false,
            "inference_mode": true,
            "init_lora_weights": true,
            "layers_pattern": null,
            "layers_to_transform": null,
            "lora_alpha": if whole { json!(self.lora_alpha as u64) } else { json!(self.lora_alpha) },
            "lora_dropout": self.lora_dropout,
            "modules_to_save": null,
            "peft_type": "LORA",
            "r": self.r,
            "rank_pattern": {},
            "revision": null,
            "target_modules": self.target_modules,
            "task_type": "CAUSAL_LM",
            "use_dora": false,
            "use_rslora": false,
        });
        format!("{config:#}\n")
    }
}

fn target_modules(value: Option<&Value>) -> Option<Vec<String>> {
    match value? {
        Value::String(all) if all == "all-linear" => Some(ALL_PROJECTIONS.map(str::to_owned).to_vec()),
        Value::Array(names) => names.iter().map(|name| name.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// Keys that are read above, or that say nothing about what the adapter computes.
const UNDERSTOOD: [&str; 12] = [
    "auto_mapping",
    "base_model_name_or_path",
    "inference_mode",
    "lora_alpha",
    "lora_dropout",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "r",
    "revision",
    "runtime_config",
    "target_modules",
];

/// PEFT writes all its switches; one that is off is null, false or empty. Anything else would silently compute something different.
fn refuse_unsupported(raw: &Map<String, Value>, path: &Path) -> Result<(), Error> {
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
            _ => false,
        };
        if !off && !UNDERSTOOD.contains(&key.as_str()) {
            return Err(Error::Unsupported {
                path: path.to_owned(),
                key: key.clone(),
                value: value.to_string(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_match_whole_names() {
        let config = LoraConfig {
            target_modules: vec!["q_proj".into(), "layers.1.mlp.up_proj".into()],
            ..Default::default()
        };
        assert!(config.targets("model.layers.0.self_attn.q_proj"));
        assert!(config.targets("model.layers.1.mlp.up_proj"));
        assert!(!config.targets("model.layers.0.self_attn.qq_proj"));
        assert!(!config.targets("model.layers.11.mlp.up_proj"));
    }
}
