//! Samples laid end to end, so that little of a row is padding.

use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Cuts `order` into rows of at most `capacity` tokens; a longer sample has a row of its own. Best fit decreasing (Johnson, 1973): the longest
/// sample first, each into the fullest row that has room for it. Of equally long samples the first in `order` comes first.
pub(crate) fn pack(order: &[usize], capacity: usize, length: &dyn Fn(usize) -> usize) -> Vec<Vec<usize>> {
    let mut longest_first = order.to_vec();
    longest_first.sort_by_key(|&index| Reverse(length(index)));
    let mut rows: Vec<Vec<usize>> = Vec::new();
    // Room and row, for the rows that have room.
    let mut open = BTreeSet::new();
    for index in longest_first {
        let tokens = length(index);
        let (room, row) = match open.range((tokens, 0)..).next().copied() {
            Some(fullest) => {
                open.remove(&fullest);
                fullest
            }
            None => {
                rows.push(Vec::new());
                (capacity, rows.len() - 1)
            }
        };
        rows[row].push(index);
        if let Some(left) = room.checked_sub(tokens).filter(|&left| left > 0) {
            open.insert((left, row));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_goes_where_it_fits_best() {
        let lengths = [3, 6, 5, 4, 12, 2, 6];
        let rows = pack(&[0, 1, 2, 3, 4, 5, 6], 10, &|index| lengths[index]);
        // 12 is too long for any row; 6, 6, 5 and 4 open or fill three; 3 and 2 take what is left.
        assert_eq!(rows, [vec![4], vec![1, 3], vec![6, 0], vec![2, 5]]);
        let reversed = pack(&[6, 5, 4, 3, 2, 1, 0], 10, &|index| lengths[index]);
        assert_eq!(reversed, [vec![4], vec![6, 3], vec![1, 0], vec![2, 5]]);
        assert_eq!(pack(&[], 10, &|_| 1), Vec::<Vec<usize>>::new());
    }
}
