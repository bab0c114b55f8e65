//! Which called function stands for which wanted one.
//!
//! Calls are compared as a multiset: their order does not matter, their number does. Values are compared as JSON with
//! types kept, so 5 is not 5.0; the order of an object's keys does not matter.

use tooltune_chat::ToolCall;

/// A largest possible pairing of `rows` with `columns` in which every pair is `allowed` and nothing is paired twice; for
/// each row its column, or `None`.
///
/// Never greedy: a row gives its column up when it can take another one (augmenting paths, Kuhn 1955), so the result
/// does not depend on the order of the rows where one row has several choices. Takes O(rows² · columns) calls of
/// `allowed` at worst.
#[must_use]
pub fn maximum_matching(
    rows: usize,
    columns: usize,
    allowed: impl Fn(usize, usize) -> bool,
) -> Vec<Option<usize>> {
    let mut row_of: Vec<Option<usize>> = vec![None; columns];
    for row in 0..rows {
        augment(row, &allowed, &mut row_of, &mut vec![false; columns]);
    }
    let mut column_of = vec![None; rows];
    for (column, row) in row_of.iter().enumerate() {
        if let Some(row) = row {
            column_of[*row] = Some(column);
        }
    }
    column_of
}

/// Finds `row` a column, moving other rows to other columns where needed.
fn augment(
    row: usize,
    allowed: &impl Fn(usize, usize) -> bool,
    row_of: &mut [Option<usize>],
    seen: &mut [bool],
) -> bool {
    // A free column first: equal calls then never push each other around, however many there are.
    if let Some(free) = (0..row_of.len()).find(|&column| row_of[column].is_none() && allowed(row, column)) {
        row_of[free] = Some(row);
        return true;
    }
    for column in 0..row_of.len() {
        let Some(holder) = row_of[column].filter(|_| !seen[column] && allowed(row, column)) else { continue };
        seen[column] = true;
        if augment(holder, allowed, row_of, seen) {
            row_of[column] = Some(row);
            return true;
        }
    }
    false
}

/// A pairing of `rows` with `columns` in which nothing is paired twice and the sum of the weights is largest; for each row
/// its column, or `None`. Pairs of weight 0 are left out; a negative weight counts as 0.
///
/// The Hungarian method with potentials (Kuhn 1955, Munkres 1957): min² · max steps, and each weight is asked for at most
/// min times.
#[must_use]
pub fn maximum_weight_matching(
    rows: usize,
    columns: usize,
    weight: impl Fn(usize, usize) -> i64,
) -> Vec<Option<usize>> {
    // The smaller side is assigned completely.
    let turned = rows > columns;
    let (few, many) = if turned { (columns, rows) } else { (rows, columns) };
    let weight = |a: usize, b: usize| if turned { weight(b, a) } else { weight(a, b) }.max(0);
    // Index 0 of `many` stands for "not yet assigned"; costs are negative weights.
    let mut few_potential = vec![0_i64; few + 1];
    let mut many_potential = vec![0_i64; many + 1];
    let mut holder = vec![0_usize; many + 1];
    let mut previous = vec![0_usize; many + 1];
    for a in 1..=few {
        holder[0] = a;
        let mut slack = vec![i64::MAX; many + 1];
        let mut used = vec![false; many + 1];
        let mut at = 0;
        while holder[at] != 0 {
            used[at] = true;
            let (from, mut least, mut next) = (holder[at], i64::MAX, 0);
            for b in 1..=many {
                if used[b] {
                    continue;
                }
                let cost = -weight(from - 1, b - 1) - few_potential[from] - many_potential[b];
                if cost < slack[b] {
                    (slack[b], previous[b]) = (cost, at);
                }
                if slack[b] < least {
                    (least, next) = (slack[b], b);
                }
            }
            for b in 0..=many {
                if used[b] {
                    few_potential[holder[b]] += least;
                    many_potential[b] -= least;
                } else if b > 0 {
                    slack[b] -= least;
                }
            }
            at = next;
        }
        while at != 0 {
            holder[at] = holder[previous[at]];
            at = previous[at];
        }
    }
    let mut matching = vec![None; rows];
    for (b, &a) in holder.iter().enumerate().skip(1).filter(|(_, a)| **a != 0) {
        if weight(a - 1, b - 1) > 0 {
            let (row, column) = if turned { (b - 1, a - 1) } else { (a - 1, b - 1) };
            matching[row] = Some(column);
        }
    }
    matching
}

/// The same functions are called, each as often.
#[must_use]
pub fn names_match(gold: &[ToolCall], calls: &[ToolCall]) -> bool {
    fully_matched(gold, calls, |wanted, call| wanted.name == call.name)
}

