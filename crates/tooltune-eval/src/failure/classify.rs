//! The failure modes of one example.

use serde::Serialize;
use tooltune_chat::{DiagnosticKind, Message, ToolCall, ToolDefinition, Value};

use super::answer::{ignores_error, is_ungrounded};
use super::value::{Sources, value_fault};
use super::{FailureMode, ValueFault};
use crate::ast::{
    AstError, AstMatch, AstOptions, Category, GoldCall, Mismatch, ModelOutput, ParameterSchema, align_calls,
    ast_match, call_differences,
};
use crate::record::Record;

/// A failing example.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Failure {
    /// The example's id.
    pub id: String,
    /// The set that it belongs to.
    pub group: String,
    /// The mode that comes first in the order of [`FailureMode`].
    pub primary: FailureMode,
    /// Every mode, each once, in order; the primary one first.
    pub tags: Vec<FailureMode>,
    /// What was found, in the order of the calls.
    pub findings: Vec<Finding>,
}

/// One thing that is wrong with an example.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What kind of thing.
    pub mode: FailureMode,
    /// The wanted tool; where none is wanted, the one called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// The place inside the parameter's value.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// What the model wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub got: Option<Value>,
    /// What is accepted, in the gold's notation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expected: Vec<Value>,
}

impl Finding {
    fn new(mode: FailureMode, tool: Option<&str>) -> Self {
        let tool = tool.map(str::to_owned);
        Self { mode, tool, parameter: None, path: String::new(), got: None, expected: Vec::new() }
    }
}

/// What went wrong in an example; `None` where nothing did.
///
/// `conversation` is what the model answers, oldest message first; without it nothing is said about answers to tool results
/// and about where wrong values come from.
///
/// Calls fail exactly where [`ast_match`] under `options` says so, defects of the Bfcl profile included, so that failures
/// add up with the score; an answer to a tool result may fail besides. Where the declarations or the gold answer themselves
/// make no sense to the checker (see [`lint`](crate::lint)), the mode is [`FailureMode::UnusableGold`], and no tool is
/// blamed. Where `options` name no category, the record's counts.
#[must_use]
pub fn classify(record: &Record, conversation: &[Message], options: &AstOptions) -> Option<Failure> {
    let gold = record.gold_calls();
    let options = &record.options(options);
    let case = Case { record, gold: &gold, conversation, options };
    let mut findings = case.findings();
    let told = |f: &Finding| matches!(f.mode, FailureMode::Truncated | FailureMode::UnusableGold);
    if !findings.is_empty() && case.is_cut_off() && !findings.iter().any(told) {
        findings.push(Finding::new(FailureMode::Truncated, case.wanted_tool()));
    }
    let mut tags: Vec<_> = findings.iter().map(|finding| finding.mode).collect();
    tags.sort_unstable();
    tags.dedup();
    let primary = *tags.first()?;
    Some(Failure { id: record.id.clone(), group: record.group.clone(), primary, tags, findings })
}

struct Case<'a> {
    record: &'a Record,
    gold: &'a [GoldCall],
    conversation: &'a [Message],
    options: &'a AstOptions,
}

impl<'a> Case<'a> {
    fn findings(&self) -> Vec<Finding> {
        let tools = &self.record.tools;
        let parsed = &self.record.response.parsed;
        let output = ModelOutput::from_parsed(parsed, tools);
        let verdict = ast_match(tools, self.gold, output, self.options);
        let Some(error) = &verdict.error else {
            let answered = !matches!(output, ModelOutput::Calls([_, ..]));
            return if answered { self.answer_findings(&parsed.text) } else { Vec::new() };
        };
        if matches!(error.kind, AstError::Schema(_)) {
            return vec![Finding::new(FailureMode::UnusableGold, None)];
        }
        let mut findings = self.error_findings(output, &verdict);
        if findings.is_empty() {
            // No finer mode is known: as the checker has it.
            let mode = match error.kind {
                AstError::WrongFuncName => FailureMode::WrongTool,
                AstError::UnknownFunction => FailureMode::HallucinatedTool,
                AstError::MissingRequired | AstError::MissingOptional => FailureMode::MissingRequired,
                AstError::Irrelevance => FailureMode::OverCall,
                AstError::Relevance | AstError::DecoderFailed => FailureMode::NoCall,
                _ => FailureMode::WrongValue(None),
            };
            findings.push(Finding::new(mode, self.wanted_tool()));
        }
        findings
    }

