//! The seam for tools that really run, and an environment in memory.

use std::fmt;
use std::sync::Arc;

use tooltune_chat::{Object, ToolCall, ToolDefinition, Value};

use crate::schema::{SchemaViolation, schema_violations};

/// A world that tools act on: what a call answers, and what the world is like afterwards.
///
/// [`run_episode`](crate::run_episode) lets a model act in it.
pub trait Environment {
    /// The tools on offer.
    fn tools(&self) -> &[ToolDefinition];

    /// Runs one call.
    ///
    /// # Errors
    /// What the model is told in place of a result. A call that fails must leave the state as it was.
    fn call(&mut self, call: &ToolCall) -> Result<Value, ToolError>;

    /// All that calls can change, for comparing where two runs end.
    fn state(&self) -> Value;
}

/// Why a call has no result. The model reads the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// No tool has the name.
    #[error("no tool is called `{name}`")]
    UnknownTool {
        /// The name called.
        name: String,
    },
    /// The arguments break the tool's declaration.
    #[error("{}", violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Arguments {
        /// How.
        violations: Vec<SchemaViolation>,
    },
    /// The tool itself refuses.
    #[error("{message}")]
    Failed {
        /// Why.
        message: String,
    },
}

impl ToolError {
    /// A tool's own refusal.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into() }
    }
}

/// What a tool does with the state.
type Function = Arc<dyn Fn(&mut Object, &Object) -> Result<Value, ToolError> + Send + Sync>;

/// An environment in memory: named values, and tools that are closures over them.
///
/// A call is checked against the declaration first. A call that fails changes nothing, because it works on a copy of the
/// state; so a state is best kept to what an example needs.
///
/// ```
/// use tooltune_chat::{Object, ToolCall, ToolDefinition, Value};
/// use tooltune_eval::{Environment, MemoryEnvironment, ToolError, state_differences};
///
/// let schema = r#"{"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}"#;
/// let deposit = ToolDefinition::new("deposit", "Pays money in.", Value::parse_json(schema)?);
/// let start: Object = [("balance".to_owned(), 100_i64.into())].into_iter().collect();
/// let mut bank = MemoryEnvironment::new(start).with_tool(deposit, |state, arguments| {
///     let number = |value: Option<&Value>| value.and_then(Value::as_i64).unwrap_or_default();
///     let amount = number(arguments.get("amount"));
///     if amount <= 0 {
///         return Err(ToolError::failed("the amount must be positive"));
///     }
///     let balance = number(state.get("balance")) + amount;
///     state.insert("balance", balance);
///     Ok(balance.into())
/// });
///
/// let call = |amount: i64| ToolCall::new("deposit", [("amount".to_owned(), amount.into())].into_iter().collect());
/// assert_eq!(bank.call(&call(20)), Ok(120_i64.into()));
/// assert_eq!(bank.call(&call(-5)).unwrap_err().to_string(), "the amount must be positive");
/// let wanted = Value::parse_json(r#"{"balance": 110}"#)?;
/// assert_eq!(state_differences(&wanted, &bank.state())[0].to_string(), "balance: 110 wanted, 120 found");
/// # Ok::<(), tooltune_chat::JsonError>(())
/// ```
#[derive(Clone, Default)]
pub struct MemoryEnvironment {
    state: Object,
    tools: Vec<ToolDefinition>,
    functions: Vec<Function>,
}

impl MemoryEnvironment {
    /// An environment with this state and no tools.
    #[must_use]
    pub fn new(state: Object) -> Self {
        Self { state, ..Self::default() }
    }

    /// The environment with one more tool; one of the same name is replaced.
    #[must_use]
    pub fn with_tool(
        mut self,
        definition: ToolDefinition,
        function: impl Fn(&mut Object, &Object) -> Result<Value, ToolError> + Send + Sync + 'static,
    ) -> Self {
        match self.tools.iter().position(|tool| tool.name == definition.name) {
            Some(index) => {
                self.tools[index] = definition;
                self.functions[index] = Arc::new(function);
            }
            None => {
                self.tools.push(definition);
                self.functions.push(Arc::new(function));
            }
        }
        self
    }

    /// The state that `calls` lead to from here, in order: where a dialogue should end.
    ///
    /// # Errors
    /// Where one of them fails: a wanted call that can't be made is a mistake in the data.
    pub fn state_after<'c>(&self, calls: impl IntoIterator<Item = &'c ToolCall>) -> Result<Value, ToolError> {
        let mut copy = self.clone();
        for call in calls {
            copy.call(call)?;
        }
        Ok(copy.state())
    }
}

impl Environment for MemoryEnvironment {
    fn tools(&self) -> &[ToolDefinition] {
        &self.tools
    }

    fn call(&mut self, call: &ToolCall) -> Result<Value, ToolError> {
        let index = self.tools.iter().position(|tool| tool.name == call.name);
        let index = index.ok_or_else(|| ToolError::UnknownTool { name: call.name.clone() })?;
        let violations = schema_violations(call, &self.tools);
        if !violations.is_empty() {
            return Err(ToolError::Arguments { violations });
        }
        let mut state = self.state.clone();
        let result = self.functions[index](&mut state, &call.arguments)?;
        self.state = state;
        Ok(result)
    }

