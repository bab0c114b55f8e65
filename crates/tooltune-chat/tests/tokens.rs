//! Tool tags as tokens: ids, files, refusals.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;

use tooltune_chat::{
    Added, ByteTokenizer, ChatTemplate, Conversation, Error, Gemma2Tools, Hermes, HfTokenizer,
    MAX_TOKENIZER_BYTES, Message, Object, PlainText, Reserved, Segment, SegmentContent, TextTokenizer,
    TokenPlacement, TokenProblem, TokenizerFiles, ToolCall, ToolCallFormat, ToolDefinition, ToolToken,
    ToolTokenStrategy, ToolTokenizer, Value, Vocabulary, encode,
};

fn tokens() -> Vec<ToolToken> {
    ToolToken::of_format(&Hermes::json())
}

/// The golden tokenizer as it was before its tags were tokens: each has the name of a reserved token.
fn untagged(text: &str) -> String {
    let tags = tokens().into_iter().enumerate();
    tags.fold(text.to_owned(), |text, (i, token)| {
        let (tag, name) = (format!("{:?}", token.text), format!("\"<unused{i}>\""));
        assert!(text.contains(&tag), "the golden tokenizer has {tag}");
        text.replace(&tag, &name)
    })
}

fn golden(name: &str) -> String {
    fs::read_to_string(common::data("golden/tokenizer").join(name)).unwrap()
}

fn base() -> TokenizerFiles {
    TokenizerFiles::from_json(untagged(&golden("tokenizer.json")))
}

fn map(value: Value, mut edit: impl FnMut(&str, Value) -> Value) -> Value {
    let Value::Object(object) = value else { panic!("an object") };
    Value::Object(object.into_iter().map(|(key, value)| (key.clone(), edit(&key, value))).collect())
}

/// The same with the reserved tokens in the model's vocabulary alone, as special tokens or not.
fn base_with_unlisted() -> TokenizerFiles {
    let unused = |entry: &Value| entry.get("content").unwrap().as_str().unwrap().starts_with("<unused");
    let json = map(common::json(base().tokenizer_json()), |key, value| match value {
        Value::Array(entries) if key == "added_tokens" => {
            Value::Array(entries.into_iter().filter(|entry| !unused(entry)).collect())
        }
        other => other,
    });
    TokenizerFiles::from_json(json.to_json())
}

/// Every token of a tokenizer.json with its id, added ones over ordinary ones.
fn vocabulary(json: &str) -> BTreeMap<String, i64> {
    let root = common::json(json);
    let vocab = root.get("model").unwrap().get("vocab").unwrap().as_object().unwrap();
    let ordinary = vocab.iter().map(|(text, id)| (text.to_owned(), id.as_i64().unwrap()));
    let added = root.get("added_tokens").unwrap().as_array().unwrap().iter().map(|entry| {
        let text = entry.get("content").unwrap().as_str().unwrap();
        (text.to_owned(), entry.get("id").unwrap().as_i64().unwrap())
    });
    ordinary.chain(added).collect()
}

fn problem<T: std::fmt::Debug>(result: Result<T, Error>) -> TokenProblem {
    match result {
        Err(Error::ToolTokens(problem)) => problem,
        other => panic!("no problem: {other:?}"),
    }
}

fn conversation() -> Conversation {
    let mut arguments = Object::new();
    arguments.insert("text", "a </tool_call> b");
    Conversation::new(
        vec![ToolDefinition::new("say", "Says </tools>.", Object::new())],
        vec![
            Message::user("Say <tool_call> and </think>."),
            Message::calls(vec![ToolCall::new("say", arguments)]),
            Message::tool("say", "<tool_response> said"),
            Message::assistant("Done."),
        ],
    )
}

#[test]
fn plain_changes_nothing() {
    let files = base();
    let plain = PlainText.apply(&files, &tokens()).unwrap();
    assert_eq!(plain.files, files);
    assert!(plain.rows.is_empty());
    assert_eq!(plain.tokenizer.control_id("<tool_call>"), None);
}

