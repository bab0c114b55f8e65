//! Several adapters for one base.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::Tensor;
use tooltune_lm::{Linear, MapProjections};

use crate::weights::place;
use crate::{AdapterWeights, Error, InitLoraWeights, LoraLinear, Patterns};

/// Adapters by name, for one base at a time. The base is handed through, never copied: what changes are the small weights beside it.
#[derive(Clone, Debug, Default)]
pub struct Adapters {
    named: BTreeMap<String, AdapterWeights>,
}

impl Adapters {
    /// Adds an adapter; returns the one that had the name before.
    pub fn insert(&mut self, name: impl Into<String>, weights: AdapterWeights) -> Option<AdapterWeights> {
        self.named.insert(name.into(), weights)
    }

    /// The adapter of this name.
    pub fn get(&self, name: &str) -> Option<&AdapterWeights> {
        self.named.get(name)
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(String::as_str)
    }

    /// Attaches the adapter `name` to a model without one; [`detach`] takes it off again.
    ///
    /// The model is dropped when that fails. A clone made before shares the weights and costs next to nothing.
    ///
    /// # Errors
    /// [`Error::NoSuchAdapter`], and as [`AdapterWeights::attach`].
    pub fn activate<M>(&self, model: M, name: &str) -> Result<M::With<LoraLinear>, Error>
    where
        M: MapProjections<Projection = Linear> + Module,
    {
        let Some(weights) = self.named.get(name) else {
            let known = self.named.keys().cloned().collect();
            return Err(Error::NoSuchAdapter { name: name.to_owned(), known });
        };
        weights.attach(model)
    }

    /// A new adapter whose delta is the weighted sum of the deltas of others.
    ///
    /// # Errors
    /// [`Error::NoSuchAdapter`], and as [`AdapterWeights::combine`].
    pub fn combine(&self, weighted: &[(&str, f64)]) -> Result<AdapterWeights, Error> {
        let find = |(name, weight): &(&str, f64)| match self.named.get(*name) {
            Some(weights) => Ok((weights, *weight)),
            None => {
                let known = self.named.keys().cloned().collect();
                Err(Error::NoSuchAdapter { name: (*name).to_owned(), known })
            }
        };
        AdapterWeights::combine(&weighted.iter().map(find).collect::<Result<Vec<_>, _>>()?)
    }
}

/// Takes the adapter off again: the base as it was, nothing merged.
pub fn detach<M>(model: M) -> M::With<Linear>
where
    M: MapProjections<Projection = LoraLinear>,
{
    let bare = model.map_projections::<_, std::convert::Infallible>(
        &mut |_, projection| Ok(projection.base),
        &mut |embedding| Ok(embedding.base),
    );
    match bare {
        Ok(model) => model,
        Err(never) => match never {},
    }
}

impl AdapterWeights {
    /// The adapter whose delta is `Σ weight · delta`, exactly: the pairs are stacked, so its rank is the sum of theirs (PEFT's `cat`). Weights
    /// may be negative.
    ///
    /// # Errors
    /// [`Error::CannotCombine`] for none at all, for different targets or ranks, and for anything but low-rank pairs.
    pub fn combine(weighted: &[(&Self, f64)]) -> Result<Self, Error> {
        let refuse = |reason: &str| Err(Error::CannotCombine { reason: reason.to_owned() });
        let Some((first, _)) = weighted.first() else {
            return refuse("there are none");
        };
        for (weights, factor) in weighted {
            if !(*factor as f32).is_finite() {
                return refuse("a weight is not finite");
            }
            let others = [
                (!weights.vectors.is_empty(), weights.config.kind().switch.0),
                (weights.token_rows.is_some(), "trainable_token_indices"),
                (!weights.saved_modules.is_empty(), "modules_to_save"),
            ];
            if let Some((_, setting)) = others.into_iter().find(|(there, _)| *there) {
                return refuse(&format!("only low-rank pairs add up; what comes with {setting} does not"));
            }
            if weights.config.ensure_weight_tying != first.config.ensure_weight_tying {
                return refuse("one ties embedding and head, another does not");
            }
            let shape = |pair: &(Tensor<2>, Tensor<2>)| [pair.0.dims(), pair.1.dims()];
            let same = weights.tensors.len() == first.tensors.len()
                && first.tensors.iter().all(|(path, pair)| {
                    weights.tensors.get(path).is_some_and(|other| shape(other) == shape(pair))
                });
            if !same {
                return refuse("they have different targets or ranks");
            }
        }
        let count = weighted.len();
        let mut out = Self::empty(first.config.clone());
        out.embedding_path.clone_from(&first.embedding_path);
        let config = &mut out.config;
        config.r *= count;
        // Every pair brings its own scale along in B: the common one is 1.
        config.lora_alpha = config.r as f64;
        config.use_rslora = false;
        config.init_lora_weights = InitLoraWeights::Default;
        let ranks: Vec<_> = first
            .config
            .patterns
            .rank_pattern
            .iter()
            .map(|(name, rank)| (name.clone(), rank * count))
            .collect();
        config.patterns = Patterns {
            alpha_pattern: ranks.iter().map(|(name, rank)| (name.clone(), *rank as f64)).collect(),
            rank_pattern: ranks,
            ..first.config.patterns.clone()
        };
        config.validate()?;
        out.base_copies = weighted.iter().flat_map(|(weights, _)| weights.base_copies.clone()).collect();
        for (path, (a, _)) in &first.tensors {
            let device = a.device();
            let parts = weighted.iter().filter_map(|(weights, factor)| {
                // They may have been read on different devices.
                let (a, b) = weights.tensors.get(path)?;
                let b = b.clone().mul_scalar(factor * weights.config.scaling(path));
                Some((place(a, &device), place(&b, &device)))
            });
            let (a, b): (Vec<_>, Vec<_>) = parts.unzip();
            out.tensors.insert(path.clone(), (Tensor::cat(a, 0), Tensor::cat(b, 1)));
        }
        Ok(out)
    }
}
