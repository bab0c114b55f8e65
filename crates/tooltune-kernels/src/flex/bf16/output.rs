//! Results that several threads write, each its own elements.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// Rows of results, not written yet.
pub(super) struct Rows<'a> {
    start: *mut f32,
    count: usize,
    width: usize,
    data: PhantomData<&'a mut [MaybeUninit<f32>]>,
}

// SAFETY: a pointer and sizes; the elements behind it are only reachable through the unsafe `write`, whose caller promises
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

    /// Writes `values` to row `row` from element `column` on.
    ///
    /// # Panics
    /// If an element would lie outside of the row.
    ///
    /// # Safety
    /// No other thread may write these elements at the same time.
    #[inline(always)]
    pub(super) unsafe fn write(&self, row: usize, column: usize, values: &[f32]) {
        assert!(row < self.count && column + values.len() <= self.width);
        // SAFETY: inside of the output, as just checked, which nobody else reads or writes now.
        unsafe {
            self.start.add(row * self.width + column).copy_from_nonoverlapping(values.as_ptr(), values.len());
        }
    }
}