/// Renaming undoes what made the untagged tokenizer, wherever the reserved tokens are listed.
#[test]
fn reserved_renames_and_changes_nothing_else() {
    let strategy = Reserved { special: true, ..Reserved::default() };
    for files in [base(), base_with_unlisted()] {
        let tuned = strategy.apply(&files, &tokens()).unwrap();
        assert_eq!(common::json(tuned.files.tokenizer_json()), common::json(&golden("tokenizer.json")));
        assert_eq!(tuned.tokenizer.vocab_size(), files.tokenizer().unwrap().vocab_size());
    }
    // Key order, layout and numbers too.
    let tuned = strategy.apply(&base(), &tokens()).unwrap();
    let keys = |json: &str| -> Vec<String> {
        common::json(json).as_object().unwrap().keys().map(str::to_owned).collect()
    };
    assert_eq!(keys(tuned.files.tokenizer_json()), keys(base().tokenizer_json()));
}

#[test]
fn other_ids_stay_and_placed_ids_are_as_said() {
    let old = vocabulary(base().tokenizer_json());
    for strategy in [&Reserved::default() as &dyn ToolTokenStrategy, &Added::default(), &Added::course()] {
        for files in [base(), base_with_unlisted()] {
            let tuned = strategy.apply(&files, &tokens()).unwrap();
            let new = vocabulary(tuned.files.tokenizer_json());
            let tags: Vec<String> = tokens().into_iter().map(|token| token.text).collect();
            for (text, id) in new.iter().filter(|(text, _)| !tags.contains(text)) {
                assert_eq!(old[text], *id, "{} {text}", strategy.name());
            }
            let old_size = files.tokenizer().unwrap().vocab_size();
            let grown = if strategy.name() == "added" { tags.len() } else { 0 };
            assert_eq!(new.len(), old.len() + grown);
            assert_eq!(tuned.tokenizer.vocab_size(), old_size + grown);
            for (index, (row, tag)) in tuned.rows.iter().zip(&tags).enumerate() {
                assert_eq!((&row.token, i64::from(row.id)), (tag, new[tag]));
                assert_eq!(tuned.tokenizer.control_id(tag), Some(row.id));
                let expected = match strategy.name() {
                    "added" => i64::try_from(old_size + index).unwrap(),
                    _ => old[&format!("<unused{index}>")],
                };
                assert_eq!(i64::from(row.id), expected);
            }
            assert_eq!(tuned.rows.len(), tags.len());
        }
    }
}

#[test]
fn rows_begin_with_the_words_of_their_descriptions() {
    let old = base().tokenizer().unwrap();
    let tuned = Added::default().apply(&base(), &tokens()).unwrap();
    let mut sums = Vec::new();
    for row in &tuned.rows {
        assert_eq!(old.decode(&row.from_ids, true).unwrap(), row.description);
        assert!(row.from_ids.iter().all(|&id| (id as usize) < old.vocab_size()));
        let mut sum = row.from_ids.clone();
        sum.sort_unstable();
        assert!(!sums.contains(&sum), "{row:?} begins as another row");
        sums.push(sum);
    }
    assert_eq!(
        tuned.rows.iter().find(|row| row.token == "<tool_call>").unwrap().description,
        "start of a tool call"
    );
}

