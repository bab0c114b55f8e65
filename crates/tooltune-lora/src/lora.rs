//! Plain LoRA (Hu et al., 2021): the pair, and nothing else.

use burn::module::Module;

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

impl Behaviour for Lora {}
