//! What a check costs, before it is made.
//!
//! References make a small schema large: twenty definitions that each use the next one twice are a million visits, and
//! a schema that uses itself twice doubles with every level of the value. The work for a value is at most its size times
//! the visits that one of its places gets, and those are counted here for every depth of a value.

use super::graph::{Graph, Part};
use crate::MAX_DEPTH;

/// The cost of judging one place of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) steps: u64,
    pub(super) stack: u64,
}

/// The cost by the depth of the value.
#[derive(Debug)]
pub(super) struct Costs {
    by_depth: Vec<Cost>,
    /// Whether deeper values cost no more than the last entry.
    settled: bool,
}

impl Costs {
    /// `None` where parts that judge the same value lead back to themselves.
    pub(super) fn new(graph: &Graph) -> Option<Self> {
        let order = inner_first(graph)?;
        let nothing = Cost { steps: 0, stack: 0 };
        let mut shallower = vec![nothing; graph.parts.len()];
        let mut by_depth = Vec::new();
        for _ in 0..=MAX_DEPTH {
            let mut costs = vec![nothing; graph.parts.len()];
            for &part in &order {
                costs[part] = cost(&graph.parts[part], &costs, &shallower);
            }
            by_depth.push(costs[0]);
            if costs == shallower {
                return Some(Self { by_depth, settled: true });
            }
            shallower = costs;
        }
        Some(Self { by_depth, settled: false })
    }

    /// The cost for values of this depth, if it is known.
    pub(super) fn at(&self, depth: usize) -> Option<Cost> {
        let deeper = self.by_depth.last().filter(|_| self.settled);
        self.by_depth.get(depth).or(deeper).copied()
    }
}

fn cost(part: &Part, same: &[Cost], child: &[Cost]) -> Cost {
    let same = part.same.iter().map(|&i| same[i]);
    // A key or an index picks one of a group: the dearest counts.
    let steps = |group: &Vec<usize>| group.iter().map(|&i| child[i].steps).max().unwrap_or(0);
    let groups = part.one_of.iter().map(steps);
    let children = part.child.iter().map(|&i| child[i].steps);
    let visits = same.clone().map(|cost| cost.steps).chain(groups).chain(children);
    let visits = visits.fold(0, u64::saturating_add);
    let below = part.one_of.iter().flatten().chain(&part.child).map(|&i| child[i].stack);
    let stack = same.map(|cost| cost.stack).chain(below).max().unwrap_or(0);
    Cost { steps: visits.saturating_mul(part.passes).saturating_add(part.weight), stack: stack + 1 }
}

/// The parts in an order in which each comes after those that judge the same value for it.
fn inner_first(graph: &Graph) -> Option<Vec<usize>> {
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); graph.parts.len()];
    let mut waits: Vec<usize> = Vec::with_capacity(graph.parts.len());
    for (id, part) in graph.parts.iter().enumerate() {
        waits.push(part.same.len());
        part.same.iter().for_each(|&used| users[used].push(id));
    }
    let mut order: Vec<usize> = (0..waits.len()).filter(|&id| waits[id] == 0).collect();
    let mut at = 0;
    while let Some(&done) = order.get(at) {
        at += 1;
        for &user in &users[done] {
            waits[user] -= 1;
            if waits[user] == 0 {
                order.push(user);
            }
        }
    }
    (order.len() == graph.parts.len()).then_some(order)
}
