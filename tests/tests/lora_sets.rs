//! Several adapters on one base, and adapters that load everywhere.
#![recursion_limit = "256"]

use burn::tensor::{DType, Device};
use tooltune_gemma2::Gemma2;
use tooltune_lm::{CausalLm, MapProjections, TokenBatch};
use tooltune_lora::{
    AdapterWeights, Adapters, Consumer, Error, Feature, InitLoraWeights, LoraConfig, LoraLinear, Patterns,
    attach, detach, merge,
};
use tooltune_tests::{golden, golden_dir, max_diff, values};

fn base(device: &Device) -> Gemma2 {
    Gemma2::from_pretrained(golden_dir().join("base"), DType::F32, device).expect("the reference base loads")
}

fn logits<M: CausalLm>(model: &M) -> Vec<f32> {
    values(model.forward(&TokenBatch::single(&golden("forward.safetensors").ids("ids")[0])))
}

/// Weights with an effect: B is drawn too.
fn weights(config: &LoraConfig, seed: u64) -> AdapterWeights {
    let device = Device::flex();
    let fresh = |seed| AdapterWeights::of(&attach(base(&device), config, seed).expect("attaches"), config);
    let (mut out, other) = (fresh(seed), fresh(seed + 1000));
    for (path, (a, b)) in &mut out.tensors {
        let [_, r] = b.dims();
        // Rows of another A, cut and repeated to the shape of B.
        let donor = values(other.tensors[path].0.clone());
        let [outputs, _] = b.dims();
        let drawn: Vec<f32> = donor.iter().cycle().take(outputs * r).map(|x| x * 0.5).collect();
        *b = burn::tensor::Tensor::from_data(burn::tensor::TensorData::new(drawn, [outputs, r]), &a.device());
    }
    out
}

fn config() -> LoraConfig {
    LoraConfig { r: 3, lora_alpha: 6.0, ..LoraConfig::default() }
}

#[test]
fn switching_between_adapters_and_back_to_the_base() {
    let device = Device::flex();
    let mut adapters = Adapters::default();
    let (one, two) = (weights(&config(), 1), weights(&LoraConfig { r: 2, ..config() }, 2));
    let alone = |weights: &AdapterWeights| logits(&weights.attach(base(&device)).expect("fits"));
    let expected = [alone(&one), alone(&two)];
    adapters.insert("one", one);
    adapters.insert("two", two);
    assert_eq!(adapters.names().collect::<Vec<_>>(), ["one", "two"]);

    let mut model = base(&device);
    let plain = logits(&model);
    let table = model.embed_tokens.weight.id;
    for _ in 0..2 {
        for (name, expected) in ["one", "two"].into_iter().zip(&expected) {
            let active = adapters.activate(model, name).expect("activates");
            assert_eq!(&logits(&active), expected, "{name}");
            model = detach(active);
            assert_eq!(logits(&model), plain, "after {name}");
        }
    }
    assert_eq!(model.embed_tokens.weight.id, table, "the base is the same parameter, not a copy");
    let error = adapters.activate(model, "three").expect_err("refused");
    assert!(matches!(&error, Error::NoSuchAdapter { known, .. } if known.len() == 2), "{error}");
}

#[test]
fn a_combination_is_the_weighted_sum_of_the_deltas() {
    let device = Device::flex();
    let patterns = Patterns {
        rank_pattern: vec![("q_proj".into(), 2)],
        alpha_pattern: vec![("up_proj".into(), 5.0)],
        ..Patterns::default()
    };
    let one = weights(&LoraConfig { patterns, ..config() }, 1);
    let mut two = weights(&one.config, 2);
    two.config.use_rslora = true;
    let mut adapters = Adapters::default();
    adapters.insert("one", one.clone());
    adapters.insert("two", two.clone());
    let combined = adapters.combine(&[("one", 0.75), ("two", -0.5)]).expect("combines");
    let folder = tempfile::tempdir().expect("a temporary folder");
    combined.save(folder.path()).expect("written");
    let combined = AdapterWeights::load(folder.path(), &device).expect("its ranks are those of its config");
    let deltas = |weights: &AdapterWeights| {
        let model: Gemma2<LoraLinear> = weights.attach(base(&device)).expect("fits");
        let mut out = Vec::new();
        model.visit_projections(&mut |_, p| out.extend(values(p.adapter.as_ref().expect("all").delta())));
        out
    };
    let sum: Vec<f32> = deltas(&one).iter().zip(deltas(&two)).map(|(x, y)| 0.75 * x - 0.5 * y).collect();
    let difference = max_diff(&deltas(&combined), &sum);
    println!("combination: {difference:e}");
    assert!(difference < 1e-5, "{difference}");
    assert!(sum.iter().any(|x| x.abs() > 1e-2));

    let other = weights(&LoraConfig { r: 2, ..config() }, 3);
    assert!(matches!(
        AdapterWeights::combine(&[(&one, 1.0), (&other, 1.0)]),
        Err(Error::CannotCombine { .. })
    ));
    assert!(matches!(AdapterWeights::combine(&[]), Err(Error::CannotCombine { .. })));
    assert!(matches!(AdapterWeights::combine(&[(&one, f64::NAN)]), Err(Error::CannotCombine { .. })));
    let dora = weights(&LoraConfig { use_dora: true, ..config() }, 4);
    assert!(matches!(AdapterWeights::combine(&[(&dora, 1.0)]), Err(Error::CannotCombine { .. })));
}

