//! Plain LoRA (Hu et al., 2021): the pair, and nothing else.

use burn::module::Module;
use burn::tensor::Tensor;
use tooltune_kernels::lora_linear;
use tooltune_lm::Linear;

use crate::LoraAdapter;
use crate::kind::{Behaviour, Kind, KindChoice};

/// `y = W x + scaling · B A x`.
#[derive(Module, Debug)]
pub struct Lora;

impl Lora {
    pub(crate) const CHOICE: KindChoice = KindChoice {
        switch: ("peft_type", "LORA"),
        is_chosen: |_| true,
        start: |_, _, _| {},
        vectors: &[],
        restore: |_| Kind::default(),
        stored_ranks: 1,
    };
}

impl Behaviour for Lora {
    fn project(&self, base: &Linear, adapter: &LoraAdapter, x: Tensor<2>) -> Tensor<2> {
        let (weight, dropout) = (base.weight.val(), adapter.dropout_of(&x));
        lora_linear(x, weight, adapter.lora_a.val(), adapter.lora_b.val(), adapter.scaling, dropout)
    }
}
