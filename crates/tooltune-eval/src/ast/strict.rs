//! Calls compared under the Strict and Lenient profiles: all that is wrong with a call, and the best pairing of calls.

use tooltune_chat::{ToolCall, ToolDefinition, Value};

use super::compare::{Compare, first_difference};
use super::options::Profile;
use super::{
    Accepted, AstError, AstMatch, AstOptions, Category, GoldCall, Mismatch, ParameterSchema, SchemaError,
};
use crate::align::maximum_weight_matching;

/// The weight of a pair that matches; more than all parts of pairs that don't.
const EXACT: i64 = 1 << 40;
/// The weight of a pair of the same function with all parameters right but one that is too much.
const PARTIAL: i64 = 1 << 20;

impl AstOptions {
    /// The rules for values: Strict's, where the profile has none of its own.
    fn compare(&self) -> Compare {
        Compare::new(self.profile == Profile::Lenient, self.tuple_marker)
    }

    fn names_agree(&self, declared: &str, called: &str) -> bool {
        self.same_name(declared, called)
            || (self.profile == Profile::Lenient && letters(declared).eq(letters(called)))
    }
}

/// A name without case and punctuation.
fn letters(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase)
}

pub(super) fn find_tool<'a>(tools: &'a [ToolDefinition], name: &str) -> Option<&'a ToolDefinition> {
    tools.iter().find(|tool| tool.name == name)
}

/// Everything in which `call` differs from `gold`, in the order of the leaderboard's checks: the name, missing required
/// parameters, each parameter of the call, other missing parameters. Empty where the call matches.
///
/// `tool` is the declaration of the wanted function; without one, types are not checked. The Bfcl profile, which knows one
/// error at a time, is answered with Strict's rules.
#[must_use]
pub fn call_differences<'a>(
    tool: Option<&'a ToolDefinition>,
    gold: &'a GoldCall,
    call: &'a ToolCall,
    options: &AstOptions,
) -> Vec<Mismatch<'a>> {
    let mut found = Vec::new();
    visit_differences(tool, gold, call, options, &mut |mismatch| found.push(mismatch));
    found
}

fn visit_differences<'a>(
    tool: Option<&'a ToolDefinition>,
    gold: &'a GoldCall,
    call: &'a ToolCall,
    options: &AstOptions,
    visit: &mut dyn FnMut(Mismatch<'a>),
) {
    if !options.names_agree(&gold.name, &call.name) {
        return visit(Mismatch::new(AstError::WrongFuncName));
    }
    let compare = options.compare();
    let schema = ParameterSchema::new(tool.map(|tool| &tool.parameters));
    let is_missing = |name: &str, accepted: &Accepted| {
        !call.arguments.contains_key(name) && !may_be_left_out(compare, schema, name, accepted)
    };
    let missing = |kind, name, accepted: &'a Accepted| Mismatch {
        expected: accepted.values(),
        ..Mismatch::of_parameter(kind, name)
    };
    for (name, accepted) in gold.arguments() {
        if is_missing(name, accepted) && schema.requires(name) {
            visit(missing(AstError::MissingRequired, name, accepted));
        }
    }
    for (name, value) in call.arguments.iter() {
        let accepted = gold.accepted(name);
        let Err(kind) = check_parameter(compare, schema, name, value, accepted) else { continue };
        let expected = accepted.map_or(&[][..], Accepted::values);
        let path = accepted
            .and_then(|accepted| accepted.plain_values().next())
            .map_or_else(String::new, |wanted| first_difference(value, &wanted).0);
        visit(Mismatch { path, got: Some(value), expected, ..Mismatch::of_parameter(kind, name) });
    }
    for (name, accepted) in gold.arguments() {
        if is_missing(name, accepted) && !schema.requires(name) {
            visit(missing(AstError::MissingOptional, name, accepted));
        }
    }
}

/// The gold lets the parameter out, or leaving it out says what the gold accepts: the schema's default, or `null` where the
/// schema does not require the parameter.
fn may_be_left_out(compare: Compare, schema: ParameterSchema<'_>, name: &str, accepted: &Accepted) -> bool {
    let member = schema.member(name);
    accepted.may_be_omitted()
        || member.default().is_some_and(|default| compare.accepts(member, default, accepted))
        || (accepted.values().contains(&Value::Null) && !schema.requires(name))
}

fn check_parameter(
    compare: Compare,
    schema: ParameterSchema<'_>,
    name: &str,
    value: &Value,
    accepted: Option<&Accepted>,
) -> Result<(), AstError> {
    let declared = schema.property(name);
    let member = schema.member(name);
    let omits = || {
        let null = matches!(value, Value::Null) && !schema.requires(name);
        null || member.default().is_some_and(|default| compare.same_plain(member, value, default))
    };
    match (accepted, declared) {
        (Some(accepted), _) => {
            let result = compare.check(member, value, accepted);
            if result.is_err() && accepted.may_be_omitted() && omits() { Ok(()) } else { result }
        }
        (None, Some(_)) if omits() => Ok(()),
        (None, Some(member)) if compare.is_lenient() && member.violations(value).is_empty() => Ok(()),
        (None, _) => Err(AstError::UnexpectedParam),
    }
}

