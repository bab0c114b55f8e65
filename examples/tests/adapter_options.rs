//! The options of `finetune` that say what is trained, as a config.
#![recursion_limit = "256"]

use burn::tensor::{DType, Device};
use clap::Parser;
use tooltune::gemma2::Gemma2;
use tooltune::lora::config::{ALL_LINEAR, ALL_PROJECTIONS};
use tooltune::lora::{InitLoraWeights, LoraConfig, LoraPlus, Patterns};
use tooltune_examples::adapter_options::{AdapterOptions, check_names, preset_config};
use tooltune_examples::dialect::Preset;
use tooltune_examples::input::embedded_base;
use tooltune_examples::tool_tokens::ToolTokens;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    adapter: AdapterOptions,
}

fn options(arguments: &[&str]) -> AdapterOptions {
    let words = ["finetune"].iter().chain(arguments);
    Program::try_parse_from(words).unwrap_or_else(|error| panic!("{arguments:?}: {error}")).adapter
}

fn config(arguments: &[&str]) -> LoraConfig {
    options(arguments).config(LoraConfig::default()).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn every_option_sets_its_field_and_no_other() {
    let plain = LoraConfig::default;
    let cases: [(&[&str], LoraConfig); 13] = [
        (&[], plain()),
        (&["--rank", "8"], LoraConfig { r: 8, ..plain() }),
        (&["--alpha", "24"], LoraConfig { lora_alpha: 24.0, ..plain() }),
        (&["--dropout", "0.1"], LoraConfig { lora_dropout: 0.1, ..plain() }),
        (
            &["--target-modules", "q_proj,embed_tokens,lm_head"],
            LoraConfig { target_modules: names(&["q_proj", "embed_tokens", "lm_head"]), ..plain() },
        ),
        (&["--target-modules", ALL_LINEAR], LoraConfig { target_modules: names(&[ALL_LINEAR]), ..plain() }),
        (&["--use-dora"], LoraConfig { use_dora: true, ..plain() }),
        (&["--use-rslora"], LoraConfig { use_rslora: true, ..plain() }),
        (
            &["--init-lora-weights", "pissa"],
            LoraConfig { init_lora_weights: InitLoraWeights::Pissa, ..plain() },
        ),
        (
            &["--init-lora-weights", "gaussian"],
            LoraConfig { init_lora_weights: InitLoraWeights::Gaussian, ..plain() },
        ),
        (
            &["--modules-to-save", "embed_tokens,lm_head", "--ensure-weight-tying"],
            LoraConfig {
                modules_to_save: names(&["embed_tokens", "lm_head"]),
                ensure_weight_tying: true,
                ..plain()
            },
        ),
        (
            &["--rank-pattern", "q_proj=8,layers.0.mlp.up_proj=4"],
            LoraConfig {
                patterns: Patterns {
                    rank_pattern: vec![("q_proj".into(), 8), ("layers.0.mlp.up_proj".into(), 4)],
                    ..Patterns::default()
                },
                ..plain()
            },
        ),
        (
            &["--alpha-pattern", "^model.layers.0.mlp.up_proj=1.5"],
            LoraConfig {
                patterns: Patterns {
                    alpha_pattern: vec![("^model.layers.0.mlp.up_proj".into(), 1.5)],
                    ..Patterns::default()
                },
                ..plain()
            },
        ),
    ];
    for (arguments, expected) in cases {
        assert_eq!(config(arguments), expected, "{arguments:?}");
    }
    assert_eq!(options(&[]).lora_plus(), None);
    let faster = LoraPlus { loraplus_lr_ratio: 4.0, ..LoraPlus::default() };
    assert_eq!(options(&["--loraplus-ratio", "4"]).lora_plus(), Some(faster));
}

#[test]
fn presets_set_defaults_and_options_override_them() {
    let course = preset_config(Preset::Course);
    let targets: Vec<&str> = ALL_PROJECTIONS.into_iter().chain(["embed_tokens", "lm_head"]).collect();
    assert_eq!((course.r, course.lora_alpha, course.lora_dropout), (16, 64.0, 0.05));
    assert_eq!(course.target_modules, names(&targets));
    assert_eq!(preset_config(Preset::Fixed), LoraConfig::default());
    let overridden = options(&["--target-modules", "q_proj", "--dropout", "0", "--rank", "4"]);
    let config = overridden.config(course).expect("valid");
    assert_eq!((config.r, config.lora_alpha, config.lora_dropout), (4, 64.0, 0.0));
    assert_eq!(config.target_modules, names(&["q_proj"]));
    assert_eq!(options(&[]).tool_tokens(Preset::Course), ToolTokens::Added);
    assert_eq!(options(&[]).tool_tokens(Preset::Fixed), ToolTokens::Plain);
    assert_eq!(options(&["--tool-tokens", "plain"]).tool_tokens(Preset::Course), ToolTokens::Plain);
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (arguments, said) in [
        (&["--ensure-weight-tying"][..], "nothing to tie"),
        (&["--dropout", "1"], "lora_dropout"),
        (&["--rank", "0"], "r is 0"),
        (&["--use-dora", "--target-modules", "q_proj,embed_tokens"], "use_dora"),
        (&["--use-dora", "--init-lora-weights", "pissa"], "init_lora_weights"),
        (&["--rank-pattern", "layers.*.up_proj=3"], "rank_pattern"),
        (&["--modules-to-save", "q_proj"], "modules_to_save"),
    ] {
        let error = options(arguments).config(LoraConfig::default()).expect_err(said).to_string();
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
    for arguments in [
        ["--rank-pattern", "q_proj"],
        ["--rank-pattern", "q_proj=1.5"],
        ["--alpha-pattern", "=x"],
        ["--loraplus-ratio", "0"],
        ["--loraplus-ratio", "nan"],
        ["--init-lora-weights", "olora"],
        ["--tool-tokens", "some"],
    ] {
        let words = ["finetune"].iter().chain(&arguments);
        assert!(Program::try_parse_from(words).is_err(), "{arguments:?}");
    }
}

#[test]
fn a_name_that_the_model_does_not_have_is_an_error() {
    let base = Gemma2::from_pretrained(embedded_base(), DType::F32, &Device::flex()).expect("loads");
    let check = |arguments: &[&str]| check_names(&config(arguments), &base);
    for good in [
        &["--target-modules", "all-linear,embed_tokens,lm_head"][..],
        &["--target-modules", "layers.0.mlp.up_proj", "--rank-pattern", "up_proj=2"],
        &["--alpha-pattern", "^model.layers.1.mlp.up_proj=2"],
    ] {
        check(good).unwrap_or_else(|error| panic!("{good:?}: {error}"));
    }
    for (bad, named) in [
        (&["--target-modules", "q_proj,qproj"][..], "qproj"),
        (&["--target-modules", "layers.99.mlp.up_proj"], "layers.99.mlp.up_proj"),
        (&["--rank-pattern", "w_proj=2"], "w_proj"),
        (&["--target-modules", "q_proj", "--alpha-pattern", "up_proj=2"], "up_proj"),
    ] {
        let error = check(bad).expect_err(named);
        assert!(error.contains(named), "{bad:?}: {error}");
    }
}
