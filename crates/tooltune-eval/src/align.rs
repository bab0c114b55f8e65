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
