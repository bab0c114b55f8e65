//! The kinds of low-rank adapter on a projection, and all in which they may differ.
//!
//! A kind has a file of its own and its lines in [`Kind`] here. Beyond these only a config names it, because its switches are PEFT's; what
//! attaches, trains, merges, counts, reads and writes adapters does not.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use tooltune_kernels::lora_linear;
use tooltune_lm::{Linear, Projection};

use crate::dora::Dora;
use crate::init::Draw;
use crate::lora::Lora;
use crate::merge::{Rounding, merge_rows};
use crate::pissa::Pissa;
use crate::{LoraAdapter, LoraConfig};

/// What an adapter keeps beside its A and B.
#[derive(Module, Debug)]
pub enum Kind {
    /// Plain LoRA: nothing.
    Lora(Lora),
    /// DoRA: magnitudes.
    Dora(Dora),
    /// PiSSA: what training started from.
    Pissa(Pissa),
}

/// The kinds that a config can ask for in place of [`Lora`].
pub(crate) const CHOICES: [KindChoice; 2] = [Dora::CHOICE, Pissa::CHOICE];

impl Default for Kind {
    fn default() -> Self {
        Self::Lora(Lora)
    }
}

impl Kind {
    pub(crate) fn behaviour(&self) -> &dyn Behaviour {
        match self {
            Self::Lora(kind) => kind,
            Self::Dora(kind) => kind,
            Self::Pissa(kind) => kind,
        }
    }
}

/// What an adapter of a kind does; unless a kind says otherwise, what plain LoRA does.
pub(crate) trait Behaviour {
    /// `[rows, in_features] → [rows, out_features]`: the base and the adapter together.
    fn project(&self, base: &Linear, adapter: &LoraAdapter, x: Tensor<2>) -> Tensor<2> {
        let (weight, dropout) = (base.weight.val(), adapter.dropout_of(&x));
        lora_linear(x, weight, adapter.lora_a.val(), adapter.lora_b.val(), adapter.scaling, dropout)
    }

    /// [`project`](Self::project) of `gelu(gate) · up`, both `[rows, in_features]`.
    fn project_geglu(
        &self,
        base: &Linear,
        adapter: &LoraAdapter,
        gate: Tensor<2>,
        up: Tensor<2>,
    ) -> Tensor<2> {
        self.project(base, adapter, tooltune_kernels::geglu(gate, up))
    }

    /// Values per token that [`project_geglu`](Self::project_geglu) keeps for the backward pass: gate, up, and what lies between.
    fn geglu_activations(&self, base: &Linear) -> usize {
        3 * base.features()[0]
    }

    /// The weight that computes the same as `weight` with the adapter.
    fn merge(&self, weight: &Tensor<2>, adapter: &LoraAdapter) -> (Tensor<2>, Rounding) {
        merge_rows(weight, |rows, start, count| rows + adapter.delta_rows(start, count))
    }

    /// The A and B that are stored, and whose product, scaled, is added to the weight.
    fn pair(&self, adapter: &LoraAdapter) -> (Tensor<2>, Tensor<2>) {
        (adapter.lora_a.val(), adapter.lora_b.val())
    }

    /// What is trained beside the pair: the vectors that [`KindChoice::vectors`] names, each `[out_features]`.
    fn vectors(&self) -> Vec<(&'static str, &Param<Tensor<1>>)> {
        Vec::new()
    }
}

/// How a config asks for a kind, and how its adapters are made.
#[derive(Clone, Copy)]
pub(crate) struct KindChoice {
    /// The key of the config and the value that ask for it.
    pub(crate) switch: (&'static str, &'static str),
    pub(crate) is_chosen: fn(&LoraConfig) -> bool,
    /// Turns a fresh plain adapter for a weight into one of this kind.
    pub(crate) start: fn(&mut LoraAdapter, &Tensor<2>, Draw),
    /// Names in PEFT's files, after the path of the projection, of the vectors that are trained beside the pair.
    pub(crate) vectors: &'static [&'static str],
    /// The kind with these vectors, as read from a file, one for each name.
    pub(crate) restore: fn(Vec<Tensor<1>>) -> Kind,
    /// The rank of the stored pair by that of the trained one.
    pub(crate) stored_ranks: usize,
}

impl LoraConfig {
    /// The kind that this config asks for.
    pub(crate) fn kind(&self) -> KindChoice {
        CHOICES.into_iter().find(|kind| (kind.is_chosen)(self)).unwrap_or(Lora::CHOICE)
    }
}

/// Is the tensor of this name in PEFT's files a vector of some kind?
pub(crate) fn is_vector(name: &str) -> bool {
    split_vector(name).is_some()
}

/// Path of the projection and name of the vector.
pub(crate) fn split_vector(name: &str) -> Option<(&str, &'static str)> {
    let mut names = CHOICES.iter().flat_map(|kind| kind.vectors);
    names.find_map(|vector| Some((name.strip_suffix(vector)?.strip_suffix('.')?, *vector)))
}
