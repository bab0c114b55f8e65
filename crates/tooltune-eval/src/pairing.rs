//! Which call stands for which wanted one, where they need not be equal.

use tooltune_chat::ToolCall;

/// A gold call's index and the index of the call that stands for it.
pub(crate) type Pair = (usize, usize);

/// Pairs calls of the same function: as many as possible, then with as many equal arguments as possible, then with as
/// many arguments present in both as possible.
///
/// The pairing is a maximum-weight matching, never greedy, so the order of the calls does not matter (Kuhn 1955, Munkres
/// 1957; the form with potentials takes O(g² · c) for g gold calls and c calls, or the reverse, whichever is less).
pub(crate) fn pair_calls(gold: &[ToolCall], calls: &[ToolCall]) -> Vec<Pair> {
    if gold.len() > calls.len() {
        let mut pairs: Vec<Pair> = pair_calls(calls, gold).into_iter().map(|(c, g)| (g, c)).collect();
        pairs.sort_unstable();
        return pairs;
    }
    let likeness = |g: &ToolCall, c: &ToolCall| {
        let (mut equal, mut present) = (0_i64, 0_i64);
        for (key, value) in g.arguments.iter() {
            if let Some(other) = c.arguments.get(key) {
                present += 1;
                equal += i64::from(other == value);
            }
        }
        (equal, present)
    };
    // One more name outweighs all arguments, one more equal value outweighs all keys.
    let most: i64 = 1 + gold
        .iter()
        .map(|g| g.arguments.len() as i64)
        .sum::<i64>()
        .min(calls.iter().map(|c| c.arguments.len() as i64).sum());
    let weight = |g: usize, c: usize| {
        if gold[g].name != calls[c].name {
            return 0;
        }
        let (equal, present) = likeness(&gold[g], &calls[c]);
        most.saturating_mul(most).saturating_mul(2) + equal * most + present
    };
    let weights: Vec<Vec<i64>> =
        (0..gold.len()).map(|g| (0..calls.len()).map(|c| weight(g, c)).collect()).collect();
    let columns = assign(&weights);
    columns.into_iter().enumerate().filter(|&(g, c)| gold[g].name == calls[c].name).collect()
}

/// For each row a column of its own, so that the weights add up to the most; no more rows than columns.
fn assign(weights: &[Vec<i64>]) -> Vec<usize> {
    let (rows, columns) = (weights.len(), weights.first().map_or(0, Vec::len));
    // Row and column 0 are a sentinel. Costs are negated weights; `rest` is a row's cost beyond the potentials.
    let (mut row_potential, mut column_potential) = (vec![0_i64; rows + 1], vec![0_i64; columns + 1]);
    let mut row_of = vec![0_usize; columns + 1];
    for row in 1..=rows {
        row_of[0] = row;
        let mut column = 0;
        let mut slack = vec![i64::MAX; columns + 1];
        let mut came_from = vec![0_usize; columns + 1];
        let mut used = vec![false; columns + 1];
        while row_of[column] != 0 {
            used[column] = true;
            let current = row_of[column];
            let (mut step, mut next) = (i64::MAX, 0);
            for candidate in 1..=columns {
                if used[candidate] {
                    continue;
                }
                let rest = -weights[current - 1][candidate - 1]
                    - row_potential[current]
                    - column_potential[candidate];
                if rest < slack[candidate] {
                    slack[candidate] = rest;
                    came_from[candidate] = column;
                }
                if slack[candidate] < step {
                    step = slack[candidate];
                    next = candidate;
                }
            }
            for visited in 0..=columns {
                if used[visited] {
                    row_potential[row_of[visited]] += step;
                    column_potential[visited] -= step;
                } else {
                    slack[visited] = slack[visited].saturating_sub(step);
                }
            }
            column = next;
        }
        while column != 0 {
            let previous = came_from[column];
            row_of[column] = row_of[previous];
            column = previous;
        }
    }
    let mut column_of = vec![0; rows];
    for column in 1..=columns {
        if row_of[column] != 0 {
            column_of[row_of[column] - 1] = column - 1;
        }
    }
    column_of
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::call;

    #[test]
    fn names_first_then_values_then_keys() {
        let gold = [call("f", r#"{"a":1,"b":2}"#), call("f", r#"{"a":3}"#), call("g", "{}")];
        // Greedy would give the first gold call the first call, which only the second can use well.
        let calls =
            [call("f", r#"{"a":3}"#), call("h", "{}"), call("f", r#"{"a":1,"b":9}"#), call("f", "{}")];
        assert_eq!(pair_calls(&gold, &calls), [(0, 2), (1, 0)]);
        let turned: Vec<_> = calls.iter().rev().cloned().collect();
        assert_eq!(pair_calls(&gold, &turned), [(0, 1), (1, 3)]);
        assert_eq!(pair_calls(&calls, &gold), [(0, 1), (2, 0)]);
        assert!(pair_calls(&gold, &[]).is_empty() && pair_calls(&[], &calls).is_empty());
    }

    fn best(weights: &[Vec<i64>], row: usize, used: &mut Vec<bool>) -> i64 {
        if row == weights.len() {
            return 0;
        }
        let mut most = i64::MIN;
        for column in 0..used.len() {
            if !used[column] {
                used[column] = true;
                most = most.max(weights[row][column] + best(weights, row + 1, used));
                used[column] = false;
            }
        }
        most
    }

    proptest! {
        #[test]
        fn no_assignment_weighs_more(
            weights in (1..5_usize, 0..3_usize).prop_flat_map(|(rows, more)| {
                prop::collection::vec(prop::collection::vec(0..20_i64, rows + more), rows)
            })
        ) {
            let columns = assign(&weights);
            let mut sorted = columns.clone();
            sorted.sort_unstable();
            sorted.dedup();
            prop_assert_eq!(sorted.len(), weights.len());
            let total: i64 = columns.iter().enumerate().map(|(row, &column)| weights[row][column]).sum();
            prop_assert_eq!(total, best(&weights, 0, &mut vec![false; weights[0].len()]));
        }
    }
}
