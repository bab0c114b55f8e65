//! Formats by their names.

use super::{FunctionGemma, Hermes, Llama31, Mistral, OpenAi, Pythonic, ToolCallFormat};

/// The call format of this name, as [`ToolCallFormat::name`] gives it; `None` for a name that none has.
///
/// ```
/// use tooltune_chat::format_by_name;
///
/// assert_eq!(format_by_name("hermes").map(|format| format.name().to_owned()).as_deref(), Some("hermes"));
/// assert!(format_by_name("morse").is_none());
/// ```
#[must_use]
pub fn format_by_name(name: &str) -> Option<Box<dyn ToolCallFormat>> {
    let format: Box<dyn ToolCallFormat> = match name {
        "hermes" => Box::new(Hermes::json()),
        "hermes-python" => Box::new(Hermes::python()),
        "mistral" => Box::new(Mistral::v3()),
        "mistral-v11" => Box::new(Mistral::v11()),
        "llama-3.1" => Box::new(Llama31::default()),
        "pythonic" => Box::new(Pythonic),
        "functiongemma" => Box::new(FunctionGemma::default()),
        "gemma4" => Box::new(FunctionGemma::gemma4()),
        "openai" => Box::new(OpenAi),
        _ => return None,
    };
    Some(format)
}

/// The names that [`format_by_name`] knows.
pub const FORMAT_NAMES: [&str; 9] = [
    "hermes",
    "hermes-python",
    "mistral",
    "mistral-v11",
    "llama-3.1",
    "pythonic",
    "functiongemma",
    "gemma4",
    "openai",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_that_of_its_format() {
        for name in FORMAT_NAMES {
            assert_eq!(format_by_name(name).map(|format| format.name().to_owned()).as_deref(), Some(name));
        }
    }
}
