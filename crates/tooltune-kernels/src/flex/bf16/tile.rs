//! The unit of packed operands.

use super::transpose::Square;

/// Rows or columns of a tile.
pub(super) const SIDE: usize = 16;
/// Elements of the summed dimension in a tile.
pub(super) const DEPTH: usize = 32;
/// Side of the block of results that one call of a kernel computes: two tiles by two.
pub(super) const BLOCK: usize = 2 * SIDE;

/// 16 × 32 elements of bf16, a cache line for each row (or pair of the summed dimension).
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Tile(pub(super) [[u16; DEPTH]; SIDE]);

impl Tile {
    /// All zero.
    pub(super) const ZERO: Self = Self([[0; DEPTH]; SIDE]);

    /// The pairs of each line as words.
    #[inline(always)]
    pub(super) fn words_mut(&mut self) -> &mut [[u32; SIDE]; SIDE] {
        // SAFETY: 16 lines of 64 bytes, aligned to 64, and any bits are valid.
        unsafe { &mut *self.0.as_mut_ptr().cast() }
    }

    /// A tile of rows becomes one of columns, and the other way round.
    pub(super) fn with_pairs_transposed(&self) -> Self {
        // SAFETY: both are 16 rows of 64 bytes, aligned alike, and any bits are valid.
        let pairs: Square = unsafe { std::mem::transmute(*self) };
        // SAFETY: as above.
        unsafe { std::mem::transmute(pairs.transposed()) }
    }
}

/// The first `len` tiles of a buffer that grows as needed; what they hold is left over from before.
pub(super) fn scratch(buffer: &mut Vec<Tile>, len: usize) -> &mut [Tile] {
    if buffer.len() < len {
        buffer.resize(len, Tile::ZERO);
    }
    &mut buffer[..len]
}

/// Two neighbouring panels of each operand, of `len` tiles each along the summed dimension.
#[derive(Clone, Copy)]
pub(super) struct Panels<'a> {
    /// Tiles of rows.
    pub(super) rows: [&'a [Tile]; 2],
    /// Tiles of columns.
    pub(super) cols: [&'a [Tile]; 2],
}

impl<'a> Panels<'a> {
    /// Takes the panels together.
    ///
    /// # Panics
    /// If they differ in length.
    pub(super) fn new(rows: [&'a [Tile]; 2], cols: [&'a [Tile]; 2]) -> Self {
        let len = rows[0].len();
        assert!(
            rows[1].len() == len && cols[0].len() == len && cols[1].len() == len,
            "panels differ in length"
        );
        Self { rows, cols }
    }

    /// Tiles in each panel.
    pub(super) fn len(&self) -> usize {
        self.rows[0].len()
    }
}

/// A buffer of sums: rows of `stride` elements, in blocks of [`BLOCK`] × [`BLOCK`].
pub(super) struct Sums<'a> {
    values: &'a mut [f32],
    stride: usize,
}

impl<'a> Sums<'a> {
    /// Uses `values` as rows of `stride`.
    ///
    /// # Panics
    /// If rows or columns are not whole blocks.
    pub(super) fn new(values: &'a mut [f32], stride: usize) -> Self {
        assert!(stride > 0 && stride.is_multiple_of(BLOCK) && values.len().is_multiple_of(stride * BLOCK));
        Self { values, stride }
    }

    /// Elements from one row to the next.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// All elements.
    pub(super) fn values(&self) -> &[f32] {
        self.values
    }

    /// From the first element of the block at `row` and `col` on.
    ///
    /// # Panics
    /// If the block lies outside.
    pub(super) fn block(&mut self, row: usize, col: usize) -> &mut [f32] {
        assert!(col + BLOCK <= self.stride);
        let end = (row + BLOCK - 1) * self.stride + col + BLOCK;
        &mut self.values[row * self.stride + col..end]
    }
}
