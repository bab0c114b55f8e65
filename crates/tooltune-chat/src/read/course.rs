//! The course's layout: tools and results as text between tags.

use super::MessageProblem;
use crate::value::{JsonOptions, LiteralOptions, MAX_DEPTH, parse_literal_prefix, parse_prefix};
use crate::{JsonError, Value};

const TOOLS_START: &str = "<tools>";
const TOOLS_END: &str = "</tools>";
const RESULT_START: &str = "<tool_response>";
const RESULT_END: &str = "</tool_response>";

/// Takes the declarations out of a system text: the text without them, and the declarations.
///
/// The course's prose names the tags (`within <tools></tools> XML tags`), so only a start tag that a bracket
/// follows begins a list. The lists are JSON or Python literals: an array, or objects one after the other.
pub(super) fn tools_in_system_text(text: &str) -> Result<(String, Vec<Value>), MessageProblem> {
    let mut kept = String::new();
    let mut tools = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(TOOLS_START) {
        let body = rest[start + TOOLS_START.len()..].trim_start();
        if !body.starts_with(['[', '{']) {
            let end = start + TOOLS_START.len();
            kept.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        kept.push_str(&rest[..start]);
        let mut list = body;
        while !list.starts_with(TOOLS_END) {
            let (value, bytes) = value_prefix(list).map_err(MessageProblem::ToolsSyntax)?;
            match value {
                Value::Array(items) => tools.extend(items),
                value => tools.push(value),
            }
            list = list[bytes..].trim_start();
        }
        rest = &list[TOOLS_END.len()..];
    }
    kept.push_str(rest);
    Ok((kept, tools))
}

/// A JSON value or a Python literal at the start of a text, with the bytes it takes.
fn value_prefix(text: &str) -> Result<(Value, usize), JsonError> {
    let json = match parse_prefix(text, &JsonOptions::default()) {
        Ok(parsed) => return Ok(parsed),
        Err(error) => error,
    };
    // Found leniently, then read strictly: a data file is not repaired.
    let options = LiteralOptions { max_depth: MAX_DEPTH, stops: &[] };
    let literal = parse_literal_prefix(text, &options).map_err(|literal| {
        // The one that read further knows better what is wrong.
        if json.offset > literal.offset { json.clone() } else { literal }
    })?;
    let value = Value::parse_python(&text[..literal.end])?;
    Ok((value, literal.end))
}

/// Takes the results out of the text of a tool message; text without the tags is one result.
pub(super) fn results_in_tool_text(text: &str) -> Result<Vec<String>, MessageProblem> {
    let mut rest = text.trim();
    if !rest.starts_with(RESULT_START) {
        return Ok(vec![text.to_owned()]);
    }
    let mut results = Vec::new();
    while let Some(body) = rest.strip_prefix(RESULT_START) {
        let end = body.find(RESULT_END);
        let end = end.ok_or(MessageProblem::ResultWithoutEnd)?;
        let result = body[..end].strip_prefix('\n').unwrap_or(&body[..end]);
        results.push(result.strip_suffix('\n').unwrap_or(result).to_owned());
        rest = body[end + RESULT_END.len()..].trim_start();
    }
    if rest.is_empty() { Ok(results) } else { Err(MessageProblem::TextAfterResult) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_come_out_of_the_system_text() {
        let text = "Use functions within <tools></tools> tags. <tools> [{'name': 'f', 'description': \"it's </tools>\"}]\n\
             </tools> Call:\n<tool_call>\n{tool_call}\n</tool_call>";
        let (kept, tools) = tools_in_system_text(text).unwrap();
        assert_eq!(
            kept,
            "Use functions within <tools></tools> tags.  Call:\n<tool_call>\n{tool_call}\n</tool_call>"
        );
        assert_eq!(tools.len(), 1);
        assert_eq!(tools[0].get("description").and_then(Value::as_str), Some("it's </tools>"));
        let error = tools_in_system_text("<tools>[{'name': f()}]</tools>").unwrap_err().to_string();
        assert!(error.contains("`f` is not a literal"), "{error}");
        let lines = "<tools>\n{\"name\": \"a\"}\n{\"name\": \"b\"}\n</tools>";
        assert_eq!(tools_in_system_text(lines).unwrap().1.len(), 2);
    }

    #[test]
    fn results_come_out_of_their_tags() {
        let two = "<tool_response>\n{'t': 1}\n</tool_response>\n<tool_response>\nx\n</tool_response>";
        assert_eq!(results_in_tool_text(two).unwrap(), ["{'t': 1}", "x"]);
        assert_eq!(results_in_tool_text(" plain ").unwrap(), [" plain "]);
        assert!(results_in_tool_text("<tool_response>x").is_err());
        assert!(results_in_tool_text("<tool_response>x</tool_response> and").is_err());
    }
}
