//! Results that several threads write, each its own elements.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::tile::{BLOCK, SIDE};

/// Rows of results, not written yet.
pub(super) struct Rows<'a> {
    start: *mut f32,
    count: usize,
    width: usize,
    data: PhantomData<&'a mut [MaybeUninit<f32>]>,
}

// SAFETY: a pointer and sizes; the elements behind it are only reachable through the unsafe `columns`, whose caller promises
// that no two threads touch the same ones.
unsafe impl Sync for Rows<'_> {}

impl<'a> Rows<'a> {
    /// Rows of `width` elements.
    ///
    /// # Panics
    /// If `out` is not a whole number of rows.
    pub(super) fn new(out: &'a mut [MaybeUninit<f32>], width: usize) -> Self {
        assert!(width > 0 && out.len().is_multiple_of(width));
        Self { start: out.as_mut_ptr().cast(), count: out.len() / width, width, data: PhantomData }
    }

    /// Number of rows.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Some columns of all rows.
    ///
    /// # Panics
    /// If an element would lie outside of its row, or there are no rows.
    ///
    /// # Safety
    /// While the result lives, no other columns may share an element with it.
    pub(super) unsafe fn columns(&self, first: usize, width: usize) -> Columns<'_> {
        assert!(self.count > 0 && first + width <= self.width);
        // SAFETY: inside of the first row, or just behind it.
        let start = unsafe { self.start.add(first) };
        Columns { start, count: self.count, stride: self.width, width, data: PhantomData }
    }
}

/// Columns of the results that belong to one task.
pub(super) struct Columns<'a> {
    start: *mut f32,
    count: usize,
    stride: usize,
    width: usize,
    data: PhantomData<&'a mut [f32]>,
}

impl Columns<'_> {
    /// Number of rows.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Number of columns.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Writes two lines of sums to row `row` from column `column` on, as far as there are columns.
    ///
    /// # Panics
    /// If there is no such row or column.
    #[inline(always)]
    pub(super) fn write(&mut self, row: usize, column: usize, [left, right]: [&[u32; SIDE]; 2]) {
        assert!(row < self.count && column < self.width);
        // SAFETY: inside of the row, as just checked.
        let start = unsafe { self.start.add(row * self.stride + column).cast::<[u32; SIDE]>() };
        if column + BLOCK <= self.width {
            // SAFETY: these elements are inside of the row and belong to this task. Any bits are valid for `f32`.
            unsafe {
                start.write_unaligned(*left);
                start.add(1).write_unaligned(*right);
            }
            return;
        }
        for (index, word) in left.iter().chain(right).take(self.width - column).enumerate() {
            // SAFETY: as above, as far as the row goes.
            unsafe { start.cast::<u32>().add(index).write(*word) };
        }
    }

    /// Writes all rows.
    ///
    /// # Panics
    /// If `values` are not as many elements.
    pub(super) fn write_all(&mut self, values: &[f32]) {
        assert!(values.len() == self.count * self.width);
        for (row, values) in values.chunks_exact(self.width).enumerate() {
            // SAFETY: inside of the row, and these elements belong to this task.
            unsafe {
                let start = self.start.add(row * self.stride);
                start.copy_from_nonoverlapping(values.as_ptr(), self.width);
            }
        }
    }
}
