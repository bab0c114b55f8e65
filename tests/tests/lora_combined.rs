//! Several adapters of every kind on one base: on, off, and added up.
#![recursion_limit = "256"]

use burn::module::ParamId;
use burn::tensor::{DType, Device};
use tooltune_gemma2::Gemma2;
use tooltune_lm::{CausalLm, Linear, MapProjections, Projection, TokenBatch};
use tooltune_lora::{AdapterWeights, Adapters, Error, LoraConfig, attach, detach, merge};
use tooltune_tests::{golden, golden_dir, max_diff, values};

fn base(device: &Device) -> Gemma2 {
    Gemma2::from_pretrained(golden_dir().join("base"), DType::F32, device).expect("the reference base loads")
}

fn logits<M: CausalLm>(model: &M) -> Vec<f32> {
    values(model.forward(&TokenBatch::single(&golden("forward.safetensors").ids("ids")[0])))
}

/// The reference adapters, by name.
fn adapters() -> Adapters {
    let mut out = Adapters::default();
    for entry in std::fs::read_dir(golden_dir()).expect("there").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("adapter_") && entry.path().is_dir() {
            let weights = AdapterWeights::load(entry.path(), &Device::flex());
            out.insert(name.clone(), weights.unwrap_or_else(|e| panic!("{name}: {e}")));
        }
    }
    assert!(out.names().next().is_some(), "no adapter in {}", golden_dir().display());
    out
}

/// The setting that keeps an adapter from being added to others.
fn not_additive(weights: &AdapterWeights) -> Option<&'static str> {
    let config = &weights.config;
    let settings = [
        (config.use_dora, "use_dora"),
        (!config.trainable_token_indices.is_empty(), "trainable_token_indices"),
        (!config.modules_to_save.is_empty(), "modules_to_save"),
    ];
    settings.into_iter().find(|(set, _)| *set).map(|(_, name)| name)
}

/// The base's parameters, by which a copy would be told from the same.
fn parameters(model: &Gemma2<Linear>) -> Vec<ParamId> {
    let mut out = vec![model.embed_tokens.weight.id];
    model.visit_projections(&mut |_, linear| out.push(linear.weight.id));
    out
}

#[test]
fn every_kind_comes_and_goes_and_leaves_the_base_as_it_was() {
    let adapters = adapters();
    let mut model = base(&Device::flex());
    let (plain, ids, config) = (logits(&model), parameters(&model), model.config.clone());
    for _ in 0..2 {
        for name in adapters.names() {
            let active = adapters.activate(model, name).unwrap_or_else(|e| panic!("{name}: {e}"));
            let expected = golden(&format!("{name}.expected.safetensors")).f32("logits").1;
            let difference = max_diff(&logits(&active), &expected);
            assert!(difference <= 1e-3, "{name}: {difference}");
            model = detach(active);
            assert!(logits(&model) == plain, "{name}: the base computes something else afterwards");
            assert_eq!(parameters(&model), ids, "{name}: the base has been copied");
            assert_eq!(model.config, config, "{name}");
        }
    }
    // All of them active at once, each on a clone of the one base, and none disturbs another.
    let all: Vec<_> = adapters.names().map(|name| (name, adapters.activate(model.clone(), name))).collect();
    for (name, active) in all {
        let expected = golden(&format!("{name}.expected.safetensors")).f32("logits").1;
        assert!(max_diff(&logits(&active.expect("fits")), &expected) <= 1e-3, "{name}");
    }
    assert!(logits(&model) == plain);
}

#[test]
fn weights_that_sum_to_one_or_to_nothing() {
    let adapters = adapters();
    let device = Device::flex();
    let plain = logits(&base(&device));
    for name in adapters.names() {
        let weights = adapters.get(name).expect("it is there");
        if let Some(setting) = not_additive(weights) {
            let error = adapters.combine(&[(name, 1.0)]).expect_err("refused").to_string();
            assert!(error.contains(setting), "{name}: {error}");
            continue;
        }
        let expected = golden(&format!("{name}.expected.safetensors")).f32("logits").1;
        for parts in [&[1.0][..], &[0.5, 0.5], &[2.0, -1.5, 0.5]] {
            let weighted: Vec<_> = parts.iter().map(|part| (name, *part)).collect();
            let combined = adapters.combine(&weighted).unwrap_or_else(|e| panic!("{name}: {e}"));
            // As it is, from its folder, and merged.
            let folder = tempfile::tempdir().expect("a temporary folder");
            combined.save(folder.path()).expect("written");
            let read = AdapterWeights::load(folder.path(), &device).expect("loads");
            let active = read.attach(base(&device)).expect("fits");
            let difference = max_diff(&logits(&active), &expected);
            assert!(difference <= 1e-3, "{name} {parts:?}: {difference}");
            let difference = max_diff(&logits(&merge(active).model), &expected);
            assert!(difference <= 1e-3, "{name} {parts:?}, merged: {difference}");
        }
        let nothing = adapters.combine(&[(name, 0.75), (name, -0.75)]).expect("combines");
        let difference = max_diff(&logits(&nothing.attach(base(&device)).expect("fits")), &plain);
        assert!(difference <= 1e-3, "{name}, taken from itself: {difference}");
    }
}

