//! The leaderboard's form of a decoded model output.

use tooltune_chat::{ToolCall, Value};

use crate::ast::Category;

/// The calls in a decoded output, `[{"name": {"parameter": value, …}}, …]`; `None` where it has another form.
///
/// Where the question is whether a call was made at all (relevance and irrelevance), `[{}]` is no call, as in the
/// leaderboard; where particular calls are wanted, it has another form.
#[must_use]
pub fn decode_calls(output: &Value, category: Category) -> Option<Vec<ToolCall>> {
    let items = output.as_array()?;
    if let ([Value::Object(only)], false) = (items, category.has_gold())
        && only.is_empty()
    {
        return Some(Vec::new());
    }
    let decode = |item: &Value| {
        let mut functions = item.as_object()?.iter();
        let (Some((name, arguments)), None) = (functions.next(), functions.next()) else { return None };
        Some(ToolCall::new(name, arguments.as_object()?.clone()))
    };
    items.iter().map(decode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lists_of_single_functions_are_calls() {
        let decode = |text: &str, category| {
            let calls = decode_calls(&Value::parse_json(text).unwrap(), category)?;
            Some(calls.iter().map(|call| call.name.clone()).collect::<Vec<_>>())
        };
        assert_eq!(
            decode(r#"[{"f": {"a": 1}}, {"g": {}}]"#, Category::Simple),
            Some(vec!["f".into(), "g".into()])
        );
        assert_eq!(decode("[]", Category::Simple), Some(vec![]));
        assert_eq!(decode("[{}]", Category::Irrelevance), Some(vec![]));
        for other in ["[{}]", "null", "{}", r#"["f()"]"#, r#"[{"f": []}]"#, r#"[{"f": {}, "g": {}}]"#] {
            assert_eq!(decode(other, Category::Parallel), None, "{other}");
        }
    }
}
