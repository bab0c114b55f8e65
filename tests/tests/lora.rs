//! LoRA against PEFT: forward, loss, gradients, merging, files.
#![recursion_limit = "256"]

use burn::optim::GradientsParams;
use burn::tensor::{DType, Device};
use tooltune_gemma2::Gemma2;
use tooltune_lm::{CausalLm, MapProjections, TokenBatch};
use tooltune_lora::{AdapterWeights, Error, LoraConfig, LoraLinear, attach, merge};
use tooltune_sft::{MaskedCrossEntropy, Objective, SampleBatch, gradients};
use tooltune_tests::{golden, golden_dir, max_diff, rows, sample, values};

fn base(device: &Device) -> Gemma2 {
    Gemma2::from_pretrained(golden_dir().join("base"), DType::F32, device).expect("the reference base loads")
}

fn adapter(device: &Device) -> AdapterWeights {
    AdapterWeights::load(golden_dir().join("adapter_lora"), device).expect("the reference adapter loads")
}

fn adapted(device: &Device) -> Gemma2<LoraLinear> {
    adapter(&Device::flex()).attach(base(device)).expect("the adapter fits")
}

fn report(check: &str, difference: f32, tolerance: f32) {
    println!("{check}: {difference:e}");
    assert!(difference <= tolerance, "{check}: {difference} > {tolerance}");
}

fn logits<M: CausalLm>(model: &M) -> Vec<f32> {
    values(model.forward(&TokenBatch::single(&golden("forward.safetensors").ids("ids")[0])))
}

#[test]
fn logits_merged_and_unmerged() {
    let device = Device::flex();
    let expected = golden("adapter_lora.expected.safetensors");
    let active = adapted(&device);
    report("logits with the adapter active", max_diff(&logits(&active), &expected.f32("logits").1), 1e-3);
    let merged = merge(active).model;
    report("merged logits", max_diff(&logits(&merged), &expected.f32("merged.logits").1), 1e-3);
    for name in expected
        .names()
        .iter()
        .filter_map(|name| name.strip_prefix("merged."))
        .filter(|name| *name != "logits")
    {
        let mut compared = false;
        merged.visit_projections(&mut |path, linear| {
            if name == format!("{path}.weight") {
                let difference =
                    max_diff(&values(linear.weight.val()), &expected.f32(&format!("merged.{name}")).1);
                report(name, difference, 1e-5);
                compared = true;
            }
        });
        assert!(compared, "{name} is not a projection");
    }
    let back = adapter(&device).unmerge(merged).expect("the adapter fits");
    report("unmerged logits", max_diff(&logits(&back), &expected.f32("logits").1), 1e-3);
}

#[test]
fn loss_and_every_gradient() {
    let device = Device::flex().autodiff();
    let model = adapted(&device);
    let expected = golden("adapter_lora.expected.safetensors");
    let forward = golden("forward.safetensors");
    let (ids, mask, labels) =
        (forward.ids("right.ids"), forward.ids("right.mask"), rows(&expected, "labels"));
    let samples: Vec<_> =
        (0..ids.len()).map(|row| sample(&row.to_string(), &ids[row], &mask[row], &labels[row])).collect();
    let batch = SampleBatch::collate(&samples.iter().collect::<Vec<_>>(), 0);
    // Small chunks, so that the rows do not all fit into one.
    let loss = MaskedCrossEntropy { chunk_rows: 7 }.loss(&model, &batch).expect("a loss");
    let mean = (loss.sum / batch.total_weight()) as f32;
    report("loss", (mean - expected.f32("loss").1[0]).abs(), 1e-4);

    let surrogate = loss.surrogate.expect("an autodiff device").div_scalar(batch.total_weight());
    let grads = GradientsParams::from_grads(surrogate.backward(), &model);
    let norm = gradients::global_norm(&model, &grads).expect("readable") as f32;
    let expected_norm = expected.f32("grad_norm").1[0];
    report("gradient norm, relative", (norm - expected_norm).abs() / expected_norm, 1e-3);
    let mut compared = 0;
    let mut worst = 0f32;
    model.visit_projections(&mut |path, projection| {
        let adapter = projection.adapter.as_ref().expect("all seven are targeted");
        for (part, id) in [("lora_A", adapter.lora_a.id), ("lora_B", adapter.lora_b.id)] {
            let name = format!("grad.base_model.model.{path}.{part}.weight");
            let want = expected.f32(&name).1;
            let scale = want.iter().fold(0f32, |max, x| max.max(x.abs()));
            let got = values(grads.get::<2>(id).unwrap_or_else(|| panic!("{name}: no gradient")));
            let relative = max_diff(&got, &want) / scale;
            assert!(relative <= 1e-3, "{name}: {relative} of its maximum");
            worst = worst.max(relative);
            compared += 1;
        }
        assert!(grads.get::<2>(projection.base.weight.id).is_none(), "{path}: the base is frozen");
    });
    println!("worst of {compared} gradients: {worst:e} of its maximum");
    assert_eq!(compared, expected.names().iter().filter(|name| name.starts_with("grad.")).count());
    assert!(grads.get::<2>(model.embed_tokens.base.weight.id).is_none(), "the embedding is frozen");
}

