//! A batch of token sequences on the host: ids, positions, and the document that each token belongs to.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// On which side short sequences are filled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// Padding after the tokens, as in training.
    Right,
    /// Padding before the tokens, as in batched generation.
    Left,
}

/// `batch` rows of `seq` tokens, row-major.
///
/// One rule covers padding, packing and caching: a token sees the tokens of its own document at its own or an earlier position. Document 0
/// is padding; positions start at 0 in every document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBatch {
    ids: Vec<u32>,
    positions: Vec<u32>,
    documents: Vec<u32>,
    batch: usize,
    seq: usize,
}

impl TokenBatch {
    /// One sequence, without padding.
    pub fn single(ids: &[u32]) -> Self {
        Self::padded(&[ids], Padding::Right, 0)
    }

    /// A row per sequence, filled up with `pad_id` to the longest.
    pub fn padded<S: AsRef<[u32]>>(sequences: &[S], padding: Padding, pad_id: u32) -> Self {
        let seq = sequences.iter().map(|s| s.as_ref().len()).max().unwrap_or(0);
        let mut out = Self::with_capacity(sequences.len(), seq);
        for sequence in sequences.iter().map(AsRef::as_ref) {
            let fill = seq - sequence.len();
            if padding == Padding::Left {
                out.push_padding(fill, pad_id);
            }
            out.push_document(sequence, 1);
            if padding == Padding::Right {
                out.push_padding(fill, pad_id);
            }
        }
        out
    }

    /// A row per group of documents, laid end to end and isolated from one another, filled up with `pad_id` to the longest row.
    pub fn packed<S: AsRef<[u32]>>(rows: &[Vec<S>], pad_id: u32) -> Self {
        let length = |row: &Vec<S>| row.iter().map(|d| d.as_ref().len()).sum::<usize>();
        let seq = rows.iter().map(length).max().unwrap_or(0);
        let mut out = Self::with_capacity(rows.len(), seq);
        for row in rows {
            for (document, number) in row.iter().zip(1..) {
                out.push_document(document.as_ref(), number);
            }
            out.push_padding(seq - length(row), pad_id);
        }
        out
    }

    /// The next token of every row of a batch that is being generated: `[rows, 1]`, each at the given position.
    ///
    /// # Panics
    /// When the two slices differ in length.
    pub fn next_tokens(ids: &[u32], positions: &[u32]) -> Self {
        assert_eq!(ids.len(), positions.len(), "one position per row");
        Self {
            ids: ids.to_vec(),
            positions: positions.to_vec(),
            documents: vec![1; ids.len()],
            batch: ids.len(),
            seq: 1,
        }
    }

    fn with_capacity(batch: usize, seq: usize) -> Self {
        let room = || Vec::with_capacity(batch * seq);
        Self { ids: room(), positions: room(), documents: room(), batch, seq }
    }

    fn push_document(&mut self, ids: &[u32], number: u32) {
        self.ids.extend_from_slice(ids);
        self.positions.extend((0..).take(ids.len()));
        self.documents.extend(std::iter::repeat_n(number, ids.len()));
    }

    fn push_padding(&mut self, count: usize, pad_id: u32) {
        self.ids.extend(std::iter::repeat_n(pad_id, count));
        self.positions.extend(std::iter::repeat_n(0, count));
        self.documents.extend(std::iter::repeat_n(0, count));
    }

    /// Number of rows.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Tokens in a row, padding included.
    pub fn seq(&self) -> usize {
        self.seq
    }

    /// Token ids, row-major.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Position of each token in its document, row-major.
    pub fn positions(&self) -> &[u32] {
        &self.positions
    }

    /// Document of each token, row-major; 0 is padding.
    pub fn documents(&self) -> &[u32] {
        &self.documents
    }

    /// Tokens that are not padding.
    pub fn num_tokens(&self) -> usize {
        self.documents.iter().filter(|&&document| document != 0).count()
    }

    /// Token ids as a tensor, `[batch, seq]`.
    pub fn ids_tensor(&self, device: &Device) -> Tensor<2, Int> {
        let ids: Vec<i32> = self.ids.iter().map(|&id| id.cast_signed()).collect();
        Tensor::from_data(TensorData::new(ids, [self.batch, self.seq]), device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_restarts_positions_and_numbers_documents() {
        let batch = TokenBatch::packed(&[vec![vec![1, 2], vec![3]], vec![vec![4]]], 0);
        assert_eq!(batch.ids(), [1, 2, 3, 4, 0, 0]);
        assert_eq!(batch.positions(), [0, 1, 0, 0, 0, 0]);
        assert_eq!(batch.documents(), [1, 1, 2, 1, 0, 0]);
        assert_eq!(batch.num_tokens(), 4);
    }
}
