//! Checkpoints on disk: shards, dtypes, both generations of config keys, and what is refused.
#![recursion_limit = "256"]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use burn::tensor::{DType, Device};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};
use tempfile::TempDir;
use tooltune_gemma2::{Error, Gemma2, Gemma2Config};
use tooltune_lm::{CausalLm, TokenBatch};
use tooltune_tests::{golden, golden_dir, max_diff, values};

fn load(folder: &Path) -> Result<Gemma2, Error> {
    Gemma2::from_pretrained(folder, DType::F32, &Device::flex())
}

fn logits(model: &Gemma2) -> Vec<f32> {
    values(model.forward(&TokenBatch::single(&golden("forward.safetensors").ids("ids")[0])))
}

fn config() -> Value {
    let text = fs::read_to_string(golden_dir().join("base/config.json")).expect("there");
    serde_json::from_str(&text).expect("JSON")
}

fn weights() -> Vec<u8> {
    fs::read(golden_dir().join("base/model.safetensors")).expect("there")
}

/// A folder with the given config and the reference weights.
fn folder(config: &Value) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("config.json"), config.to_string()).expect("written");
    fs::write(folder.path().join("model.safetensors"), weights()).expect("written");
    folder
}

fn refused(folder: &TempDir) -> String {
    load(folder.path()).expect_err("refused").to_string()
}

#[test]
fn both_generations_of_keys_mean_the_same() {
    let new = config();
    let mut old = new.clone();
    let keys = old.as_object_mut().expect("an object");
    let theta = keys["rope_parameters"]["rope_theta"].clone();
    for key in ["rope_parameters", "layer_types", "dtype", "hidden_activation"] {
        keys.remove(key);
    }
    keys.insert("rope_theta".to_owned(), theta);
    keys.insert("hidden_act".to_owned(), json!("gelu_pytorch_tanh"));
    keys.insert("torch_dtype".to_owned(), json!("float32"));
    let read =
        |config: &Value| Gemma2Config::from_file(folder(config).path().join("config.json")).expect("valid");
    assert_eq!(read(&old), read(&new));
    let written: Value = serde_json::from_str(&read(&new).to_json(DType::F32)).expect("JSON");
    assert_eq!(read(&written), read(&new));
}

#[test]
fn presets_are_valid() {
    for config in [
        Gemma2Config::gemma2_2b(),
        Gemma2Config::gemma2_9b(),
        Gemma2Config::gemma2_27b(),
        Gemma2Config::small(),
        Gemma2Config::tiny(),
    ] {
        config.validate().expect("valid");
    }
}

#[test]
fn what_would_change_the_model_is_refused() {
    let cases = [
        ("model_type", json!("gemma3")),
        ("hidden_activation", json!("silu")),
        ("attention_bias", json!(true)),
        ("attention_dropout", json!(0.1)),
        ("quantization_config", json!({"bits": 4})),
        ("rope_parameters", json!({"rope_theta": 10000.0, "rope_type": "yarn"})),
        ("rope_scaling", json!({"type": "linear", "factor": 2.0})),
        ("head_dim", json!(15)),
        ("num_key_value_heads", json!(3)),
        ("hidden_size", json!(1_000_000)),
        ("num_hidden_layers", json!(10_000_000_000u64)),
        ("rms_norm_eps", json!(0.0)),
        ("pad_token_id", json!(1)),
    ];
    for (key, value) in cases {
        let mut changed = config();
        changed[key] = value;
        let error = refused(&folder(&changed));
        assert!(error.contains(key) || error.contains("layer_types"), "{key}: {error}");
        assert!(error.contains("config.json"), "{key}: {error}");
    }
    for (key, parameters) in [
        ("factor", json!({"rope_theta": 10000.0, "rope_type": "default", "factor": 8.0})),
        ("full_attention", json!({"full_attention": {"rope_theta": 10000.0, "rope_type": "default"}})),
    ] {
        let mut changed = config();
        changed["rope_parameters"] = parameters;
        let error = refused(&folder(&changed));
        assert!(error.contains(key) && error.contains("config.json"), "{key}: {error}");
    }
    // A head of its own must be in the file.
    let mut untied = config();
    untied["tie_word_embeddings"] = json!(false);
    assert!(refused(&folder(&untied)).contains("missing tensors: lm_head.weight"));
    let device = Device::flex();
    let half = Gemma2::from_pretrained(golden_dir().join("base"), DType::F16, &device).expect_err("refused");
    assert!(matches!(half, Error::Float16));
}

