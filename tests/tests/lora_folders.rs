//! Adapter folders of every kind: nothing changes on the way, and nothing that is wrong goes unnoticed.
#![recursion_limit = "256"]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::tensor::{DType, Device};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use tooltune_gemma2::Gemma2;
use tooltune_lora::{
    AdapterWeights, Error, GgufDtype, GgufOptions, InitLoraWeights, LoraConfig, LoraLinear, LoraPlus, attach,
    trainable_parameters,
};
use tooltune_tests::{golden_dir, values};

const WEIGHTS: &str = "adapter_model.safetensors";
const CONFIG: &str = "adapter_config.json";

fn base(device: &Device) -> Gemma2 {
    Gemma2::from_pretrained(golden_dir().join("base"), DType::F32, device).expect("the reference base loads")
}

/// The names of the reference adapters.
fn kinds() -> Vec<String> {
    let entries = fs::read_dir(golden_dir()).expect("there").flatten().filter(|entry| entry.path().is_dir());
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let kinds: Vec<_> = names.filter(|name| name.starts_with("adapter_")).collect();
    assert!(!kinds.is_empty(), "no adapter in {}", golden_dir().display());
    kinds
}

fn load(folder: &Path) -> Result<AdapterWeights, Error> {
    AdapterWeights::load(folder, &Device::flex())
}

/// Shape and bytes of every tensor of a file, by name.
type Contents = BTreeMap<String, (Vec<usize>, Vec<u8>)>;

fn contents(path: &Path) -> Contents {
    let bytes = fs::read(path).expect("there");
    let file = SafeTensors::deserialize(&bytes).expect("valid");
    let tensors = file.tensors().into_iter();
    tensors.map(|(name, view)| (name, (view.shape().to_vec(), view.data().to_vec()))).collect()
}

fn write(path: &Path, contents: &Contents) {
    let views = contents.iter().map(|(name, (shape, data))| {
        (name, TensorView::new(Dtype::F32, shape.clone(), data).expect("as many values as its shape says"))
    });
    fs::write(path, safetensors::serialize(views, None).expect("serializes")).expect("written");
}

#[test]
fn every_kind_is_written_as_it_was_read_byte_for_byte() {
    for kind in kinds() {
        let reference = golden_dir().join(&kind);
        let outside = tempfile::tempdir().expect("a temporary folder");
        let (once, twice) = (outside.path().join("once"), outside.path().join("twice"));
        load(&reference).expect("loads").save(&once).expect("written");
        // Through a model: what training hands over is what was attached.
        let read = load(&once).expect("loads");
        let model: Gemma2<LoraLinear> = read.attach(base(&Device::flex())).expect("fits");
        AdapterWeights::of(&model, &read.config).save(&twice).expect("written");
        for file in [WEIGHTS, CONFIG] {
            let bytes = |folder: &Path| fs::read(folder.join(file)).expect("there");
            assert!(bytes(&once) == bytes(&twice), "{kind}: {file} changes from one round to the next");
        }
        let (ours, mut peft) = (contents(&once.join(WEIGHTS)), contents(&reference.join(WEIGHTS)));
        peft.retain(|name, _| !name.contains("base_layer"));
        assert_eq!(ours.keys().collect::<Vec<_>>(), peft.keys().collect::<Vec<_>>(), "{kind}");
        for (name, tensor) in &ours {
            assert!(*tensor == peft[name], "{kind}: {name} is not what PEFT wrote");
        }
        println!("{kind}: {} tensors, all bytes those of PEFT", ours.len());
    }
}

