//! Plain LoRA (Hu et al., 2021): the pair, and nothing else.

use burn::module::Module;
use burn::tensor::{DType, Tensor};
use tooltune_kernels::geglu_lora_linear;
use tooltune_lm::{Linear, Projection};

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
    fn project_geglu(
        &self,
        base: &Linear,
        adapter: &LoraAdapter,
        gate: Tensor<2>,
        up: Tensor<2>,
    ) -> Tensor<2> {
        let (weight, dropout) = (base.weight.val(), adapter.dropout_of(&gate));
        let (a, b) = (adapter.lora_a.val(), adapter.lora_b.val());
        geglu_lora_linear(gate, up, weight, a, b, adapter.scaling, dropout)
    }

    fn geglu_activations(&self, base: &Linear) -> usize {
        let [inputs, _] = base.features();
        // In bf16 both take as much as one in f32.
        if base.weight.val().dtype() == DType::BF16 { inputs } else { 2 * inputs }
    }
}
