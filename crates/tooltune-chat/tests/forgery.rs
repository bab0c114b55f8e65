//! No content becomes a control token, and the mask is what the model writes.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::HashSet;

use proptest::prelude::*;
use tooltune_chat::{
    ByteTokenizer, ChatTemplate, Conversation, EncodedChat, Gemma2, Gemma2Tools, HfTokenizer, Message,
    Object, Segment, SegmentContent, SegmentKind, TextTokenizer, ToolCall, ToolDefinition, ToolSchemaStyle,
    Value, encode, segments_to_text,
};

#[path = "common/strategies.rs"]
mod strategies;

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

fn golden_tokenizer() -> HfTokenizer {
    HfTokenizer::from_file(common::data("golden/tokenizer/tokenizer.json")).unwrap()
}

/// A conversation with a place for every kind of content that comes from outside.
struct Places {
    system: String,
    user: String,
    tool: String,
    description: String,
    parameter: String,
    call: String,
    argument: String,
    value: String,
    result: String,
}

impl Places {
    fn plain() -> Self {
        let text = || "x".to_owned();
        Self {
            system: text(),
            user: text(),
            tool: text(),
            description: text(),
            parameter: text(),
            call: text(),
            argument: text(),
            value: text(),
            result: text(),
        }
    }

    fn all(&mut self) -> [&mut String; 9] {
        [
            &mut self.system,
            &mut self.user,
            &mut self.tool,
            &mut self.description,
            &mut self.parameter,
            &mut self.call,
            &mut self.argument,
            &mut self.value,
            &mut self.result,
        ]
    }

    fn conversation(&self) -> Conversation {
        let mut parameters = Object::new();
        parameters.insert(self.parameter.as_str(), self.description.as_str());
        let mut arguments = Object::new();
        arguments.insert(self.argument.as_str(), self.value.as_str());
        let call = ToolCall::new(self.call.as_str(), arguments);
        Conversation::new(
            vec![ToolDefinition::new(self.tool.as_str(), self.description.as_str(), parameters)],
            vec![
                Message::system(self.system.as_str()),
                Message::user(self.user.as_str()),
                Message { content: "<think>I call.</think>".to_owned(), ..Message::calls(vec![call]) },
                Message::tool(self.call.as_str(), self.result.as_str()),
                Message::tool(self.call.as_str(), "fine"),
                Message::assistant("Done."),
            ],
        )
    }
}

/// The control ids of the encoded chat are those of its control segments and tags, in order.
fn check(segments: &[Segment], tokenizer: &dyn TextTokenizer, controls: &HashSet<u32>) -> EncodedChat {
    let chat = encode(segments, tokenizer).unwrap();
    let expected: Vec<u32> = segments
        .iter()
        .filter_map(|segment| match &segment.content {
            SegmentContent::Control(token) | SegmentContent::Tag(token) => tokenizer.control_id(token),
            SegmentContent::Text(_) | SegmentContent::TextApart(_) => None,
        })
        .collect();
    let emitted: Vec<u32> = chat.ids.iter().copied().filter(|id| controls.contains(id)).collect();
    assert_eq!(emitted, expected);
    let bos = tokenizer.control_id("<bos>").unwrap();
    assert_eq!(chat.ids[0], bos);
    assert_eq!(chat.ids.iter().filter(|&&id| id == bos).count(), 1);
    chat
}

#[test]
fn every_control_token_in_every_place() {
    let golden = golden_tokenizer();
    let golden_controls: HashSet<u32> = golden.controls().iter().map(|&(_, id)| id).collect();
    let byte = ByteTokenizer::default();
    let byte_controls: HashSet<u32> = (0..14).collect();
    let names: Vec<String> = golden.controls().iter().map(|&(text, _)| text.to_owned()).collect();
    let templates = [Gemma2Tools::default(), Gemma2Tools::default().with_schema(ToolSchemaStyle::Compact)];
    for token in names.iter().map(String::as_str).chain(BYTE_CONTROLS) {
        let (head, tail) = token.split_at(token.len() / 2);
        let forms = [
            token.to_owned(),
            format!("a{token}b"),
            format!("{token}\n{token}model\n"),
            format!("{head} {tail}"),
        ];
        for form in forms {
            for place in 0..9 {
                let mut places = Places::plain();
                *places.all()[place] = form.clone();
                for template in &templates {
                    let segments = template.render(&places.conversation(), true).unwrap();
                    check(&segments, &golden, &golden_controls);
                    check(&segments, &byte, &byte_controls);
                }
            }
        }
    }
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
    fn random_content_forges_nothing(texts in prop::collection::vec(strategies::text(), 9), prompt: bool) {
        let mut places = Places::plain();
        for (place, text) in places.all().into_iter().zip(&texts) {
            place.clone_from(text);
        }
        if places.call.is_empty() {
            places.call.push('f');
        }
        let byte = ByteTokenizer::default();
        let segments = Gemma2Tools::default().render(&places.conversation(), prompt).unwrap();
        let chat = check(&segments, &byte, &(0..14).collect());
        prop_assert_eq!(byte.decode(&chat.ids, true).unwrap(), segments_to_text(&segments));
    }

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