#[test]
fn every_tensor_that_is_missing_unexpected_or_misshapen_is_an_error() {
    let base = base(&Device::flex());
    for kind in kinds() {
        let outside = tempfile::tempdir().expect("a temporary folder");
        let folder = outside.path();
        load(&golden_dir().join(&kind)).expect("loads").save(folder).expect("written");
        let whole = contents(&folder.join(WEIGHTS));
        // Reading may not know the model's shapes; attaching does.
        let attempt = |changed: &Contents| -> Result<Gemma2<LoraLinear>, Error> {
            write(&folder.join(WEIGHTS), changed);
            load(folder)?.attach(base.clone())
        };
        attempt(&whole).expect("unchanged, it fits");
        let mut checked = 0;
        for (name, (shape, data)) in &whole {
            let mut without = whole.clone();
            without.remove(name);
            assert!(attempt(&without).is_err(), "{kind}: {name} is missing");
            let mut renamed = without.clone();
            renamed.insert(format!("{name}_"), (shape.clone(), data.clone()));
            assert!(attempt(&renamed).is_err(), "{kind}: {name} has another name");
            let mut beside = whole.clone();
            beside.insert(format!("{name}_"), (shape.clone(), data.clone()));
            let error = attempt(&beside).expect_err(name).to_string();
            assert!(error.contains(&format!("{name}_")), "{kind}: {error}");
            for axis in 0..shape.len() {
                let mut longer = shape.clone();
                longer[axis] += 1;
                let mut misshapen = without.clone();
                let zeros = vec![0; 4 * longer.iter().product::<usize>()];
                misshapen.insert(name.clone(), (longer.clone(), zeros));
                assert!(attempt(&misshapen).is_err(), "{kind}: {name} is {longer:?}, not {shape:?}");
                checked += 1;
            }
            let mut flat = without;
            flat.insert(name.clone(), ([shape.as_slice(), &[1]].concat(), data.clone()));
            assert!(attempt(&flat).is_err(), "{kind}: {name} has an axis too many");
            checked += 4;
        }
        println!("{kind}: {checked} changes of {} tensors, all noticed", whole.len());
    }
}

#[test]
fn other_files_of_the_folder_stay_and_a_diverged_adapter_is_not_written() {
    let outside = tempfile::tempdir().expect("a temporary folder");
    let folder = outside.path();
    for kind in kinds() {
        let adapter = load(&golden_dir().join(&kind)).expect("loads");
        fs::write(folder.join("tokenizer.json"), &kind).expect("written");
        // Over an adapter of another kind.
        adapter.save(folder).expect("written");
        let mut names: Vec<_> = fs::read_dir(folder)
            .expect("there")
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names, [CONFIG, WEIGHTS, "tokenizer.json"]);
        assert_eq!(fs::read_to_string(folder.join("tokenizer.json")).expect("there"), kind);
        let before = fs::read(folder.join(WEIGHTS)).expect("there");

        let mut diverged = adapter;
        let Some((path, (a, _))) = diverged.tensors.iter_mut().next() else {
            continue;
        };
        let path = path.clone();
        *a = a.clone().slice_fill([0..1, 0..1], f32::NAN);
        let error = diverged.save(folder).expect_err("refused");
        let tooltune_lora::Error::Lm(tooltune_lm::Error::NotFinite { tensor, dtype: DType::F32, .. }) =
            &error
        else {
            panic!("{kind}: {error}");
        };
        assert!(tensor.contains(&path), "{kind}: {error}");
        assert_eq!(fs::read(folder.join(WEIGHTS)).expect("there"), before, "{kind}: what was there still is");
    }
}

#[test]
fn a_gguf_adapter_holds_finite_values_only() {
    let config = LoraConfig { r: 2, ..LoraConfig::default() };
    let fresh = AdapterWeights::of(&attach(base(&Device::flex()), &config, 1).expect("attaches"), &config);
    let outside = tempfile::tempdir().expect("a temporary folder");
    let path = outside.path().join("adapter.gguf");
    for (value, dtype, fits) in [
        (f32::NAN, GgufDtype::F32, false),
        (f32::INFINITY, GgufDtype::F16, false),
        (-70_000.0, GgufDtype::F16, false),
        (-70_000.0, GgufDtype::F32, true),
        (65_504.0, GgufDtype::F16, true),
    ] {
        let mut weights = fresh.clone();
        let (a, _) = weights.tensors.values_mut().last().expect("has weights");
        *a = a.clone().slice_fill([1..2, 0..1], value);
        let written = weights.save_gguf(&path, &GgufOptions { dtype, ..GgufOptions::default() });
        assert_eq!(written.is_ok(), fits, "{value} in {dtype:?}");
        assert_eq!(path.exists(), fits, "{value} in {dtype:?}");
        match written {
            Ok(()) => fs::remove_file(&path).expect("there"),
            Err(error) => assert!(matches!(error, Error::NotFinite { .. }), "{error}"),
        }
    }
}

