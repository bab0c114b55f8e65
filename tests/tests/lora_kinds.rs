//! Every kind of adapter against PEFT: forward, loss, gradients, merging, files.
#![recursion_limit = "256"]

use std::collections::BTreeMap;
use std::path::Path;

use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor};
use tooltune_gemma2::Gemma2;
use tooltune_lm::{CausalLm, TensorFile, TokenBatch};
use tooltune_lora::{AdapterWeights, Error, LoraLinear, ParameterCount, merge, trainable_parameters};
use tooltune_sft::{MaskedCrossEntropy, Objective, SampleBatch, gradients};
use tooltune_tests::{golden, golden_dir, max_diff, rows, sample, values};

/// Name, and whether merging must untie the head from the embedding.
const KINDS: [(&str, bool); 9] = [
    ("adapter_lora", false),
    ("adapter_patterns", false),
    ("adapter_rslora", false),
    ("adapter_dora", false),
    ("adapter_embed", true),
    ("adapter_embed_only", true),
    ("adapter_embed_tied", false),
    ("adapter_tokens", false),
    ("adapter_mts", true),
];

/// Those of them that the reference data has.
fn kinds() -> Vec<(&'static str, bool)> {
    let found: Vec<_> = KINDS.into_iter().filter(|(kind, _)| golden_dir().join(kind).is_dir()).collect();
    assert!(!found.is_empty(), "no adapter in {}", golden_dir().display());
    found
}

fn base(device: &Device) -> Gemma2 {
    Gemma2::from_pretrained(golden_dir().join("base"), DType::F32, device).expect("the reference base loads")
}

fn weights(kind: &str) -> AdapterWeights {
    let loaded = AdapterWeights::load(golden_dir().join(kind), &Device::flex());
    let weights = loaded.unwrap_or_else(|e| panic!("{kind}: {e}"));
    assert_eq!(weights.warnings, Vec::<String>::new(), "{kind}: PEFT's own fields are known");
    weights
}

fn adapted(kind: &str, device: &Device) -> Gemma2<LoraLinear> {
    weights(kind).attach(base(device)).unwrap_or_else(|e| panic!("{kind}: {e}"))
}

fn logits<M: CausalLm>(model: &M) -> Vec<f32> {
    values(model.forward(&TokenBatch::single(&golden("forward.safetensors").ids("ids")[0])))
}

fn report(check: &str, difference: f32, tolerance: f32) {
    println!("{check}: {difference:e}");
    assert!(difference <= tolerance, "{check}: {difference} > {tolerance}");
}

#[test]
fn no_kind_of_the_reference_is_left_out() {
    for entry in std::fs::read_dir(golden_dir()).expect("there").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let known = KINDS.iter().any(|(kind, _)| *kind == name);
        assert!(known || !entry.path().is_dir() || !name.starts_with("adapter_"), "{name} is not tested");
    }
}

#[test]
fn logits_with_every_kind_of_adapter() {
    for (kind, _) in kinds() {
        let expected = golden(&format!("{kind}.expected.safetensors"));
        let model = adapted(kind, &Device::flex());
        report(&format!("{kind}: logits"), max_diff(&logits(&model), &expected.f32("logits").1), 1e-3);
    }
}

/// The reference gradients by the name of the tensor. Where embedding and head are one, PEFT's are the two partial derivatives of the one.
fn reference_gradients(kind: &str, ensure_weight_tying: bool) -> (BTreeMap<String, Vec<f32>>, f32) {
    let expected = golden(&format!("{kind}.expected.safetensors"));
    let named = |name: &String| Some((name.strip_prefix("grad.")?.to_owned(), expected.f32(name).1));
    let mut gradients: BTreeMap<_, _> = expected.names().iter().filter_map(named).collect();
    if !ensure_weight_tying {
        return (gradients, expected.f32("grad_norm").1[0]);
    }
    let prefix = "base_model.model.";
    for (embedding, head) in [("A", "B"), ("B", "A")] {
        let embedding = format!("{prefix}model.embed_tokens.lora_embedding_{embedding}");
        let head = format!("{prefix}lm_head.lora_{head}.weight");
        let (shape, _) = expected.f32(&format!("grad.{embedding}"));
        let part = gradients.remove(&head).expect("both parts are there");
        let whole = gradients.get_mut(&embedding).expect("both parts are there");
        for (index, value) in whole.iter_mut().enumerate() {
            *value += part[index % shape[1] * shape[0] + index / shape[1]];
        }
    }
    let squares = gradients.values().flatten().map(|x| f64::from(*x).powi(2)).sum::<f64>();
    (gradients, squares.sqrt() as f32)
}

