//! The linter on hand-made examples and on the rows of `eval/conformance.jsonl`.

mod common;

use std::collections::BTreeMap;

use common::rows;
use tooltune_chat::{ToolDefinition, Value};
use tooltune_eval::ast::GoldCall;
use tooltune_eval::lint::{LintExample, LintKind, lint};

fn findings(schema: &str, gold: &str) -> Vec<(String, LintKind)> {
    let tools = [ToolDefinition::new("f", "", Value::parse_json(schema).expect("a schema"))];
    let gold = GoldCall::from_bfcl(&Value::parse_json(gold).expect("JSON")).expect("a gold answer");
    let findings = lint([LintExample { id: "x", tools: &tools, gold: &[gold] }]);
    assert!(findings.iter().all(|finding| finding.id == "x" && !finding.message.is_empty()));
    findings.into_iter().map(|finding| (finding.path, finding.kind)).collect()
}

const SCHEMA: &str = r#"{"type": "dict", "properties": {"a": {"type": "integer"},
    "u": {"type": "string", "enum": ["km", "mi"]}, "l": {"type": "array", "items": {"type": "float"}},
    "d": {"type": "dict", "properties": {"k": {"type": "string"}, "n": {"type": "integer"}}, "required": ["k"]}},
    "required": ["a"]}"#;

#[test]
fn sound_gold_has_no_findings() {
    let gold =
        r#"{"f": {"a": [1, 2], "u": ["", "km"], "l": [[1, 2.5], []], "d": [{"k": ["x"], "n": ["", 3]}]}}"#;
    assert_eq!(findings(SCHEMA, gold), []);
}

#[test]
fn each_kind_is_found_at_its_place() {
    use LintKind::{
        MissingRequired, OutsideEnum, ToolNotDeclared, TypeMismatch, UnknownParameter, Unsatisfiable,
    };
    for (gold, expected) in [
        (r#"{"g": {}}"#, vec![("gold[0]", ToolNotDeclared), ("gold[0]", Unsatisfiable)]),
        (r#"{"f": {}}"#, vec![("gold[0]", MissingRequired), ("gold[0]", Unsatisfiable)]),
        (r#"{"f": {"a": [1, ""]}}"#, vec![("gold[0].a", MissingRequired)]),
        (r#"{"f": {"a": []}}"#, vec![("gold[0].a", Unsatisfiable)]),
        (r#"{"f": {"a": [1], "z": ["", 1]}}"#, vec![("gold[0].z", UnknownParameter)]),
        (
            r#"{"f": {"a": [1], "z": [1]}}"#,
            vec![("gold[0].z", UnknownParameter), ("gold[0].z", Unsatisfiable)],
        ),
        (r#"{"f": {"a": [1, "1"]}}"#, vec![("gold[0].a[1]", TypeMismatch)]),
        (r#"{"f": {"a": [1], "u": ["km", "KM"]}}"#, vec![("gold[0].u[1]", OutsideEnum)]),
        (r#"{"f": {"a": [1], "l": [[1, "2"]]}}"#, vec![("gold[0].l[0][1]", TypeMismatch)]),
        (
            r#"{"f": {"a": [1], "d": [{"n": [1, "1"], "o": [1]}]}}"#,
            vec![
                ("gold[0].d[0]", MissingRequired),
                ("gold[0].d[0].n[1]", TypeMismatch),
                ("gold[0].d[0].o", UnknownParameter),
            ],
        ),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|(path, kind)| (path.to_owned(), kind)).collect();
        assert_eq!(findings(SCHEMA, gold), expected, "{gold}");
    }
}

#[test]
fn ids_and_tools_are_named_once() {
    let tool = ToolDefinition::new("f", "", Value::Null);
    let tools = [tool.clone(), tool];
    let example = LintExample { id: "1", tools: &tools, gold: &[] };
    let kinds: Vec<_> = lint([example, example]).iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [LintKind::DuplicateTool, LintKind::DuplicateId, LintKind::DuplicateTool]);
}

/// Where the data are marked as broken, the linter says why.
#[test]
fn broken_rows_are_found() {
    let rows = rows();
    let mut counts: BTreeMap<(LintKind, &str), usize> = BTreeMap::new();
    let mut broken = 0;
    for row in &rows {
        let findings = lint([LintExample { id: &row.id, tools: &row.tools, gold: &row.gold }]);
        for finding in &findings {
            *counts.entry((finding.kind, row.severity())).or_default() += 1;
        }
        if row.severity() == "data" {
            broken += 1;
            let found: Vec<_> = findings.iter().map(|finding| finding.kind).collect();
            println!("{} {}: {found:?}", row.id, row.tag);
            assert!(!found.is_empty(), "{}", row.id);
            if row.tag.contains("unsatisfiable") {
                assert!(found.contains(&LintKind::Unsatisfiable), "{}", row.id);
            }
        }
    }
    println!("lint: {broken} broken rows, findings {counts:?}");
    assert!(broken > 0);
}
