//! Tiles in the matrix registers of the Advanced Matrix Extensions.
//!
//! Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18; the Linux kernel's
//! `Documentation/arch/x86/xstate.rst` for the permission.

use std::arch::asm;
use std::marker::PhantomData;
use std::sync::OnceLock;

use super::ahead::Ahead;
use super::tile::{Block, Panels, SIDE};

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

/// What the assembly reads from memory, which leaves some registers to the compiler.
#[repr(C)]
struct Memory {
    ahead: Ahead,
    row_step: usize,
}

/// Multiplies two panels by two, and asks for what comes next on the way.
///
/// # Safety
/// The registers must be [`Configured`].
pub(super) unsafe fn multiply(panels: Panels, sums: &mut Block, accumulate: bool, ahead: Ahead) {
    if panels.len() == 0 {
        return;
    }
    let [top, bottom] = panels.rows.map(|panel| panel.as_ptr());
    let [left, right] = panels.cols.map(|panel| panel.as_ptr());
    let [row_line, row_step] = panels.rows[0].strides().map(|elements| elements * size_of::<u16>());
    let memory = Memory { ahead, row_step };
    // SAFETY: all four panels have `len` tiles, of which each turn reads one; a block is four tiles of sums. Prefetches are hints, for
    // which any address will do.
    unsafe {
        asm!(
            "test {count}, {count}",
            "jz 2f",
            "tileloadd tmm0, [{sums} + {line}*1]",
            "tileloadd tmm1, [{sums} + {line}*1 + 1024]",
            "tileloadd tmm2, [{sums} + {line}*1 + 2048]",
            "tileloadd tmm3, [{sums} + {line}*1 + 3072]",
            "jmp 3f",
            "2:",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "3:",
            "tileloadd tmm4, [{top} + {row_line}*1]",
            "tileloadd tmm6, [{left} + {line}*1]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{right} + {line}*1]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{bottom} + {row_line}*1]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "mov {count}, [{memory} + 16]",
            "test {count}, {count}",
            "jz 5f",
            "mov {asked}, {start}",
            "4:",
            "prefetcht1 [{asked}]",
            "add {asked}, [{memory} + 8]",
            "dec {count}",
            "jnz 4b",
            "add {start}, 64",
            "5:",
            "add {top}, [{memory} + 24]",
            "add {bottom}, [{memory} + 24]",
            "add {left}, 1024",
            "add {right}, 1024",
            "dec {turns}",
            "jnz 3b",
            "tilestored [{sums} + {line}*1], tmm0",
            "tilestored [{sums} + {line}*1 + 1024], tmm1",
            "tilestored [{sums} + {line}*1 + 2048], tmm2",
            "tilestored [{sums} + {line}*1 + 3072], tmm3",
            sums = in(reg) sums.as_mut_ptr(),
            top = inout(reg) top => _,
            bottom = inout(reg) bottom => _,
            left = inout(reg) left => _,
            right = inout(reg) right => _,
            turns = inout(reg) panels.len() => _,
            row_line = in(reg) row_line,
            line = in(reg) size_of::<[u32; SIDE]>(),
            memory = in(reg) &memory,
            start = inout(reg) ahead.start => _,
            asked = out(reg) _,
            count = inout(reg) usize::from(accumulate) => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}
