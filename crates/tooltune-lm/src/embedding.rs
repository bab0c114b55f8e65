//! The token embedding and the output head: one weight when they are tied, and the seam through which adapters replace the pair.

use burn::module::{Module, ModuleDisplay, Param};
use burn::tensor::{DType, Device, Int, Tensor};

use crate::Head;

/// A learned table of token vectors that is also, or brings along, the output head.
///
/// One trait for both, because a tied head is the embedding: what adapts one of them must say what becomes of the other. Implemented by the
/// plain [`EmbeddingTable`] and by adapted ones; each kind of [`Projection`](crate::Projection) names the kind that goes with it.
pub trait Embedding: Module + ModuleDisplay {
    /// Looks up `ids`, `[rows]`; gives `[rows, hidden]` in f32, as stored: a model that scales embeddings does so itself.
    fn embed(&self, ids: Tensor<1, Int>) -> Tensor<2>;

    /// The head for `hidden`, `[rows, hidden]`, without a soft-cap.
    fn head(&self, hidden: &Tensor<2>) -> Head;

    /// `[vocab, hidden]`.
    fn table_dims(&self) -> [usize; 2];

    /// Is the head the embedding?
    fn is_tied(&self) -> bool;

    /// The device that the table is on.
    fn device(&self) -> Device;
}

/// The embedding as in a checkpoint, and the head where it has a weight of its own.
#[derive(Module, Debug)]
pub struct EmbeddingTable {
    /// `embed_tokens.weight`, `[vocab, hidden]`.
    pub weight: Param<Tensor<2>>,
    /// `lm_head.weight`, `[vocab, hidden]`; `None` when it is tied to the embedding.
    pub lm_head: Option<Param<Tensor<2>>>,
}

impl EmbeddingTable {
    /// An embedding, `[vocab, hidden]`, that is also the head.
    pub fn tied(weight: Tensor<2>) -> Self {
        Self { weight: Param::from_tensor(weight), lm_head: None }
    }

    /// An embedding and a head of its own, both `[vocab, hidden]`.
    pub fn untied(weight: Tensor<2>, lm_head: Tensor<2>) -> Self {
        Self { weight: Param::from_tensor(weight), lm_head: Some(Param::from_tensor(lm_head)) }
    }

    /// The head's weight, `[vocab, hidden]`, whether tied or not.
    pub fn head_weight(&self) -> Tensor<2> {
        self.lm_head.as_ref().unwrap_or(&self.weight).val()
    }
}

impl Embedding for EmbeddingTable {
    fn embed(&self, ids: Tensor<1, Int>) -> Tensor<2> {
        let rows = self.weight.val().select(0, ids);
        if rows.dtype() == DType::F32 { rows } else { rows.cast(DType::F32) }
    }

    fn head(&self, _hidden: &Tensor<2>) -> Head {
        Head::plain(self.head_weight())
    }

    fn table_dims(&self) -> [usize; 2] {
        self.weight.lazy_shape().dims()
    }

    fn is_tied(&self) -> bool {
        self.lm_head.is_none()
    }

    fn device(&self) -> Device {
        self.weight.lazy_device()
    }
}
