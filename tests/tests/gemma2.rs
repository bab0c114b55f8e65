//! The model against transformers: every constant is read from the reference files.
#![recursion_limit = "256"]

use burn::tensor::{DType, Device, Int, Tensor};
use tooltune_gemma2::{Gemma2, Gemma2Config, LayerType};
use tooltune_lm::generation::Generated;
use tooltune_lm::{
    CausalLm, FinishReason, GenerationConfig, KvCache, Padding, TokenBatch, generate, generate_batch,
};
use tooltune_tests::{golden, golden_dir, golden_json, max_diff, values};

const TOLERANCE: f32 = 1e-3;

fn base() -> Gemma2 {
    Gemma2::from_pretrained(golden_dir().join("base"), DType::F32, &Device::flex())
        .expect("the reference base loads")
}

fn report(check: &str, difference: f32) {
    println!("{check}: max abs difference {difference:e}");
    assert!(difference <= TOLERANCE, "{check}: {difference} > {TOLERANCE}");
}

#[test]
fn logits_and_every_hidden_state() {
    let (model, reference) = (base(), golden("forward.safetensors"));
    let batch = TokenBatch::single(&reference.ids("ids")[0]);
    let context = model.context(&batch, None);
    let mut hidden = model.embed(batch.ids_tensor(&model.device()));
    for index in 0..model.num_layers() {
        report(
            &format!("hidden.{index}"),
            max_diff(&values(hidden.clone()), &reference.f32(&format!("hidden.{index}")).1),
        );
        hidden = model.decoder_layer(index, hidden, &context, None);
    }
    let last = format!("hidden.{}", model.num_layers());
    report(&last, max_diff(&values(model.final_norm(hidden)), &reference.f32(&last).1));
    report("logits", max_diff(&values(model.forward(&batch)), &reference.f32("logits").1));
}

#[test]
fn padded_batches() {
    let (model, reference) = (base(), golden("forward.safetensors"));
    for (side, padding) in [("right", Padding::Right), ("left", Padding::Left)] {
        let rows = reference.ids(&format!("{side}.ids"));
        let mask = reference.ids(&format!("{side}.mask"));
        let real = |(row, mask): (&Vec<u32>, &Vec<u32>)| -> Vec<u32> {
            row.iter().zip(mask).filter(|(_, m)| **m == 1).map(|(id, _)| *id).collect()
        };
        let sequences: Vec<Vec<u32>> = rows.iter().zip(&mask).map(real).collect();
        let batch = TokenBatch::padded(&sequences, padding, model.config.special_tokens.pad_token_id);
        assert_eq!(batch.ids(), rows.concat(), "{side}: the batch is the reference's");
        let logits = values(model.forward(&batch));
        assert!(logits.iter().all(|x| x.is_finite()), "{side}: padding must stay finite");
        let expected = reference.f32(&format!("{side}.logits")).1;
        let vocab = model.vocab_size();
        let mut worst = 0f32;
        for (token, _) in mask.concat().iter().enumerate().filter(|(_, m)| **m == 1) {
            let range = token * vocab..(token + 1) * vocab;
            worst = worst.max(max_diff(&logits[range.clone()], &expected[range]));
        }
        report(&format!("{side}-padded logits"), worst);
    }
}

#[test]
fn some_rows_are_those_of_all() {
    let (model, reference) = (base(), golden("forward.safetensors"));
    let ids = reference.ids("ids").swap_remove(0);
    let (short, half) = (&ids[..ids.len() / 3], ids.len() / 2);
    let batches = [
        TokenBatch::padded(&[short, &ids], Padding::Left, 0),
        TokenBatch::packed(&[vec![short, &ids[..half]], vec![&ids]], 0),
    ];
    for batch in batches {
        let tokens = batch.batch() * batch.seq();
        // Not in their order, and one of them twice.
        let wanted: Vec<i32> = [tokens - 1, 0, batch.seq(), half, half].map(|row| row as i32).to_vec();
        let rows = Tensor::<1, Int>::from_data(wanted.as_slice(), &model.device());
        let all = model.hidden_states(&batch, None).reshape([tokens, model.hidden_size()]);
        let expected = values(all.select(0, rows.clone()));
        let mut cache = KvCache::new(model.num_layers(), batch.batch());
        for cache in [None, Some(&mut cache)] {
            let actual = values(model.hidden_rows(&batch, &rows, cache));
            assert!(max_diff(&actual, &expected) <= 1e-5, "{}", max_diff(&actual, &expected));
        }
        assert_eq!(cache.len(), batch.seq(), "every token is cached");
    }
}

