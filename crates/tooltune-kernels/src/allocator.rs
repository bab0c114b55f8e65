//! A hint to the C library's allocator.

/// Tells the allocator to keep freed memory for the next allocation instead of giving it back to the system. Call it once, at the start
/// of a program that trains or generates; libraries should leave the choice to the program.
///
/// Every operation on a tensor allocates its result. By default glibc maps each block of some 100 KiB anew and unmaps it when it is freed,
/// so that the system must clear its pages again and again: a third of the time of an element-wise operation on megabytes goes there.
/// The peak of memory stays about the same; it is given back when the process ends. Returns false where there is nothing to tell, that is
/// elsewhere than on Linux with glibc.
pub fn keep_freed_memory() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const MMAP_THRESHOLD_BYTES: i32 = 32 << 20;
        const TRIM_THRESHOLD_BYTES: i32 = 1 << 30;
        const TOP_PAD_BYTES: i32 = 64 << 20;
        // SAFETY: mallopt takes two integers, refuses values that it does not accept, and touches no memory of ours.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES) == 1
                && libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES) == 1
                && libc::mallopt(libc::M_TOP_PAD, TOP_PAD_BYTES) == 1
        }
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    false
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    #[test]
    fn glibc_accepts_the_hint() {
        assert!(super::keep_freed_memory());
    }
}
