//! The unit of packed operands.

use super::transpose::Square;

/// Rows or columns of a tile.
pub(super) const SIDE: usize = 16;
/// Elements of the summed dimension in a tile.
pub(in crate::flex) const DEPTH: usize = 32;
/// Side of the block of results that one call of a kernel computes: two tiles by two.
pub(super) const BLOCK: usize = 2 * SIDE;

/// 16 × 32 elements of bf16, a cache line for each row (or pair of the summed dimension).
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Tile(pub(super) [[u16; DEPTH]; SIDE]);

impl Tile {
    /// All zero.
    pub(super) const ZERO: Self = Self([[0; DEPTH]; SIDE]);

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

/// 16 rows of an operand: tiles of rows along the summed dimension, packed or where a matrix lies in memory.
#[derive(Clone, Copy)]
pub(in crate::flex) struct RowPanel<'a> {
    data: &'a [u16],
    line: usize,
    step: usize,
    len: usize,
}

impl<'a> RowPanel<'a> {
    /// Tiles one after the other.
    pub(super) fn packed(tiles: &'a [Tile]) -> Self {
        // SAFETY: a tile is 16 × 32 elements and nothing else.
        let data = unsafe { std::slice::from_raw_parts(tiles.as_ptr().cast(), tiles.len() * SIDE * DEPTH) };
        Self { data, line: DEPTH, step: SIDE * DEPTH, len: tiles.len() }
    }

    /// The first `len` tiles of a matrix whose rows are `width` elements apart.
    ///
    /// # Panics
    /// If `data` ends before.
    pub(super) fn in_place(data: &'a [u16], width: usize, len: usize) -> Self {
        assert!(len > 0 && len * DEPTH <= width && (SIDE - 1) * width + len * DEPTH <= data.len());
        Self { data, line: width, step: DEPTH, len }
    }

    /// The first element of the first row.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn as_ptr(&self) -> *const u16 {
        self.data.as_ptr()
    }

    /// Elements from one row to the next, and from a tile to the next one.
    pub(super) fn strides(&self) -> [usize; 2] {
        [self.line, self.step]
    }

    /// Row `row` of tile `tile`.
    #[inline(always)]
    pub(super) fn row(&self, tile: usize, row: usize) -> &'a [u16; DEPTH] {
        let start = tile * self.step + row * self.line;
        self.data[start..].first_chunk().unwrap_or(&[0; DEPTH])
    }
}

/// Two neighbouring panels of each operand, of `len` tiles each along the summed dimension.
#[derive(Clone, Copy)]
pub(super) struct Panels<'a> {
    /// Tiles of rows.
    pub(super) rows: [RowPanel<'a>; 2],
    /// Tiles of columns.
    pub(super) cols: [&'a [Tile]; 2],
}

impl<'a> Panels<'a> {
    /// Takes the panels together.
    ///
    /// # Panics
    /// If they differ in length, or those of rows in how they lie in memory.
    pub(super) fn new(rows: [RowPanel<'a>; 2], cols: [&'a [Tile]; 2]) -> Self {
        let len = rows[0].len;
        assert!(
            rows[1].len == len && cols[0].len() == len && cols[1].len() == len,
            "panels differ in length"
        );
        assert!(rows[0].strides() == rows[1].strides(), "panels lie differently");
        Self { rows, cols }
    }

    /// Tiles in each panel.
    pub(super) fn len(&self) -> usize {
        self.rows[0].len
    }
}

/// The sums of [`BLOCK`] × [`BLOCK`] results: squares in reading order.
pub(super) type Block = [Square; 4];

/// A buffer of sums, block by block: what is worked with at a time lies together.
pub(super) struct Sums<'a> {
    blocks: &'a mut [Block],
    across: usize,
}

impl<'a> Sums<'a> {
    /// Uses `blocks` as rows of `across` blocks.
    ///
    /// # Panics
    /// If these are no whole rows.
    pub(super) fn new(blocks: &'a mut [Block], across: usize) -> Self {
        assert!(across > 0 && blocks.len().is_multiple_of(across));
        Self { blocks, across }
    }

    /// The block of results in row `row` and column `col` of blocks.
    ///
    /// # Panics
    /// If there is none.
    pub(super) fn block(&mut self, row: usize, col: usize) -> &mut Block {
        assert!(col < self.across);
        &mut self.blocks[row * self.across + col]
    }

    /// 16 × 16 results, in row `row` and column `col` of squares.
    ///
    /// # Panics
    /// If there are none.
    pub(super) fn square(&self, row: usize, col: usize) -> &Square {
        assert!(col / 2 < self.across);
        &self.blocks[row / 2 * self.across + col / 2][row % 2 * 2 + col % 2]
    }
}
