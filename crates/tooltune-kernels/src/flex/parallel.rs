//! Splitting work over rayon's threads, the ones Burn's matrix products use, and buffers for the results.

use std::mem::MaybeUninit;

/// Elements of one piece of work: 64 KiB of `f32`, a few of which fit the second-level cache together. Fixed, so
/// that the number of threads does not change where pieces begin.
pub(crate) const CHUNK: usize = 16 * 1024;

/// Whether a pass over `elements` is worth waking other threads for: some tens of microseconds.
pub(crate) fn is_parallel(elements: usize) -> bool {
    elements >= 8 * CHUNK && rayon::current_num_threads() > 1
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
