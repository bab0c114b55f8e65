//! Which keys each query sees, found once for all heads.

use burn_flex::FlexTensor;

/// The keys from the first to the last one that a query sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Whether it sees all keys in between.
    pub(crate) dense: bool,
}

impl Span {
    /// Whether the query sees no key at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    fn of(masked: &[u8]) -> Self {
        let Some(start) = first_zero(masked.iter()) else {
            return Self { start: 0, end: 0, dense: true };
        };
        let end = masked.len() - first_zero(masked.iter().rev()).unwrap_or(0);
        let dense = masked[start..end].iter().fold(0, |any, &m| any | m) == 0;
        Self { start, end, dense }
    }
}

/// Position of the first zero. Looks at 32 elements at once.
fn first_zero<'a>(mut bytes: impl ExactSizeIterator<Item = &'a u8> + Clone) -> Option<usize> {
    let len = bytes.len();
    while bytes.len() >= 32 {
        let block = bytes.clone().take(32);
        if block.fold(false, |any, &m| any | (m == 0)) {
            break;
        }
        bytes.nth(31);
    }
    let skipped = len - bytes.len();
    bytes.position(|&m| m == 0).map(|i| skipped + i)
}

/// The mask of one call: spans of all rows, and the bytes for the rows that are not dense.
pub(crate) struct Visibility {
    spans: Vec<Span>,
    masked: Option<FlexTensor>,
    rows: usize,
    keys: usize,
}

impl Visibility {
    /// Reads `mask`, `[batch or 1, 1, rows, keys]` bytes with nonzero where a query may not see a key.
    ///
    /// No elements at all mean that every query sees every key.
    pub(crate) fn new(mask: FlexTensor, rows: usize, keys: usize) -> Self {
        if mask.layout().num_elements() == 0 {
            let spans = vec![Span { start: 0, end: keys, dense: true }; rows];
            return Self { spans, masked: None, rows, keys };
        }
        let mask = mask.to_contiguous();
        let spans = mask.bytes().chunks_exact(keys).map(Span::of).collect();
        Self { spans, masked: Some(mask), rows, keys }
    }

    /// Number of keys.
    pub(crate) fn keys(&self) -> usize {
        self.keys
    }

    /// The spans of rows `start..end` of one sequence, and their mask bytes, row by row.
    pub(crate) fn rows(&self, batch: usize, start: usize, end: usize) -> (&[Span], &[u8]) {
        let first = if self.spans.len() == self.rows { 0 } else { batch * self.rows };
        let (start, end) = (first + start, first + end);
        let masked = match &self.masked {
            Some(mask) => &mask.bytes()[start * self.keys..end * self.keys],
            None => &[],
        };
        (&self.spans[start..end], masked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_visible_keys() {
        for len in [1, 7, 31, 32, 33, 100] {
            for (start, end) in [(0, len), (0, 1), (len / 2, len), (len / 3, len / 2 + 1)] {
                let mut masked = vec![1; len];
                masked[start..end].fill(0);
                assert_eq!(Span::of(&masked), Span { start, end, dense: true });
                if end - start > 2 {
                    masked[start + 1] = 1;
                    assert_eq!(Span::of(&masked), Span { start, end, dense: false });
                }
            }
            assert!(Span::of(&vec![1; len]).is_empty());
        }
    }
}