#[test]
fn kv_cache() {
    let (model, reference) = (base(), golden("kv_cache.safetensors"));
    let ids = &golden("forward.safetensors").ids("ids")[0];
    let prefill = reference.i64("prefill_len").1[0] as usize;
    let mut cache = KvCache::new(model.num_layers(), 1);
    let mut parts = vec![model.hidden_states(&TokenBatch::single(&ids[..prefill]), Some(&mut cache))];
    for (position, &id) in ids.iter().enumerate().skip(prefill) {
        parts
            .push(model.hidden_states(&TokenBatch::next_tokens(&[id], &[position as u32]), Some(&mut cache)));
    }
    assert_eq!(cache.len(), ids.len());
    let hidden = Tensor::cat(parts, 1);
    let [_, seq, width] = hidden.dims();
    let logits = model.logits(hidden.reshape([seq, width]));
    report("KV-cache logits", max_diff(&values(logits), &reference.f32("logits").1));
}

#[test]
fn packed_documents() {
    let (model, reference) = (base(), golden("packed.safetensors"));
    let ids = reference.ids("ids").concat();
    let positions = reference.ids("position_ids").concat();
    let mut documents: Vec<Vec<u32>> = Vec::new();
    for (&id, &position) in ids.iter().zip(&positions) {
        if position == 0 {
            documents.push(Vec::new());
        }
        documents.last_mut().expect("positions start at 0").push(id);
    }
    assert!(documents.len() > 1, "the reference packs several documents");
    let batch = TokenBatch::packed(&[documents.clone()], 0);
    assert_eq!(batch.positions(), positions);
    let logits = values(model.forward(&batch));
    report("packed logits", max_diff(&logits, &reference.f32("logits").1));

    // Documents do not see each other: editing the first leaves the others' logits as they were, bit for bit.
    let first = documents[0].len();
    documents[0][0] = (documents[0][0] + 1) % model.vocab_size() as u32;
    let edited = values(model.forward(&TokenBatch::packed(&[documents], 0)));
    assert_eq!(edited[first * model.vocab_size()..], logits[first * model.vocab_size()..]);
    assert_ne!(edited[..first * model.vocab_size()], logits[..first * model.vocab_size()]);
}

#[test]
fn greedy_tokens() {
    let model = base();
    let reference = golden_json("generate.json");
    let tokens = |value: &serde_json::Value| -> Vec<u32> {
        value.as_array().expect("tokens").iter().map(|t| t.as_u64().expect("id") as u32).collect()
    };
    let cases = reference["single"].as_array().expect("cases");
    for case in cases {
        let (prompt, expected) = (tokens(&case["prompt"]), tokens(&case["new_tokens"]));
        let config = GenerationConfig { max_new_tokens: expected.len(), ..Default::default() };
        let mut generation = generate(&model, &prompt, &config).expect("valid");
        let got: Vec<u32> = generation.by_ref().map(|t| t.expect("finite")).collect();
        assert_eq!(got, expected);
        assert_eq!(generation.finish_reason(), Some(FinishReason::Length));

        let eos = case["eos_token_id"].as_u64().expect("id") as u32;
        let config = GenerationConfig { stop_tokens: vec![eos], ..config };
        let mut generation = generate(&model, &prompt, &config).expect("valid");
        let mut got: Vec<u32> = generation.by_ref().map(|t| t.expect("finite")).collect();
        if let Some(FinishReason::Stop(token)) = generation.finish_reason() {
            got.push(token);
        }
        assert_eq!(got, tokens(&case["new_tokens_with_eos"]));
    }
    let prompts: Vec<Vec<u32>> = cases.iter().map(|case| tokens(&case["prompt"])).collect();
    let longest = cases.iter().map(|case| tokens(&case["new_tokens"]).len()).max().expect("cases");
    let config = GenerationConfig { max_new_tokens: longest, ..Default::default() };
    let batch = generate_batch(&model, &prompts, &config).expect("valid");
    for (case, Generated { tokens: got, .. }) in cases.iter().zip(batch) {
        assert_eq!(got, tokens(&case["new_tokens"]), "left-padded batch");
    }
}

