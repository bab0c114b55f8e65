//! Does a text call a tool in a syntax that its format does not know?

use tooltune_chat::ToolDefinition;

/// Whether `text` calls one of `tools` in some syntax: the tool's name as a whole word, and then an opening bracket, as
/// in `get_weather(city="Paris"`, or between quotes, as in `name="get_weather"` and `{"get_weather": …`.
///
/// It tells an attempt from prose where a format saw no attempt. It is a rule of thumb: prose that quotes a tool's name
/// counts as an attempt, and an attempt at a tool that was not declared is not seen.
#[must_use]
pub fn looks_like_call(text: &str, tools: &[ToolDefinition]) -> bool {
    let names = tools.iter().map(|tool| tool.name.as_str()).filter(|name| !name.is_empty());
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    names.into_iter().any(|name| {
        text.match_indices(name).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + name.len()..].chars().next();
            match (before, after) {
                (Some(before), _) if is_word(before) => false,
                (Some(before @ ('"' | '\'')), Some(after)) => before == after,
                (_, Some('(')) => true,
                _ => false,
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use tooltune_chat::Value;

    use super::*;

    #[test]
    fn a_name_with_a_bracket_or_in_quotes_is_an_attempt() {
        let tools = [ToolDefinition::new("get_time", "", Value::Null)];
        for text in ["[get_time(zone=", "tool: {\"name\": \"get_time\"", "<invoke name='get_time'>"] {
            assert!(looks_like_call(text, &tools), "{text}");
        }
        for text in ["I can't get_time.", "forget_time(1)", "get_times(1)", "f(x)", "", "I'd use 'get_time"] {
            assert!(!looks_like_call(text, &tools), "{text}");
        }
    }
}
