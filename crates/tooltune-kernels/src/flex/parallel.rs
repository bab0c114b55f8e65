//! Splitting work over rayon's threads, the ones Burn's matrix products use.

/// Elements of one piece of work: 64 KiB of `f32`, a few of which fit the second-level cache together. Fixed, so
/// that the number of threads does not change where pieces begin.
pub(crate) const CHUNK: usize = 16 * 1024;

/// Whether `elements` are worth waking other threads for.
pub(crate) fn is_parallel(elements: usize) -> bool {
    elements >= 2 * CHUNK && rayon::current_num_threads() > 1
}
