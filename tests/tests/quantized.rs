//! Weights of 8 bits beside the same model in f32 and bf16, on the reference base.
#![recursion_limit = "256"]

use burn::tensor::{DType, Device, Tensor};
use tooltune_gemma2::Gemma2;
use tooltune_lm::{
    CausalLm, Error, GenerationConfig, Linear, MapProjections, QuantizedLinear, TokenBatch, generate,
    quantize,
};
use tooltune_sft::{MaskedCrossEntropy, Objective, Sample, SampleBatch};
use tooltune_tests::{golden, golden_dir, golden_json, max_diff, values};

/// By how much one product may err, relative to its largest result.
const TOLERANCE: f32 = 0.05;

/// How much farther from f32 the logits may be than those of the same weights in bf16, as root mean squares. Rounding to bf16 errs by 1/600 of
/// normally distributed weights, 8 bits by 1/190; the rest is chance.
const TIMES_BF16: f32 = 5.0;

fn base(dtype: DType) -> Gemma2 {
    Gemma2::from_pretrained(golden_dir().join("base"), dtype, &Device::flex())
        .expect("the reference base loads")
}

fn quantized(model: Gemma2) -> Gemma2<QuantizedLinear> {
    quantize(model).expect("finite")
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |max, value| max.max(value.abs()))
}

fn rms_diff(a: &[f32], b: &[f32]) -> f32 {
    let sum: f32 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
    (sum / a.len() as f32).sqrt()
}

fn prompts() -> Vec<Vec<u32>> {
    let ids = |value: &serde_json::Value| -> Vec<u32> {
        value.as_array().expect("tokens").iter().map(|id| id.as_u64().expect("id") as u32).collect()
    };
    let cases = golden_json("generate.json");
    cases["single"].as_array().expect("cases").iter().map(|case| ids(&case["prompt"])).collect()
}

#[test]
fn logits_are_near_those_of_f32() {
    let (full, half, bytes) = (base(DType::F32), base(DType::BF16), quantized(base(DType::F32)));
    let ids = golden("forward.safetensors").ids("ids").swap_remove(0);
    // A few rows and many take different kernels.
    for ids in [&ids[..ids.len().min(3)], &ids] {
        let batch = TokenBatch::single(ids);
        let expected = values(full.forward(&batch));
        let size = largest(&expected);
        let report = |name: &str, actual: &[f32]| {
            let (worst, error) = (max_diff(actual, &expected), rms_diff(actual, &expected));
            let share = 100.0 * worst / size;
            println!("{} tokens, {name}: logits err by {worst:e} ({share:.2} %), rms {error:e}", ids.len());
            error
        };
        let of_8_bits = report("8 bits", &values(bytes.forward(&batch)));
        let of_bf16 = report("bf16", &values(half.forward(&batch)));
        assert!(of_8_bits > 0.0, "nothing was quantized");
        assert!(of_8_bits <= TIMES_BF16 * of_bf16, "{of_8_bits}, in bf16 {of_bf16}");
    }
}

#[test]
fn greedy_tokens_differ_only_where_two_are_nearly_as_likely() {
    let (full, bytes) = (base(DType::F32), quantized(base(DType::F32)));
    let config = GenerationConfig { max_new_tokens: 16, ..Default::default() };
    let (mut same, mut total) = (0, 0);
    for prompt in prompts() {
        let expected: Vec<u32> =
            generate(&full, &prompt, &config).expect("valid").map(|token| token.expect("finite")).collect();
        let actual: Vec<u32> =
            generate(&bytes, &prompt, &config).expect("valid").map(|token| token.expect("finite")).collect();
        assert_eq!(actual.len(), expected.len());
        let agreed = actual.iter().zip(&expected).take_while(|(a, b)| a == b).count();
        (same, total) = (same + agreed, total + expected.len());
        if agreed == expected.len() {
            continue;
        }
        let text = [&prompt, &expected[..agreed]].concat();
        let logits = values(full.forward(&TokenBatch::single(&text)));
        let last = &logits[logits.len() - full.vocab_size()..];
        let moved = values(bytes.forward(&TokenBatch::single(&text)));
        let moved = max_diff(&moved[moved.len() - full.vocab_size()..], last);
        let gap = last[expected[agreed] as usize] - last[actual[agreed] as usize];
        println!("token {agreed}: {gap} less likely, logits err by {moved}");
        // Both may have moved by as much; what was read token by token is a little different from what is read at once.
        assert!(gap <= 3.0 * moved, "token {agreed}: the other is {gap} less likely");
    }
    println!("{same} of {total} greedy tokens before the first difference");
}