#[test]
fn what_does_not_add_up_is_refused() {
    let adapters = adapters();
    let get = |name: &str| adapters.get(name);
    let reason = |weighted: &[(&AdapterWeights, f64)]| match AdapterWeights::combine(weighted) {
        Err(Error::CannotCombine { reason }) => reason,
        other => panic!("{other:?}"),
    };
    let Some(plain) = get("adapter_lora") else {
        return;
    };
    assert!(reason(&[]).contains("none"));
    for weight in [f64::NAN, f64::INFINITY, 1e39] {
        assert!(reason(&[(plain, weight)]).contains("not finite"), "{weight} is nothing in f32");
    }
    for other in ["adapter_patterns", "adapter_embed_only"].into_iter().filter_map(get) {
        assert!(reason(&[(plain, 0.5), (other, 0.5)]).contains("targets or ranks"));
    }
    for other in ["adapter_dora", "adapter_tokens", "adapter_mts"].into_iter().filter_map(get) {
        let setting = not_additive(other).expect("it has one");
        assert!(reason(&[(plain, 0.5), (other, 0.5)]).contains(setting));
    }
    if let (Some(apart), Some(tied)) = (get("adapter_embed"), get("adapter_embed_tied")) {
        assert!(reason(&[(apart, 0.5), (tied, 0.5)]).contains("ties"));
    }
    // A rank that no folder may have.
    let many = vec![("adapter_lora", 1.0); 1024 / plain.config.r + 1];
    assert!(matches!(adapters.combine(&many), Err(Error::InvalidConfig { field: "r", .. })));
    let error = adapters.combine(&[("adapter_lora", 1.0), ("nothing", 1.0)]).expect_err("refused");
    assert!(matches!(&error, Error::NoSuchAdapter { name, .. } if name == "nothing"), "{error}");
}

#[test]
fn a_combination_still_knows_its_base() {
    let adapters = adapters();
    let mut other = base(&Device::flex());
    other.embed_tokens = tooltune_lm::EmbeddingTable::tied(other.embed_tokens.weight.val() * 1.001);
    for name in ["adapter_embed", "adapter_embed_only", "adapter_embed_tied"] {
        // Those beside which PEFT stores the frozen embedding.
        let refused = adapters.get(name).map(|weights| weights.attach(other.clone()));
        if !matches!(refused, Some(Err(Error::OtherBase { .. }))) {
            continue;
        }
        let combined = adapters.combine(&[(name, 0.5), (name, 0.5)]).expect("combines");
        assert!(matches!(combined.attach(other.clone()), Err(Error::OtherBase { .. })), "{name}");
        combined.attach(base(&Device::flex())).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

#[test]
fn one_that_was_just_trained_adds_to_one_that_was_read() {
    let device = Device::flex();
    let read = AdapterWeights::load(golden_dir().join("adapter_lora"), &device).expect("loads");
    let config = LoraConfig { lora_alpha: 3.0 * read.config.lora_alpha, ..read.config.clone() };
    // On an autodiff device, with a B of its own.
    let mut trained =
        AdapterWeights::of(&attach(base(&device.clone().autodiff()), &config, 5).expect("attaches"), &config);
    for (path, (_, b)) in &mut trained.tensors {
        *b = b.clone() + read.tensors[path].1.clone().autodiff() * 0.5;
    }
    let sum = |path: &str| -> Vec<f32> {
        let delta = |weights: &AdapterWeights| {
            let (a, b) = weights.tensors[path].clone();
            values(b.matmul(a).mul_scalar(weights.config.scaling(path)))
        };
        delta(&trained).iter().zip(delta(&read)).map(|(x, y)| 0.25 * x + 0.75 * y).collect()
    };
    for order in [[(&trained, 0.25), (&read, 0.75)], [(&read, 0.75), (&trained, 0.25)]] {
        let combined = AdapterWeights::combine(&order).expect("combines");
        let merged = merge(combined.attach(base(&device)).expect("fits")).model;
        let mut before = Vec::new();
        base(&device).visit_projections(&mut |_, linear| before.push(linear.weight.val()));
        let mut number = 0;
        merged.visit_projections(&mut |path, linear| {
            let [_, outputs] = linear.features();
            let delta = values(linear.weight.val() - before[number].clone());
            assert!(outputs > 0 && max_diff(&delta, &sum(path)) < 1e-5, "{path}");
            number += 1;
        });
        assert_eq!(number, combined.tensors.len());
    }
}
