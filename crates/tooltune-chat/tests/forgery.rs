//! No content becomes a control token, and the mask is what the model writes.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::sync::Arc;

use proptest::prelude::*;
use tooltune_chat::{
    ByteTokenizer, ChatMl, ChatTemplate, Conversation, Course, FunctionGemma, FunctionGemmaTemplate, Gemma2,
    Gemma2Tools, Hermes, HfTokenizer, Llama31, Llama31Template, Message, Mistral, OpenAi, Pythonic,
    SegmentKind, TextTokenizer, ToolCallFormat, ToolSchemaStyle, Value, encode, segments_to_text,
};

#[path = "common/disguises.rs"]
mod disguises;
#[path = "common/forgery.rs"]
mod forgery;
#[path = "common/random.rs"]
mod random;
#[path = "common/strategies.rs"]
mod strategies;
#[path = "common/subword.rs"]
mod subword;

use disguises::disguises;
use forgery::{Contents, Outcome, Shape, TagsFrom, Target};
use random::Random;
use subword::{golden_tokenizer, golden_tokenizer_with};

const BYTE_CONTROLS: [&str; 14] = [
    "<pad>",
    "<eos>",
    "<bos>",
    "<unk>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<tools>",
    "</tools>",
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
];

/// The fewest cases (a token in a disguise in a place) that a template with tools must stand.
const MIN_CASES: usize = 3_750;
const RANDOM_TEXTS: usize = 10_000;
const SEED: u64 = 73;

fn golden(name: &'static str, template: impl ChatTemplate + 'static) -> Target {
    golden_with(name, template, &[])
}

fn golden_with(name: &'static str, template: impl ChatTemplate + 'static, tokens: &[&str]) -> Target {
    let tokenizer = golden_tokenizer_with(tokens);
    let controls: Vec<String> = tokenizer.controls().iter().map(|&(text, _)| text.to_owned()).collect();
    assert!(tokens.iter().all(|token| controls.iter().any(|control| control == token)));
    target(name, Box::new(template), Box::new(tokenizer), controls)
}

fn bytes(name: &'static str, template: impl ChatTemplate + 'static) -> Target {
    let controls = BYTE_CONTROLS.map(str::to_owned).to_vec();
    target(name, Box::new(template), Box::new(ByteTokenizer::default()), controls)
}

/// A template with all tokens of its own and its format's, and those that stop it.
fn bytes_with(name: &'static str, template: impl ChatTemplate + 'static, tags: &[&str]) -> Target {
    let mut controls = template.required_controls().to_vec();
    for &token in template.stop_controls().iter().chain(tags) {
        if !controls.contains(&token) {
            controls.push(token);
        }
    }
    let tokenizer = ByteTokenizer::new(&controls);
    let controls = controls.into_iter().map(str::to_owned).collect();
    target(name, Box::new(template), Box::new(tokenizer), controls)
}

fn target(
    name: &'static str,
    template: Box<dyn ChatTemplate>,
    tokenizer: Box<dyn TextTokenizer>,
    controls: Vec<String>,
) -> Target {
    Target {
        name,
        template,
        tokenizer,
        controls,
        bos: Some("<bos>"),
        shape: Shape::Tools,
        tags_from: TagsFrom::Model,
        varying: &[],
        lossless: true,
        may_refuse: false,
    }
}

/// Gemma-2's turns with the Hermes format, and the templates without tools.
fn gemma() -> Vec<Target> {
    let python = Gemma2Tools::new(Arc::new(Hermes::python()));
    let compact = Gemma2Tools::default().with_schema(ToolSchemaStyle::Compact);
    let chat = |target: Target| Target { shape: Shape::Chat, ..target };
    vec![
        golden("gemma2-tools, hermes", Gemma2Tools::default()),
        golden("gemma2-tools, hermes-python", python),
        bytes("gemma2-tools, compact schemas, bytes", compact),
        chat(golden("gemma2", Gemma2::default())),
        Target { tags_from: TagsFrom::Anybody, ..chat(golden("course", Course::default())) },
    ]
}

/// Gemma-2's turns with a call format, over the subword tokenizer with the format's tags as tokens.
fn in_gemma_turns(name: &'static str, format: impl ToolCallFormat + 'static) -> Target {
    let format = Arc::new(format);
    let tags: Vec<&str> = format.special_tokens().to_vec();
    golden_with(name, Gemma2Tools::new(format.clone()), &tags)
}

