//! Attaching fresh adapters to a model.

use burn::module::{Module, ParamId};
use burn::tensor::{DType, Tensor};
use tooltune_lm::{Embedding, EmbeddingTable, Linear, MapProjections, Projection};

use crate::init::Draw;
use crate::kind::is_vector;
use crate::lora_embedding::LoraEmbedding;
use crate::modules_to_save::SavedModules;
use crate::trainable_tokens::TrainableTokens;
use crate::{Error, LoraAdapter, LoraConfig, LoraLinear};

/// Freezes `model` and gives every targeted part a fresh adapter. Attach on an autodiff device to train.
///
/// # Errors
/// [`Error::InvalidConfig`], also when a rank exceeds a side of what it is for, when a token is not in the vocabulary, or when tying is asked
/// for where the model is not tied; [`Error::NoTarget`].
pub fn attach<M>(model: M, config: &LoraConfig, seed: u64) -> Result<M::With<LoraLinear>, Error>
where
    M: MapProjections<Projection = Linear> + Module,
{
    config.validate()?;
    let targeted = targets(&model, config);
    for (path, features) in &targeted {
        check_rank(config, path, *features)?;
    }
    let alone = config.trainable_token_indices.is_empty() && config.modules_to_save.is_empty();
    if targeted.is_empty() && (alone || !config.target_modules.is_empty()) {
        let mut example = String::new();
        model.visit_projections(&mut |path, _| path.clone_into(&mut example));
        return Err(Error::NoTarget { targets: config.target_modules.clone(), example });
    }
    check_vocabulary(&model, config)?;
    let paths = [M::EMBED_TOKENS, M::LM_HEAD];
    model
        .freeze()
        .map_projections(&mut |path, linear| Ok(LoraLinear::new(linear, config, path, seed)), &mut |table| {
            fresh_embedding(table, paths, config, seed)
        })
}

/// Path and `[in_features, out_features]` of everything that gets a low-rank adapter of its own.
pub(crate) fn targets<M>(model: &M, config: &LoraConfig) -> Vec<(String, [usize; 2])>
where
    M: MapProjections<Projection = Linear>,
{
    let mut found = Vec::new();
    model.visit_projections(&mut |path, linear| {
        if config.targets(path) {
            found.push((path.to_owned(), linear.features()));
        }
    });
    let [vocab, hidden] = model.embedding().table_dims();
    let [embed, head] = vocabulary_targets::<M>(config);
    if embed {
        found.push((M::EMBED_TOKENS.to_owned(), [vocab, hidden]));
    }
    if head {
        found.push((M::LM_HEAD.to_owned(), [hidden, vocab]));
    }
    found
}

/// Do the embedding and the head get low-rank adapters of their own? With tying, the embedding's is for both.
pub(crate) fn vocabulary_targets<M: MapProjections>(config: &LoraConfig) -> [bool; 2] {
    let (embed, head) = (config.targets(M::EMBED_TOKENS), config.targets(M::LM_HEAD));
    if config.ensure_weight_tying { [embed || head, false] } else { [embed, head] }
}

fn check_rank(config: &LoraConfig, path: &str, [inputs, outputs]: [usize; 2]) -> Result<(), Error> {
    let rank = config.rank(path);
    let kind = config.kind();
    let stored = kind.stored_ranks * rank;
    if stored <= inputs.min(outputs) {
        return Ok(());
    }
    let (key, value) = kind.switch;
    let times = match kind.stored_ranks {
        1 => String::new(),
        times => format!("{times} times over, as {key}: {value} stores it, "),
    };
    let rule = format!("{times}exceeds a side of {path}, which is [{outputs}, {inputs}]");
    Err(Error::InvalidConfig { field: "r", value: rank.to_string(), rule })
}

