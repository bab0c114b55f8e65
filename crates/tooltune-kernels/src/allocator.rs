//! Hints about memory, to the C library's allocator and to the system.

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

/// Asks the system to put `values` on large pages, now. What is read from end to end for each token waits less for translations of
/// addresses. A hint: the values stay what they are, and false says that nothing came of it.
pub(crate) fn use_large_pages<T>(values: &[T]) -> bool {
    #[cfg(all(target_os = "linux", target_pointer_width = "64", not(miri)))]
    {
        const LARGE: usize = 2 << 20;
        let bytes = values.as_ptr_range();
        let (start, end) =
            ((bytes.start as usize).next_multiple_of(LARGE), bytes.end as usize / LARGE * LARGE);
        if start >= end {
            return false;
        }
        let first = bytes.start.cast::<u8>().wrapping_add(start - bytes.start as usize);
        // SAFETY: the range lies inside of `values`. The call moves pages, which no program can see but by its speed, and fails on a
        // system that does not know it or has no large page to give.
        unsafe { libc::madvise(first.cast_mut().cast(), end - start, libc::MADV_COLLAPSE) == 0 }
    }
    #[cfg(not(all(target_os = "linux", target_pointer_width = "64", not(miri))))]
    {
        let _ = values;
        false
    }
}

#[cfg(test)]
mod page_tests {
    #[test]
    fn pages_keep_what_they_hold() {
        let values: Vec<u32> = (0..3 << 20).collect();
        super::use_large_pages(&values);
        super::use_large_pages(&values[..5]);
        super::use_large_pages::<u32>(&[]);
        assert!(values.iter().zip(0..).all(|(value, expected)| *value == expected));
    }
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    #[test]
    fn glibc_accepts_the_hint() {
        assert!(super::keep_freed_memory());
    }
}