/// Tags become their ids, text with the same letters does not, and everything else encodes as before.
#[test]
fn tags_are_one_token_and_text_is_not() {
    let untagged = base().tokenizer().unwrap();
    for strategy in [&Reserved::default() as &dyn ToolTokenStrategy, &Added::default()] {
        let tuned = strategy.apply(&base_with_unlisted(), &tokens()).unwrap();
        let controls: Vec<u32> = tuned.tokenizer.controls().into_iter().map(|(_, id)| id).collect();
        for row in &tuned.rows {
            let segment = |content| Segment {
                content,
                role: None,
                kind: tooltune_chat::SegmentKind::Call,
                weight: 1.0,
            };
            let tag = encode(&[segment(SegmentContent::Tag(row.token.clone()))], &tuned.tokenizer).unwrap();
            assert_eq!(tag.ids, [row.id]);
            let text = encode(&[segment(SegmentContent::Text(row.token.clone()))], &tuned.tokenizer).unwrap();
            assert!(text.ids.len() > 1 && text.ids.iter().all(|id| !controls.contains(id)));
            assert_eq!(text.ids, untagged.encode_text(&row.token).unwrap());
        }
        let segments = Gemma2Tools::default().render(&conversation(), false).unwrap();
        let chat = encode(&segments, &tuned.tokenizer).unwrap();
        let expected = segments.iter().filter_map(|segment| match &segment.content {
            SegmentContent::Control(token) | SegmentContent::Tag(token) => tuned.tokenizer.control_id(token),
            SegmentContent::Text(_) | SegmentContent::TextApart(_) => None,
        });
        let emitted = chat.ids.iter().copied().filter(|id| controls.contains(id));
        assert_eq!(emitted.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }
    let tuned = Reserved::default().apply(&base(), &tokens()).unwrap();
    let mut texts = 0;
    for row in common::rows("chat/render.jsonl") {
        for message in row.get("messages").and_then(Value::as_array).unwrap_or_default() {
            let Some(text) = message.get("content").and_then(Value::as_str) else { continue };
            assert_eq!(tuned.tokenizer.encode_text(text).unwrap(), untagged.encode_text(text).unwrap());
            texts += 1;
        }
    }
    assert!(texts > 0);
}

#[test]
fn decoding_for_the_format_keeps_its_tags() {
    let segments = Gemma2Tools::default().render(&conversation(), false).unwrap();
    for special in [false, true] {
        let strategies: [&dyn ToolTokenStrategy; 2] =
            [&Reserved { special, ..Reserved::default() }, &Added { special }];
        for strategy in strategies {
            let tuned = strategy.apply(&base(), &tokens()).unwrap();
            let chat = encode(&segments, &tuned.tokenizer).unwrap();
            let trained: Vec<u32> =
                chat.labels().into_iter().filter_map(|label| label.try_into().ok()).collect();
            let text = tuned.tokenizer.decode_for(&trained, &Hermes::json()).unwrap();
            assert_eq!(text.matches("<tool_call>").count(), 1, "{text}");
            assert!(!text.contains("<end_of_turn>"));
            let calls = Hermes::json().parse(&text).calls;
            assert_eq!(calls.len(), 1);
            assert_eq!(calls[0].arguments.get("text").unwrap().as_str(), Some("a </tool_call> b"));
            // What other programs do: special tokens are left out.
            let start = tuned.tokenizer.control_id("<tool_call>").unwrap();
            let shown = tuned.tokenizer.decode(&[start], false).unwrap();
            assert_eq!(shown, if special { "" } else { "<tool_call>" });
        }
    }
}

/// A Unigram vocabulary is an array, and its model finds every piece in text by itself.
#[test]
fn array_vocabularies_are_renamed_in_place() {
    let json = r#"{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["<unused0>", -1.5], ["<", -2.0],
            [">", -2.25], ["t", -3.125], ["a", -1e-5], ["<t", -9.0]], "byte_fallback": false}}"#;
    let files = TokenizerFiles::from_json(json);
    let tuned = Reserved::default().apply(&files, &[ToolToken::new("<t>", "at")]).unwrap();
    let vocab = common::json(tuned.files.tokenizer_json());
    let vocab = vocab.get("model").unwrap().get("vocab").unwrap();
    assert_eq!(
        vocab.to_json(),
        r#"[["<unk>", 0.0], ["<t>", -1.5], ["<", -2.0], [">", -2.25], ["t", -3.125], ["a", -1e-05], ["<t", -9.0]]"#
    );
    assert_eq!(tuned.rows[0].from_ids, [5, 4]);
    assert_eq!(tuned.tokenizer.control_id("<t>"), Some(1));
    let ids = tuned.tokenizer.encode_text("a<t>a").unwrap();
    assert!(!ids.contains(&1), "{ids:?}");
}

#[test]
fn the_layout_of_the_file_is_kept() {
    let compact = r#"{"added_tokens": [], "model": {"type": "BPE", "vocab": {"a": 0, "é": 1, "<unused0>": 2}, "merges": []}}"#;
    let lines = "{\n  \"added_tokens\": [],\n  \"model\": {\n    \"type\": \"BPE\",\n    \"vocab\": {\n      \"a\": 0,\n      \
                 \"é\": 1,\n      \"<unused0>\": 2\n    },\n    \"merges\": []\n  }\n}\n";
    let entry = "{\"id\": 2, \"content\": \"<t>\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \
                 \"normalized\": false, \"special\": false}";
    let token = [ToolToken::new("<t>", "aé")];
    let apply =
        |text: &str| Reserved::default().apply(&TokenizerFiles::from_json(text), &token).unwrap().files;
    let expected = compact.replace("<unused0>", "<t>").replacen("[]", &format!("[{entry}]"), 1);
    assert_eq!(apply(compact).tokenizer_json(), expected);
    let entry =
        entry.replace('{', "[\n    {\n      ").replace(", ", ",\n      ").replace('}', "\n    }\n  ]");
    let expected = lines.replace("<unused0>", "<t>").replacen("[]", &entry, 1);
    assert_eq!(apply(lines).tokenizer_json(), expected);
}

