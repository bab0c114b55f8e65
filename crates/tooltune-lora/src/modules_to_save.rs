//! Modules that are trained whole: PEFT's `modules_to_save`.

use burn::module::{Module, Param};
use burn::tensor::{DType, Tensor};

use crate::LoraConfig;

/// Copies of the embedding and of the head that are trained in place of the frozen ones.
#[derive(Module, Debug)]
pub struct SavedModules {
    /// `embed_tokens.weight`, `[vocab, hidden]`, f32.
    pub embed_tokens: Option<Param<Tensor<2>>>,
    /// `lm_head.weight`, `[vocab, hidden]`, f32.
    pub lm_head: Option<Param<Tensor<2>>>,
    /// The copy of the embedding is the head too.
    #[module(skip)]
    pub tied: bool,
}

impl SavedModules {
    /// The parts that `config` asks for, from `weight(path)`; `None` when it asks for none.
    pub(crate) fn new<E>(
        config: &LoraConfig,
        [embed_path, head_path]: [&str; 2],
        mut weight: impl FnMut(&str) -> Result<Tensor<2>, E>,
    ) -> Result<Option<Self>, E> {
        let (embed, head) = (config.saves(embed_path), config.saves(head_path));
        if !(embed || head) {
            return Ok(None);
        }
        let tied = config.ensure_weight_tying;
        let mut copy = |path: &str| -> Result<_, E> {
            let tensor = weight(path)?.cast(DType::F32).detach();
            let device = tensor.device();
            // Through the host: a parameter of its own, and a leaf of the device's graph.
            Ok(Some(Param::from_tensor(Tensor::from_data(tensor.into_data(), &device))))
        };
        Ok(Some(Self {
            embed_tokens: if embed || tied { copy(embed_path)? } else { None },
            lm_head: if head && !tied { copy(head_path)? } else { None },
            tied,
        }))
    }

    /// The trained copy that serves as the head, if one does.
    pub(crate) fn head_weight(&self) -> Option<Tensor<2>> {
        let own = if self.tied { &self.embed_tokens } else { &self.lm_head };
        own.as_ref().map(Param::val)
    }
}
