//! Which instructions compute a block.

use std::marker::PhantomData;
use std::sync::OnceLock;

use super::ahead::Ahead;
use super::portable;
use super::tile::{Block, Panels};

/// Instruction sets that have a kernel of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isa {
    /// Tile registers and `tdpbf16ps`.
    #[cfg(target_arch = "x86_64")]
    Amx,
    /// AVX-512 with `vdpbf16ps`.
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
    /// Widened to `f32`, with AVX-512, AVX2 or what the target has.
    Portable,
}

impl Isa {
    /// The fastest that this processor and operating system offer.
    pub(crate) fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Self::available()[0])
    }

    /// All that can run here, the fastest first.
    pub(crate) fn available() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        {
            if super::amx::is_available() {
                all.push(Self::Amx);
            }
            if super::avx512::is_available() {
                all.push(Self::Avx512Bf16);
            }
        }
        all.push(Self::Portable);
        all
    }

    /// Runs `work` on this thread with whatever state the instructions need. Not to be nested: the inner call would take the state away.
    ///
    /// # Panics
    /// If the processor does not have the instructions.
    pub(super) fn enter(self, work: impl FnOnce(Session<'_>)) {
        let session = Session { isa: self, thread: PhantomData };
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx => {
                let _configured = super::amx::Configured::new();
                work(session);
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => {
                assert!(super::avx512::is_available(), "no AVX-512 with bf16");
                work(session);
            }
            Self::Portable => work(session),
        }
    }
}

/// Proof that [`Isa::enter`] has prepared this thread: it stays on it, and inside of the call.
#[derive(Clone, Copy)]
pub(super) struct Session<'s> {
    isa: Isa,
    thread: PhantomData<(&'s (), *const ())>,
}

impl Session<'_> {
    /// Computes a block of sums: `rows · cols`, added to what is there if `accumulate`. With tile registers, what comes next is asked for meanwhile.
    pub(super) fn multiply(self, panels: Panels, sums: &mut Block, accumulate: bool, ahead: Ahead) {
        #[cfg(not(target_arch = "x86_64"))]
        let _ = ahead;
        match self.isa {
            // SAFETY: `enter` found the instructions and configured the tiles.
            #[cfg(target_arch = "x86_64")]
            Isa::Amx => unsafe { super::amx::multiply(panels, sums, accumulate, ahead) },
            // SAFETY: `enter` found the instructions.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 => unsafe { super::avx512::multiply(panels, sums, accumulate) },
            Isa::Portable => portable::multiply(panels, sums, accumulate),
        }
    }
}
