//! Where an adapter will load, said before it is trained.

use std::fmt;
use std::path::Path;

use burn::tensor::{DType, Tensor};
use serde_json::json;
use tooltune_lm::write_text;

use crate::config::{EMBED_TOKENS, LM_HEAD, is_suffix, is_vocabulary};
use crate::{AdapterWeights, Error, LoraConfig};

/// When the rules below were last compared with the programs' sources. Of the programs themselves PEFT and llama.cpp have been run on what this
/// crate writes.
pub const RULES_DATED: &str = "2026-11";

/// A program that reads PEFT's adapter folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consumer {
    /// transformers with PEFT.
    Peft,
    /// vLLM with its default `max_lora_rank`.
    Vllm,
    /// mistral.rs.
    MistralRs,
    /// Ollama, `ADAPTER` with a folder of safetensors.
    Ollama,
    /// llama.cpp, through `convert_lora_to_gguf.py`.
    LlamaCpp,
}

/// Something that an adapter may have and not everyone reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// `use_rslora`.
    RsLora,
    /// `use_dora`.
    Dora,
    /// Ranks that differ between modules.
    RankPattern,
    /// Alphas that differ between modules.
    AlphaPattern,
    /// Some layers only.
    SomeLayers,
    /// An alpha that is not a whole number.
    FractionalAlpha,
    /// A rank above 16.
    LargeRank,
    /// A low-rank adapter on the embedding.
    Embedding,
    /// A low-rank adapter on the head.
    Head,
    /// Trained rows of the embedding.
    TokenRows,
    /// Trained rows beyond the base's vocabulary.
    AddedTokens,
    /// Modules stored whole.
    ModulesToSave,
}

/// What a consumer does with a feature that it does not read as it is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Loads, after something has been done to the base.
    Needs,
    /// Stops with an error.
    Refuses,
    /// Loads, and computes something else.
    Misreads,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Who.
    pub consumer: Consumer,
    /// What.
    pub feature: Feature,
    /// With what result.
    pub effect: Effect,
    /// Why.
    pub reason: &'static str,
}

const fn rule(consumer: Consumer, feature: Feature, effect: Effect, reason: &'static str) -> Rule {
    Rule { consumer, feature, effect, reason }
}

use Consumer::{LlamaCpp, MistralRs, Ollama, Peft, Vllm};
use Effect::{Misreads, Needs, Refuses};
use Feature::{
    AddedTokens, AlphaPattern, Dora, Embedding, FractionalAlpha, Head, LargeRank, ModulesToSave, RankPattern,
    RsLora, SomeLayers, TokenRows,
};

const ONE_SCALE: &str = "one scale, alpha / r of the config, is applied to all modules";
const ONE_ALPHA: &str = "one alpha is applied to all modules";
const NO_ROOT: &str = "alpha is divided by r, not by its root";
const PAIRS_ONLY: &str = "only lora_A and lora_B of projections are read";

