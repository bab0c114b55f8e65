//! The options of `finetune` that say what is trained: [`LoraConfig`] on the command line, under PEFT's names.

use std::str::FromStr;

use clap::{Args, ValueEnum};
use tooltune::gemma2::Gemma2;
use tooltune::lm::MapProjections;
use tooltune::lora::config::ALL_PROJECTIONS;
use tooltune::lora::{InitLoraWeights, LoraConfig, LoraPlus, Patterns};

use crate::backend::WeightDtype;
use crate::dialect::Preset;
use crate::tool_tokens::ToolTokens;

/// What is trained, and how it is stored.
#[derive(Args, Clone, Debug, Default)]
pub struct AdapterOptions {
    /// Rank of the adapter.
    #[arg(long)]
    pub rank: Option<usize>,
    /// Scale of the adapter: its output is multiplied by alpha / rank.
    #[arg(long)]
    pub alpha: Option<f64>,
    /// Dropout on the input of the adapter.
    #[arg(long)]
    pub dropout: Option<f64>,
    /// What gets an adapter: names such as q_proj or layers.3.mlp.up_proj, `all-linear` for every projection, embed_tokens, lm_head. By
    /// default the seven projections; with --preset course embed_tokens and lm_head too.
    #[arg(long, value_delimiter = ',')]
    pub target_modules: Option<Vec<String>>,
    /// Other ranks for some modules: NAME=RANK, the first that matches counts.
    #[arg(long, value_delimiter = ',', value_parser = named::<usize>)]
    pub rank_pattern: Vec<(String, usize)>,
    /// Other alphas for some modules: NAME=ALPHA, the first that matches counts.
    #[arg(long, value_delimiter = ',', value_parser = named::<f64>)]
    pub alpha_pattern: Vec<(String, f64)>,
    /// DoRA: a trained magnitude for each output of a projection.
    #[arg(long)]
    pub use_dora: bool,
    /// rsLoRA: multiply by alpha / √rank, for large ranks.
    #[arg(long)]
    pub use_rslora: bool,
    /// What the adapter starts from; `pissa` is stored with twice the rank.
    #[arg(long, value_enum)]
    pub init_lora_weights: Option<InitWeights>,
    /// One adapter, or one copy, for the embedding and the head that is tied to it: the merged model stays tied.
    #[arg(long)]
    pub ensure_weight_tying: bool,
    /// Modules that are trained and stored whole: embed_tokens, lm_head.
    #[arg(long, value_delimiter = ',')]
    pub modules_to_save: Vec<String>,
    /// LoRA+: the learning rate of B is this many times that of A; 16 in the paper.
    #[arg(long, value_parser = positive)]
    pub loraplus_ratio: Option<f64>,
    /// Whether tool tags become single tokens, and where their rows come from; with --preset course `added`, else `plain`.
    #[arg(long, value_enum)]
    pub tool_tokens: Option<ToolTokens>,
    /// Only an adapter that loads everywhere: what can move into the weights (rsLoRA, patterns, an alpha that is no whole number) does so when
    /// the adapter is written, anything else is refused before training.
    #[arg(long)]
    pub portable: bool,
    /// The dtype of the adapter's file; in bf16 it is half the size.
    #[arg(long, value_enum, default_value = "f32")]
    pub adapter_dtype: WeightDtype,
}

/// `init_lora_weights`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum InitWeights {
    /// A uniform, B zero.
    Default,
    /// A normal, B zero.
    Gaussian,
    /// The principal components of the weight.
    Pissa,
}

/// What a preset trains unless options say otherwise.
pub fn preset_config(preset: Preset) -> LoraConfig {
    let default = LoraConfig::default();
    match preset {
        Preset::Fixed => default,
        Preset::Course => {
            let targets = ALL_PROJECTIONS.into_iter().chain(["embed_tokens", "lm_head"]);
            LoraConfig { lora_dropout: 0.05, target_modules: targets.map(str::to_owned).collect(), ..default }
        }
    }
}

