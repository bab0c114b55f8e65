//! Adapters that are made here: what they start from, that they learn, and what is written.
#![recursion_limit = "256"]

use std::path::Path;

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData};
use tooltune_gemma2::Gemma2;
use tooltune_lm::checkpoint::NamedTensor;
use tooltune_lm::{CausalLm, Embedding, MapProjections, TokenBatch, write_safetensors};
use tooltune_lora::config::{ALL_LINEAR, ALL_PROJECTIONS};
use tooltune_lora::{
    AdapterWeights, Error, InitLoraWeights, InitialRow, LoraConfig, LoraLinear, LoraPlus, Patterns,
    add_tokens, attach, learns_at_once, merge, start_rows, trainable_parameters,
};
use tooltune_sft::{
    BatchSize, GradientGuard, MaskedCrossEntropy, OptimizerConfig, Sample, ScheduleConfig, TrainingConfig,
    evaluation_loss, train, train_with,
};
use tooltune_tests::{golden, golden_dir, max_diff, rows, sample, values};

fn base(device: &Device) -> Gemma2 {
    Gemma2::from_pretrained(golden_dir().join("base"), DType::F32, device).expect("the reference base loads")
}

fn logits<M: CausalLm>(model: &M) -> Vec<f32> {
    values(model.forward(&TokenBatch::single(&golden("forward.safetensors").ids("ids")[0])))
}

fn samples() -> Vec<Sample> {
    let tensors = golden("curve.safetensors");
    let (ids, mask, labels) = (tensors.ids("ids"), tensors.ids("mask"), rows(&tensors, "labels"));
    (0..ids.len()).map(|row| sample(&row.to_string(), &ids[row], &mask[row], &labels[row])).collect()
}

fn training(steps: usize) -> TrainingConfig {
    TrainingConfig {
        max_steps: Some(steps),
        batch_size: BatchSize::Samples(4),
        gradient_accumulation_steps: 1,
        schedule: ScheduleConfig { warmup_steps: 0, warmup_ratio: 0.0, ..ScheduleConfig::cosine(1e-2) },
        optimizer: OptimizerConfig { weight_decay: 0.0, ..OptimizerConfig::default() },
        ..TrainingConfig::default()
    }
}

fn projections_and(others: &[&str]) -> Vec<String> {
    ALL_PROJECTIONS.iter().chain(others).map(|name| (*name).to_owned()).collect()
}

fn config() -> LoraConfig {
    LoraConfig { r: 4, lora_alpha: 8.0, ..LoraConfig::default() }
}

