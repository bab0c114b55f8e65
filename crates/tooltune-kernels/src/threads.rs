//! Where a program's work begins.

/// Runs `work` on one of the threads that the kernels share their work among, and returns its result.
///
/// Kernels called from any other thread hand their work over and sleep until it is done. For an operation of some tens of microseconds,
/// of which decoding a token takes hundreds, falling asleep and waking up is a good part of the time. Call it once, around what a program
/// does with a model. Without feature `cpu` it only calls `work`.
pub fn on_worker_thread<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    #[cfg(feature = "cpu")]
    return rayon::scope(|_| work());
    #[cfg(not(feature = "cpu"))]
    work()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_result_comes_back() {
        assert_eq!(super::on_worker_thread(|| super::on_worker_thread(|| 3) + 1), 4);
    }
}
