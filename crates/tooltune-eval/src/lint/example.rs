//! One example's gold answers against its tools.

use std::collections::HashSet;

use tooltune_chat::Value;

use super::{LintExample, LintFinding, LintKind};
use crate::ast::gold::is_marker;
use crate::ast::{Accepted, GoldCall, ParameterSchema, ViolationKind};

pub(super) fn lint_example(example: LintExample<'_>, findings: &mut Vec<LintFinding>) {
    let mut names = HashSet::new();
    for (index, tool) in example.tools.iter().enumerate() {
        if !names.insert(tool.name.as_str()) {
            findings.push(LintFinding {
                id: example.id.to_owned(),
                path: format!("tools[{index}]"),
                kind: LintKind::DuplicateTool,
                message: format!("a tool before is named {:?} too", tool.name),
            });
        }
    }
    for (index, gold) in example.gold.iter().enumerate() {
        let mut linter = Linter { id: example.id, path: format!("gold[{index}]"), findings };
        let tool = example.tools.iter().find(|tool| tool.name == gold.name);
        match tool {
            Some(tool) => linter.call(ParameterSchema::new(Some(&tool.parameters)), gold),
            None => {
                linter.report(LintKind::ToolNotDeclared, format!("no tool is named {:?}", gold.name));
                linter.report(LintKind::Unsatisfiable, "the wanted function can't be called".to_owned());
            }
        }
    }
}

struct Linter<'a> {
    id: &'a str,
    path: String,
    findings: &'a mut Vec<LintFinding>,
}

impl Linter<'_> {
    fn report(&mut self, kind: LintKind, message: String) {
        let (id, path) = (self.id.to_owned(), self.path.clone());
        self.findings.push(LintFinding { id, path, kind, message });
    }

    /// Runs `lint` at a place below.
    fn below(&mut self, step: &str, lint: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push_str(step);
        lint(self);
        self.path.truncate(length);
    }

    fn call(&mut self, schema: ParameterSchema<'_>, gold: &GoldCall) {
        for name in schema.required() {
            match gold.accepted(name) {
                None => {
                    let message = format!("the schema requires {name:?} and the gold accepts nothing for it");
                    self.report(LintKind::MissingRequired, message.clone());
                    self.report(LintKind::Unsatisfiable, message);
                }
                Some(accepted) if accepted.may_be_omitted() => {
                    let message = "the schema requires what the gold lets the model leave out".to_owned();
                    self.below(&format!(".{name}"), |linter| {
                        linter.report(LintKind::MissingRequired, message);
                    });
                }
                Some(_) => {}
            }
        }
        for (name, accepted) in gold.arguments() {
            self.below(&format!(".{name}"), |linter| linter.parameter(schema.property(name), accepted));
        }
    }

    fn parameter(&mut self, schema: Option<ParameterSchema<'_>>, accepted: &Accepted) {
        let Some(schema) = schema else {
            self.report(LintKind::UnknownParameter, "the schema does not declare it".to_owned());
            if !accepted.may_be_omitted() {
                self.report(LintKind::Unsatisfiable, "the gold demands what is not declared".to_owned());
            }
            return;
        };
        match accepted {
            Accepted::Exactly(value) => self.value(schema, value),
            Accepted::AnyOf(values) if values.is_empty() => {
                self.report(LintKind::Unsatisfiable, "the list of accepted values is empty".to_owned());
            }
            Accepted::AnyOf(values) => {
                for (index, value) in values.iter().enumerate().filter(|(_, value)| !is_marker(value)) {
                    self.below(&format!("[{index}]"), |linter| linter.alternatives(schema, value));
                }
            }
        }
    }

    /// An accepted value in the leaderboard's notation: the values of dicts are lists of accepted values.
    fn alternatives(&mut self, schema: ParameterSchema<'_>, value: &Value) {
        match value {
            Value::Object(dict) if schema.is_dict() => {
                for name in schema.required().filter(|name| !dict.contains_key(name)) {
                    self.report(LintKind::MissingRequired, format!("the schema requires the key {name:?}"));
                }
                for (key, options) in dict.iter() {
                    let member = schema.member(key);
                    self.below(&format!(".{key}"), |linter| {
                        if schema.declares_properties() && schema.property(key).is_none() {
                            let message = "the schema does not declare the key".to_owned();
                            linter.report(LintKind::UnknownParameter, message);
                        }
                        match options {
                            Value::Array(options) => {
                                for (index, option) in options.iter().enumerate() {
                                    if !is_marker(option) {
                                        linter
                                            .below(&format!("[{index}]"), |l| l.alternatives(member, option));
                                    }
                                }
                            }
                            other => linter.value(member, other),
                        }
                    });
                }
            }
            Value::Array(items) if schema.items().is_dict() && schema.allows_array() => {
                for (index, item) in items.iter().enumerate() {
                    self.below(&format!("[{index}]"), |linter| linter.alternatives(schema.items(), item));
                }
            }
            other => self.value(schema, other),
        }
    }

    /// A value as it stands.
    fn value(&mut self, schema: ParameterSchema<'_>, value: &Value) {
        for violation in schema.violations(value) {
            let (kind, message) = match violation.kind {
                ViolationKind::Type => {
                    (LintKind::TypeMismatch, "the schema does not allow a value of this type".to_owned())
                }
                ViolationKind::Enum => {
                    (LintKind::OutsideEnum, "the schema's enum does not have the value".to_owned())
                }
                ViolationKind::Missing => {
                    (LintKind::MissingRequired, "the schema requires the key".to_owned())
                }
                ViolationKind::Unknown => {
                    (LintKind::UnknownParameter, "the schema does not declare the key".to_owned())
                }
            };
            let message = format!("{message}: {}", value.to_json());
            self.below(&violation.path, |linter| linter.report(kind, message));
        }
    }
}
