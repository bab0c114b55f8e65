//! Rows of `eval/conformance.jsonl` in the data folder, read into this crate's types.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses its part; bad rows should stop it")]

use std::path::{Path, PathBuf};

use tooltune_chat::{Hermes, Parsed, ToolCall, ToolCallFormat, ToolDefinition, Value};
use tooltune_eval::ast::{AstOptions, Category, GoldCall, ModelOutput, Profile};
use tooltune_eval::bfcl::decode_calls;

/// One row: what the checker was given, and what it said.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) tag: String,
    pub(crate) tools: Vec<ToolDefinition>,
    pub(crate) gold: Vec<GoldCall>,
    pub(crate) calls: Option<Vec<ToolCall>>,
    /// The text, where decoding failed and it is known.
    pub(crate) parsed: Option<Parsed>,
    pub(crate) category: Category,
    pub(crate) underscore_to_dot: bool,
    pub(crate) valid: bool,
    pub(crate) error_type: Option<String>,
    pub(crate) sub_error_types: Option<Vec<String>>,
    /// Severity and the preferred verdict, where the checker's is doubtful.
    pub(crate) divergence: Option<(String, bool, String)>,
}

impl Row {
    pub(crate) fn options(&self, profile: Profile) -> AstOptions {
        let mut options = AstOptions::new(profile).with_category(self.category);
        options.underscore_to_dot = self.underscore_to_dot;
        options.tuple_marker = true;
        options
    }

    pub(crate) fn output(&self) -> ModelOutput<'_> {
        match (&self.calls, &self.parsed) {
            (Some(calls), _) => ModelOutput::Calls(calls),
            (None, Some(parsed)) => match ModelOutput::from_parsed(parsed, &self.tools) {
                // The row says that its text can't be decoded.
                ModelOutput::Calls(_) => ModelOutput::Malformed,
                other => other,
            },
            (None, None) => ModelOutput::Malformed,
        }
    }

    /// The verdict to hold Strict to: the preferred one where there is one.
    pub(crate) fn preferred(&self) -> bool {
        self.divergence.as_ref().map_or(self.valid, |divergence| divergence.1)
    }

    pub(crate) fn severity(&self) -> &str {
        self.divergence.as_ref().map_or("none", |divergence| &divergence.0)
    }
}

pub(crate) fn data(file: &str) -> PathBuf {
    // The benchmarks include this file too, and their package lies elsewhere.
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("tests/data"));
    let folder = std::env::var_os("TOOLTUNE_DATA").map(PathBuf::from);
    let folder = folder.or_else(|| own().find(|folder| folder.is_dir()));
    folder.expect("tests/data lies in a folder above this package").join(file)
}

pub(crate) fn rows() -> Vec<Row> {
    let path = data("eval/conformance.jsonl");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e} (TOOLTUNE_DATA names the data folder)", path.display()));
    let rows: Vec<Row> = text
        .lines()
        .enumerate()
        .map(|(index, line)| {
            row(&Value::parse_json(line).unwrap_or_else(|e| panic!("{}:{}: {e}", path.display(), index + 1)))
        })
        .collect();
    assert!(!rows.is_empty(), "{} is empty", path.display());
    rows
}

fn row(row: &Value) -> Row {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let list = |key: &str| row.get(key).and_then(Value::as_array).unwrap_or_default();
    assert_eq!(text(row, "language").as_deref(), Some("python"), "only Python rows are known");
    let category: Category = text(row, "category").unwrap().parse().unwrap();
    let tools: Vec<ToolDefinition> =
        list("functions").iter().map(|tool| ToolDefinition::from_value(tool).unwrap()).collect();
    let gold = list("possible_answer").iter().map(|gold| GoldCall::from_bfcl(gold).unwrap()).collect();
    let expected = row.get("expected").unwrap();
    let strings = |value: &Value| {
        let items = value.as_array().unwrap().iter();
        items.map(|item| item.as_str().unwrap().to_owned()).collect()
    };
    let flag = |value: &Value, key: &str| value.get(key).and_then(Value::as_bool).unwrap();
    Row {
        id: text(row, "id").unwrap(),
        tag: text(row, "tag").unwrap(),
        calls: decode_calls(row.get("output").unwrap(), category),
        parsed: text(row, "raw").map(|raw| Hermes::json().parse(&raw)),
        underscore_to_dot: flag(row, "underscore_to_dot"),
        valid: flag(expected, "valid"),
        error_type: text(expected, "error_type"),
        sub_error_types: expected.get("sub_error_types").map(strings),
        divergence: row.get("known_divergence").map(|divergence| {
            let severity = text(divergence, "severity").unwrap();
            (severity, flag(divergence, "preferred_valid"), text(divergence, "why").unwrap())
        }),
        tools,
        gold,
        category,
    }
}