#[test]
fn every_matrix_has_eight_and_a_half_bits() {
    let model = base(DType::BF16);
    let (mut weights, mut bytes) = (0, 0);
    let mut count = |weight: [usize; 2]| weights += weight[0] * weight[1];
    model.visit_projections(&mut |_, linear| count(linear.weight.lazy_shape().dims()));
    count(model.embed_tokens.weight.lazy_shape().dims());
    let model = quantized(model);
    let mut count = |values: [usize; 2], scales: [usize; 2]| {
        bytes += 4 * values[0] * values[1] + 2 * scales[0] * scales[1];
    };
    model.visit_projections(&mut |_, linear| {
        count(linear.weight.values.val().dims(), linear.weight.scales.val().dims());
    });
    let table = &model.embed_tokens.weight;
    count(table.values.val().dims(), table.scales.val().dims());
    assert!(model.embed_tokens.lm_head.is_none(), "tied");
    // A last block that is not full takes a whole one.
    let bits = 8.0 * bytes as f64 / weights as f64;
    assert!((8.5..=17.0).contains(&bits), "{bits} bits a weight");
}

#[test]
fn the_loss_and_its_gradient_go_through() {
    let (full, bytes) = (base(DType::F32), quantized(base(DType::F32)));
    let ids = golden("forward.safetensors").ids("ids").swap_remove(0);
    let sample = Sample::new("one", ids.clone(), vec![1.0; ids.len()]).expect("as many");
    let batch = SampleBatch::collate(&[&sample], 0);
    let rows = Tensor::arange(0..ids.len() as i64 - 1, &full.device());
    let hidden = full.hidden_rows(&batch.tokens, &rows, None);
    let objective = MaskedCrossEntropy::default();
    let plain = objective.loss_of_hidden(&full, hidden.clone(), &batch).expect("finite").sum;
    let rounded = objective.loss_of_hidden(&bytes, hidden.clone(), &batch).expect("finite").sum;
    assert!((plain - rounded).abs() <= f64::from(TOLERANCE) * plain.abs(), "{plain} {rounded}");
    let d_raw = Tensor::<2>::random(
        [ids.len() - 1, full.vocab_size()],
        burn::tensor::Distribution::Uniform(-1.0, 1.0),
        &Device::flex(),
    );
    let expected = values(full.head(&hidden).hidden_gradient(d_raw.clone()));
    let actual = values(bytes.head(&hidden).hidden_gradient(d_raw));
    assert!(max_diff(&actual, &expected) <= TOLERANCE * largest(&expected));
}

#[test]
fn a_weight_that_is_not_a_number_is_named() {
    let damage = |path: &str, linear: Linear| -> Result<Linear, std::convert::Infallible> {
        let weight = linear.weight.val();
        let damaged = path == "model.layers.1.mlp.up_proj";
        Ok(Linear::from_weight(if damaged { weight.slice_fill([2..3, 1..2], f32::NAN) } else { weight }))
    };
    let Ok(model) = base(DType::F32).map_projections::<Linear, _>(&mut { damage }, &mut { Ok });
    match quantize(model) {
        Err(Error::NotQuantizable { path }) => assert_eq!(path, "model.layers.1.mlp.up_proj"),
        other => panic!("{:?}", other.map(|_| ())),
    }
}
