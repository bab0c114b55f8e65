//! What leaves the project: GGUF adapters, sharded checkpoints, counts of parameters.
#![recursion_limit = "256"]

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{DType, Device};
use half::f16;
use tooltune_gemma2::pretrained::expected_shapes;
use tooltune_gemma2::{Gemma2, Gemma2Config};
use tooltune_lm::checkpoint::write_folder;
use tooltune_lm::{CausalLm, MapProjections, TensorFile, TokenBatch};
use tooltune_lora::{
    AdapterWeights, Consumer, Error, Feature, GgufDtype, GgufOptions, InitLoraWeights, LoraConfig,
    LoraLinear, ParameterCount, attach,
};
use tooltune_tests::{golden, golden_dir, values};

fn base(device: &Device) -> Gemma2 {
    Gemma2::from_pretrained(golden_dir().join("base"), DType::F32, device).expect("the reference base loads")
}

fn logits<M: CausalLm>(model: &M) -> Vec<f32> {
    values(model.forward(&TokenBatch::single(&golden("forward.safetensors").ids("ids")[0])))
}

/// The reference adapters that are there, by name.
fn adapters() -> Vec<(String, AdapterWeights)> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(golden_dir()).expect("there").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("adapter_") && entry.path().is_dir() {
            let weights = AdapterWeights::load(entry.path(), &Device::flex());
            out.push((name.clone(), weights.unwrap_or_else(|e| panic!("{name}: {e}"))));
        }
    }
    assert!(!out.is_empty(), "no adapter in {}", golden_dir().display());
    out
}

/// A GGUF file, read by the format's description alone.
#[derive(Default)]
struct Gguf {
    strings: BTreeMap<String, String>,
    integers: BTreeMap<String, u32>,
    floats: BTreeMap<String, f32>,
    /// Name, sizes from the innermost axis outwards, type, values.
    tensors: Vec<(String, Vec<u64>, u32, Vec<f32>)>,
}

struct Cursor<'a>(&'a [u8], usize);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        self.1 += count;
        &self.0[self.1 - count..self.1]
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take(4).try_into().expect("four bytes"))
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take(8).try_into().expect("eight bytes"))
    }

    fn text(&mut self) -> String {
        let length = self.u64() as usize;
        String::from_utf8(self.take(length).to_vec()).expect("UTF-8")
    }
}

fn read_gguf(path: &Path) -> Gguf {
    let bytes = std::fs::read(path).expect("there");
    let mut at = Cursor(&bytes, 0);
    assert_eq!(at.take(4), b"GGUF");
    assert_eq!(at.u32(), 3, "version");
    let (tensors, pairs) = (at.u64(), at.u64());
    let mut out = Gguf::default();
    for _ in 0..pairs {
        let key = at.text();
        match at.u32() {
            4 => drop(out.integers.insert(key, at.u32())),
            6 => drop(out.floats.insert(key, f32::from_bits(at.u32()))),
            8 => drop(out.strings.insert(key, at.text())),
            other => panic!("{key} has type {other}"),
        }
    }
    let mut described = Vec::new();
    for _ in 0..tensors {
        let name = at.text();
        let axes = at.u32();
        let sizes: Vec<u64> = (0..axes).map(|_| at.u64()).collect();
        described.push((name, sizes, at.u32(), at.u64() as usize));
    }
    let start = at.1.next_multiple_of(32);
    assert!(bytes[at.1..start].iter().all(|byte| *byte == 0), "padding");
    let mut end = 0;
    for (name, sizes, kind, offset) in described {
        assert_eq!(offset, end, "{name} follows the one before");
        assert!(offset.is_multiple_of(32), "{name}");
        let count = sizes.iter().product::<u64>() as usize;
        let width = if kind == 1 { 2 } else { 4 };
        let data = &bytes[start + offset..][..count * width];
        let wide = |b: &[u8]| match kind {
            0 => f32::from_le_bytes(b.try_into().expect("four bytes")),
            1 => f16::from_le_bytes(b.try_into().expect("two bytes")).to_f32(),
            other => panic!("{name} has type {other}"),
        };
        let values = data.chunks(width).map(wide).collect();
        out.tensors.push((name, sizes, kind, values));
        end = (offset + count * width).next_multiple_of(32);
    }
    assert_eq!(bytes.len(), start + end, "nothing follows the last tensor");
    out
}