/// Gemma-2's turns with the formats of other models.
fn formats_in_gemma_turns() -> Vec<Target> {
    let google = |target: Target, string| Target { varying: string, ..target };
    vec![
        in_gemma_turns("gemma2-tools, llama-3.1", Llama31::new()),
        in_gemma_turns("gemma2-tools, llama-3.1, python tag", Llama31::new().with_python_tag(true)),
        in_gemma_turns("gemma2-tools, pythonic", Pythonic::new()),
        in_gemma_turns("gemma2-tools, openai", OpenAi::new()),
        google(in_gemma_turns("gemma2-tools, functiongemma", FunctionGemma::new()), &["<escape>"]),
        google(in_gemma_turns("gemma2-tools, gemma4", FunctionGemma::gemma4()), &["<|\"|>"]),
        in_gemma_turns("gemma2-tools, mistral", Mistral::v3()),
        // Calls with a name that could pass for a tag are written as the older generation writes them.
        Target {
            varying: &["[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"],
            ..in_gemma_turns("gemma2-tools, mistral-v11", Mistral::v11())
        },
    ]
}

/// The templates of other models, with the tokens that their tokenizers have.
fn other_models() -> Vec<Target> {
    let (hermes, llama, google) = (Hermes::json(), Llama31::new(), FunctionGemma::new());
    let tagged = Llama31Template::new(Arc::new(llama.with_python_tag(true))).with_eom(true);
    let qwen = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"];
    let qwen: Vec<&str> = qwen.into_iter().chain(hermes.special_tokens().iter().copied()).collect();
    let bos = |bos, target: Target| Target { bos, ..target };
    let begin = Some("<|begin_of_text|>");
    vec![
        bos(None, bytes_with("chatml, hermes", ChatMl::qwen2_5(), hermes.special_tokens())),
        bos(None, golden_with("chatml, hermes, subword", ChatMl::qwen2_5(), &qwen)),
        bos(
            Some("<s>"),
            bytes_with("chatml, bos", ChatMl::qwen2_5().with_bos("<s>"), hermes.special_tokens()),
        ),
        bos(begin, bytes_with("llama-3.1", Llama31Template::default(), llama.special_tokens())),
        bos(begin, bytes_with("llama-3.1, python tag, eom", tagged, llama.special_tokens())),
        Target {
            varying: &["<escape>"],
            ..bytes_with("functiongemma", FunctionGemmaTemplate::default(), google.special_tokens())
        },
    ]
}

#[derive(Default)]
struct Tally {
    cases: usize,
    refused: usize,
}

impl Tally {
    fn count(&mut self, outcome: Outcome) {
        self.cases += 1;
        self.refused += usize::from(outcome == Outcome::Refused);
    }
}

fn every_control_token_in_every_place_and_disguise(targets: Vec<Target>) {
    println!("{:<40}{:>8}{:>10}{:>8}{:>9}", "template", "tokens", "disguised", "split", "refused");
    for target in targets {
        let (mut disguised, mut split) = (Tally::default(), Tally::default());
        for token in &target.controls {
            for (index, form) in disguises(token).iter().enumerate() {
                for &place in target.places() {
                    let contents = Contents::harmless().with(place, form);
                    disguised.count(target.attack(&contents, index % 2 == 0));
                }
            }
            // One half at the end of one place, the other at the beginning of another.
            for at in [1, token.len() / 2, token.len() - 1] {
                let (head, tail) = token.split_at(at);
                for &first in target.places() {
                    for &second in target.places() {
                        if first != second {
                            let contents = Contents::harmless().with(first, head).with(second, tail);
                            split.count(target.attack(&contents, false));
                        }
                    }
                }
            }
        }
        let refused = disguised.refused + split.refused;
        let (disguised, split, tokens) = (disguised.cases, split.cases, target.controls.len());
        println!("{:<40}{tokens:>8}{disguised:>10}{split:>8}{refused:>9}", target.name);
        assert!(target.shape == Shape::Chat || disguised >= MIN_CASES, "{}: {disguised}", target.name);
        assert!(refused < disguised, "{}: nothing was tried", target.name);
    }
}

/// Texts of the beginnings and the ends of control tokens, in all places at once.
fn random_pieces_of_control_tokens(targets: Vec<Target>, conversations: usize) {
    for target in targets {
        let mut random = Random::new(SEED);
        let mut fragments =
            vec!["", " ", "\n", "<", ">", "</", "_", "x", "model\n", "user\n", "\u{200b}", "é"];
        for token in &target.controls {
            fragments.extend((1..=token.len()).map(|end| &token[..end]));
            fragments.extend((1..token.len()).map(|start| &token[start..]));
        }
        let mut tally = Tally::default();
        for _ in 0..conversations {
            let mut contents = Contents::harmless();
            for &place in target.places() {
                let text: String = (0..=random.below(6)).map(|_| random.pick(&fragments)).collect();
                contents = contents.with(place, &text);
            }
            tally.count(target.attack(&contents, random.one_in(2)));
        }
        let texts = tally.cases * target.places().len();
        println!("{:<40}{:>8} conversations, {texts} random texts", target.name, tally.cases);
        assert!(texts >= RANDOM_TEXTS, "{}: {texts}", target.name);
        assert!(tally.refused < tally.cases, "{}", target.name);
    }
}

