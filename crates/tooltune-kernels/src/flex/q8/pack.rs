//! Tiles of a weight of 8 bits: a line of a tile is a block, widened and rounded to bf16.

use super::Weight;
use crate::flex::bf16::portable::{narrow, widen};
use crate::flex::bf16::source::Source;
use crate::flex::bf16::tile::{DEPTH, RowPanel};
use crate::quantized::BLOCK;

const _: () = assert!(BLOCK == DEPTH, "a line of a tile is a block");

impl Source for Weight<'_> {
    fn dims(self) -> [usize; 2] {
        [self.outputs, self.inputs]
    }

    #[inline(always)]
    fn line(self, row: usize, column: usize) -> [u16; DEPTH] {
        let block = row * self.blocks + column / BLOCK;
        let values: &[i8; BLOCK] = &self.values.as_chunks().0[block];
        let scale = widen(self.scales[block]);
        let mut line = [0; DEPTH];
        for (slot, &value) in line.iter_mut().zip(values) {
            *slot = narrow(f32::from(value) * scale);
        }
        line
    }

    #[inline(always)]
    fn address(&self, row: usize, column: usize) -> (*const u8, usize) {
        let stride = self.blocks * BLOCK;
        (self.values.as_ptr().wrapping_add(row * stride + column).cast(), stride)
    }

    fn in_place(&self, _: usize, _: usize, _: usize) -> Option<RowPanel<'_>> {
        None
    }
}