/// The folder of the golden tokenizer, untagged, with all the files that name tokens.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let ids = vocabulary(base().tokenizer_json());
    let unused = |i: usize| format!("<unused{i}>");
    let decoder = (0..tokens().len()).map(|i| {
        let text = unused(i);
        format!(
            "\"{}\": {{\"content\": \"{text}\", \"lstrip\": false, \"normalized\": false, \"rstrip\": false, \
             \"single_word\": false, \"special\": false}}",
            ids[&text]
        )
    });
    let decoder = format!("{{{}}}", decoder.collect::<Vec<_>>().join(", "));
    let config = map(common::json(&untagged(&golden("tokenizer_config.json"))), |_, value| value);
    let Value::Object(mut config) = config else { panic!("an object") };
    config.insert("added_tokens_decoder", common::json(&decoder));
    let added = (0..tokens().len()).map(|i| format!("\"{}\": {}", unused(i), ids[&unused(i)]));
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("tokenizer.json", base().tokenizer_json());
    write("tokenizer_config.json", &Value::from(config).to_json());
    write(
        "special_tokens_map.json",
        r#"{"bos_token": "<bos>", "additional_special_tokens": ["<unused0>", "<x>"]}"#,
    );
    write("added_tokens.json", &format!("{{{}}}", added.collect::<Vec<_>>().join(", ")));
    write("chat_template.jinja", "{{ '<unused0>' }}");
    write("config.json", "{}");
    folder
}