/// Everything that is not read as it is meant.
pub const RULES: [Rule; 37] = [
    rule(Peft, AddedTokens, Needs, "the base must be enlarged first (resize_token_embeddings)"),
    rule(Vllm, LargeRank, Refuses, "max_lora_rank is 16 unless it is raised"),
    rule(Vllm, Dora, Refuses, "DoRA is not supported"),
    rule(Vllm, ModulesToSave, Refuses, "modules_to_save must be null"),
    rule(Vllm, Embedding, Refuses, "Gemma-2's embedding takes no adapter"),
    rule(Vllm, Head, Refuses, "Gemma-2's head takes no adapter"),
    rule(Vllm, TokenRows, Refuses, "trainable_tokens_delta is not a known tensor"),
    rule(Vllm, AddedTokens, Refuses, "the vocabulary cannot grow with an adapter"),
    rule(Vllm, RankPattern, Misreads, ONE_SCALE),
    rule(Vllm, AlphaPattern, Misreads, ONE_SCALE),
    // What adapters are when they are read with the model. Newer versions, where they come and go at run time, read scales and patterns, and refuse
    // what is only left out here.
    rule(MistralRs, RsLora, Misreads, NO_ROOT),
    rule(MistralRs, Dora, Misreads, "the magnitudes are ignored"),
    rule(MistralRs, RankPattern, Refuses, "every module must have the rank of the config"),
    rule(MistralRs, AlphaPattern, Misreads, ONE_SCALE),
    rule(MistralRs, SomeLayers, Refuses, "a targeted module must have weights in every layer"),
    rule(MistralRs, Embedding, Misreads, PAIRS_ONLY),
    rule(MistralRs, Head, Misreads, PAIRS_ONLY),
    rule(MistralRs, TokenRows, Misreads, PAIRS_ONLY),
    rule(MistralRs, AddedTokens, Misreads, PAIRS_ONLY),
    rule(MistralRs, ModulesToSave, Misreads, PAIRS_ONLY),
    rule(Ollama, RsLora, Misreads, NO_ROOT),
    rule(Ollama, Dora, Refuses, "magnitudes are not a known tensor"),
    rule(Ollama, AlphaPattern, Misreads, ONE_ALPHA),
    rule(Ollama, FractionalAlpha, Refuses, "lora_alpha must be a whole number"),
    rule(Ollama, Embedding, Refuses, PAIRS_ONLY),
    rule(Ollama, Head, Refuses, "a tied head is not a tensor of its own"),
    rule(Ollama, TokenRows, Refuses, PAIRS_ONLY),
    rule(Ollama, AddedTokens, Refuses, PAIRS_ONLY),
    rule(Ollama, ModulesToSave, Refuses, PAIRS_ONLY),
    rule(LlamaCpp, RsLora, Misreads, NO_ROOT),
    rule(LlamaCpp, Dora, Refuses, "the converter stops at magnitudes"),
    rule(LlamaCpp, AlphaPattern, Misreads, ONE_ALPHA),
    // The converter takes these. But the graph's head is the embedding under the same name, and so gets the pair as well, transposed.
    rule(
        LlamaCpp,
        Embedding,
        Refuses,
        "the pair is applied to the tied head too, where its shapes do not fit",
    ),
    rule(LlamaCpp, Head, Misreads, "the converter leaves the pair of a tied head out"),
    rule(LlamaCpp, TokenRows, Refuses, "the converter stops at anything but lora_A and lora_B"),
    rule(LlamaCpp, AddedTokens, Refuses, "the converter stops at anything but lora_A and lora_B"),
    rule(LlamaCpp, ModulesToSave, Refuses, "the converter stops at anything but lora_A and lora_B"),
];

impl Consumer {
    /// All of them.
    pub const ALL: [Self; 5] = [Peft, Vllm, MistralRs, Ollama, LlamaCpp];
}

impl fmt::Display for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Peft => "PEFT",
            Vllm => "vLLM",
            MistralRs => "mistral.rs",
            Ollama => "Ollama",
            LlamaCpp => "llama.cpp",
        })
    }
}

/// How many rows the embedding has: as others have the base, and as it was trained. A plain number is both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VocabSize {
    /// Of the base as published: what the consumer loads.
    pub base: usize,
    /// In training, with the tokens that were added.
    pub trained: usize,
}

impl From<usize> for VocabSize {
    fn from(size: usize) -> Self {
        Self { base: size, trained: size }
    }
}