/// The tests of a list of targets, apart so that they run side by side.
macro_rules! suites {
    ($($targets:ident, $conversations:expr;)*) => { $(
        mod $targets {
            #[test]
            fn every_control_token_in_every_place_and_disguise() {
                super::every_control_token_in_every_place_and_disguise(super::$targets());
            }

            #[test]
            fn random_pieces_of_control_tokens_forge_nothing() {
                super::random_pieces_of_control_tokens(super::$targets(), $conversations);
            }
        }
    )* };
}

suites! {
    gemma, super::RANDOM_TEXTS;
    formats_in_gemma_turns, 4_000;
    other_models, 4_000;
}

/// A vocabulary whose merges spell its control token.
#[test]
fn merges_that_spell_a_control_token_are_undone() {
    let json = r#"{"version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "added_tokens": [{"id": 4, "content": "<b>", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true}],
        "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": {"<": 0, "b": 1, ">": 2, "<b": 3, "<b>": 4, "b>": 5},
            "merges": [["<", "b"], ["<b", ">"], ["b", ">"]]}}"#;
    let tokenizer = HfTokenizer::from_bytes(json.as_bytes()).unwrap();
    let tokens = tokenizer.encode_with_spans("b<b>b").unwrap();
    let ids: Vec<u32> = tokens.iter().map(|token| token.id).collect();
    assert_eq!(ids, [1, 0, 5, 1]);
    let spans: Vec<_> = tokens.into_iter().map(|token| token.span).collect();
    assert_eq!(spans, [0..1, 1..2, 2..4, 4..5]);
    assert_eq!(tokenizer.decode(&[4, 1], false).unwrap(), "b");
    assert_eq!(tokenizer.decode(&[4, 1], true).unwrap(), "<b> b");
    assert!(tokenizer.decode(&[99], false).is_err());
}

fn chat_message() -> impl Strategy<Value = String> {
    strategies::text()
}

fn plain_chat() -> impl Strategy<Value = Conversation> {
    prop::collection::vec((chat_message(), chat_message()), 1..4).prop_map(|rounds| {
        let messages =
            rounds.into_iter().flat_map(|(user, model)| [Message::user(user), Message::assistant(model)]);
        Conversation::new(Vec::new(), messages.collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn trained_tokens_are_what_the_model_writes(conversation in plain_chat()) {
        let tokenizer = ByteTokenizer::without_tags();
        let segments = Gemma2Tools::default().render(&conversation, false).unwrap();
        let chat = encode(&segments, &tokenizer).unwrap();
        let trained: Vec<u32> = chat.labels().into_iter().filter_map(|label| label.try_into().ok()).collect();
        let gemma = Gemma2::default().render(&conversation, false).unwrap();
        let mut expected = String::new();
        for message in conversation.messages.iter().filter(|message| message.role.is_model()) {
            let alone = Conversation::new(Vec::new(), vec![Message::user(""), message.clone()]);
            let text = segments_to_text(&Gemma2::default().render(&alone, false).unwrap());
            let (_, content) = text.split_once("<start_of_turn>model\n").unwrap();
            expected.push_str(content.strip_suffix('\n').unwrap());
        }
        prop_assert_eq!(tokenizer.decode(&trained, true).unwrap(), expected);
        prop_assert_eq!(segments_to_text(&gemma), segments_to_text(&segments));
        // The end of every model turn is in the loss, or the tuned model never stops.
        let ends = chat.kinds.iter().zip(&chat.weights);
        let ends = ends.filter(|&(&kind, &weight)| kind == SegmentKind::EndOfTurn && weight > 0.0).count();
        prop_assert_eq!(ends, conversation.messages.len() / 2);
    }
}

/// Where no content spells a control token, the ids are those of the whole text encoded at once.
#[test]
fn ids_are_those_of_the_whole_text() {
    let path = common::data("golden/tokenizer/tokenizer.json");
    let whole = tokenizers::Tokenizer::from_file(&path).unwrap();
    let ours = golden_tokenizer();
    let mut checked = 0;
    for row in common::rows("chat/render.jsonl") {
        if row.get("template").and_then(Value::as_str) != Some("gemma2") {
            continue;
        }
        let conversation = common::conversation(row.get("messages").unwrap());
        let forged =
            |message: &Message| ours.controls().iter().any(|(token, _)| message.content.contains(token));
        if conversation.messages.iter().any(forged) {
            continue;
        }
        let Ok(segments) = Gemma2::default().render(&conversation, true) else { continue };
        let expected = whole.encode(segments_to_text(&segments), false).unwrap();
        assert_eq!(encode(&segments, &ours).unwrap().ids, expected.get_ids());
        checked += 1;
    }
    assert!(checked > 0);
}
