//! Examples that want no call, or any.

use tooltune_chat::{ToolCall, ToolDefinition};

use super::options::Profile;
use super::schema::ViolationKind;
use super::{AstError, AstMatch, AstOptions, Category, Mismatch, ModelOutput, ParameterSchema};

/// The verdict on an example of category irrelevance or relevance.
pub(super) fn match_relevance<'a>(
    tools: &'a [ToolDefinition],
    output: ModelOutput<'a>,
    category: Category,
    options: &AstOptions,
) -> AstMatch<'a> {
    let bfcl = options.profile == Profile::Bfcl;
    let error = match (category, output) {
        (Category::Relevance, ModelOutput::Calls(calls)) if !calls.is_empty() => {
            if bfcl {
                None
            } else {
                calls.iter().enumerate().find_map(|call| misfit(tools, call, options))
            }
        }
        (Category::Relevance, _) => Some(Mismatch::new(AstError::Relevance)),
        (_, ModelOutput::Calls(calls)) if !calls.is_empty() => Some(Mismatch::new(AstError::Irrelevance)),
        // The leaderboard credits an attempt that can't be read as silence.
        (_, ModelOutput::Malformed) if !bfcl => Some(Mismatch::new(AstError::Irrelevance)),
        _ => None,
    };
    AstMatch { error, causes: Vec::new() }
}

/// Why a call that is wanted by its existence alone can't be made.
fn misfit<'a>(
    tools: &'a [ToolDefinition],
    (index, call): (usize, &'a ToolCall),
    options: &AstOptions,
) -> Option<Mismatch<'a>> {
    if tools.is_empty() {
        return None;
    }
    let at = |mismatch: Mismatch<'a>| Some(mismatch.at(None, Some(index)));
    let Some(tool) = tools.iter().find(|tool| options.same_name(&tool.name, &call.name)) else {
        return at(Mismatch::new(AstError::UnknownFunction));
    };
    let schema = ParameterSchema::new(Some(&tool.parameters));
    if let Some(name) = schema.required().find(|name| !call.arguments.contains_key(name)) {
        return at(Mismatch::of_parameter(AstError::MissingRequired, name));
    }
    for (name, value) in call.arguments.iter() {
        let found = |kind| Mismatch { got: Some(value), ..Mismatch::of_parameter(kind, name) };
        let Some(member) = schema.property(name) else {
            return at(found(AstError::UnexpectedParam));
        };
        if let Some(violation) = member.violations(value).into_iter().next() {
            let kind = match violation.kind {
                ViolationKind::Type if violation.path.is_empty() => AstError::Type,
                ViolationKind::Type => AstError::NestedType,
                ViolationKind::Enum => AstError::Enum,
                ViolationKind::Missing | ViolationKind::Unknown => AstError::DictKey,
            };
            return at(Mismatch { path: violation.path, ..found(kind) });
        }
    }
    None
}
