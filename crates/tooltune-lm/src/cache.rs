//! Keys and values of the tokens already seen.

use burn::tensor::Tensor;

use crate::TokenBatch;

/// Keys and values per layer, `[batch, kv_heads, len, head_dim]`, with the position and document of each.
///
/// A model calls [`append`](Self::append) in each layer; whoever drives the model calls [`advance`](Self::advance) once the batch has gone
/// through all layers.
#[derive(Clone, Debug)]
pub struct KvCache {
    layers: Vec<Option<(Tensor<4>, Tensor<4>)>>,
    positions: Vec<Vec<u32>>,
    documents: Vec<Vec<u32>>,
}

impl KvCache {
    /// An empty cache for `num_layers` layers and `batch` rows.
    pub fn new(num_layers: usize, batch: usize) -> Self {
        Self {
            layers: vec![None; num_layers],
            positions: vec![Vec::new(); batch],
            documents: vec![Vec::new(); batch],
        }
    }

    /// Number of tokens in each row, padding included.
    pub fn len(&self) -> usize {
        self.positions.first().map_or(0, Vec::len)
    }

    /// True before the first batch.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Positions of the cached tokens of a row.
    ///
    /// # Panics
    /// When `row` is out of range.
    pub fn positions(&self, row: usize) -> &[u32] {
        &self.positions[row]
    }

    /// Documents of the cached tokens of a row.
    ///
    /// # Panics
    /// When `row` is out of range.
    pub fn documents(&self, row: usize) -> &[u32] {
        &self.documents[row]
    }

    /// Appends new keys and values, `[batch, kv_heads, new, head_dim]`, to a layer and returns all of them.
    ///
    /// # Panics
    /// When `layer` is out of range or the shapes do not continue what is cached.
    pub fn append(&mut self, layer: usize, key: Tensor<4>, value: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let (key, value) = match self.layers[layer].take() {
            None => (key, value),
            Some((past_key, past_value)) => {
                (Tensor::cat(vec![past_key, key], 2), Tensor::cat(vec![past_value, value], 2))
            }
        };
        self.layers[layer] = Some((key.clone(), value.clone()));
        (key, value)
    }

    /// Records that `batch` has gone through every layer.
    pub fn advance(&mut self, batch: &TokenBatch) {
        for (row, (positions, documents)) in self.positions.iter_mut().zip(&mut self.documents).enumerate() {
            let own = row * batch.seq()..(row + 1) * batch.seq();
            positions.extend_from_slice(&batch.positions()[own.clone()]);
            documents.extend_from_slice(&batch.documents()[own]);
        }
    }

    /// Keeps the given rows, in that order: finished rows leave a batch that is being generated.
    ///
    /// # Panics
    /// When a row is out of range.
    pub fn keep_rows(&mut self, rows: &[usize]) {
        let index: Vec<i32> = rows.iter().map(|&row| i32::try_from(row).unwrap_or(i32::MAX)).collect();
        for (key, value) in self.layers.iter_mut().flatten() {
            let index =
                burn::tensor::Tensor::<1, burn::tensor::Int>::from_data(index.as_slice(), &key.device());
            *key = key.clone().select(0, index.clone());
            *value = value.clone().select(0, index);
        }
        self.positions = rows.iter().map(|&row| self.positions[row].clone()).collect();
        self.documents = rows.iter().map(|&row| self.documents[row].clone()).collect();
    }
}
