//! Tool tags as single tokens, from the option to the files that others load.
#![recursion_limit = "256"]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use burn::tensor::{DType, Device, Tensor};
use serde_json::Value;
use tempfile::TempDir;
use tooltune::chat::{
    Added, Conversation, Hermes, HfTokenizer, TextTokenizer, TokenizerFiles, ToolCall, ToolCallFormat,
    ToolToken, ToolTokenStrategy,
};
use tooltune::gemma2::Gemma2;
use tooltune::lm::{CausalLm, MapProjections, TokenBatch};
use tooltune::lora::AdapterWeights;
use tooltune_examples::dialect::{Choice, Dialect, Preset, Schema};
use tooltune_examples::input::{Pretrained, embedded_base};
use tooltune_examples::scoring::decode;
use tooltune_examples::synthetic::{CallingData, Split};
use tooltune_examples::tool_tokens::{ToolTokenError, ToolTokens, ToolVocabulary};

/// The example `name` beside this test's own folder of binaries.
fn example(name: &str, arguments: &[&str]) -> Output {
    let test = std::env::current_exe().expect("this test");
    let folder = test.parent().and_then(Path::parent).expect("a target folder").join("examples");
    Command::new(folder.join(name)).args(arguments).output().expect("cargo test builds examples")
}

fn run(name: &str, arguments: &[&str]) {
    let output = example(name, arguments);
    assert!(output.status.success(), "{name} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn json(path: PathBuf) -> Value {
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

fn data(name: &str) -> String {
    format!("{}/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn fixed() -> Dialect {
    Dialect::new(Choice { preset: Preset::Fixed, schema: Schema::Compact })
}

fn hermes_tags() -> Vec<String> {
    Hermes::json().special_tokens().iter().map(|tag| (*tag).to_owned()).collect()
}

fn logits(model: &Gemma2, ids: &[u32]) -> Vec<f32> {
    model.forward(&TokenBatch::single(ids)).into_data().as_slice::<f32>().expect("f32").to_vec()
}

fn loads(base: &Path, adapter: &Path, dialect: &Dialect) -> Pretrained {
    Pretrained::load_adapted(base, Some(adapter), dialect, DType::F32, &Device::flex()).expect("loads")
}

/// Features that speak against a consumer in `export_report.json`.
fn features(adapter: &Path, consumer: &str) -> Vec<String> {
    let report = json(adapter.join("export_report.json"));
    let list = report["consumers"].as_array().expect("a list");
    let entry = list.iter().find(|entry| entry["consumer"] == consumer).expect("the consumer");
    let reasons = entry["reasons"].as_array().expect("a list").iter();
    reasons.map(|reason| reason["feature"].as_str().expect("a name").to_owned()).collect()
}

/// The merged folder computes what base, adapter and what lies beside it compute.
fn merged_is_the_same(base: &Path, adapter: &Path, out: &Path, dialect: &Dialect, ids: &[u32]) -> Gemma2 {
    let adapted = loads(base, adapter, dialect);
    run("merge", &["--model", utf8(base), "--adapter", utf8(adapter), "--out", utf8(out)]);
    let merged = Pretrained::load(out, dialect, DType::F32, &Device::flex()).expect("loads");
    assert_eq!(merged.model.config.vocab_size, adapted.model.config.vocab_size);
    assert_eq!(logits(&merged.model, ids), logits(&adapted.model, ids));
    assert_eq!(merged.tokenizer.controls(), adapted.tokenizer.controls());
    merged.model
}

#[test]
fn added_tags_are_trained_rows_and_every_consumer_is_told() {
    let folder = TempDir::new().expect("a temporary folder");
    let (out, base) = (folder.path().join("out"), embedded_base());
    let adapter = out.join("adapter");
    let arguments = ["--quick", "--eval-limit", "0", "--out", utf8(&out)];
    run("finetune", &[&arguments[..], &["--tool-tokens", "added"]].concat());

    let published = Gemma2::from_pretrained(&base, DType::F32, &Device::flex()).expect("loads");
    let vocab = u32::try_from(published.config.vocab_size).expect("small");
    let tags = hermes_tags();
    let tokenizer = HfTokenizer::from_file(adapter.join("tokenizer.json")).expect("written");
    let ids: Vec<u32> = tags.iter().map(|tag| tokenizer.control_id(tag).expect("a token")).collect();
    assert_eq!(ids, (vocab..).take(tags.len()).collect::<Vec<_>>());
    let weights = AdapterWeights::load(&adapter, &Device::flex()).expect("loads");
    assert_eq!(weights.config.trainable_token_indices, ids);
    let rows = weights.token_rows.clone().expect("trained rows");
    assert_eq!(rows.dims(), [tags.len(), published.config.hidden_size]);

    // They began as the means of their descriptions' rows, and have moved, but not far in three steps.
    let files = TokenizerFiles::from_folder(&base).expect("reads");
    let described = Added::default().apply(&files, &ToolToken::of_format(&Hermes::json())).expect("applies");
    let table = published.embedding().weight.val();
    for (index, row) in described.rows.iter().enumerate() {
        let begun: Vec<Tensor<2>> =
            row.from_ids.iter().map(|id| table.clone().narrow(0, *id as usize, 1)).collect();
        let begun = Tensor::cat(begun, 0).mean_dim(0);
        let far = (rows.clone().narrow(0, index, 1) - begun).abs().max().into_scalar::<f32>();
        assert!(far > 0.0 && far < 0.05, "{}: {far}", row.token);
    }

    for (consumer, expected) in [
        ("PEFT", &["AddedTokens"][..]),
        ("vLLM", &["TokenRows", "AddedTokens"]),
        ("mistral.rs", &["TokenRows", "AddedTokens"]),
        ("Ollama", &["TokenRows", "AddedTokens"]),
        ("llama.cpp", &["TokenRows", "AddedTokens"]),
    ] {
        assert_eq!(features(&adapter, consumer), expected, "{consumer}");
    }
    let text: Vec<u32> = (2..20).chain(ids).collect();
    let merged = merged_is_the_same(&base, &adapter, &out.join("merged"), &fixed(), &text);
    assert!(merged.config.tie_word_embeddings);

    // Another run into the same folder leaves no tokenizer that is not its own.
    run("finetune", &arguments);
    assert!(!adapter.join("tokenizer.json").exists());
    assert!(features(&adapter, "vLLM").is_empty());
    assert_eq!(loads(&base, &adapter, &fixed()).model.config.vocab_size, published.config.vocab_size);
}

#[test]
fn a_call_survives_encoding_and_decoding_with_tags_that_are_tokens() {
    let data = CallingData::new(3);
    let conversations: Vec<Conversation> = data.conversations(Split::Train, 20);
    let dialect = fixed();
    let (_, tagged) = ToolVocabulary::new(ToolTokens::Added, &dialect, &embedded_base())
        .expect("room at the end")
        .expect("not plain");
    let plain = HfTokenizer::from_file(embedded_base().join("tokenizer.json")).expect("reads");
    let mut calls = 0;
    for conversation in &conversations {
        for turn in conversation.messages.iter().filter(|message| !message.tool_calls.is_empty()) {
            let ids = |tokenizer: &HfTokenizer| {
                let chat =
                    Conversation::new(Vec::new(), vec![tooltune::chat::Message::user("x"), turn.clone()]);
                dialect.sample("x", &chat, tokenizer).expect("encodes").ids
            };
            assert!(ids(&tagged).len() < ids(&plain).len(), "tags are shorter as tokens");
            let text = decode(&ids(&tagged), &tagged, &dialect).expect("decodes");
            let parsed: Vec<ToolCall> = dialect.format.parse(&text).calls;
            let same = |(one, other): (&ToolCall, &ToolCall)| {
                one.name == other.name && one.arguments == other.arguments
            };
            assert!(parsed.len() == turn.tool_calls.len(), "{text}");
            assert!(parsed.iter().zip(&turn.tool_calls).all(same), "{text}");
            calls += parsed.len();
        }
    }
    assert!(calls > 0);
}

/// The reference base with tokens in reserve where its tokenizer has the tags.
fn base_with_reserve(folder: &Path) {
    let data = std::env::var("TOOLTUNE_DATA")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data").to_owned());
    fs::create_dir(folder).expect("made");
    for name in ["base/config.json", "base/model.safetensors", "tokenizer/tokenizer_config.json"] {
        let from = Path::new(&data).join("golden").join(name);
        fs::copy(&from, folder.join(from.file_name().expect("a file"))).expect("copied");
    }
    let path = Path::new(&data).join("golden/tokenizer/tokenizer.json");
    let mut text = fs::read_to_string(path).expect("there");
    for (index, tag) in hermes_tags().iter().enumerate() {
        assert!(text.contains(&format!("\"{tag}\"")), "the reference tokenizer has {tag}");
        text = text.replace(&format!("\"{tag}\""), &format!("\"<unused{index}>\""));
    }
    fs::write(folder.join("tokenizer.json"), text).expect("written");
}

#[test]
fn reserved_tokens_become_tags_and_no_size_changes() {
    let folder = TempDir::new().expect("a temporary folder");
    let (base, out) = (folder.path().join("base"), folder.path().join("out"));
    base_with_reserve(&base);
    let reserve = HfTokenizer::from_file(base.join("tokenizer.json")).expect("reads");
    let data = data("openai.jsonl");
    let arguments =
        ["--model", utf8(&base), "--data", &data, "--out", utf8(&out), "--quick", "--eval-limit", "0"];
    run("finetune", &[&arguments[..], &["--tool-tokens", "reserved", "--max-length", "600"]].concat());
    let adapter = out.join("adapter");
    let tokenizer = HfTokenizer::from_file(adapter.join("tokenizer.json")).expect("written");
    let tags = hermes_tags();
    let ids: Vec<u32> = tags.iter().map(|tag| tokenizer.control_id(tag).expect("a token")).collect();
    let unused = (0..tags.len()).map(|index| reserve.control_id(&format!("<unused{index}>")).expect("there"));
    assert_eq!(ids, unused.collect::<Vec<_>>(), "the ids of the reserve");
    assert_eq!(tokenizer.vocab_size(), reserve.vocab_size());
    let weights = AdapterWeights::load(&adapter, &Device::flex()).expect("loads");
    assert_eq!(weights.config.trainable_token_indices, ids);
    assert_eq!(features(&adapter, "PEFT"), [""; 0]);
    assert_eq!(features(&adapter, "vLLM"), ["TokenRows"]);
    let dialect = Dialect::new(Choice { preset: Preset::Fixed, schema: Schema::Full });
    let text: Vec<u32> = (20..40).chain(ids).collect();
    let merged = merged_is_the_same(&base, &adapter, &out.join("merged"), &dialect, &text);
    assert!(merged.config.tie_word_embeddings);

    // The embedding has more rows than the tokenizer has tokens: new tokens take those, and nothing grows.
    assert!(reserve.vocab_size() + tags.len() <= merged.config.vocab_size, "rows to spare");
    run("finetune", &[&arguments[..], &["--tool-tokens", "added", "--max-length", "600"]].concat());
    let spare = loads(&base, &adapter, &dialect);
    assert_eq!(spare.model.config.vocab_size, merged.config.vocab_size);
    let first = spare.tokenizer.control_id(&tags[0]).expect("a token");
    assert_eq!(first as usize, reserve.vocab_size());
    assert_eq!(features(&adapter, "PEFT"), [""; 0]);
}

#[test]
fn a_vocabulary_without_reserve_is_refused_and_says_what_to_do() {
    let error =
        ToolVocabulary::new(ToolTokens::Reserved, &fixed(), &embedded_base()).expect_err("no reserve");
    assert!(
        matches!(error, ToolTokenError::NoReserve { needed, found: 0, .. } if needed == hermes_tags().len()),
        "{error}"
    );
    assert!(error.to_string().contains("--tool-tokens added"), "{error}");
    let folder = TempDir::new().expect("a temporary folder");
    let out = folder.path().join("out");
    let output = example("finetune", &["--quick", "--tool-tokens", "reserved", "--out", utf8(&out)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!out.exists());
}

#[test]
fn the_course_trains_as_published_and_its_merge_is_right() {
    let folder = TempDir::new().expect("a temporary folder");
    let (base, out) = (embedded_base(), folder.path().join("out"));
    let data = data("course.jsonl");
    let arguments = ["--preset", "course", "--model", utf8(&base), "--data", &data, "--out", utf8(&out)];
    let output = example("finetune", &[&arguments[..], &["--quick", "--eval-limit", "0"]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("known to be wrong"), "{said}");

    let adapter = out.join("adapter");
    let weights = AdapterWeights::load(&adapter, &Device::flex()).expect("loads");
    let config = &weights.config;
    assert_eq!((config.r, config.lora_alpha, config.lora_dropout), (16, 64.0, 0.05));
    let tags: Vec<String> = ToolToken::course().into_iter().map(|tag| tag.text).collect();
    let published = Gemma2::from_pretrained(&base, DType::F32, &Device::flex()).expect("loads");
    let grown = published.config.vocab_size + tags.len();
    assert_eq!(weights.vocab_size(), Some(grown));
    for path in [<Gemma2>::EMBED_TOKENS, <Gemma2>::LM_HEAD] {
        assert!(weights.tensors.contains_key(path), "{path}");
    }
    let dialect = Dialect::new(Choice { preset: Preset::Course, schema: Schema::Full });
    let adapted = loads(&base, &adapter, &dialect);
    let ids: Vec<u32> = tags.iter().map(|tag| adapted.tokenizer.control_id(tag).expect("a token")).collect();
    let text: Vec<u32> = (2..20).chain(ids).collect();
    let merged = merged_is_the_same(&base, &adapter, &out.join("merged"), &dialect, &text);
    assert!(!merged.config.tie_word_embeddings, "two adapters on one matrix untie it");
    assert_eq!(features(&adapter, "PEFT"), ["AddedTokens"]);
    assert_eq!(features(&adapter, "vLLM"), ["Embedding", "Head", "AddedTokens"]);

    // Trained rows alone would not reach a head of its own.
    let untied = out.join("merged");
    let arguments = ["--model", utf8(&untied), "--data", &data, "--tool-tokens", "added", "--quick"];
    let output = example("finetune", &[&arguments[..], &["--out", utf8(&folder.path().join("no"))]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not tied"));

    // Without its rows the adapter is refused.
    fs::remove_file(adapter.join("added_rows.safetensors")).expect("was there");
    let device = Device::flex();
    assert!(Pretrained::load_adapted(&base, Some(&adapter), &dialect, DType::F32, &device).is_err());
}