#[test]
fn a_fresh_adapter_starts_as_in_peft() {
    let device = Device::flex();
    let targets = ["q_proj", "down_proj", "embed_tokens"].map(str::to_owned).to_vec();
    let config = LoraConfig { r: 16, target_modules: targets, ..LoraConfig::default() };
    let moments = |values: &[f32]| {
        let mean =
            |power: i32| values.iter().map(|x| f64::from(*x).powi(power)).sum::<f64>() / values.len() as f64;
        (mean(1), mean(2).sqrt())
    };
    for init in [InitLoraWeights::Default, InitLoraWeights::Gaussian] {
        let config = LoraConfig { init_lora_weights: init, ..config.clone() };
        let adapter = AdapterWeights::of(&attach(base(&device), &config, 11).expect("attaches"), &config);
        for (path, (a, b)) in adapter.tensors {
            let ([r, inputs], a, b) = (a.dims(), values(a), values(b));
            let zeros = |values: &[f32]| values.iter().all(|x| *x == 0.0);
            if path.ends_with("embed_tokens") {
                let (mean, deviation) = moments(&b);
                assert!(zeros(&a) && mean.abs() < 0.15 && (deviation - 1.0).abs() < 0.15, "{path}: B");
                continue;
            }
            assert!(zeros(&b), "{path}: B starts at zero");
            let (mean, deviation) = moments(&a);
            // Kaiming's uniform distribution with a = √5, or a normal one.
            let bound = 1.0 / (inputs as f64).sqrt();
            let expected = match init {
                InitLoraWeights::Gaussian => 1.0 / r as f64,
                _ => bound / 3f64.sqrt(),
            };
            assert!(mean.abs() < 0.15 * expected, "{path}: the mean is {mean}");
            assert!((deviation / expected - 1.0).abs() < 0.15, "{path}: {deviation}, not {expected}");
            let largest = a.iter().fold(0f32, |max, x| max.max(x.abs()));
            assert_eq!(f64::from(largest) <= bound, init == InitLoraWeights::Default, "{path}: {largest}");
        }
    }
}

#[test]
fn lora_plus_names_every_b_and_magnitude() {
    let device = Device::flex().autodiff();
    let config = LoraConfig { r: 2, use_dora: true, ..LoraConfig::default() };
    let model = attach(base(&device), &config, 1).expect("attaches");
    let factors = LoraPlus::default().learning_rate_factors(&model);
    for (name, id) in trainable_parameters(&model) {
        let factor = factors.iter().find(|(ids, _)| ids.contains(&id)).map_or(1.0, |(_, factor)| *factor);
        assert_eq!(factor, if name.contains("lora_A") { 1.0 } else { 16.0 }, "{name}");
    }
}

#[test]
fn a_kind_that_stores_twice_the_rank_stays_readable() {
    let config = |r| LoraConfig { r, init_lora_weights: InitLoraWeights::Pissa, ..LoraConfig::default() };
    config(512).validate().expect("1024 is stored");
    for config in [
        config(513),
        LoraConfig {
            patterns: tooltune_lora::Patterns {
                rank_pattern: vec![("q_proj".into(), 513)],
                ..Default::default()
            },
            ..config(4)
        },
    ] {
        let error = config.validate().expect_err("a folder with more would be refused when it is read");
        assert!(error.to_string().contains("512"), "{error}");
    }
}