impl LoraConfig {
    /// What adapters made with this config have beyond uniform pairs on projections.
    pub fn features(&self, vocab_size: impl Into<VocabSize>) -> Vec<Feature> {
        let vocab = vocab_size.into();
        let ranks = self.patterns.rank_pattern.iter().map(|(_, rank)| *rank);
        let alphas =
            || std::iter::once(self.lora_alpha).chain(self.patterns.alpha_pattern.iter().map(|(_, a)| *a));
        let on = |name: &str| self.target_modules.iter().any(|t| t == name || is_suffix(t, name));
        let (embed, head) = (on(EMBED_TOKENS), on(LM_HEAD));
        let tied = self.ensure_weight_tying && (embed || head);
        let largest = ranks.clone().chain([self.r]).max().unwrap_or(self.r);
        let stored = self.kind().stored_ranks * largest;
        let present = [
            (RsLora, self.use_rslora),
            (Dora, self.use_dora),
            (RankPattern, ranks.clone().any(|rank| rank != self.r)),
            (AlphaPattern, alphas().any(|alpha| alpha != self.lora_alpha)),
            (
                SomeLayers,
                self.patterns.layers_to_transform.is_some() || !self.patterns.exclude_modules.is_empty(),
            ),
            (FractionalAlpha, alphas().any(|alpha| alpha.fract() != 0.0)),
            (LargeRank, stored > 16),
            (Embedding, embed || tied),
            (Head, head || tied),
            (TokenRows, !self.trainable_token_indices.is_empty()),
            (
                AddedTokens,
                vocab.trained > vocab.base
                    || self.trainable_token_indices.iter().any(|id| *id as usize >= vocab.base),
            ),
            (ModulesToSave, !self.modules_to_save.is_empty()),
        ];
        present.into_iter().filter(|(_, there)| *there).map(|(feature, _)| feature).collect()
    }

    /// The rules that speak against a consumer; it loads the adapter as it is meant when there are none.
    pub fn portability(&self, vocab_size: impl Into<VocabSize>) -> Vec<(Consumer, Vec<Rule>)> {
        let features = self.features(vocab_size);
        let against = |consumer: Consumer| {
            let applies = |rule: &&Rule| rule.consumer == consumer && features.contains(&rule.feature);
            (consumer, RULES.iter().filter(applies).copied().collect())
        };
        Consumer::ALL.into_iter().map(against).collect()
    }

    /// Refuses a config whose adapters would not load everywhere once [`AdapterWeights::portable`] has made their scale uniform.
    ///
    /// # Errors
    /// [`Error::NotPortable`] with the first reason.
    pub fn check_portable(&self, vocab_size: impl Into<VocabSize>) -> Result<(), Error> {
        let folded = [RsLora, RankPattern, AlphaPattern, FractionalAlpha];
        let rules = self.portability(vocab_size).into_iter().flat_map(|(_, rules)| rules);
        match rules.into_iter().find(|rule| !folded.contains(&rule.feature)) {
            Some(rule) => Err(Error::NotPortable { rule }),
            None => Ok(()),
        }
    }
}

impl AdapterWeights {
    /// Rows of the embedding that the adapter was trained with, where it adapts or holds the whole of the embedding or the head: only then do
    /// its tensors tell.
    pub fn vocab_size(&self) -> Option<usize> {
        let pairs = self.tensors.iter().filter(|(path, _)| is_vocabulary(path)).map(|(path, (a, b))| {
            let ([_, inputs], [outputs, _]) = (a.dims(), b.dims());
            if path == LM_HEAD { outputs } else { inputs }
        });
        pairs.chain(self.saved_modules.values().map(|weight| weight.dims()[0])).max()
    }

    /// For a base that is published with `vocab_size` tokens.
    fn vocab_sizes(&self, vocab_size: usize) -> VocabSize {
        VocabSize { base: vocab_size, trained: self.vocab_size().unwrap_or(vocab_size) }
    }