impl AdapterOptions {
    /// The config that they make of `default`.
    ///
    /// # Errors
    /// When a value is out of range, or an option would do nothing.
    pub fn config(&self, default: LoraConfig) -> Result<LoraConfig, Box<dyn std::error::Error>> {
        let config = LoraConfig {
            r: self.rank.unwrap_or(default.r),
            lora_alpha: self.alpha.unwrap_or(default.lora_alpha),
            lora_dropout: self.dropout.unwrap_or(default.lora_dropout),
            target_modules: self.target_modules.clone().unwrap_or(default.target_modules),
            use_dora: self.use_dora,
            use_rslora: self.use_rslora,
            init_lora_weights: match self.init_lora_weights {
                None | Some(InitWeights::Default) => InitLoraWeights::Default,
                Some(InitWeights::Gaussian) => InitLoraWeights::Gaussian,
                Some(InitWeights::Pissa) => InitLoraWeights::Pissa,
            },
            ensure_weight_tying: self.ensure_weight_tying,
            modules_to_save: self.modules_to_save.clone(),
            patterns: Patterns {
                rank_pattern: self.rank_pattern.clone(),
                alpha_pattern: self.alpha_pattern.clone(),
                ..default.patterns
            },
            ..default
        };
        config.validate()?;
        if config.ensure_weight_tying && !trains_vocabulary(&config) {
            return Err("--ensure-weight-tying has nothing to tie: name embed_tokens or lm_head in \
                        --target-modules or --modules-to-save"
                .into());
        }
        Ok(config)
    }

    /// The strategy for tool tokens.
    pub fn tool_tokens(&self, preset: Preset) -> ToolTokens {
        self.tool_tokens.unwrap_or(match preset {
            Preset::Fixed => ToolTokens::Plain,
            Preset::Course => ToolTokens::Added,
        })
    }

    /// Factors on the learning rate, where they differ.
    pub fn lora_plus(&self) -> Option<LoraPlus> {
        let with = |ratio| LoraPlus { loraplus_lr_ratio: ratio, ..LoraPlus::default() };
        self.loraplus_ratio.map(with)
    }
}

/// Is the embedding or the head adapted or trained as a whole?
pub fn trains_vocabulary(config: &LoraConfig) -> bool {
    let paths = [<Gemma2>::EMBED_TOKENS, <Gemma2>::LM_HEAD];
    paths.iter().any(|path| config.targets(path) || config.saves(path))
}

/// Checks that every name in the config means a module of the model: a mistyped one would silently train less.
///
/// # Errors
/// With the name, and those that the model has.
pub fn check_names(config: &LoraConfig, model: &Gemma2) -> Result<(), String> {
    let mut paths = vec![<Gemma2>::EMBED_TOKENS.to_owned(), <Gemma2>::LM_HEAD.to_owned()];
    model.visit_projections(&mut |path, _| paths.push(path.to_owned()));
    let alone = |name: &str| LoraConfig { target_modules: vec![name.to_owned()], ..LoraConfig::default() };
    for name in &config.target_modules {
        let one = alone(name);
        if !paths.iter().any(|path| one.targets(path)) {
            let known = [ALL_PROJECTIONS.as_slice(), &["embed_tokens", "lm_head"]].concat().join(", ");
            return Err(format!("--target-modules: the model has no {name}; it has {known}"));
        }
    }
    let ranks = config.patterns.rank_pattern.iter().map(|(name, _)| ("--rank-pattern", name));
    let alphas = config.patterns.alpha_pattern.iter().map(|(name, _)| ("--alpha-pattern", name));
    for (option, name) in ranks.chain(alphas) {
        let one = alone(name.trim_start_matches('^'));
        if !paths.iter().any(|path| one.targets(path) && config.targets(path)) {
            return Err(format!("{option}: {name} is none of the modules that get an adapter"));
        }
    }
    Ok(())
}

/// `NAME=NUMBER`.
fn named<T: FromStr>(text: &str) -> Result<(String, T), String> {
    let pair = text.split_once('=').and_then(|(name, value)| Some((name.to_owned(), value.parse().ok()?)));
    pair.ok_or_else(|| "give a name and a number, such as down_proj=32".to_owned())
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "must be a positive number".to_owned())
}
