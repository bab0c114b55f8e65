//! A declaration from a Rust type.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};

use crate::{Error, Object, ToolDefinition, Value};

impl ToolDefinition {
    /// Declares a tool whose arguments are the fields of a type.
    ///
    /// The schema is the one that `schemars` derives, made short for a prompt: parts that it keeps under `$defs` are
    /// written where they are used (only types that contain themselves stay there), and `$schema`, titles and the
    /// names of Rust's number types are left out. Without a description the type's doc comment is the tool's.
    ///
    /// ```
    /// use schemars::JsonSchema;
    /// use serde::Deserialize;
    /// use tooltune_chat::{Object, ToolCall, ToolDefinition};
    ///
    /// /// The weather in a city.
    /// #[derive(Deserialize, JsonSchema)]
    /// struct GetWeather {
    ///     /// Where.
    ///     city: String,
    ///     #[serde(default)]
    ///     unit: Unit,
    /// }
    ///
    /// #[derive(Debug, Default, Deserialize, PartialEq, JsonSchema)]
    /// #[serde(rename_all = "lowercase")]
    /// enum Unit {
    ///     #[default]
    ///     Celsius,
    ///     Fahrenheit,
    /// }
    ///
    /// let tool = ToolDefinition::from_type::<GetWeather>("get_weather", None)?;
    /// assert_eq!(tool.description, "The weather in a city.");
    /// let city = tool.parameters.get("properties").and_then(|properties| properties.get("city"));
    /// assert_eq!(city.map(|city| city.to_json()).as_deref(), Some(r#"{"type": "string", "description": "Where."}"#));
    ///
    /// let mut arguments = Object::new();
    /// arguments.insert("city", "Oslo");
    /// let arguments: GetWeather = ToolCall::new("get_weather", arguments).arguments_as()?;
    /// assert_eq!((arguments.city.as_str(), arguments.unit), ("Oslo", Unit::Celsius));
    /// # Ok::<(), tooltune_chat::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BadTool`] where the name is empty or the type is not an object: arguments have names.
    pub fn from_type<T: JsonSchema>(
        name: impl Into<String>,
        description: Option<&str>,
    ) -> Result<Self, Error> {
        let name = name.into();
        if name.is_empty() {
            return Err(Error::BadTool { problem: "it has no name" });
        }
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.meta_schema = None;
            settings.inline_subschemas = true;
        });
        let mut schema = settings.into_generator().into_root_schema_for::<T>();
        RecursiveTransform(clean).transform(&mut schema);
        let Ok(Value::Object(mut parameters)) = from_serde_json(schema.as_value()) else {
            return Err(Error::BadTool { problem: "the schema of its type is not an object" });
        };
        if parameters.get("type").and_then(Value::as_str) != Some("object") {
            return Err(Error::BadTool { problem: "its type is not an object with named arguments" });
        }
        let documented = parameters.remove("description");
        let documented = documented.as_ref().and_then(Value::as_str).unwrap_or_default();
        let description = description.unwrap_or(documented).to_owned();
        if !parameters.contains_key("properties") {
            parameters.insert("properties", Object::new());
        }
        Ok(Self::new(name, description, parameters))
    }
}

fn clean(schema: &mut Schema) {
    schema.remove("title");
    // The formats of numbers are the names of Rust types, as `uint32`; the limits that matter stand beside them.
    let is_number = |name: &serde_json::Value| name == "integer" || name == "number";
    let numeric = match schema.get("type") {
        Some(serde_json::Value::Array(names)) => names.iter().any(is_number),
        Some(name) => is_number(name),
        None => false,
    };
    if numeric {
        schema.remove("format");
    }
}

/// Numbers go through their text, so that they are exact whatever Cargo features `serde_json` has.
fn from_serde_json(value: &serde_json::Value) -> Result<Value, Error> {
    Ok(match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(b) => Value::Bool(*b),
        serde_json::Value::Number(number) => Value::parse_json(&number.to_string())?,
        serde_json::Value::String(s) => Value::String(s.clone()),
        serde_json::Value::Array(items) => {
            Value::Array(items.iter().map(from_serde_json).collect::<Result<_, _>>()?)
        }
        serde_json::Value::Object(object) => {
            let entries = object.iter().map(|(key, item)| Ok((key.clone(), from_serde_json(item)?)));
            Value::Object(entries.collect::<Result<_, Error>>()?)
        }
    })
}