#[test]
fn loss_and_every_gradient_of_every_kind() {
    let forward = golden("forward.safetensors");
    let (ids, mask) = (forward.ids("right.ids"), forward.ids("right.mask"));
    for (kind, _) in kinds() {
        let expected = golden(&format!("{kind}.expected.safetensors"));
        let labels = rows(&expected, "labels");
        let one = |row: usize| sample(&row.to_string(), &ids[row], &mask[row], &labels[row]);
        let samples: Vec<_> = (0..ids.len()).map(one).collect();
        let batch = SampleBatch::collate(&samples.iter().collect::<Vec<_>>(), 0);
        let model = adapted(kind, &Device::flex().autodiff());
        // Small chunks, so that the rows do not all fit into one.
        let loss = MaskedCrossEntropy { chunk_rows: 7 }.loss(&model, &batch).expect("a loss");
        let mean = (loss.sum / batch.total_weight()) as f32;
        report(&format!("{kind}: loss"), (mean - expected.f32("loss").1[0]).abs(), 1e-4);

        let surrogate = loss.surrogate.expect("an autodiff device").div_scalar(batch.total_weight());
        let grads = GradientsParams::from_grads(surrogate.backward(), &model);
        let (mut reference, reference_norm) =
            reference_gradients(kind, weights(kind).config.ensure_weight_tying);
        let norm = gradients::global_norm(&model, &grads).expect("readable") as f32;
        report(
            &format!("{kind}: gradient norm, relative"),
            (norm - reference_norm).abs() / reference_norm,
            1e-3,
        );
        let mut worst = (0f32, String::new());
        let parameters = trainable_parameters(&model);
        for (name, id) in &parameters {
            let want = reference.remove(name).unwrap_or_else(|| panic!("{kind}: {name} is not trained"));
            let matrix = || grads.get::<2>(*id).map(values);
            let vector = || grads.get::<1>(*id).map(values);
            let got = if name.ends_with("magnitude_vector") { vector() } else { matrix() };
            let got = got.unwrap_or_else(|| panic!("{kind}: {name} has no gradient"));
            let scale = want.iter().fold(0f32, |max, x| max.max(x.abs()));
            let relative = max_diff(&got, &want) / scale;
            assert!(relative <= 1e-3, "{kind}: {name}: {relative} of its maximum");
            if relative > worst.0 {
                worst = (relative, name.clone());
            }
        }
        assert!(reference.is_empty(), "{kind}: no gradient for {:?}", reference.keys());
        assert_eq!(grads.len(), parameters.len(), "{kind}: something frozen has a gradient");
        println!("{kind}: worst of {} gradients: {:e} ({})", parameters.len(), worst.0, worst.1);
    }
}

