//! The first command, at a small scale: it writes what it promises, twice the same; and bad input is refused with nothing written.
#![recursion_limit = "256"]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The example beside this test's own folder of binaries.
fn finetune(arguments: &[&str]) -> Output {
    let test = std::env::current_exe().expect("this test");
    let binary = test.parent().and_then(Path::parent).expect("a target folder").join("examples/finetune");
    Command::new(binary).args(arguments).output().expect("cargo test builds examples")
}

fn text(path: PathBuf) -> String {
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn two_runs_write_the_same_adapter() {
    let folder = TempDir::new().expect("a temporary folder");
    let run = |name: &str| {
        let out = folder.path().join(name);
        let output = finetune(&["--quick", "--out", out.to_str().expect("UTF-8")]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        out
    };
    let (first, second) = (run("first"), run("second"));
    let weights = |out: &Path| fs::read(out.join("adapter/adapter_model.safetensors")).expect("written");
    assert_eq!(weights(&first), weights(&second));
    assert!(text(first.join("adapter/adapter_config.json")).contains("\"peft_type\": \"LORA\""));
    assert!(text(first.join("report.md")).contains("exact_calls"));
    assert!(text(first.join("report.html")).starts_with("<!DOCTYPE html>"));
    let predictions = text(first.join("predictions.jsonl")).lines().count();
    assert!(predictions > 0 && text(first.join("failures.jsonl")).lines().count() <= predictions);
    assert!(text(first.join("loss.svg")).contains("<svg"));
    let metrics = text(first.join("metrics.jsonl"));
    let steps: Vec<serde_json::Value> =
        metrics.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(steps.len(), 3);
    for key in ["step", "epoch", "loss", "lr", "grad_norm", "tokens", "tokens_per_sec"] {
        assert!(steps.iter().all(|step| step[key].is_number()), "{key}");
    }
}

#[test]
fn bad_input_is_refused_and_nothing_is_written() {
    let folder = TempDir::new().expect("a temporary folder");
    let base = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/base");
    let file = |name: &str, content: &str| {
        fs::write(folder.path().join(name), content).expect("written");
        folder.path().join(name).to_str().expect("UTF-8").to_owned()
    };
    let good = concat!(env!("CARGO_MANIFEST_DIR"), "/data/openai.jsonl").to_owned();
    let cases = [
        (base, file("empty.jsonl", ""), "empty.jsonl"),
        (base, file("cut.jsonl", "{\"messages\": ["), "cut.jsonl:1"),
        (base, file("role.jsonl", r#"{"messages":[{"role":"wizard","content":"x"}]}"#), "wizard"),
        (
            base,
            file(
                "turn.jsonl",
                r#"{"messages":[{"role":"user","content":"x"},{"role":"model","content":"<tool_call>\n{\n</tool_call>"}]}"#,
            ),
            "turn.jsonl:1: message 1: a call",
        ),
        (base, folder.path().join("none.jsonl").to_str().expect("UTF-8").to_owned(), "none.jsonl"),
        ("/nowhere/at/all", good, "/nowhere/at/all"),
    ];
    let out = folder.path().join("out");
    for (model, data, named) in cases {
        let output = finetune(&["--model", model, "--data", &data, "--out", out.to_str().expect("UTF-8")]);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert_eq!(message.lines().filter(|line| line.starts_with("error:")).count(), 1, "{message}");
        assert!(message.contains(named), "{message}");
        assert!(!out.exists(), "{data} left something behind");
    }
}
