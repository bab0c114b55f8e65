//! The modes in which an example fails.

use std::fmt;

use serde::{Serialize, Serializer};

/// A way in which an example fails. The order is the precedence: the first of an example's modes is its primary one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FailureMode {
    /// A call is wanted, and the model does not try to call.
    NoCall,
    /// The model tries to call where no call is wanted.
    OverCall,
    /// An attempt that can't be read, though the model finished it.
    Malformed,
    /// The text ends, by the length limit or inside a call, before the call does.
    Truncated,
    /// A declared tool that is not the wanted one.
    WrongTool,
    /// A tool that was not declared.
    HallucinatedTool,
    /// A parameter that must be given is missing.
    MissingRequired,
    /// A parameter that the tool does not have.
    HallucinatedParam,
    /// A value of the right type that is not accepted, or one for a parameter that should have been left out.
    WrongValue(Option<ValueFault>),
    /// A value of another type than the schema's.
    WrongType,
    /// A value that is not among those that the schema lists.
    Enum,
    /// Too few or too many calls.
    WrongCount,
    /// The right calls in the wrong order, where order matters.
    Order,
    /// The answer to a tool result has numbers that nothing in the conversation supports.
    UngroundedAnswer,
    /// A tool reported an error, and the answer does not say so.
    IgnoredError,
    /// The declarations or the gold answer make no sense to the checker: mend them, not the model.
    UnusableGold,
}

/// What is wrong with a value, where it can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ValueFault {
    /// The same content in another form or order, as `15/04/2023` for `2023-04-15`.
    Format,
    /// The same quantity in another unit, or another unit.
    Unit,
    /// The number with the other sign.
    Sign,
    /// The same letters in another case, where case matters.
    Case,
    /// Taken over from the conversation or from another argument, where something else is wanted.
    Copied,
    /// Found neither in the conversation nor among the other arguments.
    Ungrounded,
}

impl FailureMode {
    /// Every mode, in order of precedence.
    pub const ALL: [Self; 22] = [
        Self::NoCall,
        Self::OverCall,
        Self::Malformed,
        Self::Truncated,
        Self::WrongTool,
        Self::HallucinatedTool,
        Self::MissingRequired,
        Self::HallucinatedParam,
        Self::WrongValue(None),
        Self::WrongValue(Some(ValueFault::Format)),
        Self::WrongValue(Some(ValueFault::Unit)),
        Self::WrongValue(Some(ValueFault::Sign)),
        Self::WrongValue(Some(ValueFault::Case)),
        Self::WrongValue(Some(ValueFault::Copied)),
        Self::WrongValue(Some(ValueFault::Ungrounded)),
        Self::WrongType,
        Self::Enum,
        Self::WrongCount,
        Self::Order,
        Self::UngroundedAnswer,
        Self::IgnoredError,
        Self::UnusableGold,
    ];

    /// The mode's name: `no_call`, `wrong_value`, `wrong_value:unit`…
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoCall => "no_call",
            Self::OverCall => "over_call",
            Self::Malformed => "malformed",
            Self::Truncated => "truncated",
            Self::WrongTool => "wrong_tool",
            Self::HallucinatedTool => "hallucinated_tool",
            Self::MissingRequired => "missing_required",
            Self::HallucinatedParam => "hallucinated_param",
            Self::WrongValue(None) => "wrong_value",
            Self::WrongValue(Some(ValueFault::Format)) => "wrong_value:format",
            Self::WrongValue(Some(ValueFault::Unit)) => "wrong_value:unit",
            Self::WrongValue(Some(ValueFault::Sign)) => "wrong_value:sign",
            Self::WrongValue(Some(ValueFault::Case)) => "wrong_value:case",
            Self::WrongValue(Some(ValueFault::Copied)) => "wrong_value:copied",
            Self::WrongValue(Some(ValueFault::Ungrounded)) => "wrong_value:ungrounded",
            Self::WrongType => "wrong_type",
            Self::Enum => "enum",
            Self::WrongCount => "wrong_count",
            Self::Order => "order",
            Self::UngroundedAnswer => "ungrounded_answer",
            Self::IgnoredError => "ignored_error",
            Self::UnusableGold => "unusable_gold",
        }
    }
}

impl fmt::Display for FailureMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for FailureMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order_of_precedence() {
        assert!(FailureMode::ALL.is_sorted());
        let mut names: Vec<_> = FailureMode::ALL.iter().map(|mode| mode.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FailureMode::ALL.len());
    }
}