    /// The same adapter in the form that every consumer reads: one rank, one whole alpha, no rsLoRA. Scales move into B, smaller pairs are
    /// filled up with zeros; what needs neither is left bit for bit. `vocab_size` is that of the base as published.
    ///
    /// # Errors
    /// As [`LoraConfig::check_portable`].
    pub fn portable(&self, vocab_size: usize) -> Result<Self, Error> {
        self.config.check_portable(self.vocab_sizes(vocab_size))?;
        let (mut out, old) = (self.clone(), &self.config);
        let r = self.tensors.keys().map(|path| old.rank(path)).max().unwrap_or(old.r);
        let whole = old.lora_alpha.fract() == 0.0 && !old.use_rslora;
        out.config.r = r;
        out.config.lora_alpha = if whole { old.lora_alpha } else { r as f64 };
        out.config.use_rslora = false;
        out.config.patterns.rank_pattern.clear();
        out.config.patterns.alpha_pattern.clear();
        let new = out.config.clone();
        for (path, (a, b)) in &mut out.tensors {
            let factor = old.scaling(path) / new.scaling(path);
            if factor != 1.0 {
                *b = b.clone().mul_scalar(factor);
            }
            let ([rank, inputs], [outputs, _]) = (a.dims(), b.dims());
            if rank < r {
                let device = a.device();
                let zeros = |shape| Tensor::<2>::zeros(shape, (&device, DType::F32));
                *a = Tensor::cat(vec![a.clone(), zeros([r - rank, inputs])], 0);
                *b = Tensor::cat(vec![b.clone(), zeros([outputs, r - rank])], 1);
            }
        }
        Ok(out)
    }

    /// Writes `export_report.json`: who loads this adapter, and why not. `vocab_size` is that of the base as published, before tokens were
    /// added.
    ///
    /// # Errors
    /// [`Error::Lm`] when writing fails.
    pub fn write_export_report(&self, folder: impl AsRef<Path>, vocab_size: usize) -> Result<(), Error> {
        let entry = |(consumer, rules): (Consumer, Vec<Rule>)| {
            let reasons: Vec<_> = rules
                .iter()
                .map(|rule| {
                    let (feature, effect) = (format!("{:?}", rule.feature), format!("{:?}", rule.effect));
                    json!({ "feature": feature, "effect": effect, "reason": rule.reason })
                })
                .collect();
            let loads = rules.iter().all(|rule| rule.effect == Needs);
            json!({ "consumer": consumer.to_string(), "loads": loads, "reasons": reasons })
        };
        let sizes = self.vocab_sizes(vocab_size);
        let consumers: Vec<_> = self.config.portability(sizes).into_iter().map(entry).collect();
        let embedding = self.tensors.keys().any(|path| is_vocabulary(path));
        let report = json!({
            "rules_dated": RULES_DATED,
            "consumers": consumers,
            "trained_values": self.num_params(),
            "adapts_embedding_or_head": embedding,
        });
        Ok(write_text(folder.as_ref().join("export_report.json"), &format!("{report:#}\n"))?)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn adapter(target: &str, a: [usize; 2], b: [usize; 2]) -> AdapterWeights {
        let config = LoraConfig { r: 2, target_modules: vec![target.to_owned()], ..LoraConfig::default() };
        let mut weights = AdapterWeights::empty(config);
        let zeros = |shape| Tensor::<2>::zeros(shape, &Device::flex());
        weights.tensors.insert(target.to_owned(), (zeros(a), zeros(b)));
        weights
    }

    #[test]
    fn a_grown_vocabulary_shows_in_the_tensors() {
        let grown = 12;
        for (target, a, b) in [("model.embed_tokens", [2, grown], [4, 2]), (LM_HEAD, [2, 4], [grown, 2])] {
            let weights = adapter(target, a, b);
            assert_eq!(weights.vocab_size(), Some(grown), "{target}");
            for (published, added) in [(grown, false), (grown - 1, true), (grown + 1, false)] {
                let features = weights.config.features(weights.vocab_sizes(published));
                assert_eq!(features.contains(&AddedTokens), added, "{target}, {published}");
            }
        }
        let projection = adapter("model.layers.0.mlp.up_proj", [2, 4], [grown, 2]);
        assert_eq!(projection.vocab_size(), None);
        projection.config.check_portable(grown).expect("a projection has no vocabulary");
        let sizes = VocabSize { base: grown, trained: grown + 1 };
        let error = projection.config.check_portable(sizes).expect_err("tokens were added");
        assert!(matches!(error, Error::NotPortable { rule: Rule { feature: AddedTokens, .. } }), "{error}");
    }
}