/// Mean loss and all gradients, one after the other, with a base in `dtype`.
fn loss_and_gradients(kind: &str, dtype: DType) -> (f64, Vec<f32>) {
    let forward = golden("forward.safetensors");
    let expected = golden(&format!("{kind}.expected.safetensors"));
    let (ids, mask, labels) =
        (forward.ids("right.ids"), forward.ids("right.mask"), rows(&expected, "labels"));
    let one = |row: usize| sample(&row.to_string(), &ids[row], &mask[row], &labels[row]);
    let samples: Vec<_> = (0..ids.len()).map(one).collect();
    let batch = SampleBatch::collate(&samples.iter().collect::<Vec<_>>(), 0);
    let device = Device::flex().autodiff();
    let base = Gemma2::from_pretrained(golden_dir().join("base"), dtype, &device).expect("loads");
    // Written once more: the copy of a frozen table that PEFT stores is not this one, rounded.
    let folder = tempfile::tempdir().expect("a temporary folder");
    weights(kind).save(folder.path()).expect("written");
    let model =
        AdapterWeights::load(folder.path(), &Device::flex()).and_then(|w| w.attach(base)).expect("fits");
    let loss = MaskedCrossEntropy::default().loss(&model, &batch).expect("a loss");
    let surrogate = loss.surrogate.expect("an autodiff device").div_scalar(batch.total_weight());
    let grads = GradientsParams::from_grads(surrogate.backward(), &model);
    let matrices = trainable_parameters(&model).into_iter();
    let all = matrices.flat_map(|(_, id)| grads.get::<2>(id).map(values).unwrap_or_default()).collect();
    (loss.sum / batch.total_weight(), all)
}

/// What rounding does to a step: the loss stays, and the gradients point the same way.
#[test]
fn a_base_in_bf16_trains_alike() {
    let ((loss, exact), (half_loss, half)) =
        (loss_and_gradients("adapter_lora", DType::F32), loss_and_gradients("adapter_lora", DType::BF16));
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let norm = |a: &[f32]| dot(a, a).sqrt();
    let cosine = dot(&exact, &half) / (norm(&exact) * norm(&half));
    let of_norm = (norm(&half) / norm(&exact) - 1.0).abs();
    println!(
        "bf16 base: loss {loss} and {half_loss}, gradients: norm differs by {of_norm:e}, cosine {cosine}"
    );
    // transformers and PEFT in bf16 throughout: 3 % and 0.981.
    assert!((half_loss / loss - 1.0).abs() < 0.02 && of_norm < 0.1 && cosine > 0.97);
}

#[test]
fn merging_reproduces_the_unmerged_logits() {
    for (kind, unties) in kinds() {
        let expected = golden(&format!("{kind}.expected.safetensors"));
        let merged = merge(adapted(kind, &Device::flex()));
        assert_eq!(merged.untied, unties, "{kind}");
        assert_eq!(merged.model.config.tie_word_embeddings, !unties, "{kind}");
        let got = logits(&merged.model);
        report(&format!("{kind}: merged logits"), max_diff(&got, &expected.f32("logits").1), 1e-3);
        if expected.names().iter().any(|name| name == "peft_merged_WRONG.logits") {
            let wrong = max_diff(&got, &expected.f32("peft_merged_WRONG.logits").1);
            assert!(wrong > 1.0, "{kind}: the wrong merge is reproduced up to {wrong}");
        }
        let total = merged.total_rounding();
        println!("{kind}: bf16 would lose {:.4} of the delta", total.lost());
        assert!(total.lost() > 0.0 && total.lost() < 0.5, "{kind}: {total:?}");

        let folder = tempfile::tempdir().expect("a temporary folder");
        merged.model.save_pretrained(folder.path(), DType::F32).expect("saved");
        let file = TensorFile::open(folder.path().join("model.safetensors")).expect("opens");
        assert_eq!(file.shapes().any(|(name, _)| name == "lm_head.weight"), unties, "{kind}");
        let again = Gemma2::from_pretrained(folder.path(), DType::F32, &Device::flex()).expect("loads");
        assert_eq!(logits(&again), got, "{kind}: a saved merge computes the same");
    }
}