#[test]
fn dtypes_on_disk() {
    let model = load(&golden_dir().join("base")).expect("loads");
    let reference = logits(&model);
    let saved = |dtype| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        model.save_pretrained(folder.path(), dtype).expect("saved");
        folder
    };
    assert_eq!(logits(&load(saved(DType::F32).path()).expect("loads")), reference);
    let bf16 = saved(DType::BF16);
    let rounded = logits(&load(bf16.path()).expect("loads"));
    let in_memory = Gemma2::from_pretrained(bf16.path(), DType::BF16, &Device::flex()).expect("loads");
    println!("bf16 on disk: logits move by {:e}", max_diff(&rounded, &reference));
    // Kept in bf16, weights meet activations that are rounded alike: as much of an error again, not more.
    let of_weights = max_diff(&rounded, &reference);
    let of_activations = max_diff(&rounded, &logits(&in_memory));
    println!("bf16 in memory: another {of_activations:e}");
    assert!(of_weights > 0.0 && of_activations < 2.0 * of_weights);

    let bytes = weights();
    let parsed = SafeTensors::deserialize(&bytes).expect("valid");
    let halves: Vec<(String, Vec<usize>, Vec<u8>)> = parsed
        .iter()
        .map(|(name, view)| {
            let wide = view.data().as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b));
            let narrow = wide.flat_map(|x| half::f16::from_f32(x).to_le_bytes()).collect();
            (name.to_owned(), view.shape().to_vec(), narrow)
        })
        .collect();
    let views = halves.iter().map(|(name, shape, data)| {
        (name.as_str(), TensorView::new(Dtype::F16, shape.clone(), data).expect("a view"))
    });
    let f16 = folder(&config());
    fs::write(f16.path().join("model.safetensors"), safetensors::serialize(views, None).expect("serialises"))
        .expect("written");
    let difference = max_diff(&logits(&load(f16.path()).expect("loads")), &reference);
    assert!(difference > 0.0 && difference < 0.5, "{difference}");
}

/// Splits the reference weights over two files with an index.
fn sharded() -> TempDir {
    let sharded = folder(&config());
    fs::remove_file(sharded.path().join("model.safetensors")).expect("removed");
    let bytes = weights();
    let parsed = SafeTensors::deserialize(&bytes).expect("valid");
    let mut names = parsed.names();
    names.sort_unstable();
    let mut map = serde_json::Map::new();
    for (number, part) in names.chunks(names.len().div_ceil(2)).enumerate() {
        let file = format!("model-0000{}-of-00002.safetensors", number + 1);
        let views = part.iter().map(|name| (*name, parsed.tensor(name).expect("there")));
        fs::write(sharded.path().join(&file), safetensors::serialize(views, None).expect("serialises"))
            .expect("written");
        map.extend(part.iter().map(|name| ((*name).to_owned(), json!(file))));
    }
    write_index(&sharded, &json!({"metadata": {}, "weight_map": map}));
    sharded
}

fn write_index(folder: &TempDir, index: &Value) {
    fs::write(folder.path().join("model.safetensors.index.json"), index.to_string()).expect("written");
}