/// What llama.cpp calls the weight at `path`.
fn llama_cpp_name(path: &str) -> String {
    let pairs = [
        ("model.layers.", "blk."),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
    ];
    pairs.iter().fold(path.to_owned(), |name, (ours, theirs)| name.replace(ours, theirs)) + ".weight"
}

/// The config's features that no GGUF adapter can have, by the table of the portability rules.
fn impossible(config: &LoraConfig) -> bool {
    let rules = config.portability(usize::MAX);
    let against = rules.into_iter().filter(|(consumer, _)| *consumer == Consumer::LlamaCpp);
    let folded = [Feature::RsLora, Feature::AlphaPattern];
    against.flat_map(|(_, rules)| rules).any(|rule| !folded.contains(&rule.feature))
}

#[test]
fn a_gguf_adapter_computes_the_same_delta_by_the_rules_of_llama_cpp() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("adapter.gguf");
    let possible = adapters().into_iter().filter(|(_, weights)| !impossible(&weights.config));
    let varied = possible.flat_map(|(kind, weights)| {
        // The same pairs, scaled in other ways.
        let (mut root, mut alphas) = (weights.clone(), weights.clone());
        root.config.use_rslora = true;
        root.config.lora_alpha = 3.3;
        alphas
            .config
            .patterns
            .alpha_pattern
            .insert(0, ("q_proj".to_owned(), 2.5 * weights.config.lora_alpha));
        [(kind.clone(), weights), (format!("{kind} root"), root), (format!("{kind} alphas"), alphas)]
    });
    for (kind, weights) in varied {
        for (dtype, code, tolerance) in [(GgufDtype::F32, 0, 1e-6), (GgufDtype::F16, 1, 2e-3)] {
            let options = GgufOptions { name: format!("a {kind}"), dtype, ..GgufOptions::default() };
            weights.save_gguf(&path, &options).unwrap_or_else(|e| panic!("{kind}: {e}"));
            let file = read_gguf(&path);
            let text = |key: &str| file.strings.get(key).map(String::as_str);
            assert_eq!(text("general.architecture"), Some("gemma2"));
            assert_eq!(text("general.type"), Some("adapter"));
            assert_eq!(text("general.name"), Some(format!("a {kind}").as_str()));
            assert_eq!(text("adapter.type"), Some("lora"));
            assert_eq!(file.integers["general.quantization_version"], 2);
            let alpha = file.floats["adapter.lora.alpha"];
            assert_eq!(file.tensors.len(), 2 * weights.tensors.len(), "{kind}");
            let mut worst = 0f64;
            for ((path, (a, b)), pair) in weights.tensors.iter().zip(file.tensors.chunks(2)) {
                let [(a_name, a_sizes, a_kind, a_values), (b_name, b_sizes, b_kind, b_values)] = pair else {
                    panic!("A and B come in pairs");
                };
                let name = llama_cpp_name(path);
                assert_eq!((a_name, b_name), (&format!("{name}.lora_a"), &format!("{name}.lora_b")));
                let ([r, inputs], [outputs, _]) = (a.dims().map(|x| x as u64), b.dims().map(|x| x as u64));
                // As the loader has it: A is [in, r], B is [r, out], innermost first.
                assert_eq!((a_sizes, b_sizes), (&vec![inputs, r], &vec![r, outputs]), "{path}");
                assert_eq!((*a_kind, *b_kind), (code, code));
                let scale = f64::from(alpha) / b_sizes[0] as f64;
                let delta = |a: &[f32], b: &[f32], scale: f64| -> Vec<f64> {
                    let (r, inputs) = (r as usize, inputs as usize);
                    let at = |row: usize, column: usize| -> f64 {
                        let products =
                            (0..r).map(|k| f64::from(b[row * r + k]) * f64::from(a[k * inputs + column]));
                        scale * products.sum::<f64>()
                    };
                    (0..outputs as usize)
                        .flat_map(|row| (0..inputs).map(move |c| at(row, c)).collect::<Vec<_>>())
                        .collect()
                };
                let want = delta(&values(a.clone()), &values(b.clone()), weights.config.scaling(path));
                let got = delta(a_values, b_values, scale);
                let size = want.iter().fold(0f64, |max, x| max.max(x.abs()));
                let differences = got.iter().zip(&want).map(|(got, want)| (got - want).abs() / size);
                worst = differences.fold(worst, f64::max);
            }
            println!("{kind} {dtype:?}: largest difference of a delta {worst:e} of its maximum");
            assert!(worst <= tolerance, "{kind}: {worst}");
        }
    }
}