    /// What is wrong where the matcher found an error.
    fn error_findings(&self, output: ModelOutput<'_>, verdict: &AstMatch<'_>) -> Vec<Finding> {
        let wanted = !self.gold.is_empty() || self.options.category == Some(Category::Relevance);
        match output {
            ModelOutput::Calls([]) | ModelOutput::NoAttempt if wanted => self.each_tool(FailureMode::NoCall),
            ModelOutput::Calls([]) | ModelOutput::NoAttempt => Vec::new(),
            ModelOutput::Malformed => {
                let mode = if self.is_cut_off() { FailureMode::Truncated } else { FailureMode::Malformed };
                let mut findings = self.each_tool(mode);
                if !wanted {
                    findings.push(Finding::new(FailureMode::OverCall, None));
                }
                findings
            }
            ModelOutput::Calls(calls) if !wanted => calls
                .iter()
                .flat_map(|call| {
                    let mut findings = vec![Finding::new(FailureMode::OverCall, Some(&call.name))];
                    findings.extend(self.hallucinated(call));
                    findings
                })
                .collect(),
            ModelOutput::Calls(calls) => self.call_findings(calls, verdict),
        }
    }

    /// A finding for each wanted tool, or one without a tool.
    fn each_tool(&self, mode: FailureMode) -> Vec<Finding> {
        if self.gold.is_empty() {
            return vec![Finding::new(mode, None)];
        }
        self.gold.iter().map(|gold| Finding::new(mode, Some(&gold.name))).collect()
    }

    fn wanted_tool(&self) -> Option<&str> {
        self.gold.first().map(|gold| gold.name.as_str())
    }

    /// The text ends before the model was done.
    fn is_cut_off(&self) -> bool {
        let response = &self.record.response;
        let inside =
            |kind: &DiagnosticKind| matches!(kind, DiagnosticKind::Truncated | DiagnosticKind::TruncatedCall);
        !response.stopped || response.parsed.diagnostics.iter().any(|diagnostic| inside(&diagnostic.kind))
    }

    fn answer_findings(&self, answer: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        if is_ungrounded(answer, self.conversation) {
            findings.push(Finding::new(FailureMode::UngroundedAnswer, None));
        }
        if ignores_error(answer, self.conversation) {
            findings.push(Finding::new(FailureMode::IgnoredError, None));
        }
        findings
    }

