//! Weights of 8 bits: half the memory of bf16, and nearly twice the speed where the reading of the weights is what takes the time, that is
//! in decoding.
//!
//! [`quantize`] makes a model with [`QuantizedLinear`] projections of a plain one. What is not a projection, embedding or head, that is the
//! norms, stays as it is. Merge adapters first: none can be attached afterwards. Gradients go through to the input, but the weights have
//! none.

use burn::module::{Module, Param, ParamId};
use burn::tensor::{Device, Int, Tensor};
use tooltune_kernels::{QuantizedWeight, linear_q8};

use crate::{Embedding, EmbeddingTable, Error, Head, Linear, MapProjections, Projection};

/// A matrix of 8 bits as parameters; see [`QuantizedWeight`] for what they hold.
#[derive(Module, Debug)]
pub struct QuantizedMatrix {
    /// `[out, words]`.
    pub values: Param<Tensor<2, Int>>,
    /// `[out, blocks]`.
    pub scales: Param<Tensor<2>>,
    /// Columns.
    #[module(skip)]
    pub in_features: usize,
}

impl QuantizedMatrix {
    /// Takes over `weight`, `[out, in]`. `None` as [`QuantizedWeight::quantize`].
    pub fn quantize(weight: Tensor<2>) -> Option<Self> {
        let weight = QuantizedWeight::quantize(weight)?;
        let [_, in_features] = weight.dims();
        Some(Self {
            values: Param::initialized(ParamId::new(), weight.values()),
            scales: Param::initialized(ParamId::new(), weight.scales()),
            in_features,
        })
    }

    /// The weight, which shares memory with this.
    pub fn weight(&self) -> QuantizedWeight {
        QuantizedWeight::from_parts(self.values.val(), self.scales.val(), self.in_features)
    }

    /// `[out, in]`.
    pub fn dims(&self) -> [usize; 2] {
        let [outputs, _] = self.scales.lazy_shape().dims();
        [outputs, self.in_features]
    }
}

/// `y = x Wᵀ` with `W` of 8 bits, and no bias.
#[derive(Module, Debug)]
pub struct QuantizedLinear {
    /// `[out_features, in_features]`.
    pub weight: QuantizedMatrix,
}

impl Projection for QuantizedLinear {
    type Embedding = QuantizedEmbedding;

    fn project(&self, x: Tensor<2>) -> Tensor<2> {
        linear_q8(x, &self.weight.weight())
    }

    fn features(&self) -> [usize; 2] {
        let [out_features, in_features] = self.weight.dims();
        [in_features, out_features]
    }
}

/// An embedding of 8 bits, with its head.
#[derive(Module, Debug)]
pub struct QuantizedEmbedding {
    /// `[vocab, hidden]`.
    pub weight: QuantizedMatrix,
    /// `[vocab, hidden]`; `None` when it is tied to the embedding.
    pub lm_head: Option<QuantizedMatrix>,
}

impl Embedding for QuantizedEmbedding {
    fn embed(&self, ids: Tensor<1, Int>) -> Tensor<2> {
        self.weight.weight().rows(ids)
    }

    fn head(&self, _hidden: &Tensor<2>) -> Head {
        Head::quantized(self.lm_head.as_ref().unwrap_or(&self.weight).weight())
    }

    fn table_dims(&self) -> [usize; 2] {
        self.weight.dims()
    }

    fn is_tied(&self) -> bool {
        self.lm_head.is_none()
    }

    fn device(&self) -> Device {
        self.weight.scales.lazy_device()
    }
}

/// Replaces the matrices of a model by such of 8 bits. One weight at a time is there in both forms; the old one is freed once nobody else
/// holds it.
///
/// # Errors
/// [`Error::NotQuantizable`] for a weight that is not finite.
pub fn quantize<M: MapProjections<Projection = Linear>>(model: M) -> Result<M::With<QuantizedLinear>, Error> {
    let matrix = |path: &str, weight: Param<Tensor<2>>| {
        QuantizedMatrix::quantize(weight.into_value())
            .ok_or_else(|| Error::NotQuantizable { path: path.to_owned() })
    };
    let mut linear =
        |path: &str, linear: Linear| Ok(QuantizedLinear { weight: matrix(path, linear.weight)? });
    let mut embedding = |table: EmbeddingTable| {
        let lm_head = table.lm_head.map(|head| matrix(M::LM_HEAD, head)).transpose()?;
        Ok(QuantizedEmbedding { weight: matrix(M::EMBED_TOKENS, table.weight)?, lm_head })
    };
    model.map_projections(&mut linear, &mut embedding)
}