#[test]
fn what_is_written_reads_back_and_holds_no_base_weight() {
    for (kind, _) in kinds() {
        let device = Device::flex();
        let model = adapted(kind, &device);
        let original = weights(kind);
        let folder = tempfile::tempdir().expect("a temporary folder");
        AdapterWeights::of(&model, &original.config).save(folder.path()).expect("written");
        let again = AdapterWeights::load(folder.path(), &device).expect("read");
        assert_eq!(again.config, original.config, "{kind}");
        assert_eq!(
            logits(&again.attach(base(&device)).expect("attaches")),
            logits(&model),
            "{kind}: the same after a round trip"
        );
        let file = TensorFile::open(folder.path().join("adapter_model.safetensors")).expect("opens");
        assert!(!file.shapes().any(|(name, _)| name.contains("base_layer")), "{kind}");
        let names: Vec<_> = file.shapes().map(|(name, shape)| (name.to_owned(), shape.to_vec())).collect();
        let stored: usize = file.shapes().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        assert_eq!(ParameterCount::of(&model).stored, stored, "{kind}");
        let reference =
            TensorFile::open(golden_dir().join(kind).join("adapter_model.safetensors")).expect("opens");
        let peft: Vec<_> = reference
            .shapes()
            .filter(|(name, _)| !name.contains("base_layer"))
            .map(|(name, shape)| (name.to_owned(), shape.to_vec()))
            .collect();
        assert_eq!(names, peft, "{kind}: PEFT's names and shapes, without its copies of base weights");
        println!("{kind}: {} bytes, {} values", bytes(folder.path()), original.num_params());
    }
}

fn bytes(folder: &Path) -> u64 {
    folder.join("adapter_model.safetensors").metadata().expect("there").len()
}

#[test]
fn merging_into_bf16_rounds_once() {
    let device = Device::flex();
    for (kind, _) in kinds() {
        let rounded = |model: &Gemma2| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            model.save_pretrained(folder.path(), DType::BF16).expect("saved");
            Gemma2::from_pretrained(folder.path(), DType::BF16, &device).expect("loads")
        };
        // A base in bf16 merged there, against the same base in f32, merged and rounded at the end.
        let half = rounded(&base(&device));
        let wide = {
            let folder = tempfile::tempdir().expect("a temporary folder");
            half.save_pretrained(folder.path(), DType::F32).expect("saved");
            Gemma2::from_pretrained(folder.path(), DType::F32, &device).expect("loads")
        };
        let of_weights = max_diff(&logits(&wide), &logits(&base(&device)));
        // Written once more: the reference brings copies of the base, which is another here.
        let weights = {
            let folder = tempfile::tempdir().expect("a temporary folder");
            weights(kind).save(folder.path()).expect("written");
            AdapterWeights::load(folder.path(), &device).expect("read")
        };
        let (in_half, in_wide) = (weights.attach(half).expect("fits"), weights.attach(wide).expect("fits"));
        // A weight that stays in bf16 meets activations rounded alike: about as much of an error as its own rounding was.
        let of_activations = max_diff(&logits(&in_half), &logits(&in_wide));
        report(&format!("{kind}: on a bf16 base"), of_activations, 2.0 * of_weights);
        let (in_half, in_wide) = (merge(in_half), merge(in_wide));
        assert_eq!(logits(&in_half.model), logits(&rounded(&in_wide.model)), "{kind}");
        let difference = max_diff(&logits(&in_half.model), &logits(&in_wide.model));
        println!("{kind}: bf16 merge moves logits by {difference:e}");
        assert!(difference > 0.0, "{kind}");
    }
}

#[test]
fn an_adapter_for_another_base_is_noticed() {
    let device = Device::flex();
    let mut other = base(&device);
    let table = other.embed_tokens.weight.val();
    other.embed_tokens = tooltune_lm::EmbeddingTable::tied(table.clone() * 1.001);
    let there = |kind: &str| golden_dir().join(kind).is_dir();
    for (kind, copies) in [("adapter_lora", false), ("adapter_embed", true), ("adapter_embed_tied", true)] {
        if !there(kind) {
            continue;
        }
        let refused = matches!(weights(kind).attach(other.clone()), Err(Error::OtherBase { .. }));
        assert_eq!(refused, copies, "{kind}");
    }
    let rows: Tensor<2> = table.clone().narrow(0, 0, 8);
    other.embed_tokens = tooltune_lm::EmbeddingTable::tied(Tensor::cat(vec![table, rows], 0));
    for kind in ["adapter_embed", "adapter_mts"].into_iter().filter(|kind| there(kind)) {
        let error = weights(kind).attach(other.clone()).expect_err("refused");
        assert!(matches!(error, Error::OtherBase { .. } | Error::Shape { .. }), "{kind}: {error}");
    }
}
