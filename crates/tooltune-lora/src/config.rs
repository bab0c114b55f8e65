//! What an adapter consists of, under PEFT's names.

use crate::Error;
use crate::init::InitLoraWeights;
use crate::kind::CHOICES;
use crate::patterns::Patterns;

const MAX_RANK: usize = 1024;

/// Which parts of a model get an adapter, of what kind and of what size, under PEFT's names.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraConfig {
    /// Rank of the update.
    pub r: usize,
    /// The update is scaled by `lora_alpha / r`, or `lora_alpha / √r` with `use_rslora`.
    pub lora_alpha: f64,
    /// Probability of dropping an input of A while training.
    pub lora_dropout: f64,
    /// Names of the modules: each matches a path that equals it or ends in `.name`; [`ALL_LINEAR`] matches every projection. Besides
    /// projections, `embed_tokens` and `lm_head` may be named.
    pub target_modules: Vec<String>,
    /// The model that the adapter belongs to, as PEFT writes it.
    pub base_model_name_or_path: Option<String>,
    /// Scale by `1 / √r` (Kalajdzievski, 2023, rsLoRA).
    pub use_rslora: bool,
    /// Learn a magnitude for each output (Liu et al., 2024, DoRA). On projections only.
    pub use_dora: bool,
    /// The values to start from.
    pub init_lora_weights: InitLoraWeights,
    /// Adapt a tied embedding and head as the one matrix that they are.
    pub ensure_weight_tying: bool,
    /// Tokens whose rows of the embedding, and of a tied head, are trained.
    pub trainable_token_indices: Vec<u32>,
    /// Modules that are trained whole and stored whole: `embed_tokens`, `lm_head`.
    pub modules_to_save: Vec<String>,
    /// Exceptions for some modules.
    pub patterns: Patterns,
}

/// In `target_modules`: every projection.
pub const ALL_LINEAR: &str = "all-linear";

/// The seven projections of a decoder layer.
pub const ALL_PROJECTIONS: [&str; 7] =
    ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

/// Last component of the path of the embedding.
pub(crate) const EMBED_TOKENS: &str = "embed_tokens";
/// Path of the head.
pub(crate) const LM_HEAD: &str = "lm_head";

impl Default for LoraConfig {
    /// Rank 16 and alpha 64 on all seven projections, without dropout.
    fn default() -> Self {
        Self {
            r: 16,
            lora_alpha: 64.0,
            lora_dropout: 0.0,
            target_modules: ALL_PROJECTIONS.map(str::to_owned).to_vec(),
            base_model_name_or_path: None,
            use_rslora: false,
            use_dora: false,
            init_lora_weights: InitLoraWeights::default(),
            ensure_weight_tying: false,
            trainable_token_indices: Vec::new(),
            modules_to_save: Vec::new(),
            patterns: Patterns::default(),
        }
    }
}

impl LoraConfig {
    /// The rank of the adapter at `path`.
    pub fn rank(&self, path: &str) -> usize {
        self.patterns.rank(path).unwrap_or(self.r)
    }

    /// The factor of the update at `path`: `alpha / r`, or `alpha / √r`.
    pub fn scaling(&self, path: &str) -> f64 {
        let (alpha, r) = (self.patterns.alpha(path).unwrap_or(self.lora_alpha), self.rank(path) as f64);
        if self.use_rslora { alpha / r.sqrt() } else { alpha / r }
    }

    /// Does the module at `path` get a low-rank adapter?
    pub fn targets(&self, path: &str) -> bool {
        let named = |target: &String| match target.as_str() {
            ALL_LINEAR => !is_vocabulary(path),
            name if name == path => true,
            name => is_suffix(path, name) && self.patterns.selects_layer_of(path),
        };
        self.target_modules.iter().any(named) && !self.patterns.excludes(path)
    }

    /// Is the module at `path` trained whole?
    pub fn saves(&self, path: &str) -> bool {
        self.modules_to_save.iter().any(|name| name == path || is_suffix(path, name))
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] names the field that is out of range.
    pub fn validate(&self) -> Result<(), Error> {
        let invalid = |field, value: &dyn ToString, rule: &str| {
            Err(Error::InvalidConfig { field, value: value.to_string(), rule: rule.to_owned() })
        };
        // A folder with a larger rank would not be read again.
        let max_rank = MAX_RANK / self.kind().stored_ranks;
        if self.r == 0 || self.r > max_rank {
            return invalid("r", &self.r, &format!("must be from 1 to {max_rank}"));
        }
        if !(self.lora_alpha.is_finite() && self.lora_alpha > 0.0) {
            return invalid("lora_alpha", &self.lora_alpha, "must be finite and positive");
        }
        if !(0.0..1.0).contains(&self.lora_dropout) {
            return invalid("lora_dropout", &self.lora_dropout, "must be in [0, 1)");
        }
        let nothing = self.trainable_token_indices.is_empty() && self.modules_to_save.is_empty();
        if self.target_modules.is_empty() && nothing {
            return invalid("target_modules", &"[]", "must name at least one module");
        }
        self.patterns.validate(max_rank)?;
        self.validate_kind()?;
        self.validate_vocabulary()
    }

