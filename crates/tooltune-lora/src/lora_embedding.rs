//! An adapted embedding, with the head that may be tied to it.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use tooltune_lm::{Embedding, EmbeddingTable, Head, HeadUpdate};

use crate::LoraAdapter;
use crate::merge::{Rounding, merge_rows};
use crate::modules_to_save::SavedModules;
use crate::trainable_tokens::TrainableTokens;

/// The frozen embedding and head, and what adapts them.
///
/// The base is one tensor where it is tied; the adapters of the two may still differ, and then only a merge unties them.
#[derive(Module, Debug)]
pub struct LoraEmbedding {
    /// The frozen embedding.
    pub base: EmbeddingTable,
    /// Low-rank update of the embedding: `lora_embedding_A` `[r, vocab]`, `lora_embedding_B` `[hidden, r]`.
    pub embed_tokens: Option<LoraAdapter>,
    /// Low-rank update of the head: A `[r, hidden]`, B `[vocab, r]`.
    pub lm_head: Option<LoraAdapter>,
    /// Trained rows.
    pub tokens: Option<TrainableTokens>,
    /// Trained copies of the whole.
    pub saved: Option<SavedModules>,
    /// The update of the embedding is that of the head too.
    #[module(skip)]
    pub tied_adapter: bool,
}

/// The result of [`LoraEmbedding::merge`].
pub(crate) struct MergedEmbedding {
    pub(crate) table: EmbeddingTable,
    /// The base was tied and the result is not.
    pub(crate) untied: bool,
    /// Of the embedding and of the head.
    pub(crate) rounding: [Option<Rounding>; 2],
}

impl LoraEmbedding {
    /// A frozen embedding without adapters.
    pub fn plain(base: EmbeddingTable) -> Self {
        let base = base.freeze();
        Self { base, embed_tokens: None, lm_head: None, tokens: None, saved: None, tied_adapter: false }
    }

    pub(crate) fn merge(self) -> MergedEmbedding {
        let table = self.base.weight.val();
        let (embed, embed_rounding) = self.merged_embedding(&table);
        let one = self.base.is_tied() && self.head_follows_embedding();
        if one {
            let table = embed.map_or(self.base, EmbeddingTable::tied);
            return MergedEmbedding { table, untied: false, rounding: [embed_rounding, None] };
        }
        let (head, head_rounding) = self.merged_head(&self.base.head_weight());
        let untied = self.base.is_tied();
        let head = head.unwrap_or_else(|| self.base.head_weight());
        let table = EmbeddingTable::untied(embed.unwrap_or(table), head);
        MergedEmbedding { table, untied, rounding: [embed_rounding, head_rounding] }
    }

    /// Does whatever happens to the embedding happen to a tied head?
    fn head_follows_embedding(&self) -> bool {
        let adapters = match (&self.embed_tokens, &self.lm_head) {
            (None, None) => true,
            (Some(_), None) => self.tied_adapter,
            (_, Some(_)) => false,
        };
        adapters && self.saved.as_ref().is_none_or(|saved| saved.tied)
    }

    fn merged_embedding(&self, table: &Tensor<2>) -> (Option<Tensor<2>>, Option<Rounding>) {
        let saved = self.saved.as_ref().and_then(|saved| saved.embed_tokens.as_ref());
        let merged = match (saved, &self.tokens, &self.embed_tokens) {
            (Some(saved), _, _) => replaced(table, &saved.val()),
            (_, Some(tokens), _) => tokens.merge(table),
            (_, _, Some(adapter)) => {
                merge_rows(table, |rows, start, count| rows + transposed_delta_rows(adapter, start, count))
            }
            (None, None, None) => return (None, None),
        };
        (Some(merged.0), Some(merged.1))
    }

    fn merged_head(&self, weight: &Tensor<2>) -> (Option<Tensor<2>>, Option<Rounding>) {
        let saved = self.saved.as_ref().and_then(SavedModules::head_weight);
        let merged = match (saved, &self.lm_head) {
            (Some(saved), _) => replaced(weight, &saved),
            (None, Some(adapter)) => {
                merge_rows(weight, |rows, start, count| rows + adapter.delta_rows(start, count))
            }
            (None, None) => return (None, None),
        };
        (Some(merged.0), Some(merged.1))
    }
}

/// Rows of the delta of an embedding's adapter, whose B A is `[hidden, vocab]`.
fn transposed_delta_rows(adapter: &LoraAdapter, start: usize, count: usize) -> Tensor<2> {
    let a = adapter.lora_a.val().narrow(1, start, count);
    adapter.lora_b.val().matmul(a).mul_scalar(adapter.scaling).transpose()
}

fn replaced(table: &Tensor<2>, by: &Tensor<2>) -> (Tensor<2>, Rounding) {
    merge_rows(table, |_, start, count| by.clone().narrow(0, start, count))
}

impl Embedding for LoraEmbedding {
    fn embed(&self, ids: Tensor<1, Int>) -> Tensor<2> {
        let mut rows = match self.saved.as_ref().and_then(|saved| saved.embed_tokens.as_ref()) {
            Some(saved) => saved.val().select(0, ids.clone()),
            None => self.base.embed(ids.clone()),
        };
        if let Some(tokens) = &self.tokens {
            rows = tokens.replace(rows, ids.clone());
        }
        if let Some(adapter) = &self.embed_tokens {
            let columns = adapter.lora_a.val().select(1, ids).mul_scalar(adapter.scaling);
            rows = rows + columns.transpose().matmul(adapter.lora_b.val().transpose());
        }
        rows
    }

    fn head(&self, hidden: &Tensor<2>) -> Head {
        let saved = self.saved.as_ref().and_then(SavedModules::head_weight);
        let weight = saved.unwrap_or_else(|| self.base.head_weight());
        let low = |adapter: &LoraAdapter, a: Tensor<2>, b: Tensor<2>| {
            let input = adapter.lora_dropout.forward(hidden.clone()).matmul(a.transpose());
            HeadUpdate { input: input.mul_scalar(adapter.scaling), weight: b, columns: None }
        };
        let mut updates = Vec::new();
        if let Some(adapter) = &self.lm_head {
            updates.push(low(adapter, adapter.lora_a.val(), adapter.lora_b.val()));
        }
        if let Some(adapter) = self.embed_tokens.as_ref().filter(|_| self.tied_adapter) {
            updates.push(low(adapter, adapter.lora_b.val().transpose(), adapter.lora_a.val().transpose()));
        }
        if let Some(tokens) = self.tokens.as_ref().filter(|_| self.base.is_tied()) {
            updates.push(tokens.head_update(hidden, &weight));
        }
        Head { updates, ..Head::plain(weight) }
    }

    fn table_dims(&self) -> [usize; 2] {
        self.base.table_dims()
    }

    fn is_tied(&self) -> bool {
        self.base.is_tied()
    }

    fn device(&self) -> Device {
        self.base.device()
    }
}
