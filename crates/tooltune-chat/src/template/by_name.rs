//! Templates by their names.

use std::sync::Arc;

use super::{
    ChatMl, ChatTemplate, Course, FunctionGemmaTemplate, Gemma2, Gemma2Tools, Llama31Template,
    MistralInstruct, MistralVersion,
};
use crate::format::ToolCallFormat;

/// The chat template of this name, as [`ChatTemplate::name`] gives it; `None` for a name that none has.
///
/// `format` takes the place of the call format that the template has of its own, in those that let one choose:
/// `gemma2-tools`, `chatml` and `llama-3.1`. The others ignore it.
///
/// ```
/// use tooltune_chat::{Mistral, template_by_name};
///
/// let template = template_by_name("gemma2-tools", Some(std::sync::Arc::new(Mistral::v3())));
/// assert_eq!(template.map(|template| template.name().to_owned()).as_deref(), Some("gemma2-tools"));
/// assert!(template_by_name("morse", None).is_none());
/// ```
#[must_use]
pub fn template_by_name(
    name: &str,
    format: Option<Arc<dyn ToolCallFormat>>,
) -> Option<Box<dyn ChatTemplate>> {
    let template: Box<dyn ChatTemplate> = match name {
        "gemma2" => Box::new(Gemma2::default()),
        "gemma2-tools" => Box::new(format.map_or_else(Gemma2Tools::default, Gemma2Tools::new)),
        "course" => Box::new(Course::default()),
        "chatml" => Box::new(format.map_or_else(ChatMl::default, ChatMl::new)),
        "llama-3.1" => Box::new(format.map_or_else(Llama31Template::default, Llama31Template::new)),
        "functiongemma" => Box::new(FunctionGemmaTemplate::default()),
        _ => {
            let version = MistralVersion::ALL.into_iter().find(|version| version.as_str() == name)?;
            Box::new(MistralInstruct::new(version))
        }
    };
    Some(template)
}

/// The names that [`template_by_name`] knows.
pub const TEMPLATE_NAMES: [&str; 14] = [
    "gemma2",
    "gemma2-tools",
    "course",
    "mistral-v1-spm",
    "mistral-v2-spm",
    "mistral-v3-spm",
    "mistral-v3-tekken",
    "mistral-v7-spm",
    "mistral-v7-tekken",
    "mistral-v11-tekken",
    "mistral-v13-tekken",
    "chatml",
    "llama-3.1",
    "functiongemma",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_that_of_its_template() {
        for name in TEMPLATE_NAMES {
            assert_eq!(template_by_name(name, None).map(|t| t.name().to_owned()).as_deref(), Some(name));
        }
        for version in MistralVersion::ALL {
            assert!(TEMPLATE_NAMES.contains(&version.as_str()));
        }
    }
}
