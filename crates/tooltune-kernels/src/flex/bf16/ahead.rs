//! What is asked for while something else is computed.

use super::source::Source;
use super::tile::BLOCK;

/// Lines to ask for in a turn, at most: more would wait for each other.
const MAX_COUNT: usize = 8;

/// Lines of memory to ask for during one product of panels: in every turn `count` of them, `stride` bytes apart, and in the next turn those
/// that follow. Only a hint: what it points to does not matter for any result.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Ahead {
    pub(super) start: *const u8,
    pub(super) stride: usize,
    pub(super) count: usize,
}

impl Ahead {
    /// Nothing.
    pub(super) const NOTHING: Self = Self { start: std::ptr::null(), stride: 0, count: 0 };
}

/// Rows of a weight that will be multiplied next, where they lie, divided between the products of panels until then.
pub(super) struct Next(Ahead);

impl Next {
    /// Nothing.
    pub(super) const NOTHING: Self = Self(Ahead::NOTHING);

    /// The rows begin at `row` and `column`; each block of them is multiplied with all `panels` of activations.
    pub(super) fn new(source: impl Source, [row, column]: [usize; 2], panels: usize) -> Self {
        let (start, stride) = source.address(row, column);
        // A block has a line in each of its rows for every turn, and works with `panels / 2` blocks of activations.
        let count = (2 * BLOCK).div_ceil(panels);
        Self(if count <= MAX_COUNT { Ahead { start, stride, count } } else { Ahead::NOTHING })
    }

    /// What to ask for during the next product.
    pub(super) fn share(&mut self) -> Ahead {
        let share = self.0;
        self.0.start = share.start.wrapping_add(share.count * share.stride);
        share
    }
}
