//! How the dimension of a weight that is not summed over is divided between tasks.

use super::tile::{BLOCK, Block, SIDE, Sums, Tile};
use super::transpose::Square;

/// The rows (forward) or columns (backward) of a weight that one task computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stripe {
    pub(super) first: usize,
    pub(super) width: usize,
}

impl Stripe {
    /// Panels of tiles, an even number.
    pub(super) fn panels(&self) -> usize {
        self.width.div_ceil(BLOCK) * (BLOCK / SIDE)
    }
}

/// Stripes of at most `width`, a multiple of [`BLOCK`]: about the same number of blocks in each, and as many stripes for one thread as for
/// another. (No sum depends on where they begin.)
pub(super) fn stripes(total: usize, width: usize) -> Vec<Stripe> {
    divide(total, width, rayon::current_num_threads())
}

fn divide(total: usize, width: usize, threads: usize) -> Vec<Stripe> {
    let blocks = total.div_ceil(BLOCK);
    let count = total.div_ceil(width).next_multiple_of(threads).min(blocks);
    let start = |index: usize| (blocks * index / count * BLOCK).min(total);
    (0..count).map(|index| Stripe { first: start(index), width: start(index + 1) - start(index) }).collect()
}

/// What a thread keeps from stripe to stripe.
#[derive(Default)]
pub(super) struct Scratch {
    tiles: Vec<Tile>,
    sums: Vec<Block>,
}

impl Scratch {
    /// Sums of `rows × cols` panels and a buffer for tiles; what they hold is left over from before.
    pub(super) fn get(&mut self, rows: usize, cols: usize) -> (Sums<'_>, &mut Vec<Tile>) {
        self.sums.resize(rows * cols / 4, [Square::ZERO; 4]);
        (Sums::new(&mut self.sums, cols / 2), &mut self.tiles)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripes_are_everything_and_alike() {
        for total in [1, 31, 32, 33, 255, 257, 2048, 2304, 9216] {
            for (width, threads) in [(32, 2), (192, 1), (256, 3), (512, 2), (512, 16)] {
                let stripes = divide(total, width, threads);
                let end = stripes.iter().fold(0, |end, stripe| {
                    assert!(stripe.first == end && stripe.first.is_multiple_of(BLOCK));
                    assert!(stripe.width > 0 && stripe.width <= width);
                    end + stripe.width
                });
                assert_eq!(end, total);
                let panels = || stripes.iter().map(Stripe::panels);
                assert!(panels().max() <= panels().min().map(|least| least + 2), "{total}: {stripes:?}");
            }
        }
        assert_eq!(divide(2304, 256, 2).len(), 10);
    }
}