#[test]
fn every_config_field_moves_the_logits() {
    let model = base();
    let ids = golden("forward.safetensors").ids("ids")[0].clone();
    let batch = TokenBatch::single(&ids);
    let reference = values(model.forward(&batch));
    let config = model.config.clone();
    let change = |edit: &dyn Fn(&mut Gemma2Config)| -> Gemma2Config {
        let mut changed = config.clone();
        edit(&mut changed);
        changed
    };
    // Constants: the same weights, one number changed.
    let constants: [(&str, Gemma2Config); 10] = [
        ("rms_norm_eps", change(&|c| c.rms_norm_eps = 0.1)),
        ("rope_theta", change(&|c| c.rope_theta *= 2.0)),
        (
            "attn_logit_softcapping",
            change(&|c| c.attn_logit_softcapping = c.attn_logit_softcapping.map(|x| x / 4.0)),
        ),
        ("no attn_logit_softcapping", change(&|c| c.attn_logit_softcapping = None)),
        (
            "final_logit_softcapping",
            change(&|c| c.final_logit_softcapping = c.final_logit_softcapping.map(|x| x / 2.0)),
        ),
        ("no final_logit_softcapping", change(&|c| c.final_logit_softcapping = None)),
        ("query_pre_attn_scalar", change(&|c| c.query_pre_attn_scalar *= 2.0)),
        ("sliding_window", change(&|c| c.sliding_window += 1)),
        ("layer_types[0]", change(&|c| c.layer_types[0] = flip(c.layer_types[0]))),
        ("layer_types[1]", change(&|c| c.layer_types[1] = flip(c.layer_types[1]))),
    ];
    for (field, changed) in constants {
        let moved = max_diff(&values(with_config(&model, &changed).forward(&batch)), &reference);
        println!("{field}: logits move by {moved:e}");
        assert!(moved > 1e-3, "{field} is ignored: logits move by {moved}");
    }
    // Shapes: the checkpoint must not load under a config that says otherwise, and a model made with it computes something else.
    let shapes: [(&str, Gemma2Config); 7] = [
        ("vocab_size", change(&|c| c.vocab_size += 1)),
        ("hidden_size", change(&|c| c.hidden_size += 2)),
        ("intermediate_size", change(&|c| c.intermediate_size += 2)),
        (
            "num_hidden_layers",
            change(&|c| {
                c.num_hidden_layers += 1;
                c.layer_types.push(LayerType::FullAttention);
            }),
        ),
        ("num_attention_heads", change(&|c| c.num_attention_heads *= 2)),
        ("num_key_value_heads", change(&|c| c.num_key_value_heads = c.num_attention_heads)),
        ("head_dim", change(&|c| c.head_dim += 2)),
    ];
    for (field, changed) in shapes {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("config.json"), changed.to_json(DType::F32)).expect("written");
        std::fs::copy(golden_dir().join("base/model.safetensors"), folder.path().join("model.safetensors"))
            .expect("copied");
        let error = Gemma2::from_pretrained(folder.path(), DType::F32, &Device::flex()).expect_err(field);
        assert!(error.to_string().contains("model."), "{field}: {error}");
    }
    let random = |config: &Gemma2Config| {
        let device = Device::flex();
        device.seed(1);
        values(Gemma2::random(config, &device).expect("valid").forward(&batch))
    };
    let wider = change(&|c| c.initializer_range *= 2.0);
    assert!(max_diff(&random(&wider), &random(&config)) > 1e-3, "initializer_range is ignored");
}

fn flip(kind: LayerType) -> LayerType {
    match kind {
        LayerType::SlidingAttention => LayerType::FullAttention,
        LayerType::FullAttention => LayerType::SlidingAttention,
    }
}

/// The same weights under another config, through a folder, as a user would.
fn with_config(model: &Gemma2, config: &Gemma2Config) -> Gemma2 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    model.save_pretrained(folder.path(), DType::F32).expect("saved");
    std::fs::write(folder.path().join("config.json"), config.to_json(DType::F32)).expect("written");
    Gemma2::from_pretrained(folder.path(), DType::F32, &Device::flex()).expect("loads")
}
