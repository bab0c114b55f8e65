//! A tag and what it says.

use crate::ToolCallFormat;

/// A tag that is to become one token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolToken {
    /// The tag, as `<tool_call>`.
    pub text: String,
    /// What the tag says in ordinary words, as `start of a tool call`: the token's row begins as the mean of the
    /// rows of these words. Descriptions must differ.
    pub description: String,
}

impl ToolToken {
    /// A tag with its description.
    pub fn new(text: impl Into<String>, description: impl Into<String>) -> Self {
        Self { text: text.into(), description: description.into() }
    }

    /// The tags of a call format ([`ToolCallFormat::special_tokens`]), described by what their names say:
    /// `</tool_call>` is the `end of a tool call`, `[TOOL_CALLS]` are `the tool calls`.
    #[must_use]
    pub fn of_format(format: &dyn ToolCallFormat) -> Vec<Self> {
        let tags = format.special_tokens();
        tags.iter().map(|tag| Self::new(*tag, describe(tag, tags))).collect()
    }

    /// The eight tokens of the agents course, the last two misspelt as the course publishes them: its data says
    /// `<tool_response>`, which stays in pieces. For reproducing the course with [`Added::course`](super::Added).
    ///
    /// The course begins all of its rows with the mean of the whole embedding, that is, equal; the descriptions
    /// here do not.
    #[must_use]
    pub fn course() -> Vec<Self> {
        let tags = [
            "<tools>",
            "</tools>",
            "<think>",
            "</think>",
            "<tool_call>",
            "</tool_call>",
            "<tool_reponse>",
            "</tool_reponse>",
        ];
        let meant = tags.map(|tag| tag.replace("reponse", "response"));
        let meant: Vec<&str> = meant.iter().map(String::as_str).collect();
        tags.iter().zip(&meant).map(|(tag, meant_tag)| Self::new(*tag, describe(meant_tag, &meant))).collect()
    }
}

/// What the name of a tag says. Tags that have an end say whether they are the start or the end.
fn describe(tag: &str, tags: &[&str]) -> String {
    let name = tag.trim_matches(|c: char| !c.is_alphanumeric());
    let words: Vec<String> = name
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let is_end = |tag: &str| tag.chars().find(|c| c.is_alphanumeric() || *c == '/') == Some('/');
    let same_name = |other: &&&str| other.trim_matches(|c: char| !c.is_alphanumeric()) == name;
    let side = match words.first().map(String::as_str) {
        Some(side @ ("start" | "begin" | "end")) if words.len() > 1 => Some(side),
        _ if is_end(tag) => Some("end"),
        _ if tags.iter().filter(same_name).count() > 1 => Some("start"),
        _ => None,
    };
    let words =
        if side == words.first().map(String::as_str) && side.is_some() { &words[1..] } else { &words[..] };
    let what = match words {
        [] => return format!("the mark {tag}"),
        [word] if word == "think" => "the thinking".to_owned(),
        [.., last] if last.ends_with('s') => format!("the {}", words.join(" ")),
        _ => format!("a {}", words.join(" ")),
    };
    side.map_or(what.clone(), |side| format!("{side} of {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hermes;

    #[test]
    fn names_describe_themselves() {
        let hermes = ToolToken::of_format(&Hermes::json());
        let said = |tag: &str| hermes.iter().find(|token| token.text == tag).unwrap().description.clone();
        assert_eq!(said("<tool_call>"), "start of a tool call");
        assert_eq!(said("</tool_call>"), "end of a tool call");
        assert_eq!(said("<tools>"), "start of the tools");
        assert_eq!(said("</think>"), "end of the thinking");
        let mistral = ["[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"];
        let said: Vec<_> = mistral.iter().map(|tag| describe(tag, &mistral)).collect();
        assert_eq!(said, ["the tool calls", "start of the tool results", "end of the tool results"]);
        assert_eq!(describe("<start_function_call>", &[]), "start of a function call");
        assert_eq!(describe("<|python_tag|>", &[]), "a python tag");
        assert_eq!(describe("<|>", &[]), "the mark <|>");
        let course = ToolToken::course();
        assert_eq!(course[6], ToolToken::new("<tool_reponse>", "start of a tool response"));
    }
}
