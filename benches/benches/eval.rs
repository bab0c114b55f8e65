//! Judging calls against accepted answers: every row of the conformance data (`TOOLTUNE_DATA`, or the project's own few), and many parallel calls.
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tooltune_benches::group;
use tooltune_chat::{Object, ToolCall, ToolDefinition, Value};
use tooltune_eval::ast::{AstOptions, GoldCall, ModelOutput, Profile, ast_match};

#[path = "../../crates/tooltune-eval/tests/common/mod.rs"]
mod common;

fn conformance(criterion: &mut Criterion) {
    let rows = common::rows();
    let mut group = group(criterion, "eval/ast_match");
    group.throughput(Throughput::Elements(rows.len() as u64));
    for profile in [Profile::Bfcl, Profile::Strict, Profile::Lenient] {
        let options: Vec<AstOptions> = rows.iter().map(|row| row.options(profile)).collect();
        group.bench_function(format!("{}_{}_rows", profile.as_str(), rows.len()), |b| {
            b.iter(|| {
                for (row, options) in rows.iter().zip(&options) {
                    black_box(ast_match(&row.tools, &row.gold, row.output(), options).valid());
                }
            });
        });
    }
    group.finish();
}

fn parallel(criterion: &mut Criterion) {
    const CALLS: i64 = 64;
    let schema = r#"{"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}"#;
    let tools = [ToolDefinition::new("f", "", Value::parse_json(schema).expect("valid JSON"))];
    let call = |x: i64| {
        let mut arguments = Object::new();
        arguments.insert("x", x);
        ToolCall::new("f", arguments)
    };
    let wanted: Vec<GoldCall> = (0..CALLS).map(|x| GoldCall::from(&call(x))).collect();
    let made: Vec<ToolCall> = (0..CALLS).rev().map(call).collect();
    let options = AstOptions::new(Profile::Strict);
    assert!(ast_match(&tools, &wanted, ModelOutput::Calls(&made), &options).valid());
    let mut group = group(criterion, "eval/ast_match_parallel");
    group.bench_function(format!("strict_{CALLS}_calls_reversed"), |b| {
        b.iter(|| ast_match(black_box(&tools), &wanted, ModelOutput::Calls(&made), &options).valid());
    });
    group.finish();
}

criterion_group!(benches, conformance, parallel);
criterion_main!(benches);