/// Tokens of the training data, so that their rows are looked up.
fn tokens() -> Vec<u32> {
    let mut ids: Vec<u32> = samples().iter().flat_map(|sample| sample.ids.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter().rev().take(5).collect()
}

/// Every kind, and combinations of kinds. Whether merging unties.
fn kinds() -> Vec<(&'static str, LoraConfig, bool)> {
    let embed_and_head = || projections_and(&["embed_tokens", "lm_head"]);
    let patterns = Patterns {
        rank_pattern: vec![("q_proj".into(), 2), ("layers.1.mlp.down_proj".into(), 6)],
        alpha_pattern: vec![("q_proj".into(), 16.0), ("gate_proj".into(), 3.5)],
        layers_to_transform: Some(vec![1, 2]),
        layers_pattern: vec!["layers".into()],
        exclude_modules: vec!["k_proj".into()],
    };
    let saved = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let all_linear = vec![ALL_LINEAR.to_owned()];
    vec![
        ("lora", config(), false),
        ("all_linear", LoraConfig { target_modules: all_linear, ..config() }, false),
        ("dropout", LoraConfig { lora_dropout: 0.05, ..config() }, false),
        ("gaussian", LoraConfig { init_lora_weights: InitLoraWeights::Gaussian, ..config() }, false),
        ("pissa", LoraConfig { init_lora_weights: InitLoraWeights::Pissa, ..config() }, false),
        (
            "pissa_rslora_patterns",
            LoraConfig {
                init_lora_weights: InitLoraWeights::Pissa,
                use_rslora: true,
                patterns: patterns.clone(),
                ..config()
            },
            false,
        ),
        ("patterns", LoraConfig { patterns, ..config() }, false),
        ("rslora", LoraConfig { use_rslora: true, ..config() }, false),
        ("dora", LoraConfig { use_dora: true, ..config() }, false),
        ("dora_dropout", LoraConfig { use_dora: true, lora_dropout: 0.1, ..config() }, false),
        ("embed", LoraConfig { target_modules: projections_and(&["embed_tokens"]), ..config() }, true),
        ("head", LoraConfig { target_modules: projections_and(&["lm_head"]), ..config() }, true),
        (
            "embed_and_head",
            LoraConfig { target_modules: embed_and_head(), lora_dropout: 0.05, ..config() },
            true,
        ),
        (
            "embed_and_head_tied",
            LoraConfig { target_modules: embed_and_head(), ensure_weight_tying: true, ..config() },
            false,
        ),
        ("tokens", LoraConfig { trainable_token_indices: tokens(), ..config() }, false),
        (
            "dora_and_tokens",
            LoraConfig { use_dora: true, trainable_token_indices: tokens(), ..config() },
            false,
        ),
        ("save_both", LoraConfig { modules_to_save: saved(&["embed_tokens", "lm_head"]), ..config() }, true),
        ("save_embed", LoraConfig { modules_to_save: saved(&["embed_tokens"]), ..config() }, true),
        ("save_head", LoraConfig { modules_to_save: saved(&["lm_head"]), ..config() }, true),
        (
            "save_tied",
            LoraConfig { modules_to_save: saved(&["embed_tokens"]), ensure_weight_tying: true, ..config() },
            false,
        ),
    ]
}

fn trained(name: &str, base: Gemma2, config: &LoraConfig, steps: usize) -> Gemma2<LoraLinear> {
    let adapted = attach(base, config, 7).unwrap_or_else(|e| panic!("{name}: {e}"));
    learn(name, adapted, steps)
}

fn learn(name: &str, adapted: Gemma2<LoraLinear>, steps: usize) -> Gemma2<LoraLinear> {
    let samples = samples();
    let loss = |model: &Gemma2<LoraLinear>| {
        evaluation_loss(model, &samples, &MaskedCrossEntropy::default(), BatchSize::Samples(8))
            .expect("readable")
            .expect("there are samples")
    };
    let before = loss(&adapted);
    let mut guard = GradientGuard::new(trainable_parameters(&adapted), learns_at_once);
    let (trained, _) = train(adapted, &samples, &[], &training(steps), &mut [&mut guard])
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    let after = loss(&trained);
    println!("{name}: loss {before:.4} -> {after:.4}");
    assert!(after < before - 0.1, "{name}: {before} -> {after}");
    trained
}

#[test]
fn every_kind_starts_as_the_base_and_learns() {
    let device = Device::flex().autodiff();
    let plain = logits(&base(&Device::flex()));
    for (name, config, _) in kinds() {
        let fresh = attach(base(&device), &config, 7).unwrap_or_else(|e| panic!("{name}: {e}"));
        let moved = max_diff(&logits(&fresh.valid()), &plain);
        // DoRA divides by the norm that it multiplies by.
        assert!(moved <= if config.use_dora { 1e-3 } else { 0.0 }, "{name}: logits move by {moved}");
        learn(name, fresh, 6);
    }
}

#[test]
fn every_kind_merges_and_reads_back_after_training() {
    let device = Device::flex();
    for (name, config, unties) in kinds() {
        let model = trained(name, base(&device.clone().autodiff()), &config, 3).valid();
        let active = logits(&model);
        let folder = tempfile::tempdir().expect("a temporary folder");
        AdapterWeights::of(&model, &config).save(folder.path()).expect("written");
        let loaded = AdapterWeights::load(folder.path(), &device).unwrap_or_else(|e| panic!("{name}: {e}"));
        let again = loaded.attach(base(&device)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let difference = max_diff(&logits(&again), &active);
        println!("{name}: reloaded {difference:e}");
        assert!(difference <= 1e-3, "{name}: {difference}");
        let merged = merge(model);
        assert_eq!(merged.untied, unties, "{name}");
        let difference = max_diff(&logits(&merged.model), &active);
        println!("{name}: merged {difference:e}");
        assert!(difference <= 1e-3, "{name}: {difference}");
    }
}

#[test]
fn lora_plus_multiplies_the_steps_of_b() {
    let device = Device::flex().autodiff();
    let config =
        LoraConfig { target_modules: projections_and(&["embed_tokens"]), use_dora: false, ..config() };
    let after_one_step = |plus: LoraPlus| {
        let start = attach(base(&device), &config, 7).expect("attaches");
        let training = training(1);
        let optimizer = training.optimizer.build_with_factors(&plus.learning_rate_factors(&start));
        let objective = MaskedCrossEntropy::default();
        let before = AdapterWeights::of(&start, &config).tensors;
        let (model, _) =
            train_with(start, &samples(), &[], &training, &objective, optimizer, &mut []).expect("trains");
        let moved = |path: &str, before: &(Tensor<2>, Tensor<2>)| {
            let (a, b) = AdapterWeights::of(&model, &config).tensors[path].clone();
            (values(a - before.0.clone()), values(b - before.1.clone()))
        };
        before.iter().map(|(path, pair)| (path.clone(), moved(path, pair))).collect::<Vec<_>>()
    };
    let same = after_one_step(LoraPlus { loraplus_lr_ratio: 1.0, embedding_lr_ratio: 1.0 });
    let plus = after_one_step(LoraPlus { loraplus_lr_ratio: 8.0, embedding_lr_ratio: 0.5 });
    for ((path, (a, b)), (_, (plus_a, plus_b))) in same.iter().zip(&plus) {
        let times = |values: &[f32], factor: f32| values.iter().map(|x| x * factor).collect::<Vec<_>>();
        let (of_a, of_b) = if path.ends_with("embed_tokens") { (0.5, 0.5) } else { (1.0, 8.0) };
        assert!(max_diff(plus_a, &times(a, of_a)) < 1e-6, "{path}: A");
        assert!(max_diff(plus_b, &times(b, of_b)) < 1e-6, "{path}: B");
        assert!(a.iter().chain(b).any(|x| x.abs() > 1e-3), "{path}: nothing moved");
    }
}

fn described(ids: impl IntoIterator<Item = u32>) -> Vec<InitialRow> {
    let from = |index: usize| if index < 2 { vec![] } else { vec![7 + index as u32, 11] };
    ids.into_iter().enumerate().map(|(index, id)| InitialRow { id, from_ids: from(index) }).collect()
}

/// Cosine of every pair of rows.
fn closest(rows: &[Vec<f32>]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    let cosine = |a: &[f32], b: &[f32]| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    let mut largest = -1f32;
    for (index, row) in rows.iter().enumerate() {
        largest = rows[..index].iter().map(|other| cosine(row, other)).fold(largest, f32::max);
    }
    largest
}

#[test]
fn added_tokens_are_distinct_and_alone_in_the_file() {
    let device = Device::flex().autodiff();
    let plain = base(&device);
    let [vocab, hidden] = plain.embed_tokens.table_dims();
    let added: Vec<u32> = (vocab as u32..vocab as u32 + 8).collect();
    let larger: Gemma2 = add_tokens(base(&device), &described(added.clone()), 3).expect("resized");
    assert_eq!((larger.config.vocab_size, larger.vocab_size()), (vocab + 8, vocab + 8));
    let table = values(larger.embed_tokens.weight.val());
    assert_eq!(table[..vocab * hidden], values(plain.embed_tokens.weight.val()), "the old rows are the same");
    let new: Vec<Vec<f32>> = table[vocab * hidden..].chunks(hidden).map(<[f32]>::to_vec).collect();
    let cosine = closest(&new);
    println!("largest cosine of two new rows: {cosine}");
    assert!(cosine < 0.999, "{cosine}");

    // Trained on conversations that use them.
    let config = LoraConfig { trainable_token_indices: added.clone(), ..config() };
    let mut samples = samples();
    for (index, sample) in samples.iter_mut().enumerate() {
        let last = sample.ids.len() - 1;
        sample.ids[last / 2] = added[index % 8];
        sample.ids[last] = added[(index + 1) % 8];
    }
    let start = attach(larger, &config, 7).expect("attaches");
    let (trained, _) = train(start, &samples, &[], &training(6), &mut []).expect("trains");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let weights = AdapterWeights::of(&trained, &config);
    weights.save(folder.path()).expect("written");
    let without = AdapterWeights::of(
        &attach(base(&device), &LoraConfig { trainable_token_indices: vec![], ..config.clone() }, 7)
            .expect("attaches"),
        &config,
    );
    let extra = weights.num_params() - without.num_params();
    assert_eq!(extra, 8 * hidden, "eight rows, and nothing else of the embedding");

    let rows = weights.token_rows.clone().expect("trained");
    let moved = max_diff(&values(rows), &new.concat());
    assert!(moved > 1e-3, "the rows have been trained");
    // The file is enough: however the rows of another enlarged base start, these replace them.
    let device = Device::flex();
    let unlike: Vec<_> = added.iter().map(|&id| InitialRow { id, from_ids: vec![5] }).collect();
    let other: Gemma2 = add_tokens(base(&device), &unlike, 99).expect("resized");
    let loaded = AdapterWeights::load(folder.path(), &device).expect("loads").attach(other).expect("fits");
    let batch = TokenBatch::single(&[&[2u32, 9, 30][..], &added[..]].concat());
    let difference = max_diff(&values(loaded.forward(&batch)), &values(trained.valid().forward(&batch)));
    assert!(difference <= 1e-3, "{difference}");
    let merged = merge(loaded);
    assert!(!merged.untied);
    let difference =
        max_diff(&values(merged.model.forward(&batch)), &values(trained.valid().forward(&batch)));
    assert!(difference <= 1e-3, "{difference}");
    // And a base without them is refused.
    let small = AdapterWeights::load(folder.path(), &device).expect("loads").attach(base(&device));
    assert!(small.expect_err("refused").to_string().contains("resize"));
}

#[test]
fn reserved_tokens_start_from_their_descriptions() {
    let device = Device::flex().autodiff();
    let reserved = tokens();
    let config = LoraConfig { trainable_token_indices: reserved.clone(), ..config() };
    let fresh = attach(base(&device), &config, 7).expect("attaches");
    let descriptions = described(reserved.iter().copied());
    let started = start_rows(fresh, &descriptions, 3).expect("started");
    let rows = started.embedding().tokens.as_ref().expect("trained").weight.val();
    let [count, hidden] = rows.dims();
    assert_eq!(count, reserved.len());
    let rows: Vec<Vec<f32>> = values(rows).chunks(hidden).map(<[f32]>::to_vec).collect();
    assert!(closest(&rows) < 0.999, "{}", closest(&rows));
    let table = values(base(&device).embed_tokens.weight.val());
    let row = |id: u32| &table[id as usize * hidden..(id as usize + 1) * hidden];
    let mean: Vec<f32> = row(9).iter().zip(row(11)).map(|(x, y)| (x + y) / 2.0).collect();
    assert!(max_diff(&rows[2], &mean) < 1e-6);
    learn("reserved", started, 6);
}

#[test]
fn rows_that_cannot_be_made_are_refused() {
    let device = Device::flex();
    let vocab = base(&device).vocab_size() as u32;
    let row = |id, from: &[u32]| InitialRow { id, from_ids: from.to_vec() };
    for rows in [
        vec![row(vocab + 1, &[3])],
        vec![row(vocab, &[3]), row(vocab, &[4])],
        vec![row(vocab, &[vocab])],
        vec![row(5, &[3])],
    ] {
        assert!(matches!(add_tokens(base(&device), &rows, 0), Err(Error::TokenRows { .. })), "{rows:?}");
    }
    let config = LoraConfig { trainable_token_indices: vec![5], ..config() };
    let fresh = || attach(base(&device), &config, 7).expect("attaches");
    for rows in [vec![row(6, &[3])], vec![row(5, &[3]), row(5, &[4])], vec![row(5, &[vocab])]] {
        assert!(matches!(start_rows(fresh(), &rows, 0), Err(Error::TokenRows { .. })), "{rows:?}");
    }
    let beyond = LoraConfig { trainable_token_indices: vec![vocab], ..config.clone() };
    let error = attach(base(&device), &beyond, 0).expect_err("refused");
    assert!(matches!(error, Error::InvalidConfig { field: "trainable_token_indices", .. }), "{error}");
}

/// The course's own configuration: eight added rows, and LoRA on everything.
#[test]
fn the_course_trains() {
    let device = Device::flex().autodiff();
    let vocab = base(&device).vocab_size() as u32;
    let rows: Vec<_> = (vocab..vocab + 8).map(|id| InitialRow { id, from_ids: vec![] }).collect();
    let larger = add_tokens(base(&device), &rows, 3).expect("resized");
    let everything = projections_and(&["embed_tokens", "lm_head"]);
    let config =
        LoraConfig { r: 16, lora_alpha: 64.0, lora_dropout: 0.05, target_modules: everything, ..config() };
    let trained = trained("course", larger, &config, 6).valid();
    let active = logits(&trained);
    let merged = merge(trained);
    assert!(merged.untied);
    assert!(max_diff(&logits(&merged.model), &active) <= 1e-3);
}

/// Writes every kind for another program to load: `{kind}/adapter`, `{kind}/merged`, and `{kind}/expected.safetensors` with `logits`.
#[test]
#[ignore = "writes to the folder that TOOLTUNE_EXPORT names"]
fn export() {
    let out = std::env::var_os("TOOLTUNE_EXPORT").expect("TOOLTUNE_EXPORT names a folder");
    let device = Device::flex().autodiff();
    let write = |name: &str, model: Gemma2<LoraLinear>, config: &LoraConfig| {
        let folder = Path::new(&out).join(name);
        let model = model.valid();
        AdapterWeights::of(&model, config).save(folder.join("adapter")).expect("written");
        let logits = logits(&model);
        let merged = merge(model);
        merged.model.save_pretrained(folder.join("merged"), DType::F32).expect("written");
        let ids = golden("forward.safetensors").ids("ids")[0].len();
        let shape = vec![1, ids, logits.len() / ids];
        let data = TensorData::new(logits, shape.clone());
        let tensor = NamedTensor::new("logits", shape, DType::F32, move || data.clone());
        write_safetensors(folder.join("expected.safetensors"), &[tensor]).expect("written");
    };
    for (name, config, _) in kinds() {
        write(name, trained(name, base(&device), &config, 3), &config);
    }
    let vocab = base(&device).vocab_size() as u32;
    let added: Vec<u32> = (vocab..vocab + 8).collect();
    let larger = || add_tokens(base(&device), &described(added.clone()), 3).expect("resized");
    larger().save_pretrained(Path::new(&out).join("base_added"), DType::F32).expect("written");
    let config = LoraConfig { trainable_token_indices: added.clone(), ..config() };
    write("added", trained("added", larger(), &config, 3), &config);
    for entry in std::fs::read_dir(golden_dir()).expect("there").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("adapter_") && entry.path().is_dir() {
            let weights = AdapterWeights::load(entry.path(), &Device::flex()).expect("loads");
            write(&format!("peft_{name}"), weights.attach(base(&device)).expect("fits"), &weights.config);
        }
    }
}
