//! The arguments of a call as a Rust type.

use serde::de::DeserializeOwned;

use super::deserializer::ValueDeserializer;
use crate::{Error, ToolCall, Value};

impl ToolCall {
    /// Reads the arguments into a type.
    ///
    /// Numbers are exact or refused:
    /// - `5.0` is not an integer; `5` is a float;
    /// - integers of up to 128 bits fit the type that has room for them; larger ones fit none;
    /// - an integer that a float type cannot hold exactly is refused, and so is a float beyond `f32` for an `f32`.
    ///
    /// (Where serde buffers a value, as for `#[serde(untagged)]` and `#[serde(flatten)]`, integers are limited to 64
    /// bits and become floats as serde converts them.) Arguments that the type does not name are ignored, unless
    /// it says `#[serde(deny_unknown_fields)]`.
    ///
    /// ```
    /// use serde::Deserialize;
    /// use tooltune_chat::{ToolCall, Value};
    ///
    /// #[derive(Deserialize)]
    /// struct Weather {
    ///     city: String,
    ///     days: Option<u8>,
    /// }
    ///
    /// let arguments = Value::parse_json(r#"{"city": "Paris", "days": 300}"#)?;
    /// let call = ToolCall::new("get_weather", arguments.as_object().cloned().unwrap_or_default());
    /// let error = call.arguments_as::<Weather>().err().map(|error| error.to_string());
    /// assert_eq!(
    ///     error.as_deref(),
    ///     Some("the arguments of \"get_weather\" at /days: invalid value: integer `300`, expected u8")
    /// );
    /// # Ok::<(), tooltune_chat::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Arguments`], naming the tool, the place and what is expected there.
    pub fn arguments_as<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let arguments = Value::Object(self.arguments.clone());
        T::deserialize(ValueDeserializer(&arguments)).map_err(|error| Error::Arguments {
            tool: self.name.clone(),
            path: error.pointer(),
            problem: error.message,
        })
    }
}
