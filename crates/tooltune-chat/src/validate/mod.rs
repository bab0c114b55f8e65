//! Arguments against the schema of their tool (feature `jsonschema`).

mod convert;
mod cost;
mod graph;
mod limits;
mod problem;

pub use limits::{MAX_SCHEMA_BYTES, MAX_SCHEMA_DEPTH};
pub use problem::{ArgumentProblem, ArgumentProblemKind, SchemaProblem};

use std::collections::HashMap;

use jsonschema::{PatternOptions, Validator};

use crate::{Error, MAX_DEPTH, Object, ToolCall, ToolDefinition, Value};
use convert::to_serde_json;
use cost::{Cost, Costs};

/// How much one pattern may need once compiled.
const MAX_PATTERN_BYTES: usize = 256 << 10;

/// Checks the arguments of calls.
///
/// Schemas are read as JSON Schema says, draft 2020-12 unless `$schema` names draft 2019-09, 7 or 6: so `5.0` is
/// valid for `integer` (reading it into a Rust integer refuses it, see [`ToolCall::arguments_as`]), `format` is a
/// remark, and keys that the schema does not name are allowed unless it says otherwise. Nothing is fetched:
/// a reference stays within its schema. Patterns are regular expressions without look-around, so that matching
/// takes linear time.
///
/// ```
/// use tooltune_chat::{ArgumentProblemKind, ArgumentValidator, Object, ToolCall, ToolDefinition, Value};
///
/// let schema = r#"{"type": "object", "properties": {"days": {"type": "integer"}}, "required": ["city"]}"#;
/// let tool = ToolDefinition::new("get_weather", "The weather in a city.", Value::parse_json(schema)?);
/// let validator = ArgumentValidator::new(&[tool])?;
/// let mut arguments = Object::new();
/// arguments.insert("days", "three");
/// let problems = validator.check(&ToolCall::new("get_weather", arguments)).unwrap_err();
/// assert_eq!(problems[0].kind, ArgumentProblemKind::MissingRequired { key: "city".to_owned() });
/// assert_eq!((problems[1].path.as_str(), problems[1].kind.name()), ("/days", "wrong type"));
/// # Ok::<(), tooltune_chat::Error>(())
/// ```
#[derive(Debug)]
pub struct ArgumentValidator {
    tools: HashMap<String, CheckedSchema>,
}

#[derive(Debug)]
struct CheckedSchema {
    validator: Validator,
    costs: Costs,
}

impl ArgumentValidator {
    /// Compiles the schemas of the tools.
    ///
    /// # Errors
    /// [`Error::BadTool`] where two tools have one name; [`Error::ToolSchema`] for a schema that is none or is
    /// beyond the limits: [`MAX_SCHEMA_BYTES`], [`MAX_SCHEMA_DEPTH`], references that leave it or go round in a
    /// circle, or more work than a check may take.
    pub fn new(tools: &[ToolDefinition]) -> Result<Self, Error> {
        let mut schemas = HashMap::new();
        for tool in tools {
            let schema = compile(&tool.parameters)
                .map_err(|problem| Error::ToolSchema { tool: tool.name.clone(), problem })?;
            if schemas.insert(tool.name.clone(), schema).is_some() {
                return Err(Error::BadTool { problem: "another tool has its name" });
            }
        }
        Ok(Self { tools: schemas })
    }

    /// Checks the arguments of a call; all problems are returned, in the order of the schema.
    ///
    /// An integer of more than 64 bits cannot be compared exactly and is a problem, as is anything that would take
    /// more work than a check may.
    ///
    /// # Errors
    /// The problems, at least one.
    pub fn check(&self, call: &ToolCall) -> Result<(), Vec<ArgumentProblem>> {
        let Some(schema) = self.tools.get(&call.name) else {
            return Err(vec![ArgumentProblem::unknown_tool(&call.name)]);
        };
        schema.costs.check(&call.arguments).map_err(|problem| vec![problem])?;
        let arguments = object_to_serde_json(&call.arguments).map_err(|problem| vec![problem])?;
        let mut problems = Vec::new();
        for error in schema.validator.iter_errors(&arguments) {
            problem::push(&mut problems, &error);
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

fn compile(schema: &Value) -> Result<CheckedSchema, SchemaProblem> {
    let costs = limits::check(schema)?;
    let schema = to_serde_json(schema).map_err(|path| SchemaProblem::Number { path })?;
    let validator = jsonschema::options()
        .offline()
        .should_validate_formats(false)
        .with_pattern_options(PatternOptions::regex().size_limit(MAX_PATTERN_BYTES))
        .build(&schema)
        .map_err(|error| SchemaProblem::invalid(&error))?;
    Ok(CheckedSchema { validator, costs })
}

fn object_to_serde_json(arguments: &Object) -> Result<serde_json::Value, ArgumentProblem> {
    let arguments = arguments.iter().map(|(key, value)| {
        let value = to_serde_json(value)
            .map_err(|path| ArgumentProblem::number(format!("/{}{path}", convert::escape(key))))?;
        Ok((key.to_owned(), value))
    });
    Ok(serde_json::Value::Object(arguments.collect::<Result<_, _>>()?))
}

impl Costs {
    /// Refuses arguments that would take too much work.
    fn check(&self, arguments: &Object) -> Result<(), ArgumentProblem> {
        let mut size = Size::default();
        if !arguments.iter().all(|(_, value)| size.add(value, 1)) {
            return Err(ArgumentProblem::too_much(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let allowed = self.at(size.depth).is_some_and(|cost| cost.allows(size.units));
        let message =
            || "the schema branches so often that checking these arguments takes too long".to_owned();
        if allowed { Ok(()) } else { Err(ArgumentProblem::too_much(message())) }
    }
}

/// What makes arguments large.
#[derive(Default)]
struct Size {
    /// Values, and text in pieces of this many bytes.
    units: u64,
    depth: usize,
}

const TEXT_UNIT_BYTES: usize = 16;

impl Size {
    /// Counts `value`; false where it is nested too deep.
    fn add(&mut self, value: &Value, depth: usize) -> bool {
        self.units += 1;
        self.depth = self.depth.max(depth);
        match value {
            _ if depth > MAX_DEPTH => false,
            Value::String(text) => {
                self.units += (text.len() / TEXT_UNIT_BYTES) as u64;
                true
            }
            Value::Array(items) => items.iter().all(|item| self.add(item, depth + 1)),
            Value::Object(object) => object.iter().all(|(_, item)| self.add(item, depth + 1)),
            _ => true,
        }
    }
}

impl Cost {
    /// The work that one check may take, in steps of some tens of nanoseconds.
    const MAX_WORK: u64 = 100_000_000;
    /// How deep a check may recurse; some hundreds of bytes of stack each.
    const MAX_STACK: u64 = 512;

    fn allows(self, units: u64) -> bool {
        self.stack <= Self::MAX_STACK && units.saturating_add(1).saturating_mul(self.steps) <= Self::MAX_WORK
    }
}
