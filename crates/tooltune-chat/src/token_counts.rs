//! How many tokens there are of each kind.

use std::fmt;
use std::ops::AddAssign;

use crate::{EncodedChat, SegmentKind};

/// Tokens of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenCount {
    /// All of them.
    pub tokens: usize,
    /// Those with a loss.
    pub trained: usize,
}

impl AddAssign for TokenCount {
    fn add_assign(&mut self, other: Self) {
        self.tokens += other.tokens;
        self.trained += other.trained;
    }
}

/// Tokens by kind, of one conversation or of many added up; prints as a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokensByKind {
    /// In the order of [`SegmentKind::ALL`].
    counts: [TokenCount; SegmentKind::ALL.len()],
}

impl TokensByKind {
    /// Counts the tokens of a conversation.
    #[must_use]
    pub fn of(chat: &EncodedChat) -> Self {
        let mut counts = Self::default();
        for (&kind, &weight) in chat.kinds.iter().zip(&chat.weights) {
            counts.counts[kind as usize] += TokenCount { tokens: 1, trained: usize::from(weight > 0.0) };
        }
        counts
    }

    /// The tokens of one kind.
    #[must_use]
    pub fn get(&self, kind: SegmentKind) -> TokenCount {
        self.counts[kind as usize]
    }

    /// Every kind with its tokens, in the order of [`SegmentKind::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (SegmentKind, TokenCount)> {
        SegmentKind::ALL.into_iter().zip(self.counts)
    }

    /// The tokens of all kinds.
    #[must_use]
    pub fn total(&self) -> TokenCount {
        let mut total = TokenCount::default();
        for count in self.counts {
            total += count;
        }
        total
    }
}

impl AddAssign<&Self> for TokensByKind {
    fn add_assign(&mut self, other: &Self) {
        for (count, other) in self.counts.iter_mut().zip(other.counts) {
            *count += other;
        }
    }
}

impl fmt::Display for TokensByKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<16}{:>10}{:>10}", "kind", "tokens", "trained")?;
        for (kind, count) in self.iter().filter(|(_, count)| count.tokens > 0) {
            writeln!(f, "{:<16}{:>10}{:>10}", kind.as_str(), count.tokens, count.trained)?;
        }
        let total = self.total();
        write!(f, "{:<16}{:>10}{:>10}", "all", total.tokens, total.trained)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_count_from_zero_in_their_order() {
        for (index, kind) in SegmentKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index, "{}", kind.as_str());
        }
    }

    #[test]
    fn counts_add_up_and_print() {
        let chat = EncodedChat {
            ids: vec![2, 7, 8, 5],
            weights: vec![0.0, 0.0, 1.0, 0.5],
            kinds: vec![SegmentKind::Control, SegmentKind::User, SegmentKind::Answer, SegmentKind::EndOfTurn],
        };
        let mut counts = chat.tokens_by_kind();
        assert_eq!(counts.get(SegmentKind::Answer), TokenCount { tokens: 1, trained: 1 });
        assert_eq!(counts.get(SegmentKind::Think), TokenCount::default());
        counts += &chat.tokens_by_kind();
        assert_eq!(counts.total(), TokenCount { tokens: 8, trained: 4 });
        let table = counts.to_string();
        assert!(table.contains("answer                   2         2"), "{table}");
        assert!(!table.contains("think"), "{table}");
    }
}