#[test]
fn a_written_folder_reads_back_the_same() {
    let device = Device::flex();
    let adapter = adapter(&device);
    let folder = tempfile::tempdir().expect("a temporary folder");
    adapter.save(folder.path()).expect("written");
    let again = AdapterWeights::load(folder.path(), &device).expect("read");
    assert_eq!(again.config, adapter.config);
    assert_eq!(again.tensors.len(), adapter.tensors.len());
    for (path, (a, b)) in adapter.tensors {
        let (a2, b2) = again.tensors[&path].clone();
        assert_eq!((values(a), values(b)), (values(a2), values(b2)), "{path}");
    }
}

#[test]
fn a_fresh_adapter_changes_nothing_and_depends_on_its_seed() {
    let device = Device::flex();
    let before = logits(&base(&device));
    let config = LoraConfig { r: 2, ..LoraConfig::default() };
    let fresh = |seed| attach(base(&device), &config, seed).expect("attaches");
    assert_eq!(logits(&fresh(1)), before);
    let weights = |model: &Gemma2<LoraLinear>| {
        let tensors = AdapterWeights::of(model, &config).tensors;
        tensors.into_values().flat_map(|(a, _)| values(a)).collect::<Vec<f32>>()
    };
    assert_eq!(weights(&fresh(1)), weights(&fresh(1)));
    assert_ne!(weights(&fresh(1)), weights(&fresh(2)));
}

#[test]
fn an_incomplete_adapter_is_refused() {
    let device = Device::flex();
    let whole = adapter(&device);
    let mut partial = whole.clone();
    let (dropped, _) = partial.tensors.pop_last().expect("has weights");
    let error = partial.attach(base(&device)).expect_err("refused");
    assert!(matches!(&error, Error::MissingWeights { paths } if *paths == [dropped.clone()]), "{error}");
    assert!(error.to_string().contains(&format!("base_model.model.{dropped}.lora_A.weight")), "{error}");
    assert!(matches!(partial.unmerge(base(&device)), Err(Error::MissingWeights { .. })));

    let mut empty = whole.clone();
    empty.tensors.clear();
    match empty.attach(base(&device)).expect_err("refused") {
        error @ Error::MissingWeights { .. } => {
            let rest = whole.tensors.len() - 8;
            assert!(error.to_string().contains(&format!("and {rest} more")), "{error}");
        }
        other => panic!("{other}"),
    }
    let mut nowhere = empty;
    nowhere.config.target_modules = vec!["query".to_owned()];
    assert!(
        matches!(nowhere.attach(base(&device)), Err(Error::MissingWeights { paths }) if paths.is_empty())
    );
}

