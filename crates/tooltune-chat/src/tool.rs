//! Tools: what may be called, a call, a result.

use serde::{Deserialize, Serialize};

use crate::{Error, Object, Value};

/// A function that the model may call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolDefinition {
    /// The function's name.
    pub name: String,
    /// What it does, for the model to read.
    pub description: String,
    /// The JSON schema of its arguments: an object schema with `properties` and `required`.
    pub parameters: Value,
}

impl ToolDefinition {
    /// A tool from its parts.
    pub fn new(
        name: impl Into<String>,
        description: impl Into<String>,
        parameters: impl Into<Value>,
    ) -> Self {
        Self { name: name.into(), description: description.into(), parameters: parameters.into() }
    }

    /// Reads a declaration: OpenAI's `{"type": "function", "function": {…}}` or the bare inner object.
    ///
    /// A missing description is the empty string and missing parameters are a schema without properties.
    ///
    /// # Errors
    /// Where `value` is not such an object or has no name.
    pub fn from_value(value: &Value) -> Result<Self, Error> {
        Self::from_value_with_extra(value).map(|(tool, _)| tool)
    }

    /// As [`ToolDefinition::from_value`], with the keys that a [`ToolDefinition`] has no place for.
    pub(crate) fn from_value_with_extra(value: &Value) -> Result<(Self, Vec<String>), Error> {
        let bad = |problem: &'static str| Error::BadTool { problem };
        let outer = value.as_object().ok_or_else(|| bad("it is not an object"))?;
        let (inner, mut extra) = match outer.get("function") {
            Some(Value::Object(inner)) => {
                let extra = outer.keys().filter(|k| !matches!(*k, "type" | "function"));
                (inner, extra.map(str::to_owned).collect())
            }
            _ => (outer, Vec::new()),
        };
        let name = inner.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| bad("it has no `name`"))?;
        let description = match inner.get("description") {
            None | Some(Value::Null) => "",
            Some(Value::String(text)) => text,
            Some(_) => return Err(bad("its `description` is not a string")),
        };
        let parameters = match inner.get("parameters") {
            None | Some(Value::Null) => Value::Object(empty_schema()),
            Some(schema @ Value::Object(_)) => schema.clone(),
            Some(_) => return Err(bad("its `parameters` are not an object")),
        };
        let known = ["type", "name", "description", "parameters"];
        extra.extend(inner.keys().filter(|key| !known.contains(key)).map(str::to_owned));
        Ok((Self::new(name, description, parameters), extra))
    }

    /// The declaration in OpenAI's form, [`ToolSchemaStyle::Full`].
    #[must_use]
    pub fn to_value(&self) -> Value {
        ToolSchemaStyle::Full.write(self)
    }
}

fn empty_schema() -> Object {
    let mut schema = Object::new();
    schema.insert("type", "object");
    schema.insert("properties", Object::new());
    schema
}

/// How a tool's declaration is written into the prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ToolSchemaStyle {
    /// OpenAI's function object with the whole JSON schema:
    /// `{"type": "function", "function": {"name": …, "description": …, "parameters": {…}}}`.
    #[default]
    Full,
    /// A short form for small models, `{"name": …, "description": …, "parameters": {"city": "string",
    /// "unit": ["c", "f"], "tags": "string[]", "note?": "string"}}`: a type name, an enum as its values, an
    /// object as its own parameters, `?` after what is optional. Descriptions of parameters are left out.
    Compact,
}

impl ToolSchemaStyle {
    /// Writes the declaration of `tool`.
    #[must_use]
    pub fn write(self, tool: &ToolDefinition) -> Value {
        let mut function = Object::new();
        function.insert("name", tool.name.as_str());
        function.insert("description", tool.description.as_str());
        match self {
            Self::Full => {
                function.insert("parameters", tool.parameters.clone());
                let mut outer = Object::new();
                outer.insert("type", "function");
                outer.insert("function", function);
                outer.into()
            }
            Self::Compact => {
                function.insert("parameters", compact_properties(&tool.parameters));
                function.into()
            }
        }
    }
}

fn compact_properties(schema: &Value) -> Value {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object);
    let short = properties.into_iter().flat_map(Object::iter).map(|(name, property)| {
        let mark = if required.contains(&name) { "" } else { "?" };
        (format!("{name}{mark}"), compact_type(property))
    });
    Value::Object(short.collect())
}

/// A schema the short form has no words for is written in full, so that nothing is lost silently.
fn compact_type(schema: &Value) -> Value {
    if let Some(values @ Value::Array(_)) = schema.get("enum") {
        return values.clone();
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("object") if schema.get("properties").is_some() => compact_properties(schema),
        Some("array") => match schema.get("items").map(compact_type) {
            Some(Value::String(item)) => Value::String(item + "[]"),
            Some(item) => Value::Array(vec![item]),
            None => "array".into(),
        },
        Some(name) => name.into(),
        None => schema.clone(),
    }
}

/// A call that the model makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The id that a result refers to; formats that have no ids leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The name of the function.
    pub name: String,
    /// The arguments by name.
    pub arguments: Object,
}

impl ToolCall {
    /// A call without an id.
    pub fn new(name: impl Into<String>, arguments: Object) -> Self {
        Self { id: None, name: name.into(), arguments }
    }

    /// `{"name": …, "arguments": {…}}`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut call = Object::new();
        call.insert("name", self.name.as_str());
        call.insert("arguments", self.arguments.clone());
        call.into()
    }
}

/// What a tool answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The id of the call it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// The name of the function that was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The answer, as text.
    pub content: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_style_is_short_and_marks_what_is_optional() {
        let schema = r#"{"type": "object", "properties": {"city": {"type": "string", "description": "Where"},
            "unit": {"type": "string", "enum": ["c", "f"]}, "tags": {"type": "array", "items": {"type": "string"}},
            "note": {"type": "string"}, "at": {"type": "object", "properties": {"lat": {"type": "number"}},
            "required": ["lat"]}}, "required": ["city", "unit", "tags", "at"]}"#;
        let tool = ToolDefinition::new("weather", "Weather.", Value::parse_json(schema).unwrap());
        assert_eq!(
            ToolSchemaStyle::Compact.write(&tool).to_json(),
            r#"{"name": "weather", "description": "Weather.", "parameters": {"city": "string", "unit": ["c", "f"], "#
                .to_owned()
                + r#""tags": "string[]", "note?": "string", "at": {"lat": "number"}}}"#
        );
        assert_eq!(ToolDefinition::from_value(&tool.to_value()).unwrap(), tool);
    }
}