/// Do the ids exist, and is the model tied where the config asks for it?
pub(crate) fn check_vocabulary<M>(model: &M, config: &LoraConfig) -> Result<(), Error>
where
    M: MapProjections<Projection = Linear>,
{
    let table = model.embedding();
    let [vocab, _] = table.table_dims();
    if let Some(id) = config.trainable_token_indices.iter().find(|id| **id as usize >= vocab) {
        let rule = format!("is not in the vocabulary of {vocab} tokens: resize the embedding first");
        return Err(Error::InvalidConfig { field: "trainable_token_indices", value: id.to_string(), rule });
    }
    let shared = vocabulary_targets::<M>(config)[0]
        || [M::EMBED_TOKENS, M::LM_HEAD].iter().any(|path| config.saves(path));
    if config.ensure_weight_tying && shared {
        let refuse = |rule: &str| {
            let (value, rule) = ("true".to_owned(), rule.to_owned());
            Err(Error::InvalidConfig { field: "ensure_weight_tying", value, rule })
        };
        if !table.is_tied() {
            return refuse("the model's head is not tied to its embedding");
        }
        let differ = |f: fn(&LoraConfig, &str) -> f64| f(config, M::EMBED_TOKENS) != f(config, M::LM_HEAD);
        if differ(LoraConfig::scaling) || differ(|config, path| config.rank(path) as f64) {
            return refuse("the patterns give embedding and head different ranks or alphas");
        }
    }
    Ok(())
}

fn fresh_embedding(
    base: EmbeddingTable,
    paths: [&str; 2],
    config: &LoraConfig,
    seed: u64,
) -> Result<LoraEmbedding, Error> {
    let [vocab, hidden] = base.table_dims();
    let (table, head) = (base.weight.val(), base.head_weight());
    let device = table.device();
    let [embed_path, head_path] = paths;
    let (on_embed, on_head) = (config.targets(embed_path), config.targets(head_path));
    let tied = config.ensure_weight_tying && (on_embed || on_head);
    let embed_tokens = (on_embed || tied).then(|| {
        let r = config.rank(embed_path);
        let b = Draw::new(seed, embed_path).normal_matrix([hidden, r], 1.0, &device);
        LoraAdapter::from_weights(Tensor::zeros([r, vocab], (&device, DType::F32)), b, config, embed_path)
    });
    let lm_head =
        (on_head && !tied).then(|| LoraAdapter::new([hidden, vocab], &head, config, head_path, seed));
    let ids = &config.trainable_token_indices;
    let tokens = (!ids.is_empty()).then(|| TrainableTokens::of(ids, &table));
    let copy = |path: &str| Ok::<_, Error>(if path == head_path { head.clone() } else { table.clone() });
    let saved = SavedModules::new(config, paths, copy)?;
    let plain = LoraEmbedding::plain(base);
    Ok(LoraEmbedding { embed_tokens, lm_head, tokens, saved, tied_adapter: tied, ..plain })
}

/// Name, as in PEFT's file, and id of every trainable tensor.
pub fn trainable_parameters<M>(model: &M) -> Vec<(String, ParamId)>
where
    M: MapProjections<Projection = LoraLinear>,
{
    let mut out = Vec::new();
    let mut add = |path: &str, part: &str, id| out.push((format!("base_model.model.{path}.{part}"), id));
    model.visit_projections(&mut |path, projection| {
        if let Some(adapter) = &projection.adapter {
            add(path, "lora_A.weight", adapter.lora_a.id);
            add(path, "lora_B.weight", adapter.lora_b.id);
            for (name, vector) in adapter.kind.behaviour().vectors() {
                add(path, name, vector.id);
            }
        }
    });
    let (embedding, [embed, head]) = (model.embedding(), [M::EMBED_TOKENS, M::LM_HEAD]);
    if let Some(adapter) = &embedding.embed_tokens {
        add(embed, "lora_embedding_A", adapter.lora_a.id);
        add(embed, "lora_embedding_B", adapter.lora_b.id);
    }
    if let Some(adapter) = &embedding.lm_head {
        add(head, "lora_A.weight", adapter.lora_a.id);
        add(head, "lora_B.weight", adapter.lora_b.id);
    }
    if let Some(tokens) = &embedding.tokens {
        add(embed, "token_adapter.trainable_tokens_delta", tokens.weight.id);
    }
    if let Some(saved) = &embedding.saved {
        for (path, copy) in [(embed, &saved.embed_tokens), (head, &saved.lm_head)] {
            if let Some(copy) = copy {
                add(path, "weight", copy.id);
            }
        }
    }
    out
}

/// Is the gradient of the trainable tensor of this name non-zero from the first step on? While B is zero that of A is, and the reverse on an
/// embedding.
pub fn learns_at_once(name: &str) -> bool {
    !(name.ends_with(".lora_A.weight") || name.ends_with(".lora_embedding_B") || is_vector(name))
}