#[test]
fn what_no_gguf_adapter_can_have_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("adapter.gguf");
    let options = GgufOptions::default();
    for (kind, weights) in adapters().into_iter().filter(|(_, weights)| impossible(&weights.config)) {
        match weights.save_gguf(&path, &options) {
            Err(Error::NotPortable { rule }) => {
                assert_eq!(rule.consumer, Consumer::LlamaCpp, "{kind}");
                assert!(weights.config.features(usize::MAX).contains(&rule.feature), "{kind}");
                println!("{kind}: {}", Error::NotPortable { rule });
            }
            other => panic!("{kind}: {other:?}"),
        }
    }
    let fresh = |config: &LoraConfig| {
        AdapterWeights::of(&attach(base(&Device::flex()), config, 1).expect("attaches"), config)
    };
    let plain = LoraConfig { r: 2, ..LoraConfig::default() };
    let target = |name: &str| LoraConfig { target_modules: vec![name.to_owned()], ..plain.clone() };
    let saved = vec!["embed_tokens".to_owned()];
    for (config, feature) in [
        (LoraConfig { use_dora: true, ..plain.clone() }, Feature::Dora),
        (target("embed_tokens"), Feature::Embedding),
        (target("lm_head"), Feature::Head),
        (LoraConfig { trainable_token_indices: vec![4], ..plain.clone() }, Feature::TokenRows),
        (LoraConfig { modules_to_save: saved, ..plain.clone() }, Feature::ModulesToSave),
    ] {
        let refused = fresh(&config).save_gguf(&path, &options);
        assert!(
            matches!(refused, Err(Error::NotPortable { rule }) if rule.feature == feature),
            "{feature:?}"
        );
    }
    // Weights of which the config says nothing are not left out silently.
    let mut unsaid = fresh(&LoraConfig { use_dora: true, ..plain.clone() });
    unsaid.config = plain.clone();
    assert!(matches!(unsaid.save_gguf(&path, &options), Err(Error::UnexpectedTensor { .. })));
    let mut weights = fresh(&plain);
    let (first, (a, b)) = weights.tensors.pop_first().expect("has weights");
    weights.tensors.insert("model.layers.0.mlp.router".to_owned(), (a.clone(), b.clone()));
    let error = weights.save_gguf(&path, &options).expect_err("no such module");
    assert!(matches!(&error, Error::NoGgufName { path } if path == "model.layers.0.mlp.router"), "{error}");
    weights.tensors.clear();
    assert!(matches!(weights.save_gguf(&path, &options), Err(Error::MissingWeights { .. })));
    // 70,000 is beyond f16.
    weights.tensors.insert(first, (a.clone() * 0.0 + 70_000.0, b.clone()));
    let half = GgufOptions { dtype: GgufDtype::F16, ..GgufOptions::default() };
    assert!(matches!(weights.save_gguf(&path, &half), Err(Error::NotFinite { .. })));
    weights.config.lora_alpha = 1e-60;
    let error = weights.save_gguf(&path, &options).expect_err("alpha");
    assert!(matches!(error, Error::InvalidConfig { field: "lora_alpha", .. }), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("there").count(), 0, "nothing is left behind");
}

#[test]
fn shards_load_to_the_same_model() {
    let device = Device::flex();
    let model = base(&device);
    let expected = logits(&model);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("sharded");
    let whole: u64 =
        4 * expected_shapes(&model.config).values().map(|s| s.iter().product::<usize>() as u64).sum::<u64>();
    for (limit, one_file) in [(whole / 5, false), (whole, true), (whole - 1, false)] {
        // Into the same folder: what the checkpoint before leaves must not be in the way.
        let count = model.save_sharded(&out, DType::F32, limit).expect("saved");
        assert_eq!(count == 1, one_file, "{limit}");
        assert_eq!(out.join("model.safetensors").exists(), one_file);
        assert_eq!(out.join("model.safetensors.index.json").exists(), !one_file);
        let again = Gemma2::from_pretrained(&out, DType::F32, &device).expect("loads");
        assert_eq!(logits(&again), expected, "{limit}");
        for number in (1..=count).filter(|_| !one_file) {
            let path = out.join(format!("model-{number:05}-of-{count:05}.safetensors"));
            let file = TensorFile::open(&path).expect("opens");
            let bytes: u64 = file.shapes().map(|(_, shape)| 4 * shape.iter().product::<usize>() as u64).sum();
            assert!(bytes <= limit || file.shapes().count() == 1, "{}: {bytes}", path.display());
        }
    }
}

