//! A merged folder: what is in it, where it comes from, and that nothing is written over.
#![recursion_limit = "256"]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use burn::tensor::{DType, Device};
use tempfile::TempDir;
use tooltune::chat::{
    Added, Hermes, HfTokenizer, TextTokenizer, TokenizerFiles, ToolToken, ToolTokenStrategy,
};
use tooltune::gemma2::Gemma2;
use tooltune::lm::{CausalLm, TokenBatch};
use tooltune::lora::{AdapterWeights, InitialRow, LoraConfig, add_tokens, attach};

const BASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/base");

/// The example beside this test's own folder of binaries.
fn merge(base: &Path, adapter: &Path, out: &Path, others: &[&str]) -> Output {
    let test = std::env::current_exe().expect("this test");
    let binary = test.parent().and_then(Path::parent).expect("a target folder").join("examples/merge");
    let mut command = Command::new(binary);
    command.arg("--model").arg(base).arg("--adapter").arg(adapter).arg("--out").arg(out).args(others);
    command.output().expect("cargo test builds examples")
}

fn model(folder: &Path) -> Gemma2 {
    Gemma2::from_pretrained(folder, DType::F32, &Device::flex()).expect("loads")
}

fn logits<M: CausalLm>(model: &M, ids: &[u32]) -> Vec<f32> {
    model.forward(&TokenBatch::single(ids)).into_data().as_slice::<f32>().expect("f32").to_vec()
}

fn json(path: &Path) -> serde_json::Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

/// A copy of the base, with a generation_config.json that says something of its own.
fn copied_base(folder: &Path) {
    fs::create_dir(folder).expect("made");
    for entry in fs::read_dir(BASE).expect("there").flatten() {
        fs::copy(entry.path(), folder.join(entry.file_name())).expect("copied");
    }
    fs::write(folder.join("generation_config.json"), r#"{"eos_token_id": 1, "temperature": 0.3}"#)
        .expect("written");
    fs::write(folder.join("tokenizer.model"), "sentencepiece").expect("written");
    fs::write(folder.join("tokenizer_config.json"), r#"{"model_max_length": 512}"#).expect("written");
}

#[test]
fn the_folder_is_complete_and_never_written_over() {
    let folder = TempDir::new().expect("a temporary folder");
    let (base, adapter, out) =
        (folder.path().join("base"), folder.path().join("adapter"), folder.path().join("out"));
    copied_base(&base);
    let config = LoraConfig { r: 2, ..LoraConfig::default() };
    let adapted = attach(model(&base), &config, 1).expect("attaches");
    AdapterWeights::of(&adapted, &config).save(&adapter).expect("saved");
    let output = merge(&base, &adapter, &out, &["--max-shard-size", "1MB"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tokenizer = HfTokenizer::from_file(out.join("tokenizer.json")).expect("copied");
    let stops: Vec<u32> = ["<eos>", "<end_of_turn>"]
        .iter()
        .map(|token| tokenizer.control_id(token).expect("Gemma's"))
        .collect();
    let generation = json(&out.join("generation_config.json"));
    assert_eq!(generation, serde_json::json!({"eos_token_id": stops, "temperature": 0.3}));
    for name in ["tokenizer.json", "tokenizer.model", "tokenizer_config.json"] {
        assert_eq!(
            fs::read(out.join(name)).expect("copied"),
            fs::read(base.join(name)).expect("there"),
            "{name}"
        );
    }
    assert_eq!(json(&out.join("config.json"))["tie_word_embeddings"], true);
    let index = json(&out.join("model.safetensors.index.json"));
    assert!(index["weight_map"].as_object().expect("an object").len() > 1);
    let ids: Vec<u32> = (2..40).collect();
    assert_eq!(logits(&model(&out), &ids), logits(&adapted, &ids), "a fresh adapter changes nothing");

    let output = merge(&base, &adapter, &out, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("another folder"));
    let output = merge(&base, &adapter, &base, &[]);
    assert_eq!(output.status.code(), Some(1), "the base is not written over");
    let names = fs::read_dir(folder.path()).expect("there").flatten().count();
    assert_eq!(names, 3, "nothing temporary is left");
}

#[test]
fn added_tool_tokens_bring_their_tokenizer_and_their_rows() {
    let folder = TempDir::new().expect("a temporary folder");
    let (base, adapter, out) =
        (folder.path().join("base"), folder.path().join("adapter"), folder.path().join("out"));
    copied_base(&base);
    let files = TokenizerFiles::from_folder(&base).expect("reads");
    // Tags that the small base does not have.
    let mut tokens = ToolToken::of_format(&Hermes::json());
    tokens.truncate(2);
    for (token, text) in tokens.iter_mut().zip(["<first_new_tag>", "<second_new_tag>"]) {
        token.text = text.to_owned();
    }
    assert_eq!(tokens.len(), 2);
    let tuned = Added::default().apply(&files, &tokens).expect("applies");
    let rows: Vec<InitialRow> =
        tuned.rows.iter().map(|row| InitialRow { id: row.id, from_ids: row.from_ids.clone() }).collect();
    let larger = add_tokens(model(&base), &rows, 3).expect("grows");
    let config = LoraConfig {
        r: 2,
        trainable_token_indices: rows.iter().map(|row| row.id).collect(),
        ..LoraConfig::default()
    };
    let adapted = attach(larger, &config, 1).expect("attaches");
    AdapterWeights::of(&adapted, &config).save(&adapter).expect("saved");
    tuned.files.save(&adapter).expect("saved");

    let output = merge(&base, &adapter, &out, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tokenizer = HfTokenizer::from_file(out.join("tokenizer.json")).expect("copied");
    for row in &tuned.rows {
        assert_eq!(tokenizer.control_id(&row.token), Some(row.id));
    }
    assert!(!out.join("tokenizer.model").exists(), "it cannot hold the new tokens");
    let merged = model(&out);
    assert_eq!(merged.config.vocab_size, model(&base).config.vocab_size + 2);
    let ids: Vec<u32> = (2..20).chain(rows.iter().map(|row| row.id)).collect();
    assert_eq!(logits(&merged, &ids), logits(&adapted, &ids));
}
