//! Projections: the bias-free linear maps of a transformer, and the seam through which adapters replace them.

use burn::module::{Module, ModuleDisplay, Param};
use burn::tensor::{Device, Distribution, Tensor};

use crate::{Embedding, EmbeddingTable, LayerActivations};

/// A learned linear map over the last axis: `[rows, in_features] → [rows, out_features]`.
///
/// Implemented by the plain [`Linear`] and by adapted projections. "Is this model adapted?" is thereby a question of type.
pub trait Projection: Module + ModuleDisplay {
    /// The embedding and head of a model with such projections.
    type Embedding: Embedding;

    /// Applies the map to every row of `x`, `[rows, in_features]`; gives `[rows, out_features]`.
    fn project(&self, x: Tensor<2>) -> Tensor<2>;

    /// `[in_features, out_features]`.
    fn features(&self) -> [usize; 2];

    /// [`project`](Self::project) of `gelu(gate) · up`, both `[rows, in_features]`: the last map of a gated feed-forward network, which may
    /// do without keeping what lies between for the backward pass.
    fn project_geglu(&self, gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
        self.project(tooltune_kernels::geglu(gate, up))
    }

    /// Numbers of `f32` values per token that [`project_geglu`](Self::project_geglu) keeps for the backward pass.
    fn geglu_activations(&self) -> usize {
        let [inputs, _] = self.features();
        let mut between = LayerActivations::default();
        between.add_projections(inputs, &[self]);
        2 * inputs + between.kept
    }

    /// [`project`](Self::project) on `[batch, seq, in_features]`.
    ///
    /// The rows are flattened first: a three-dimensional product would copy the whole transposed weight at every call.
    fn project_3d(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, seq, width] = x.dims();
        let [_, out] = self.features();
        self.project(x.reshape([batch * seq, width])).reshape([batch, seq, out])
    }
}

/// `y = x Wᵀ` with `W` stored as in a checkpoint, `[out_features, in_features]`, and no bias.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[out_features, in_features]`.
    pub weight: Param<Tensor<2>>,
}

impl Linear {
    /// Takes over `weight`, `[out_features, in_features]`.
    pub fn from_weight(weight: Tensor<2>) -> Self {
        Self { weight: Param::from_tensor(weight) }
    }

    /// Draws a weight from a normal distribution with mean 0 and standard deviation `std`.
    pub fn random(in_features: usize, out_features: usize, std: f64, device: &Device) -> Self {
        Self::from_weight(normal([out_features, in_features], std, device))
    }
}

/// Draws a matrix at once. (Burn's initializers draw at first use, and every clone made before that draws its own.)
pub fn normal(shape: [usize; 2], std: f64, device: &Device) -> Tensor<2> {
    Tensor::random(shape, Distribution::Normal(0.0, std), device)
}

impl Projection for Linear {
    type Embedding = EmbeddingTable;

    fn project(&self, x: Tensor<2>) -> Tensor<2> {
        // A checkpoint may be kept in bf16 while activations are f32.
        tooltune_kernels::linear(x, self.weight.val())
    }

    fn features(&self) -> [usize; 2] {
        let [out_features, in_features] = self.weight.lazy_shape().dims();
        [in_features, out_features]
    }
}

/// A model whose projections and embedding can be looked at and exchanged for another kind.
///
/// Paths are those of the checkpoint without the `.weight`, for example `model.layers.0.self_attn.q_proj`, and come in the order of the
/// forward pass.
pub trait MapProjections: Sized {
    /// The kind of projection the model has now.
    type Projection: Projection;
    /// The same model with projections of kind `Q`.
    type With<Q: Projection>: MapProjections<Projection = Q>;

    /// The path of the embedding in a checkpoint.
    const EMBED_TOKENS: &'static str = "model.embed_tokens";
    /// The path of the head.
    const LM_HEAD: &'static str = "lm_head";

    /// Replaces every projection by what `projection` makes of it, and the embedding with its head by what `embedding` does; stops at the
    /// first error. What the model knows of the embedding (its rows, whether the head is tied to it) follows.
    ///
    /// # Errors
    /// The first error that either returns.
    fn map_projections<Q: Projection, E>(
        self,
        projection: &mut dyn FnMut(&str, Self::Projection) -> Result<Q, E>,
        embedding: &mut dyn FnMut(<Self::Projection as Projection>::Embedding) -> Result<Q::Embedding, E>,
    ) -> Result<Self::With<Q>, E>;

    /// Shows every projection to `f`.
    fn visit_projections(&self, f: &mut dyn FnMut(&str, &Self::Projection));

    /// The embedding with its head.
    fn embedding(&self) -> &<Self::Projection as Projection>::Embedding;
}
