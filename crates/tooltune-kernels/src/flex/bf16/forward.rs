//! `x Wᵀ`, computed as `W xᵀ`, transposed block by block.

use super::isa::Isa;
use super::output::Rows;
use super::tile::{BLOCK, DEPTH, Panels, SIDE, Sums, Tile, scratch};
use super::transpose::Square;
use super::{Weight, pack, pieces};
use crate::flex::parallel::for_each;

/// What a thread keeps from block to block.
#[derive(Default)]
struct Scratch {
    tiles: Vec<Tile>,
    sums: Vec<f32>,
}

/// Writes all of `out`.
pub(super) fn forward(weight: Weight, isa: Isa, x: &[f32], out: Rows) {
    let panels = out.count().div_ceil(BLOCK) * (BLOCK / SIDE);
    let per_panel = weight.inputs.div_ceil(DEPTH);
    let mut cols = vec![Tile::ZERO; panels * per_panel];
    for_each(x.len(), cols.chunks_mut(per_panel).collect(), |(): &mut (), panel, tiles| {
        pack::transposed_rows(x, weight.inputs, panel * SIDE, tiles);
    });
    let starts: Vec<usize> = (0..weight.outputs).step_by(BLOCK).collect();
    let block = |buffers: &mut Scratch, _, first: usize| {
        let stride = panels * SIDE;
        buffers.sums.resize(BLOCK * stride, 0.0);
        let mut sums = Sums::new(&mut buffers.sums, stride);
        isa.enter(|session| {
            for (start, len) in pieces(weight.inputs) {
                let len = len.div_ceil(DEPTH);
                let (top, bottom) = scratch(&mut buffers.tiles, 2 * len).split_at_mut(len);
                pack::weight_rows(weight, first, start, top);
                pack::weight_rows(weight, first + SIDE, start, bottom);
                let panel = |panel: usize| &cols[panel * per_panel + start / DEPTH..][..len];
                for left in (0..panels).step_by(2) {
                    let panels = Panels::new([top, bottom], [panel(left), panel(left + 1)]);
                    session.multiply(panels, &mut sums, [0, left * SIDE], start > 0);
                }
            }
        });
        // SAFETY: the columns from `first` on belong to this task.
        unsafe { write_transposed(&sums, first, weight.outputs, &out) };
    };
    for_each(x.len() * weight.outputs / 8, starts, block);
}

/// Writes a block of columns of the result, rows of `sums`, those beyond `outputs` left out.
///
/// # Safety
/// As [`Rows::write`].
unsafe fn write_transposed(sums: &Sums, first: usize, outputs: usize, out: &Rows) {
    let square = |row: usize, start: usize| {
        let mut square = Square::ZERO;
        for (index, line) in square.0.iter_mut().enumerate() {
            let source = &sums.values()[(start + index) * sums.stride() + row..][..SIDE];
            line.iter_mut().zip(source).for_each(|(word, value)| *word = value.to_bits());
        }
        square.transposed()
    };
    let width = BLOCK.min(outputs - first);
    for row in (0..out.count()).step_by(SIDE) {
        let (left, right) = (square(row, 0), square(row, SIDE));
        for (index, (left, right)) in left.0.iter().zip(&right.0).take(out.count() - row).enumerate() {
            let mut line = [0.0; BLOCK];
            for (value, &word) in line.iter_mut().zip(left.iter().chain(right)) {
                *value = f32::from_bits(word);
            }
            // SAFETY: left to the caller. A whole line has a known length, which makes it two stores and not a call.
            unsafe {
                match width {
                    BLOCK => out.write(row + index, first, &line),
                    _ => out.write(row + index, first, &line[..width]),
                }
            }
        }
    }
}
