//! The verdict on an example's calls.

use std::fmt;

use tooltune_chat::Value;

use super::AstError;

/// The verdict on the calls of one example. It borrows from what was compared.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct AstMatch<'a> {
    /// The error; `None` where the calls match.
    pub error: Option<Mismatch<'a>>,
    /// For parallel calls: why each call that was considered for the unmatched wanted call is not it.
    pub causes: Vec<Mismatch<'a>>,
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Mismatch<'a> {
    /// What is wrong.
    pub kind: AstError,
    /// The index of the call among the model's; `None` where there is none.
    pub call: Option<usize>,
    /// The index of the wanted call; `None` where none is meant.
    pub gold: Option<usize>,
    /// The parameter.
    pub parameter: Option<&'a str>,
    /// The place inside the parameter's value, as `.street[2]`; empty for the whole value.
    pub path: String,
    /// The value found.
    pub got: Option<&'a Value>,
    /// The values accepted, in the gold's notation.
    pub expected: &'a [Value],
}

impl AstMatch<'_> {
    /// The calls match.
    #[must_use]
    pub fn valid(&self) -> bool {
        self.error.is_none()
    }

    /// The kind of the error.
    #[must_use]
    pub fn error_kind(&self) -> Option<AstError> {
        self.error.as_ref().map(|error| error.kind)
    }

    /// The name of the error.
    #[must_use]
    pub fn error_type(&self) -> Option<&'static str> {
        self.error_kind().map(AstError::as_str)
    }

    /// The names of the [causes](AstMatch::causes), each once, sorted.
    #[must_use]
    pub fn sub_error_types(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.causes.iter().map(|cause| cause.kind.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl<'a> Mismatch<'a> {
    pub(super) fn new(kind: AstError) -> Self {
        Self { kind, call: None, gold: None, parameter: None, path: String::new(), got: None, expected: &[] }
    }

    pub(super) fn of_parameter(kind: AstError, parameter: &'a str) -> Self {
        Self { parameter: Some(parameter), ..Self::new(kind) }
    }

    pub(super) fn at(mut self, gold: Option<usize>, call: Option<usize>) -> Self {
        (self.gold, self.call) = (gold, call);
        self
    }
}

/// `value_error:string at call 0, city: got "Rome", expected "Paris"`.
impl fmt::Display for Mismatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        match (self.call, self.gold) {
            (Some(call), _) => write!(f, " at call {call}")?,
            (None, Some(gold)) => write!(f, " at wanted call {gold}")?,
            (None, None) => {}
        }
        if let Some(parameter) = self.parameter {
            write!(f, ", {parameter}{}", self.path)?;
        }
        if let Some(got) = self.got {
            write!(f, ": got {}", got.to_json())?;
        }
        for (index, value) in self.expected.iter().enumerate() {
            write!(f, "{}{}", if index == 0 { ", expected " } else { " or " }, value.to_json())?;
        }
        Ok(())
    }
}