#[test]
fn a_folder_is_there_as_a_whole_or_not_at_all() {
    let outside = tempfile::tempdir().expect("a temporary folder");
    let folder = outside.path().join("deep/out");
    let write = |path: &Path| std::fs::write(path.join("file"), "text").map_err(tooltune_lm::Error::io(path));
    let names = || std::fs::read_dir(folder.parent().expect("has one")).expect("there").count();
    let failed = write_folder(&folder, |path| {
        write(path)?;
        Err(tooltune_lm::Error::InvalidConfig { field: "x", rule: "fails" })
    });
    assert!(failed.is_err() && names() == 0);
    write_folder(&folder, write).expect("written");
    assert_eq!((std::fs::read_to_string(folder.join("file")).expect("there").as_str(), names()), ("text", 1));
    let error = write_folder(&folder, write).expect_err("it is there already");
    assert!(error.to_string().contains("another folder") && names() == 1, "{error}");
    // An empty one may be there.
    let empty = outside.path().join("empty");
    std::fs::create_dir(&empty).expect("made");
    write_folder(&empty, write).expect("written");
    assert!(empty.join("file").exists());
}

#[test]
fn parameters_are_counted_without_weights() {
    let count = |config: &LoraConfig, shape: &Gemma2Config| {
        let shapes = expected_shapes(shape);
        ParameterCount::estimate(config, shapes.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())))
    };
    let seven = count(&LoraConfig { r: 16, ..LoraConfig::default() }, &Gemma2Config::gemma2_2b());
    assert_eq!(seven.trainable, 20_766_720);
    assert_eq!(seven.total - seven.trainable, 2_614_341_888);
    assert_eq!(seven.stored_bytes(DType::F32), 83_066_880);
    assert_eq!(seven.stored_bytes(DType::BF16), 41_533_440);

    let device = Device::flex();
    let base = base(&device);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let plain = LoraConfig { r: 4, ..LoraConfig::default() };
    let both = LoraConfig { target_modules: names(&["q_proj", "embed_tokens", "lm_head"]), ..plain.clone() };
    let cases = [
        plain.clone(),
        both.clone(),
        LoraConfig { ensure_weight_tying: true, ..both },
        LoraConfig { use_dora: true, trainable_token_indices: vec![3, 5], ..plain.clone() },
        LoraConfig { modules_to_save: names(&["embed_tokens", "lm_head"]), ..plain.clone() },
        LoraConfig { modules_to_save: names(&["lm_head"]), ensure_weight_tying: true, ..plain.clone() },
        LoraConfig { init_lora_weights: InitLoraWeights::Pissa, ..plain },
    ];
    for config in cases.into_iter().chain(adapters().into_iter().map(|(_, weights)| weights.config)) {
        let adapted = attach(base.clone(), &config, 1).expect("attaches");
        let expected = count(&config, &base.config);
        assert_eq!(ParameterCount::of(&adapted), expected, "{config:?}");
        if config.init_lora_weights != InitLoraWeights::Pissa {
            assert_eq!(AdapterWeights::of(&adapted, &config).num_params(), expected.trainable);
        }
    }
}

#[test]
fn an_adapter_in_bf16_is_half_the_size_and_loads() {
    let device = Device::flex();
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (kind, weights) in adapters() {
        let bytes = |dtype: DType| {
            weights.save_as(folder.path(), dtype).expect("saved");
            let file = TensorFile::open(folder.path().join("adapter_model.safetensors")).expect("opens");
            let header = std::fs::read(file.path()).expect("there")[..8].try_into().expect("eight bytes");
            file.path().metadata().expect("there").len() - 8 - u64::from_le_bytes(header)
        };
        assert_eq!(bytes(DType::F32), 2 * bytes(DType::BF16), "{kind}");
        let again = AdapterWeights::load(folder.path(), &device).expect("loads");
        for (path, (a, b)) in &weights.tensors {
            let rounded =
                |tensor: &burn::tensor::Tensor<2>| values(tensor.clone().cast(DType::BF16).cast(DType::F32));
            let (a2, b2) = again.tensors[path].clone();
            assert_eq!((values(a2), values(b2)), (rounded(a), rounded(b)), "{kind}: {path}");
        }
        let adapted: Gemma2<LoraLinear> = again.attach(base(&device)).expect("fits");
        let mut count = 0;
        adapted.visit_projections(&mut |_, projection| count += usize::from(projection.adapter.is_some()));
        assert_eq!(count, again.tensors.keys().filter(|path| path.contains("layers")).count(), "{kind}");
    }
}