#[test]
fn a_saved_folder_loads_to_the_same_tokenizer() {
    let source = folder();
    let files = TokenizerFiles::from_folder(source.path()).unwrap();
    for strategy in
        [&Reserved::default() as &dyn ToolTokenStrategy, &Added::default(), &Added::course(), &PlainText]
    {
        let tuned = strategy.apply(&files, &tokens()).unwrap();
        let target = tempfile::tempdir().unwrap();
        fs::write(target.path().join("tokenizer.json"), "old").unwrap();
        tuned.files.save(target.path().join("new/folder")).unwrap();
        tuned.files.save(target.path()).unwrap();
        tuned.files.save(target.path()).unwrap();
        assert_eq!(TokenizerFiles::from_folder(target.path().join("new/folder")).unwrap().get("x"), None);
        let mut names: Vec<_> =
            fs::read_dir(target.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
        names.sort();
        let expected = [
            "added_tokens.json",
            "chat_template.jinja",
            "new",
            "special_tokens_map.json",
            "tokenizer.json",
            "tokenizer_config.json",
        ];
        assert_eq!(names, expected);
        let loaded = TokenizerFiles::from_folder(target.path()).unwrap();
        for name in expected.iter().filter(|name| **name != "new") {
            assert_eq!(loaded.get(name), tuned.files.get(name));
        }
        let tokenizer = HfTokenizer::from_file(target.path().join("tokenizer.json")).unwrap();
        assert_eq!(tokenizer.controls(), tuned.tokenizer.controls());
        assert_eq!(
            tokenizer.encode_text("{\"a\": 1} é").unwrap(),
            tuned.tokenizer.encode_text("{\"a\": 1} é").unwrap()
        );
    }
}

#[test]
fn the_files_beside_agree() {
    let source = folder();
    let files = TokenizerFiles::from_folder(source.path()).unwrap();
    let read = |tuned: &ToolTokenizer, name: &str| common::json(tuned.files.get(name).unwrap());
    for special in [false, true] {
        let strategies: [&dyn ToolTokenStrategy; 2] =
            [&Reserved { special, ..Reserved::default() }, &Added { special }];
        for strategy in strategies {
            let tuned = strategy.apply(&files, &tokens()).unwrap();
            let reserved = strategy.name() == "reserved";
            let config = read(&tuned, "tokenizer_config.json");
            let added = read(&tuned, "added_tokens.json");
            let listed = |file: &Value, key: &str, text: &str| {
                let items = file.get(key).unwrap().as_array().unwrap();
                items.iter().filter(|item| item.as_str() == Some(text)).count()
            };
            let map = read(&tuned, "special_tokens_map.json");
            for row in &tuned.rows {
                let entry = config.get("added_tokens_decoder").unwrap().get(&row.id.to_string()).unwrap();
                assert_eq!(entry.get("content").unwrap().as_str(), Some(row.token.as_str()));
                assert_eq!(entry.get("special").unwrap().as_bool(), Some(special));
                assert_eq!(added.get(&row.token).unwrap().as_i64(), Some(i64::from(row.id)));
                assert_eq!(listed(&map, "additional_special_tokens", &row.token), usize::from(special));
                assert_eq!(listed(&config, "extra_special_tokens", &row.token), usize::from(special));
            }
            assert_eq!(listed(&map, "additional_special_tokens", "<unused0>"), usize::from(!reserved));
            assert_eq!(listed(&map, "additional_special_tokens", "<x>"), 1);
            assert_eq!(tuned.files.get("tokenizer_config.json").unwrap().contains("<unused0>"), !reserved);
            assert_eq!(tuned.files.get("chat_template.jinja"), files.get("chat_template.jinja"));
        }
    }
}

#[test]
fn refusals() {
    let strategies: [&dyn ToolTokenStrategy; 2] = [&Reserved::default(), &Added::default()];
    for strategy in strategies {
        let apply = |files: &TokenizerFiles, tokens: &[ToolToken]| strategy.apply(files, tokens);
        let tuned = apply(&base(), &tokens()).unwrap();
        assert!(matches!(problem(apply(&tuned.files, &tokens())), TokenProblem::AlreadyThere { .. }));
        let one = |text: &str, description: &str| vec![ToolToken::new(text, description)];
        assert!(matches!(problem(apply(&base(), &one("a", "x"))), TokenProblem::Taken { .. }));
        assert!(matches!(problem(apply(&base(), &one("<bos>", "x"))), TokenProblem::AlreadyThere { .. }));
        assert!(matches!(problem(apply(&base(), &one(" \n", "x"))), TokenProblem::Blank { .. }));
        assert!(matches!(problem(apply(&base(), &one("<t>", ""))), TokenProblem::EmptyDescription { .. }));
        let pair =
            |first: &str, second: &str| vec![ToolToken::new("<a>", first), ToolToken::new("<b>", second)];
        assert!(matches!(problem(apply(&base(), &pair("xy", "yx"))), TokenProblem::EqualRows { .. }));
        let twice = [one("<t>", "x"), one("<t>", "y")].concat();
        assert!(matches!(problem(apply(&base(), &twice)), TokenProblem::Twice { .. }));
        for bad in ["", "[]", "{}", "{\"model\": 1}", "{\"added_tokens\": [], \"added_tokens\": []}"] {
            assert!(apply(&TokenizerFiles::from_json(bad), &tokens()).is_err(), "{bad}");
        }
    }
    let files = base();
    let few = Reserved { names: vec!["<unused3>".to_owned(), "<no>".to_owned()], special: false };
    assert_eq!(
        problem(few.apply(&files, &tokens())),
        TokenProblem::NotEnoughReserved { needed: tokens().len(), found: 1 }
    );
    let one = [ToolToken::new("<t>", "tool")];
    assert_eq!(
        few.apply(&files, &one).unwrap().rows[0].id,
        files.tokenizer().unwrap().control_id("<unused3>").unwrap()
    );
}

/// Reserved tokens that somebody uses: as padding, in the post-processor, in merges.
#[test]
fn reserved_tokens_in_use_are_refused() {
    let in_use = |name: &str, old: &str, new: &str| {
        let source = folder();
        let path = source.path().join(name);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{name} has {old}");
        fs::write(path, text.replacen(old, new, 1)).unwrap();
        problem(Reserved::default().apply(&TokenizerFiles::from_folder(source.path()).unwrap(), &tokens()))
    };
    let token = "<unused2>".to_owned();
    assert_eq!(
        in_use("tokenizer_config.json", "\"pad_token\": \"<pad>\"", "\"pad_token\": \"<unused2>\""),
        TokenProblem::InUse { token: token.clone(), used_as: "pad_token".to_owned() }
    );
    assert_eq!(
        in_use("special_tokens_map.json", "\"<bos>\"", "{\"content\": \"<unused2>\"}"),
        TokenProblem::InUse { token, used_as: "bos_token".to_owned() }
    );
    let found = in_use("added_tokens.json", "<unused2>", "<other>");
    assert!(matches!(found, TokenProblem::Disagree { file: "added_tokens.json", .. }), "{found:?}");
    let found = in_use("tokenizer_config.json", "\"content\": \"<unused2>\"", "\"content\": \"<other>\"");
    assert!(matches!(found, TokenProblem::Disagree { file: "tokenizer_config.json", .. }), "{found:?}");
    let found = in_use("tokenizer_config.json", "{", "{,");
    assert!(matches!(found, TokenProblem::NotJson { .. }), "{found:?}");
    let merged = r#"{"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "<u>": 2, "<u>a": 3}, "merges": [["<u>", "a"]]}}"#;
    let strategy = Reserved { names: vec!["<u>".to_owned()], special: false };
    let result = strategy.apply(&TokenizerFiles::from_json(merged), &[ToolToken::new("<t>", "ab")]);
    assert!(matches!(result, Err(Error::TokenizerFile { .. })), "{result:?}");
}

/// Hugging Face's libraries count tokens where ids have holes, so that a new token gets an id that is not free.
#[test]
fn ids_that_would_collide_are_refused() {
    let holes = r#"{"model": {"type": "BPE", "vocab": {"a": 0, "b": 7}, "merges": []}}"#;
    let result = Added::default().apply(&TokenizerFiles::from_json(holes), &[ToolToken::new("<t>", "ab")]);
    let expected = TokenProblem::IdMoved { token: "<t>".to_owned(), expected: Some(8), found: None };
    assert_eq!(problem(result), expected);
}

/// A strategy of one's own is held to the law.
#[test]
fn a_strategy_that_moves_ids_is_refused() {
    struct Greedy;
    impl ToolTokenStrategy for Greedy {
        fn name(&self) -> &str {
            "greedy"
        }
        fn place(&self, tokens: &[ToolToken], vocabulary: &Vocabulary) -> Result<Vec<TokenPlacement>, Error> {
            let id = vocabulary.id("<bos>").unwrap();
            Ok(vec![TokenPlacement { token: tokens[0].text.clone(), id, replaces: None, special: true }])
        }
    }
    let found = problem(Greedy.apply(&base(), &tokens()));
    assert!(matches!(found, TokenProblem::IdMoved { .. }), "{found:?}");
}

#[test]
fn large_files_are_refused_before_they_are_read() {
    let source = folder();
    for name in ["tokenizer_config.json", "tokenizer.json"] {
        let file = fs::OpenOptions::new().write(true).open(source.path().join(name)).unwrap();
        file.set_len(MAX_TOKENIZER_BYTES + 1).unwrap();
        let result = TokenizerFiles::from_folder(source.path());
        assert!(
            matches!(result, Err(Error::FileTooLarge { ref path, .. }) if path.ends_with(name)),
            "{result:?}"
        );
    }
    let missing = TokenizerFiles::from_folder(source.path().join("missing"));
    assert!(matches!(missing, Err(Error::Io { .. })));
    fs::write(source.path().join("tokenizer.json"), [0xff, b'{']).unwrap();
    assert!(matches!(TokenizerFiles::from_folder(source.path()), Err(Error::Io { .. })));
}

#[test]
fn the_course_misspells_and_nothing_else_does() {
    let texts: Vec<String> = ToolToken::course().into_iter().map(|token| token.text).collect();
    assert_eq!(texts.len(), 8);
    assert!(texts.contains(&"<tool_reponse>".to_owned()) && !texts.contains(&"<tool_response>".to_owned()));
    assert!(tokens().iter().all(|token| !token.text.contains("reponse")));
    let tuned = Added::course().apply(&base(), &ToolToken::course()).unwrap();
    // The spelling of its data stays in pieces.
    let course = tooltune_chat::Course::default();
    let data =
        Conversation::new(Vec::new(), vec![Message::tool("f", "<tool_response>\n1\n</tool_response>")]);
    let chat = encode(&course.render(&data, false).unwrap(), &tuned.tokenizer).unwrap();
    let tags: Vec<u32> = tuned.rows.iter().map(|row| row.id).collect();
    assert!(chat.ids.iter().all(|id| !tags.contains(id)));
    assert!(ByteTokenizer::default().control_id("<tool_reponse>").is_none());
}
