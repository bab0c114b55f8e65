//! Trained rows of the embedding, and of a head that is tied to it: PEFT's `trainable_token_indices`.

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use tooltune_lm::HeadUpdate;

use crate::merge::{Rounding, merge_rows};

/// Rows that replace those of the embedding.
#[derive(Module, Debug)]
pub struct TrainableTokens {
    /// `trainable_tokens_delta`, `[tokens, hidden]`, f32: despite the name the complete new rows, not differences.
    pub weight: Param<Tensor<2>>,
    /// The tokens, in the order of the rows.
    #[module(skip)]
    pub indices: Vec<u32>,
}

impl TrainableTokens {
    pub(crate) fn new(indices: &[u32], rows: Tensor<2>) -> Self {
        Self { weight: Param::from_tensor(rows), indices: indices.to_vec() }
    }

    /// The rows of `table` that training starts from.
    pub(crate) fn of(indices: &[u32], table: &Tensor<2>) -> Self {
        let rows = table.clone().select(0, ids(indices, &table.device())).cast(DType::F32).detach();
        Self::new(indices, Tensor::from_data(rows.into_data(), &table.device()))
    }

    /// Replaces, among the looked-up `rows`, those of trained tokens.
    pub(crate) fn replace(&self, rows: Tensor<2>, looked_up: Tensor<1, Int>) -> Tensor<2> {
        let trained = ids(&self.indices, &rows.device());
        // One column a trained token, 1 where the row is its: a product with it picks rows exactly.
        let hits = looked_up.unsqueeze_dim::<2>(1).equal(trained.unsqueeze_dim(0)).float().cast(DType::F32);
        let others = hits.clone().sum_dim(1).neg() + 1.0;
        rows * others + hits.matmul(self.weight.val())
    }

    /// What the new rows change of the logits of a head whose weight is `table`.
    pub(crate) fn head_update(&self, hidden: &Tensor<2>, table: &Tensor<2>) -> HeadUpdate {
        let columns = ids(&self.indices, &hidden.device());
        let old = table.clone().select(0, columns.clone()).cast(DType::F32);
        HeadUpdate { input: hidden.clone(), weight: self.weight.val() - old, columns: Some(columns) }
    }

    /// The table with the new rows in place.
    pub(crate) fn merge(&self, table: &Tensor<2>) -> (Tensor<2>, Rounding) {
        merge_rows(table, |rows, start, count| {
            let [_, width] = rows.dims();
            let here = |&(_, id): &(usize, u32)| (start..start + count).contains(&(id as usize));
            let numbered = self.indices.iter().copied().enumerate();
            numbered.filter(here).fold(rows, |rows, (index, id)| {
                let row = self.weight.val().narrow(0, index, 1);
                let at = id as usize - start;
                rows.slice_assign([at..at + 1, 0..width], row)
            })
        })
    }
}

fn ids(indices: &[u32], device: &Device) -> Tensor<1, Int> {
    let ids: Vec<i32> = indices.iter().map(|id| id.cast_signed()).collect();
    let count = ids.len();
    Tensor::from_data(TensorData::new(ids, [count]), device)
}