    /// The declaration of the tool that the gold or, where names are shown in another form, the model calls `name`.
    fn declared(&self, name: &str) -> Option<&'a ToolDefinition> {
        let tools = &self.record.tools;
        let exact = tools.iter().find(|tool| tool.name == name);
        exact.or_else(|| tools.iter().find(|tool| self.options.same_name(&tool.name, name)))
    }

    fn hallucinated(&self, call: &ToolCall) -> Option<Finding> {
        let unknown = !self.record.tools.is_empty() && self.declared(&call.name).is_none();
        unknown.then(|| Finding::new(FailureMode::HallucinatedTool, Some(&call.name)))
    }

    fn call_findings(&self, calls: &[ToolCall], verdict: &AstMatch<'_>) -> Vec<Finding> {
        let tools = &self.record.tools;
        let Some(error) = &verdict.error else { return Vec::new() };
        if error.kind == AstError::WrongOrder {
            return self.each_tool(FailureMode::Order);
        }
        let mut findings = Vec::new();
        if self.gold.is_empty() {
            // Any call would do, and one of these can't be made.
            let call = error.call.and_then(|index| calls.get(index));
            findings.extend(call.and_then(|call| self.hallucinated(call)));
            if findings.is_empty() {
                findings.extend(call.and_then(|call| self.finding(error, None, Some(&call.name))));
            }
            return findings;
        }
        if matches!(error.kind, AstError::WrongCount(_)) {
            findings.extend(self.each_tool(FailureMode::WrongCount));
        }
        let pairs = align_calls(tools, self.gold, calls, self.options);
        let mut spare: Vec<bool> = vec![true; calls.len()];
        for (gold, pair) in self.gold.iter().zip(&pairs) {
            let Some(call) = *pair else { continue };
            spare[call] = false;
            let differences = call_differences(self.declared(&gold.name), gold, &calls[call], self.options);
            findings.extend(differences.iter().filter_map(|m| self.finding(m, Some(gold), None)));
        }
        // What is left on both sides are calls of other functions.
        let mut left = calls.iter().zip(spare).filter_map(|(call, spare)| spare.then_some(call));
        for (gold, _) in self.gold.iter().zip(&pairs).filter(|(_, pair)| pair.is_none()) {
            let Some(call) = left.next() else { break };
            let unknown = self.hallucinated(call).is_some();
            let mode = if unknown { FailureMode::HallucinatedTool } else { FailureMode::WrongTool };
            findings.push(Finding::new(mode, Some(&gold.name)));
        }
        findings.extend(left.filter_map(|call| self.hallucinated(call)));
        if findings.is_empty() {
            // The Bfcl profile refuses what Strict accepts.
            let errors =
                if verdict.causes.is_empty() { std::slice::from_ref(error) } else { &verdict.causes };
            let gold = |m: &Mismatch<'_>| m.gold.and_then(|index| self.gold.get(index));
            findings.extend(errors.iter().filter_map(|m| self.finding(m, gold(m), None)).next());
        }
        findings
    }

    /// The mode of a mismatch; `None` where it says nothing about arguments.
    fn finding(
        &self,
        mismatch: &Mismatch<'_>,
        gold: Option<&GoldCall>,
        called: Option<&str>,
    ) -> Option<Finding> {
        let tool = gold.map(|gold| gold.name.as_str()).or(called);
        let parameter = mismatch.parameter?;
        let declaration = tool.and_then(|name| self.declared(name));
        let schema = ParameterSchema::new(declaration.map(|tool| &tool.parameters));
        let mode = match mismatch.kind {
            AstError::MissingRequired | AstError::MissingOptional => FailureMode::MissingRequired,
            AstError::UnexpectedParam if schema.property(parameter).is_none() => {
                FailureMode::HallucinatedParam
            }
            AstError::Type | AstError::NestedType => FailureMode::WrongType,
            AstError::Enum => FailureMode::Enum,
            _ => self.value_mode(mismatch, gold, parameter, schema.member(parameter)),
        };
        Some(Finding {
            parameter: Some(parameter.to_owned()),
            path: mismatch.path.clone(),
            got: mismatch.got.cloned(),
            expected: mismatch.expected.to_vec(),
            ..Finding::new(mode, tool)
        })
    }

    fn value_mode(
        &self,
        mismatch: &Mismatch<'_>,
        gold: Option<&GoldCall>,
        parameter: &str,
        schema: ParameterSchema<'_>,
    ) -> FailureMode {
        let Some(got) = mismatch.got else { return FailureMode::WrongValue(None) };
        if schema.enum_values().is_some_and(|values| !values.contains(got)) {
            return FailureMode::Enum;
        }
        let wanted: Vec<Value> = gold
            .and_then(|gold| gold.accepted(parameter))
            .map(|accepted| accepted.plain_values().collect())
            .unwrap_or_default();
        let arguments: Vec<&Value> = gold
            .iter()
            .flat_map(|gold| gold.arguments())
            .filter(|(name, _)| *name != parameter)
            .flat_map(|(_, accepted)| accepted.values())
            .collect();
        let sources = Sources { conversation: self.conversation, arguments: &arguments };
        let fault: Option<ValueFault> = value_fault(parameter, got, &wanted, sources);
        FailureMode::WrongValue(fault)
    }
}
