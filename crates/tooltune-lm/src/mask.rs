//! Which key a query may see.

use burn::tensor::{Bool, Device, Tensor, TensorData};

use crate::{KvCache, TokenBatch};

/// The visibility of keys, `[batch, query, key]`, decided on the host and uploaded as a tensor.
#[derive(Clone, Debug)]
pub struct AttentionMask {
    hidden: Option<Tensor<4, Bool>>,
}

impl AttentionMask {
    /// A key is visible when it is of the query's document, not later than the query, and, with a window, fewer than `window` positions
    /// earlier. The keys are those in `cache`, if any, followed by the batch's own.
    ///
    /// Padding sees nothing; attention must give such a query finite scores.
    pub fn new(batch: &TokenBatch, cache: Option<&KvCache>, window: Option<usize>, device: &Device) -> Self {
        let (rows, queries) = (batch.batch(), batch.seq());
        let past = cache.map_or(0, KvCache::len);
        let keys = past + queries;
        let mut hidden = vec![false; rows * queries * keys];
        let mut any = false;
        for row in 0..rows {
            let own = row * queries..(row + 1) * queries;
            let mut key_positions = cache.map_or_else(Vec::new, |cache| cache.positions(row).to_vec());
            let mut key_documents = cache.map_or_else(Vec::new, |cache| cache.documents(row).to_vec());
            key_positions.extend_from_slice(&batch.positions()[own.clone()]);
            key_documents.extend_from_slice(&batch.documents()[own.clone()]);
            for (query, token) in own.enumerate() {
                let (position, document) = (batch.positions()[token], batch.documents()[token]);
                let line = &mut hidden[(row * queries + query) * keys..][..keys];
                for (key, slot) in line.iter_mut().enumerate() {
                    let earlier = position.checked_sub(key_positions[key]).map(|distance| distance as usize);
                    let near = earlier.is_some_and(|distance| window.is_none_or(|window| distance < window));
                    *slot = document == 0 || key_documents[key] != document || !near;
                    any |= *slot;
                }
            }
        }
        let tensor = || Tensor::from_data(TensorData::new(hidden, [rows, 1, queries, keys]), device);
        Self { hidden: any.then(tensor) }
    }

    /// `[batch, 1, query, key]`, true where the key is hidden; `None` when every key is visible.
    pub fn hidden(&self) -> Option<&Tensor<4, Bool>> {
        self.hidden.as_ref()
    }
}
