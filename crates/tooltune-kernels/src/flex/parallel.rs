//! Splitting work over rayon's threads, the ones Burn's matrix products use, and buffers for the results.

use std::mem::MaybeUninit;

use rayon::prelude::*;

/// Elements of one piece of work: 64 KiB of `f32`, a few of which fit the second-level cache together. Fixed, so
/// that the number of threads does not change where pieces begin.
pub(crate) const CHUNK: usize = 16 * 1024;

/// Whether a pass over `elements` is worth waking other threads for: some tens of microseconds.
pub(crate) fn is_parallel(elements: usize) -> bool {
    elements >= 8 * CHUNK && rayon::current_num_threads() > 1
}

/// Calls `task` with the index of every item and the item, over threads if `work` elements are worth it. Each
/// thread has scratch space of its own, which carries over from item to item.
pub(crate) fn for_each<T: Send, S: Default>(
    work: usize,
    items: Vec<T>,
    task: impl Fn(&mut S, usize, T) + Send + Sync,
) {
    if is_parallel(work) {
        let items = items.into_par_iter().enumerate();
        items.for_each_init(S::default, |scratch, (index, item)| task(scratch, index, item));
    } else {
        let mut scratch = S::default();
        items.into_iter().enumerate().for_each(|(index, item)| task(&mut scratch, index, item));
    }
}

/// A vector of `len` elements that `fill` writes, without zeroing it first: that would be one more pass over
/// memory, and memory is what these kernels wait for.
///
/// # Safety
/// `fill` must write every element.
pub(crate) unsafe fn filled(len: usize, fill: impl FnOnce(&mut [MaybeUninit<f32>])) -> Vec<f32> {
    let mut values = Vec::with_capacity(len);
    fill(&mut values.spare_capacity_mut()[..len]);
    // SAFETY: the capacity is at least `len`, and the caller promises that these elements are written.
    unsafe { values.set_len(len) };
    values
}