/// The parts of a pair that are right, as a weight.
fn weight(tool: Option<&ToolDefinition>, gold: &GoldCall, call: &ToolCall, options: &AstOptions) -> i64 {
    if !options.names_agree(&gold.name, &call.name) {
        return 0;
    }
    let mut wrong = 0_i64;
    // No path, no report: only the count is asked for.
    let compare = options.compare();
    let schema = ParameterSchema::new(tool.map(|tool| &tool.parameters));
    for (name, value) in call.arguments.iter() {
        wrong += i64::from(check_parameter(compare, schema, name, value, gold.accepted(name)).is_err());
    }
    let mut total = 1 + i64::try_from(call.arguments.len()).unwrap_or(PARTIAL);
    for (name, accepted) in gold.arguments() {
        if !call.arguments.contains_key(name) && !may_be_left_out(compare, schema, name, accepted) {
            wrong += 1;
            total += 1;
        }
    }
    if wrong == 0 { EXACT } else { 1 + PARTIAL * (total - wrong) / total }
}

/// For each of the `gold` calls the index of the call that stands for it, or `None`: the pairing in which most calls match
/// and the others are as similar as they can be. Only calls of the same function are paired.
///
/// Takes time in proportion to gold² × calls.
#[must_use]
pub fn align_calls(
    tools: &[ToolDefinition],
    gold: &[GoldCall],
    calls: &[ToolCall],
    options: &AstOptions,
) -> Vec<Option<usize>> {
    weights(tools, gold, calls, options).1
}

/// The weights of all pairs, and the pairing of most weight.
fn weights(
    tools: &[ToolDefinition],
    gold: &[GoldCall],
    calls: &[ToolCall],
    options: &AstOptions,
) -> (Vec<i64>, Vec<Option<usize>>) {
    let mut weights = Vec::with_capacity(gold.len().saturating_mul(calls.len()));
    for wanted in gold {
        let tool = find_tool(tools, &wanted.name);
        weights.extend(calls.iter().map(|call| weight(tool, wanted, call, options)));
    }
    let pairs = maximum_weight_matching(gold.len(), calls.len(), |g, c| weights[g * calls.len() + c]);
    (weights, pairs)
}

/// The verdict under Strict or Lenient on calls of which particular ones are wanted.
pub(super) fn match_calls<'a>(
    tools: &'a [ToolDefinition],
    gold: &'a [GoldCall],
    calls: &'a [ToolCall],
    category: Category,
    options: &AstOptions,
) -> AstMatch<'a> {
    let error = |mismatch| AstMatch { error: Some(mismatch), causes: Vec::new() };
    if !tools.is_empty()
        && let Some(index) = gold.iter().position(|gold| find_tool(tools, &gold.name).is_none())
    {
        let kind = AstError::Schema(SchemaError::ToolNotDeclared);
        return error(Mismatch::new(kind).at(Some(index), None));
    }
    if gold.len() != calls.len() {
        return error(Mismatch::new(AstError::WrongCount(category)));
    }
    if let ([gold], [call]) = (gold, calls) {
        let mut first = None;
        visit_differences(find_tool(tools, &gold.name), gold, call, options, &mut |mismatch| {
            first.get_or_insert(mismatch);
        });
        let error = first.map(|mismatch| named(mismatch, tools, call, options).at(Some(0), Some(0)));
        return AstMatch { error, causes: Vec::new() };
    }
    let (weights, pairs) = weights(tools, gold, calls, options);
    let exact = |g: usize, c: usize| weights[g * calls.len() + c] == EXACT;
    let unmatched = |g: &usize| !pairs[*g].is_some_and(|c| exact(*g, c));
    let Some(index) = (0..gold.len()).find(unmatched) else {
        let in_place = (0..gold.len()).find(|&g| options.ordered && !exact(g, g));
        let order = in_place.map(|index| Mismatch::new(AstError::WrongOrder).at(Some(index), pairs[index]));
        return AstMatch { error: order, causes: Vec::new() };
    };
    // A call that matches another wanted call is no candidate for this one.
    let mut taken = vec![false; calls.len()];
    for (g, c) in pairs.iter().enumerate().filter_map(|(g, c)| Some((g, (*c)?))) {
        taken[c] = exact(g, c);
    }
    let tool = find_tool(tools, &gold[index].name);
    let mut causes = Vec::new();
    for (c, call) in calls.iter().enumerate().filter(|(c, _)| !taken[*c]) {
        let mut first = None;
        visit_differences(tool, &gold[index], call, options, &mut |mismatch| {
            first.get_or_insert(mismatch);
        });
        causes.extend(first.map(|mismatch| named(mismatch, tools, call, options).at(Some(index), Some(c))));
    }
    let error = Mismatch::new(AstError::CannotFindMatch).at(Some(index), pairs[index]);
    AstMatch { error: Some(error), causes }
}

/// Tells a declared function that is not the wanted one from a function that no tool has.
fn named<'a>(
    mut mismatch: Mismatch<'a>,
    tools: &[ToolDefinition],
    call: &ToolCall,
    options: &AstOptions,
) -> Mismatch<'a> {
    let declared = || tools.iter().any(|tool| options.names_agree(&tool.name, &call.name));
    if mismatch.kind == AstError::WrongFuncName && !tools.is_empty() && !declared() {
        mismatch.kind = AstError::UnknownFunction;
    }
    mismatch
}
