//! The verdict on the calls of an example.

use tooltune_chat::{ToolCall, ToolDefinition};

use super::bfcl_call::check_call;
use super::options::Profile;
use super::relevance::match_relevance;
use super::strict::{find_tool, match_calls};
use super::{AstError, AstMatch, AstOptions, Category, GoldCall, Mismatch, ModelOutput, SchemaError};

/// Judges what a model put out against the wanted calls.
///
/// `tools` are the declarations, in the leaderboard's dialect or in JSON Schema; the Bfcl profile knows the former only
/// and answers the other, as its original does, with [`AstError::Schema`]. Takes polynomial time: gold² × calls pairs at
/// worst, and each pair in proportion to its size.
pub fn ast_match<'a>(
    tools: &'a [ToolDefinition],
    gold: &'a [GoldCall],
    output: ModelOutput<'a>,
    options: &AstOptions,
) -> AstMatch<'a> {
    let category = options.category.unwrap_or_else(|| Category::infer(tools.len(), gold.len()));
    if !category.has_gold() {
        return match_relevance(tools, output, category, options);
    }
    let error = |kind| AstMatch { error: Some(Mismatch::new(kind)), causes: Vec::new() };
    let calls = match output {
        ModelOutput::Calls(calls) => calls,
        ModelOutput::NoAttempt => return error(AstError::DecoderFailed),
        ModelOutput::Malformed => return error(AstError::WrongOutputFormat),
    };
    match options.profile {
        Profile::Bfcl if category.is_parallel() => match_parallel(tools, gold, calls, category, options),
        Profile::Bfcl => {
            AstMatch { error: match_single(tools, gold, calls, category, options).err(), causes: Vec::new() }
        }
        Profile::Strict | Profile::Lenient if gold.is_empty() => {
            error(AstError::Schema(SchemaError::NothingDeclared))
        }
        Profile::Strict | Profile::Lenient => match_calls(tools, gold, calls, category, options),
    }
}

/// One call, as the leaderboard checks it. In a simple example the first tool is the wanted one, whatever its name.
fn match_single<'a>(
    tools: &'a [ToolDefinition],
    gold: &'a [GoldCall],
    calls: &'a [ToolCall],
    category: Category,
    options: &AstOptions,
) -> Result<(), Mismatch<'a>> {
    let wrong_count = || Mismatch::new(AstError::WrongCount(category));
    let nothing = || Mismatch::new(AstError::Schema(SchemaError::NothingDeclared));
    if category == Category::Multiple && calls.len() != gold.len() {
        return Err(wrong_count());
    }
    if category == Category::Simple && calls.len() != 1 {
        return Err(wrong_count());
    }
    let (call, gold) = (calls.first().ok_or_else(nothing)?, gold.first().ok_or_else(nothing)?);
    let tool = match category {
        Category::Multiple => find_tool(tools, &gold.name),
        _ => Some(tools.first().ok_or_else(nothing)?),
    };
    check_call(tool, gold, call, options).map_err(|mismatch| mismatch.at(Some(0), Some(0)))
}

/// Several calls, as the leaderboard pairs them: each wanted call takes the first call that fits it.
fn match_parallel<'a>(
    tools: &'a [ToolDefinition],
    gold: &'a [GoldCall],
    calls: &'a [ToolCall],
    category: Category,
    options: &AstOptions,
) -> AstMatch<'a> {
    let error = |mismatch| AstMatch { error: Some(mismatch), causes: Vec::new() };
    if gold.len() != calls.len() {
        return error(Mismatch::new(AstError::WrongCount(category)));
    }
    let mut taken = vec![false; calls.len()];
    let mut causes = Vec::new();
    for (g, wanted) in gold.iter().enumerate() {
        let tool = find_tool(tools, &wanted.name);
        causes.clear();
        let mut found = false;
        for (c, call) in calls.iter().enumerate() {
            if taken[c] {
                continue;
            }
            match check_call(tool, wanted, call, options) {
                Ok(()) => {
                    (taken[c], found) = (true, true);
                    break;
                }
                // The original stops with an exception.
                Err(mismatch) if matches!(mismatch.kind, AstError::Schema(_)) => {
                    return error(mismatch.at(Some(g), Some(c)));
                }
                Err(mismatch) => causes.push(mismatch.at(Some(g), Some(c))),
            }
        }
        if !found {
            let unmatched = Mismatch::new(AstError::CannotFindMatch).at(Some(g), None);
            return AstMatch { error: Some(unmatched), causes };
        }
    }
    AstMatch::default()
}