    fn state(&self) -> Value {
        Value::Object(self.state.clone())
    }
}

impl fmt::Debug for MemoryEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.tools.iter().map(|tool| tool.name.as_str()).collect();
        f.debug_struct("MemoryEnvironment").field("state", &self.state).field("tools", &names).finish()
    }
}

/// One place where two states differ.
#[derive(Clone, Debug, PartialEq)]
pub struct StateDifference {
    /// Where: `orders[2].status`; empty for the whole.
    pub path: String,
    /// What should be there; `None` for nothing.
    pub wanted: Option<Value>,
    /// What is there; `None` for nothing.
    pub found: Option<Value>,
}

impl fmt::Display for StateDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text =
            |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_json);
        write!(f, "{}: {} wanted, {} found", self.path, text(&self.wanted), text(&self.found))
    }
}

/// The places where `found` differs from `wanted`, as deep as they can be told apart. The order of keys does not matter,
/// that of arrays does.
#[must_use]
pub fn state_differences(wanted: &Value, found: &Value) -> Vec<StateDifference> {
    let mut differences = Vec::new();
    compare(Some(wanted), Some(found), "", &mut differences);
    differences
}

fn compare(wanted: Option<&Value>, found: Option<&Value>, path: &str, out: &mut Vec<StateDifference>) {
    match (wanted, found) {
        (Some(Value::Object(wanted)), Some(Value::Object(found))) => {
            let inside = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            for (key, value) in wanted.iter() {
                compare(Some(value), found.get(key), &inside(key), out);
            }
            for (key, value) in found.iter().filter(|(key, _)| !wanted.contains_key(key)) {
                compare(None, Some(value), &inside(key), out);
            }
        }
        (Some(Value::Array(wanted)), Some(Value::Array(found))) => {
            for index in 0..wanted.len().max(found.len()) {
                compare(wanted.get(index), found.get(index), &format!("{path}[{index}]"), out);
            }
        }
        (wanted, found) if wanted == found => {}
        (wanted, found) => out.push(StateDifference {
            path: path.to_owned(),
            wanted: wanted.cloned(),
            found: found.cloned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::call;

    fn json(text: &str) -> Value {
        Value::parse_json(text).unwrap()
    }

    /// A list that can be added to; "x" is refused after the state was touched.
    fn list() -> MemoryEnvironment {
        let schema = json(r#"{"type":"object","properties":{"item":{"type":"string"}},"required":["item"]}"#);
        let start = json(r#"{"items": []}"#).as_object().unwrap().clone();
        MemoryEnvironment::new(start).with_tool(ToolDefinition::new("add", "", schema), |state, arguments| {
            let item = arguments.get("item").cloned().unwrap_or_default();
            let mut items = state.get("items").and_then(Value::as_array).unwrap_or_default().to_vec();
            items.push(item.clone());
            state.insert("items", items);
            if item.as_str() == Some("x") { Err(ToolError::failed("no x")) } else { Ok(item) }
        })
    }

    #[test]
    fn calls_change_the_state_and_failures_do_not() {
        let mut environment = list();
        assert_eq!(environment.call(&call("add", r#"{"item":"a"}"#)), Ok("a".into()));
        let after = environment.state();
        assert_eq!(after, json(r#"{"items": ["a"]}"#));
        for (call, error) in [
            (call("add", r#"{"item":"x"}"#), "no x"),
            (call("add", r#"{"item":5}"#), "`item` is of type integer"),
            (call("add", r#"{"other":"a"}"#), "`item` is required; `other` is not declared"),
            (call("remove", "{}"), "no tool is called `remove`"),
        ] {
            assert_eq!(environment.call(&call).unwrap_err().to_string(), error);
            assert_eq!(environment.state(), after);
        }
    }

    #[test]
    fn wanted_calls_lead_to_the_wanted_state() {
        let environment = list();
        let calls = [call("add", r#"{"item":"a"}"#), call("add", r#"{"item":"b"}"#)];
        assert_eq!(environment.state_after(&calls).unwrap(), json(r#"{"items": ["a", "b"]}"#));
        // The environment itself has not moved.
        assert_eq!(environment.state(), json(r#"{"items": []}"#));
        assert!(environment.state_after(&[call("add", "{}")]).is_err());
    }

    #[test]
    fn differences_are_found_where_they_are() {
        let wanted = json(r#"{"a": {"b": [1, {"c": 2}]}, "gone": 1, "same": [1, 2]}"#);
        let found = json(r#"{"same": [1, 2], "a": {"b": [1, {"c": 2.0}, 3]}, "new": null}"#);
        let differences: Vec<String> =
            state_differences(&wanted, &found).iter().map(ToString::to_string).collect();
        assert_eq!(
            differences,
            [
                "a.b[1].c: 2 wanted, 2.0 found",
                "a.b[2]: nothing wanted, 3 found",
                "gone: 1 wanted, nothing found",
                "new: nothing wanted, null found",
            ]
        );
        assert!(state_differences(&wanted, &wanted).is_empty());
        assert_eq!(state_differences(&json("1"), &json("[1]")).len(), 1);
    }
}