#[test]
fn the_default_loads_everywhere_and_the_course_almost_nowhere() {
    let loads = |config: &LoraConfig| {
        let rules = config.portability(256_000);
        let fine = rules.into_iter().filter(|(_, rules)| rules.is_empty());
        fine.map(|(consumer, _)| consumer).collect::<Vec<_>>()
    };
    assert_eq!(loads(&LoraConfig::default()), Consumer::ALL);
    LoraConfig::default().check_portable(256_000).expect("portable");
    let mut course = LoraConfig::default();
    course.target_modules.extend(["embed_tokens".to_owned(), "lm_head".to_owned()]);
    assert_eq!(loads(&course), [Consumer::Peft]);
    let error = course.check_portable(256_000).expect_err("refused");
    assert!(matches!(error, Error::NotPortable { .. }), "{error}");
    let added = LoraConfig { trainable_token_indices: vec![256_000], ..LoraConfig::default() };
    assert_eq!(added.features(256_000), [Feature::TokenRows, Feature::AddedTokens]);
    assert_eq!(added.features(256_008), [Feature::TokenRows]);
    assert_eq!(loads(&added), []);
    let pissa = LoraConfig { init_lora_weights: InitLoraWeights::Pissa, ..LoraConfig::default() };
    assert_eq!(pissa.features(256_000), [Feature::LargeRank]);
    assert!(!loads(&pissa).contains(&Consumer::Vllm));
}

#[test]
fn a_portable_adapter_computes_the_same() {
    let device = Device::flex();
    let patterns = Patterns {
        rank_pattern: vec![("q_proj".into(), 2), ("layers.1.mlp.down_proj".into(), 5)],
        alpha_pattern: vec![("gate_proj".into(), 1.5)],
        ..Patterns::default()
    };
    for config in [
        config(),
        LoraConfig { use_rslora: true, ..config() },
        LoraConfig { lora_alpha: 2.5, ..config() },
        LoraConfig { patterns, use_rslora: true, ..config() },
    ] {
        let original = weights(&config, 5);
        let portable = original.portable(256_000).expect("portable");
        let rules = portable.config.portability(256_000);
        assert!(rules.iter().all(|(_, rules)| rules.is_empty()), "{rules:?}");
        let folder = tempfile::tempdir().expect("a temporary folder");
        portable.save(folder.path()).expect("written");
        portable.write_export_report(folder.path(), 256_000).expect("written");
        let report = std::fs::read_to_string(folder.path().join("export_report.json")).expect("there");
        let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
        assert!(report["consumers"].as_array().expect("a list").iter().all(|c| c["loads"] == true));
        let again = AdapterWeights::load(folder.path(), &device).expect("loads");
        let active = |weights: &AdapterWeights| weights.attach(base(&device)).expect("fits");
        let difference = max_diff(&logits(&active(&again)), &logits(&active(&original)));
        println!("portable form moves logits by {difference:e}");
        assert!(difference < 1e-3, "{difference}");
        assert!(max_diff(&logits(&merge(active(&again)).model), &logits(&base(&device))) > 0.1);
    }
    let dora = weights(&LoraConfig { use_dora: true, ..config() }, 5);
    assert!(matches!(dora.portable(256_000), Err(Error::NotPortable { .. })));
}