#[test]
fn refuses_what_does_not_fit() {
    let device = Device::flex();
    let config = LoraConfig { target_modules: vec!["query".to_owned()], ..LoraConfig::default() };
    assert!(matches!(attach(base(&device), &config, 0), Err(Error::NoTarget { .. })));
    let config = LoraConfig { r: 1000, ..LoraConfig::default() };
    assert!(matches!(attach(base(&device), &config, 0), Err(Error::InvalidConfig { field: "r", .. })));

    let folder = tempfile::tempdir().expect("a temporary folder");
    let adapter = adapter(&device);
    let edit = |key: &str, value: serde_json::Value| {
        adapter.save(folder.path()).expect("written");
        let path = folder.path().join("adapter_config.json");
        let mut config: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&path).expect("there")).expect("JSON");
        config[key] = value;
        std::fs::write(&path, config.to_string()).expect("written");
        AdapterWeights::load(folder.path(), &device).expect_err(key).to_string()
    };
    for (key, value) in [
        ("bias", serde_json::json!("all")),
        ("bias", serde_json::json!(true)),
        ("init_lora_weights", serde_json::json!("pissa")),
        ("init_lora_weights", serde_json::json!(1)),
        ("use_qalora", serde_json::json!(true)),
        ("lora_bias", serde_json::json!(true)),
        ("target_parameters", serde_json::json!(["experts"])),
        ("layer_replication", serde_json::json!([[0, 2]])),
        ("lora_dropout", serde_json::json!(1.5)),
        ("lora_dropout", serde_json::json!("none")),
        ("use_rslora", serde_json::json!("yes")),
        ("rank_pattern", serde_json::json!({"q_proj": 0})),
        ("rank_pattern", serde_json::json!({"(q|k)_proj": 2})),
        ("alpha_pattern", serde_json::json!({"q_proj": -1.0})),
        ("modules_to_save", serde_json::json!(["model.norm"])),
        ("trainable_token_indices", serde_json::json!({"lm_head": [3]})),
        ("trainable_token_indices", serde_json::json!([3, 3])),
        ("trainable_token_indices", serde_json::json!([-1])),
        ("target_modules", serde_json::json!(".*_proj")),
        ("r", serde_json::json!(0)),
        ("r", serde_json::json!(2000)),
        ("lora_alpha", serde_json::json!(0)),
    ] {
        let error = edit(key, value);
        assert!(error.contains(key) && error.contains("adapter_config.json"), "{error}");
    }
    // Settings that the weights do not bear out.
    for (key, value, problem) in [
        ("use_dora", serde_json::json!(true), "lora_magnitude_vector"),
        ("rank_pattern", serde_json::json!({"q_proj": 2}), "r = 2"),
        ("layers_to_transform", serde_json::json!([0]), "unexpected tensors"),
        ("exclude_modules", serde_json::json!(["q_proj"]), "unexpected tensors"),
    ] {
        let error = edit(key, value);
        assert!(error.contains(problem), "{key}: {error}");
    }
    // A field of the future is reported, not refused; one that is off says nothing.
    adapter.save(folder.path()).expect("written");
    let path = folder.path().join("adapter_config.json");
    let mut config: serde_json::Value = serde_json::from_str(&adapter.config.to_json()).expect("JSON");
    config["something_new"] = serde_json::json!(3);
    config["something_old"] = serde_json::json!(null);
    std::fs::write(&path, config.to_string()).expect("written");
    let loaded = AdapterWeights::load(folder.path(), &device).expect("loads");
    assert_eq!(loaded.warnings, ["something_new"]);
    for value in [serde_json::json!(false), serde_json::json!(null), serde_json::json!("gaussian")] {
        let mut config: serde_json::Value = serde_json::from_str(&adapter.config.to_json()).expect("JSON");
        config["init_lora_weights"] = value;
        let path = folder.path().join("adapter_config.json");
        std::fs::write(&path, config.to_string()).expect("written");
        LoraConfig::from_file(&path).expect("accepted");
    }
    let temporary = |entry: &std::fs::DirEntry| entry.path().extension().is_some_and(|e| e == "tmp");
    assert!(!std::fs::read_dir(folder.path()).expect("there").flatten().any(|entry| temporary(&entry)));
    assert!(edit("r", serde_json::json!(3)).contains("r = 3"));
    assert!(edit("target_modules", serde_json::json!(["q_proj"])).contains("unexpected tensors"));
}