/// The same functions are called with equal arguments, each as often.
#[must_use]
pub fn calls_match(gold: &[ToolCall], calls: &[ToolCall]) -> bool {
    fully_matched(gold, calls, |wanted, call| wanted.name == call.name && wanted.arguments == call.arguments)
}

fn fully_matched(gold: &[ToolCall], calls: &[ToolCall], same: impl Fn(&ToolCall, &ToolCall) -> bool) -> bool {
    // Unequal counts can't match, and the matching below stays as small as the gold calls are.
    gold.len() == calls.len()
        && maximum_matching(gold.len(), calls.len(), |g, c| same(&gold[g], &calls[c]))
            .iter()
            .all(Option::is_some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::call;

    #[test]
    fn a_greedy_first_choice_is_given_up() {
        // Row 0 may take either column, row 1 only column 0: greedy would leave row 1 alone.
        let allowed = [[true, true], [true, false]];
        let matching = maximum_matching(2, 2, |row, column| allowed[row][column]);
        assert_eq!(matching, [Some(1), Some(0)]);
        // A chain: the last row can only have what the first took, and each must move up by one.
        let matching = maximum_matching(4, 4, |row, column| match row {
            3 => column == 0,
            _ => column == row || column == row + 1,
        });
        assert_eq!(matching, [Some(1), Some(2), Some(3), Some(0)]);
        // Two rows for one column: one stays alone.
        assert_eq!(maximum_matching(2, 1, |_, _| true), [Some(0), None]);
    }

    #[test]
    fn the_heaviest_pairing_is_found() {
        // Against all pairings of small tables of pseudo-random weights.
        fn best(weights: &[Vec<i64>], row: usize, taken: &mut Vec<bool>) -> i64 {
            if row == weights.len() {
                return 0;
            }
            let mut most = best(weights, row + 1, taken);
            for column in 0..taken.len() {
                if !taken[column] {
                    taken[column] = true;
                    most = most.max(weights[row][column] + best(weights, row + 1, taken));
                    taken[column] = false;
                }
            }
            most
        }
        let mut seed = 1_u64;
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            i64::try_from(seed >> 61).unwrap()
        };
        for (rows, columns) in [(1, 1), (3, 3), (4, 4), (2, 5), (5, 2), (0, 3), (3, 0), (5, 5)] {
            for _ in 0..40 {
                let weights: Vec<Vec<i64>> =
                    (0..rows).map(|_| (0..columns).map(|_| next()).collect()).collect();
                let matching = maximum_weight_matching(rows, columns, |r, c| weights[r][c]);
                let pairs: Vec<_> =
                    matching.iter().enumerate().filter_map(|(r, c)| Some((r, (*c)?))).collect();
                let mut used: Vec<_> = pairs.iter().map(|pair| pair.1).collect();
                used.sort_unstable();
                used.dedup();
                assert_eq!(used.len(), pairs.len(), "a column is paired twice");
                let sum: i64 = pairs.iter().map(|(r, c)| weights[*r][*c]).sum();
                assert_eq!(sum, best(&weights, 0, &mut vec![false; columns]), "{weights:?}");
                assert!(pairs.iter().all(|(r, c)| weights[*r][*c] > 0));
            }
        }
    }

    #[test]
    fn order_does_not_matter_but_number_does() {
        let (a, b) = (call("add", r#"{"x":1,"y":2}"#), call("add", r#"{"y":3,"x":1}"#));
        let a_turned = call("add", r#"{"y":2,"x":1}"#);
        assert!(calls_match(&[a.clone(), b.clone()], &[b.clone(), a_turned]));
        assert!(!calls_match(&[a.clone(), b.clone()], &[a.clone(), a.clone()]));
        assert!(!calls_match(std::slice::from_ref(&a), &[a.clone(), a.clone()]));
        assert!(names_match(&[a.clone(), b.clone()], &[a.clone(), a.clone()]));
        assert!(!names_match(std::slice::from_ref(&a), &[a.clone(), a.clone()]));
        assert!(!names_match(&[a, b.clone()], &[b, call("sub", "{}")]));
    }

    #[test]
    fn json_types_are_kept() {
        let wanted = call("f", r#"{"n":5}"#);
        for other in [r#"{"n":5.0}"#, r#"{"n":"5"}"#, r#"{"n":[5]}"#, r#"{"n":5,"m":null}"#, "{}"] {
            assert!(!calls_match(std::slice::from_ref(&wanted), &[call("f", other)]), "{other}");
        }
        assert!(calls_match(std::slice::from_ref(&wanted), &[call("f", r#"{"n":5}"#)]));
    }
}
