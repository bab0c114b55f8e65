//! Wanted calls with accepted alternatives.

use indexmap::IndexMap;
use tooltune_chat::{Object, ToolCall, Value};

/// A wanted call: its function, and for each parameter what is accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct GoldCall {
    /// The function.
    pub name: String,
    arguments: IndexMap<String, Accepted>,
}

/// What is accepted for one parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Accepted {
    /// This value and no other; it must be given.
    Exactly(Value),
    /// One of these, in the leaderboard's notation: `""` among them means that the parameter may be left out, and the
    /// values of a dict (or of the dicts in a list) are themselves lists of accepted values.
    AnyOf(Vec<Value>),
}

/// Why a value is no gold answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GoldProblem {
    /// Not an object of one function's name.
    #[error("a gold answer is an object with one key, the function's name")]
    NotOneFunction,
    /// The parameters are no object.
    #[error("the parameters of a gold answer are an object")]
    ParametersNotAnObject,
    /// What is accepted is no list.
    #[error("a parameter of a gold answer is a list of accepted values")]
    AcceptedNotAList,
}

impl Accepted {
    /// The accepted values, in their notation.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        match self {
            Self::Exactly(value) => std::slice::from_ref(value),
            Self::AnyOf(values) => values,
        }
    }

    /// The parameter may be left out.
    #[must_use]
    pub fn may_be_omitted(&self) -> bool {
        matches!(self, Self::AnyOf(values) if values.iter().any(is_marker))
    }

    /// Plain values, one for each accepted value but the mark of omission: of alternatives inside, the first.
    pub fn plain_values(&self) -> impl Iterator<Item = Value> {
        let (exact, values) = match self {
            Self::Exactly(value) => (Some(value.clone()), &[][..]),
            Self::AnyOf(values) => (None, &values[..]),
        };
        exact.into_iter().chain(values.iter().filter(|value| !is_marker(value)).map(plain))
    }
}

/// `""`, which among accepted values says that the parameter may be left out.
pub(crate) fn is_marker(value: &Value) -> bool {
    matches!(value, Value::String(text) if text.is_empty())
}

/// The first choice of an accepted value in the leaderboard's notation.
fn plain(value: &Value) -> Value {
    let plain_dict = |dict: &Object| -> Value {
        let first = |value: &Value| match value {
            Value::Array(options) => options.iter().find(|option| !is_marker(option)).cloned(),
            other => Some(other.clone()),
        };
        Value::Object(dict.iter().filter_map(|(key, value)| Some((key.to_owned(), first(value)?))).collect())
    };
    match value {
        Value::Object(dict) => plain_dict(dict),
        Value::Array(items) if items.iter().all(|item| matches!(item, Value::Object(_))) => {
            Value::Array(items.iter().filter_map(Value::as_object).map(plain_dict).collect())
        }
        other => other.clone(),
    }
}

impl GoldCall {
    /// A call of `name` without parameters.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), arguments: IndexMap::new() }
    }

    /// The same with a parameter; one of that name is replaced.
    #[must_use]
    pub fn with(mut self, parameter: impl Into<String>, accepted: Accepted) -> Self {
        self.arguments.insert(parameter.into(), accepted);
        self
    }

    /// Reads the leaderboard's form: `{"name": {"parameter": [accepted, …], …}}`.
    ///
    /// # Errors
    /// Where `value` has another form.
    pub fn from_bfcl(value: &Value) -> Result<Self, GoldProblem> {
        let mut functions = value.as_object().ok_or(GoldProblem::NotOneFunction)?.iter();
        let (Some((name, parameters)), None) = (functions.next(), functions.next()) else {
            return Err(GoldProblem::NotOneFunction);
        };
        let parameters = parameters.as_object().ok_or(GoldProblem::ParametersNotAnObject)?;
        let accept = |(parameter, accepted): (&str, &Value)| match accepted {
            Value::Array(values) => Ok((parameter.to_owned(), Accepted::AnyOf(values.clone()))),
            _ => Err(GoldProblem::AcceptedNotAList),
        };
        let arguments = parameters.iter().map(accept).collect::<Result<_, _>>()?;
        Ok(Self { name: name.to_owned(), arguments })
    }

    /// The parameters and what they accept, in order.
    pub fn arguments(&self) -> impl ExactSizeIterator<Item = (&str, &Accepted)> {
        self.arguments.iter().map(|(name, accepted)| (name.as_str(), accepted))
    }

    /// What `parameter` accepts; `None` where it is not wanted at all.
    #[must_use]
    pub fn accepted(&self, parameter: &str) -> Option<&Accepted> {
        self.arguments.get(parameter)
    }

    /// The call as its author would write it: of each parameter the first accepted value, nothing that may be left out
    /// and has no other value.
    #[must_use]
    pub fn preferred(&self) -> ToolCall {
        let first =
            |(name, accepted): (&String, &Accepted)| Some((name.clone(), accepted.plain_values().next()?));
        ToolCall::new(self.name.clone(), self.arguments.iter().filter_map(first).collect())
    }
}

/// A call of which every argument must be as it is.
impl From<&ToolCall> for GoldCall {
    fn from(call: &ToolCall) -> Self {
        let exactly = |(name, value): (&str, &Value)| (name.to_owned(), Accepted::Exactly(value.clone()));
        Self { name: call.name.clone(), arguments: call.arguments.iter().map(exactly).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_call_takes_the_first_of_all_alternatives() {
        let gold = r#"{"f": {"a": ["", 2], "b": [""], "c": [{"k": ["", "x"], "l": [""], "m": 3}],
            "d": [[{"n": [1, 2]}]], "e": [[]]}}"#;
        let gold = GoldCall::from_bfcl(&Value::parse_json(gold).unwrap()).unwrap();
        let plain = r#"{"a": 2, "c": {"k": "x", "m": 3}, "d": [{"n": 1}], "e": []}"#;
        assert_eq!(Value::Object(gold.preferred().arguments), Value::parse_json(plain).unwrap());
        assert!(gold.accepted("a").unwrap().may_be_omitted());
        assert!(!gold.accepted("c").unwrap().may_be_omitted());
    }

    #[test]
    fn other_forms_are_refused() {
        for (text, problem) in [
            ("[]", GoldProblem::NotOneFunction),
            ("{}", GoldProblem::NotOneFunction),
            (r#"{"f": {}, "g": {}}"#, GoldProblem::NotOneFunction),
            (r#"{"f": []}"#, GoldProblem::ParametersNotAnObject),
            (r#"{"f": {"a": 1}}"#, GoldProblem::AcceptedNotAList),
        ] {
            assert_eq!(GoldCall::from_bfcl(&Value::parse_json(text).unwrap()), Err(problem));
        }
    }
}
