//! Compiling one loop for several instruction sets, and the choice between them at run time.
//!
//! The loops are plain Rust written so that LLVM vectorises them: no branches, no calls, fixed-width
//! accumulators. All variants perform the same operations on each element; the ones with fused multiply-add
//! give identical bits, whatever their vector width.

/// Number of independent partial sums in a reduction: fixed, so that the vector width does not change results.
pub(crate) const LANES: usize = 32;

/// `a · b + c`, fused when the instruction set has it. (Without it `mul_add` would call a slow library
/// routine.)
#[inline(always)]
pub(crate) fn fma<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Asks for the cache line that is `bytes` after the start of `values`, to be there when it is read. Processors foresee regular reading
/// only within a page, and only up to some distance.
#[inline(always)]
pub(crate) fn prefetch<T>(values: &[T], bytes: usize) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let line = values.as_ptr().cast::<i8>().wrapping_add(bytes);
        // SAFETY: a hint, which reads nothing that the program could see: any address will do.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = (values, bytes);
}

/// As [`prefetch`], into the second-level cache: for more than the first one holds.
#[inline(always)]
pub(crate) fn prefetch_far(start: *const u8, bytes: usize) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: as above.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(start.wrapping_add(bytes).cast()) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = (start, bytes);
}

/// Sum of partial sums, pairwise; a power of two of them.
#[inline(always)]
pub(crate) fn fold<const N: usize>(mut lanes: [f32; N]) -> f32 {
    let mut width = N;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
    }
    lanes[0]
}

/// `Σ a·b` over two slices of the same length, in [`LANES`] interleaved partial sums.
#[inline(always)]
pub(crate) fn dot<const FMA: bool>(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (mut a, mut b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (a, b) in (&mut a).zip(&mut b) {
        for (acc, (&a, &b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *acc = fma::<FMA>(a, b, *acc);
        }
    }
    for (acc, (&a, &b)) in lanes.iter_mut().zip(a.remainder().iter().zip(b.remainder())) {
        *acc = fma::<FMA>(a, b, *acc);
    }
    fold(lanes)
}

/// Largest of `values`, in [`LANES`] interleaved partial maxima; negative infinity when empty.
#[inline(always)]
pub(crate) fn max(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let mut chunks = values.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (acc, &value) in lanes.iter_mut().zip(chunk) {
            *acc = if *acc > value { *acc } else { value };
        }
    }
    let tail = chunks.remainder().iter();
    lanes.iter().chain(tail).fold(f32::NEG_INFINITY, |acc, &value| if acc > value { acc } else { value })
}

/// Defines a function whose body is compiled for AVX-512, AVX2 with FMA, and the baseline, and picks the best
/// one the processor has. The body sees a constant `FMA`. Types with a bound each may follow it.
macro_rules! multiversion {
    ($(#[$meta:meta])* $vis:vis fn $name:ident<$fma:ident $(, $type:ident: $bound:path)*>($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name<$($type: $bound),*>($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn generic<const $fma: bool, $($type: $bound),*>($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn avx512<$($type: $bound),*>($($arg: $ty),*) $(-> $ret)? {
                    generic::<true, $($type),*>($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn avx2<$($type: $bound),*>($($arg: $ty),*) $(-> $ret)? {
                    generic::<true, $($type),*>($($arg),*)
                }
                match $crate::flex::simd::Level::detect() {
                    // SAFETY: `detect` found every feature that the callee is compiled for.
                    $crate::flex::simd::Level::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    $crate::flex::simd::Level::Avx2 => return unsafe { avx2($($arg),*) },
                    $crate::flex::simd::Level::Baseline => {}
                }
            }
            generic::<{ cfg!(target_arch = "aarch64") }, $($type),*>($($arg),*)
        }
    };
}
pub(crate) use multiversion;

/// What the processor offers.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Avx512,
    Avx2,
    Baseline,
}

#[cfg(target_arch = "x86_64")]
impl Level {
    /// The best level of this processor (the standard library caches what it finds).
    #[inline]
    pub(crate) fn detect() -> Self {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        match (avx2, avx512) {
            (true, true) => Self::Avx512,
            (true, false) => Self::Avx2,
            _ => Self::Baseline,
        }
    }
}