    /// What the embedding and the head get must make sense together.
    fn validate_vocabulary(&self) -> Result<(), Error> {
        let invalid = |field, value: &dyn ToString, rule: &str| {
            Err(Error::InvalidConfig { field, value: value.to_string(), rule: rule.to_owned() })
        };
        if let Some(other) = self.modules_to_save.iter().find(|name| !is_vocabulary(name)) {
            return invalid("modules_to_save", other, "only embed_tokens and lm_head can be trained whole");
        }
        let targeted = |name: &String| is_vocabulary(name);
        if let Some(name) = self.target_modules.iter().find(|name| targeted(name)) {
            if self.saves(name) || self.modules_to_save.iter().any(|saved| is_suffix(name, saved)) {
                return invalid("modules_to_save", name, "is among the target_modules too");
            }
            if !self.trainable_token_indices.is_empty() {
                return invalid("trainable_token_indices", name, "is among the target_modules too");
            }
        }
        if !(self.trainable_token_indices.is_empty() || self.modules_to_save.is_empty()) {
            let rule = "cannot go with modules_to_save: the whole embedding is trained already";
            return invalid("trainable_token_indices", &format!("{:?}", self.trainable_token_indices), rule);
        }
        let mut sorted = self.trainable_token_indices.clone();
        sorted.sort_unstable();
        if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return invalid("trainable_token_indices", &twice[0], "occurs twice");
        }
        Ok(())
    }

    /// At most one kind besides the plain one, and on projections only.
    fn validate_kind(&self) -> Result<(), Error> {
        let mut chosen = CHOICES.iter().filter(|kind| (kind.is_chosen)(self)).map(|kind| kind.switch);
        let Some((field, value)) = chosen.next() else {
            return Ok(());
        };
        let invalid =
            |field, value: &str, rule| Err(Error::InvalidConfig { field, value: value.to_owned(), rule });
        if let Some((other, value)) = chosen.next() {
            return invalid(other, value, format!("is not supported with {field}"));
        }
        match self.target_modules.iter().find(|name| is_vocabulary(name)) {
            Some(name) => invalid(field, value, format!("is supported on projections, not on {name}")),
            None => Ok(()),
        }
    }

    /// The config of the adapter as it is stored: of a larger rank for a kind that stores more than it trains, with the same scaling.
    pub(crate) fn stored(&self) -> Self {
        let times = self.kind().stored_ranks;
        let mut stored = self.clone();
        if times == 1 {
            return stored;
        }
        let factor = if self.use_rslora { (times as f64).sqrt() } else { times as f64 };
        stored.r *= times;
        stored.lora_alpha *= factor;
        stored.patterns.rank_pattern.iter_mut().for_each(|(_, r)| *r *= times);
        // A module with a pattern of its own rank but the common alpha, or the reverse, keeps its quotient: both grow.
        stored.patterns.alpha_pattern.iter_mut().for_each(|(_, alpha)| *alpha *= factor);
        stored.init_lora_weights = InitLoraWeights::Default;
        stored
    }
}

/// Is this path, or name, that of the embedding or of the head?
pub(crate) fn is_vocabulary(path: &str) -> bool {
    [EMBED_TOKENS, LM_HEAD].iter().any(|name| path == *name || is_suffix(path, name))
}

/// Does `path` end in `.name`?
pub(crate) fn is_suffix(path: &str, name: &str) -> bool {
    path.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
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
        let all = LoraConfig { target_modules: vec![ALL_LINEAR.into()], ..Default::default() };
        assert!(all.targets("model.layers.0.self_attn.q_proj"));
        assert!(!all.targets("model.embed_tokens") && !all.targets("lm_head"));
    }

    #[test]
    fn kinds_that_contradict_each_other_are_refused() {
        let field = |config: LoraConfig| match config.validate() {
            Err(Error::InvalidConfig { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        let embedding = || vec!["q_proj".to_owned(), "model.embed_tokens".to_owned()];
        let with = |target_modules| LoraConfig { target_modules, ..Default::default() };
        assert_eq!(field(LoraConfig { use_dora: true, ..with(embedding()) }), "use_dora");
        assert_eq!(
            field(LoraConfig { trainable_token_indices: vec![3], ..with(embedding()) }),
            "trainable_token_indices"
        );
        let saved = || vec![EMBED_TOKENS.to_owned()];
        assert_eq!(field(LoraConfig { modules_to_save: saved(), ..with(embedding()) }), "modules_to_save");
        let plain = LoraConfig::default;
        assert_eq!(field(LoraConfig { modules_to_save: vec!["norm".into()], ..plain() }), "modules_to_save");
        assert_eq!(
            field(LoraConfig { trainable_token_indices: vec![3, 5, 3], ..plain() }),
            "trainable_token_indices"
        );
        let pissa = InitLoraWeights::Pissa;
        assert_eq!(
            field(LoraConfig { init_lora_weights: pissa, use_dora: true, ..plain() }),
            "init_lora_weights"
        );
    }
}