fn read_index(folder: &TempDir) -> Value {
    let text = fs::read_to_string(folder.path().join("model.safetensors.index.json")).expect("there");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn shards() {
    let folder = sharded();
    let whole = logits(&load(&golden_dir().join("base")).expect("loads"));
    assert_eq!(logits(&load(folder.path()).expect("loads")), whole);

    let index = read_index(&folder);
    for name in [
        "../model.safetensors",
        "/etc/passwd",
        "sub/x.safetensors",
        "a\\b.safetensors",
        "x.bin",
        "none.safetensors",
    ] {
        let mut changed = index.clone();
        changed["weight_map"]["model.norm.weight"] = json!(name);
        write_index(&folder, &changed);
        let error = refused(&folder);
        assert!(error.contains("index.json"), "{name}: {error}");
    }
    let mut changed = index.clone();
    changed["weight_map"].as_object_mut().expect("an object").remove("model.norm.weight");
    write_index(&folder, &changed);
    assert!(refused(&folder).contains("model.norm.weight"));
}

#[cfg(unix)]
#[test]
fn a_shard_that_is_a_link_out_of_the_folder() {
    let (folder, elsewhere) = (sharded(), tempfile::tempdir().expect("a temporary folder"));
    let shard = folder.path().join("model-00001-of-00002.safetensors");
    let moved = elsewhere.path().join("x.safetensors");
    fs::rename(&shard, &moved).expect("moved");
    std::os::unix::fs::symlink(&moved, &shard).expect("linked");
    let error = refused(&folder);
    assert!(error.contains("leaves the folder") && error.contains("cp -rL"), "{error}");
}

#[test]
fn a_whole_file_beside_an_index_is_refused_until_the_folder_is_written_again() {
    let folder = sharded();
    let model = load(folder.path()).expect("loads");
    fs::write(folder.path().join("model.safetensors"), weights()).expect("written");
    let error = refused(&folder);
    assert!(error.contains("index.json") && error.contains("remove"), "{error}");

    let files = || {
        let entries = fs::read_dir(folder.path()).expect("there").flatten();
        entries.map(|entry| entry.file_name().into_string().expect("UTF-8")).collect::<BTreeSet<_>>()
    };
    let mut before = files();
    model.save_pretrained(folder.path(), DType::F32).expect("saved");
    assert!(before.remove("model.safetensors.index.json"));
    assert_eq!(files(), before);
    assert_eq!(logits(&load(folder.path()).expect("loads")), logits(&model));
}

#[test]
fn broken_files() {
    let folder = folder(&config());
    let path = folder.path().join("model.safetensors");
    let whole = weights();
    let header = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let cases: [(&str, Vec<u8>); 7] = [
        ("empty", vec![]),
        ("truncated", whole[..whole.len() - 1].to_vec()),
        ("longer than its tensors", [&whole[..], &[0]].concat()),
        ("a huge header", [&u64::MAX.to_le_bytes()[..], &whole[8..]].concat()),
        ("not JSON", header("{{{{")),
        (
            "a name twice",
            header(
                r#"{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#,
            ),
        ),
        ("another dtype", header(r#"{"a":{"dtype":"I64","shape":[0],"data_offsets":[0,0]}}"#)),
    ];
    for (what, bytes) in cases {
        fs::write(&path, bytes).expect("written");
        let error = refused(&folder);
        println!("{what}: {error}");
        assert!(error.contains("model.safetensors"), "{what}: {error}");
    }
    fs::remove_file(&path).expect("removed");
    assert!(refused(&folder).contains("model.safetensors"));
}

#[test]
fn missing_unexpected_and_misshapen_tensors_are_named() {
    let mut wider = config();
    wider["intermediate_size"] = json!(wider["intermediate_size"].as_u64().expect("a size") + 2);
    assert!(refused(&folder(&wider)).contains("mlp.down_proj.weight"));
    let mut deeper = config();
    let layers = deeper["num_hidden_layers"].as_u64().expect("a count");
    deeper["num_hidden_layers"] = json!(layers + 1);
    deeper.as_object_mut().expect("an object").remove("layer_types");
    assert!(refused(&folder(&deeper)).contains(&format!("missing tensors: model.layers.{layers}.")));
    let mut shallower = config();
    shallower["num_hidden_layers"] = json!(layers - 1);
    shallower.as_object_mut().expect("an object").remove("layer_types");
    assert!(
        refused(&folder(&shallower)).contains(&format!("unexpected tensors: model.layers.{}.", layers - 1))
    );
}
