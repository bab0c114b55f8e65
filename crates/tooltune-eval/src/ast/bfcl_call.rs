//! One call against one wanted call, as the leaderboard's checker compares them: the first error wins.
//!
//! The order: function name, missing required parameters in the schema's order, then for each parameter of the call in its
//! order: known?, type, value; and last the parameters that may not be left out.

use tooltune_chat::{Number, Object, ToolCall, ToolDefinition, Value};

use super::gold::is_marker;
use super::python::{PyType, Python};
use super::{
    Accepted, AstError, AstOptions, GoldCall, Mismatch, SchemaError,
    bfcl_value::{check_dict, check_list, check_list_of_dicts, check_text},
};

/// Compares `call` with `gold`; `tool` is the declaration of the wanted function.
pub(super) fn check_call<'a>(
    tool: Option<&'a ToolDefinition>,
    gold: &'a GoldCall,
    call: &'a ToolCall,
    options: &AstOptions,
) -> Result<(), Mismatch<'a>> {
    let fail = |error| Mismatch::new(AstError::Schema(error));
    let tool = tool.ok_or_else(|| fail(SchemaError::ToolNotDeclared))?;
    let schema = tool.parameters.as_object().ok_or_else(|| fail(SchemaError::NotASchema))?;
    let properties = schema.get("properties").ok_or_else(|| fail(SchemaError::MissingKey))?;
    let required = schema.get("required").ok_or_else(|| fail(SchemaError::MissingKey))?;
    if !options.same_name(&tool.name, &call.name) {
        return Err(Mismatch::new(AstError::WrongFuncName));
    }
    let properties = properties.as_object().ok_or_else(|| fail(SchemaError::NotASchema))?;
    let required = required.as_array().ok_or_else(|| fail(SchemaError::NotASchema))?;
    for name in required {
        let name = name.as_str().ok_or_else(|| fail(SchemaError::NotASchema))?;
        if !call.arguments.contains_key(name) {
            return Err(Mismatch::of_parameter(AstError::MissingRequired, name));
        }
    }
    let python = Python { tuples: options.tuple_marker };
    for (name, value) in call.arguments.iter() {
        let (Some(property), Some(accepted)) = (properties.get(name), gold.accepted(name)) else {
            return Err(Mismatch {
                got: Some(value),
                ..Mismatch::of_parameter(AstError::UnexpectedParam, name)
            });
        };
        check_parameter(python, property, accepted, value).map_err(|kind| Mismatch {
            got: Some(value),
            expected: accepted.values(),
            ..Mismatch::of_parameter(kind, name)
        })?;
    }
    for (name, accepted) in gold.arguments() {
        if !call.arguments.contains_key(name) && !accepted.may_be_omitted() {
            return Err(Mismatch {
                expected: accepted.values(),
                ..Mismatch::of_parameter(AstError::MissingOptional, name)
            });
        }
    }
    Ok(())
}

/// The type that the checker expects for a type of the schema. `any` is a text to it.
fn expected_type(schema: &Object) -> Result<(PyType, &str), SchemaError> {
    let name = schema.get("type").ok_or(SchemaError::MissingKey)?.as_str().ok_or(SchemaError::NotASchema)?;
    let expected = match name {
        "string" | "any" => PyType::Str,
        "integer" => PyType::Int,
        "float" => PyType::Float,
        "boolean" => PyType::Bool,
        "array" | "tuple" => PyType::List,
        "dict" => PyType::Dict,
        _ => return Err(SchemaError::UnknownType),
    };
    Ok((expected, name))
}

fn check_parameter(
    python: Python,
    property: &Value,
    accepted: &Accepted,
    value: &Value,
) -> Result<(), AstError> {
    let property = property.as_object().ok_or(AstError::Schema(SchemaError::NotASchema))?;
    let (expected, name) = expected_type(property).map_err(AstError::Schema)?;
    let nested = match expected {
        PyType::List => {
            let items = property.get("items").ok_or(AstError::Schema(SchemaError::MissingKey))?;
            let items = items.as_object().ok_or(AstError::Schema(SchemaError::NotASchema))?;
            Some(expected_type(items).map_err(AstError::Schema)?.0)
        }
        _ => None,
    };
    let float;
    let (value, mut found) = match value {
        Value::Number(number @ (Number::Int(_) | Number::BigInt(_))) if expected == PyType::Float => {
            float = coerced(number)?;
            (&float, PyType::Float)
        }
        _ => (value, python.type_of(value)),
    };
    if name == "tuple" && found == PyType::Tuple {
        found = PyType::List;
    }

    let wanted = python.first_type(accepted.values());
    let is_variable = check_type(python, (expected, nested), wanted, found, value, accepted)?;
    let items = python.items(value);
    match (expected, value, items) {
        _ if is_variable => {}
        (PyType::Dict, ..) => return check_dict(python, value, accepted),
        (PyType::List, _, Some(items)) if nested == Some(PyType::Dict) => {
            return check_list_of_dicts(python, items, accepted);
        }
        (PyType::List, _, Some(items)) => return check_list(python, items, accepted),
        (PyType::Str, Value::String(text), _) => return check_text(text, accepted),
        _ => {}
    }
    let among = accepted.values().iter().any(|option| python.equal(value, option));
    if among { Ok(()) } else { Err(AstError::OtherValue) }
}

/// Python's `float(integer)`.
fn coerced(number: &Number) -> Result<Value, AstError> {
    let float = number.to_f64();
    if !float.is_finite() {
        return Err(AstError::Schema(SchemaError::NumberTooLarge));
    }
    Ok(Value::Number(Number::Float(float)))
}

/// Checks the type of a value, and says whether the value counts as a variable: a stand-in of another type than the
/// schema's, as the first accepted answer is.
fn check_type(
    python: Python,
    (expected, nested): (PyType, Option<PyType>),
    wanted: Option<PyType>,
    found: PyType,
    value: &Value,
    accepted: &Accepted,
) -> Result<bool, AstError> {
    let mut nested_failed = false;
    if found == expected {
        let fits = match (nested, python.items(value)) {
            (Some(nested), Some(items)) => {
                accepted.values().iter().any(|option| python.items_fit(items, nested, option))
            }
            _ => true,
        };
        if fits {
            return Ok(wanted.is_some_and(|wanted| wanted != expected));
        }
        nested_failed = true;
    }
    match wanted {
        Some(wanted) if wanted == found && nested_failed => Err(AstError::NestedType),
        Some(wanted) if wanted == found => Ok(true),
        _ => Err(AstError::Type),
    }
}

impl Python {
    /// The type of the first accepted answer that is no mark of omission.
    fn first_type(self, options: &[Value]) -> Option<PyType> {
        options.iter().find(|option| !is_marker(option)).map(|option| self.type_of(option))
    }

    /// Every item is of the type `nested` or of that of the accepted list's first item; whatever is accepted that is no
    /// list fits all.
    fn items_fit(self, items: &[Value], nested: PyType, option: &Value) -> bool {
        let Value::Array(options) = option else { return true };
        let wanted = self.first_type(options);
        items.iter().all(|item| {
            let found = self.type_of(item);
            found == nested || Some(found) == wanted
        })
    }
}
