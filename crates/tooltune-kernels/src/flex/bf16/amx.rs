//! Tiles in the matrix registers of the Advanced Matrix Extensions.
//!
//! Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18; the Linux kernel's
//! `Documentation/arch/x86/xstate.rst` for the permission.

use std::arch::asm;
use std::marker::PhantomData;
use std::sync::OnceLock;

use super::tile::{Panels, SIDE, Tile};

/// Whether the processor has bf16 tiles and the operating system lets this process use them.
pub(super) fn is_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| has_instructions() && permitted())
}

fn has_instructions() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    const BF16: u32 = 1 << 22;
    const TILES: u32 = 1 << 24;
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & (BF16 | TILES) == BF16 | TILES
}

/// Asks Linux for the state of the tile registers, which it gives to a process only on demand, and then to all of its threads.
fn permitted() -> bool {
    #[cfg(target_os = "linux")]
    {
        // From the kernel's asm/prctl.h and its list of state components; libc names neither.
        const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
        const XFEATURE_XTILEDATA: libc::c_long = 18;
        // SAFETY: this request has no pointers; a kernel that does not know it returns an error.
        unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
    }
    #[cfg(not(target_os = "linux"))]
    false
}

/// Tile registers of 16 rows of 64 bytes, until it is dropped. Belongs to the thread that made it.
pub(super) struct Configured(PhantomData<*const ()>);

impl Configured {
    /// Configures the registers of this thread.
    ///
    /// # Panics
    /// If there are none.
    pub(super) fn new() -> Self {
        #[repr(C, align(64))]
        struct Config {
            palette: u8,
            start_row: u8,
            reserved: [u8; 14],
            row_bytes: [u16; 16],
            rows: [u8; 16],
        }
        const CONFIG: Config = {
            let (mut row_bytes, mut rows) = ([0; 16], [0; 16]);
            let mut tile = 0;
            while tile < 8 {
                (row_bytes[tile], rows[tile]) = (64, SIDE as u8);
                tile += 1;
            }
            Config { palette: 1, start_row: 0, reserved: [0; 14], row_bytes, rows }
        };
        assert!(is_available(), "no matrix extension");
        // SAFETY: the instruction exists and reads 64 bytes. No compiled code uses tile registers.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &CONFIG, options(nostack, readonly, preserves_flags)) };
        Self(PhantomData)
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        // SAFETY: the instruction exists, or `new` had panicked.
        unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
    }
}

/// Asks for the tile after the one that a register points to. Columns come from the second-level cache, block by block; the processor does
/// not foresee that.
macro_rules! next_tile {
    ($register:literal) => {
        next_tile!($register, 0, 64, 128, 192, 256, 320, 384, 448, 512, 576, 640, 704, 768, 832, 896, 960)
    };
    ($register:literal, $($line:literal),*) => {
        concat!($("prefetcht0 [{", $register, "} + {tile} + ", $line, "]\n"),*)
    };
}

/// Multiplies two panels by two.
///
/// # Safety
/// `sums` must be valid for 32 rows of 32 elements, `stride` elements apart, and the registers [`Configured`].
pub(super) unsafe fn multiply(panels: Panels, sums: *mut f32, stride: usize, accumulate: bool) {
    if panels.len() == 0 {
        return;
    }
    let [top, bottom] = panels.rows.map(|panel| panel.as_ptr());
    let [left, right] = panels.cols.map(|panel| panel.as_ptr());
    // SAFETY: all four panels have `len` tiles, of which each turn reads one, and the caller vouches for the sums.
    unsafe {
        let lower = sums.add(SIDE * stride);
        asm!(
            "test {accumulate}, {accumulate}",
            "jz 2f",
            "tileloadd tmm0, [{c0} + {c_stride}*1]",
            "tileloadd tmm1, [{c0} + {c_stride}*1 + 64]",
            "tileloadd tmm2, [{c1} + {c_stride}*1]",
            "tileloadd tmm3, [{c1} + {c_stride}*1 + 64]",
            "jmp 3f",
            "2:",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "3:",
            "tileloadd tmm4, [{top} + {line}*1]",
            "tileloadd tmm6, [{left} + {line}*1]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{right} + {line}*1]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{bottom} + {line}*1]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            next_tile!("left"),
            next_tile!("right"),
            "add {top}, {tile}",
            "add {bottom}, {tile}",
            "add {left}, {tile}",
            "add {right}, {tile}",
            "dec {turns}",
            "jnz 3b",
            "tilestored [{c0} + {c_stride}*1], tmm0",
            "tilestored [{c0} + {c_stride}*1 + 64], tmm1",
            "tilestored [{c1} + {c_stride}*1], tmm2",
            "tilestored [{c1} + {c_stride}*1 + 64], tmm3",
            top = inout(reg) top => _,
            bottom = inout(reg) bottom => _,
            left = inout(reg) left => _,
            right = inout(reg) right => _,
            turns = inout(reg) panels.len() => _,
            accumulate = in(reg) usize::from(accumulate),
            c0 = in(reg) sums,
            c1 = in(reg) lower,
            c_stride = in(reg) stride * size_of::<f32>(),
            line = in(reg) 64usize,
            tile = const size_of::<Tile>(),
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}
