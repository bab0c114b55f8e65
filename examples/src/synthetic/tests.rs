//! What the sets promise: determinism, disjointness, answerability, and a base that never saw a call.

use std::collections::HashSet;

use tooltune_chat::{Conversation, ToolSchemaStyle, Value};

use super::kind::spoken;
use super::words::{HELD_OBJECTS, HELD_VERBS, Side};
use super::{CallingData, PretrainingData, Split, Stage};

const SEED: u64 = 11;

fn words(conversation: &Conversation) -> Vec<String> {
    let mut text = String::new();
    for tool in &conversation.tools {
        text.push_str(&format!("{} {} {} ", tool.name, tool.description, tool.parameters.to_json()));
    }
    for message in &conversation.messages {
        text.push_str(&format!("{} ", message.content));
        for call in &message.tool_calls {
            text.push_str(&format!("{} {} ", call.name, Value::from(call.arguments.clone()).to_json()));
        }
    }
    text.split(|c: char| !c.is_alphabetic()).filter(|w| !w.is_empty()).map(str::to_lowercase).collect()
}

fn calls(conversation: &Conversation) -> Vec<&tooltune_chat::ToolCall> {
    conversation.messages.iter().flat_map(|m| &m.tool_calls).collect()
}

/// The parts of the values of all calls that are split by hash: no flag, no choice.
fn open_values(conversation: &Conversation) -> Vec<String> {
    let mut values = Vec::new();
    for call in calls(conversation) {
        let tool = conversation.tools.iter().find(|t| t.name == call.name).unwrap();
        let properties = tool.parameters.as_object().unwrap().get("properties").unwrap().as_object().unwrap();
        for (name, value) in call.arguments.iter() {
            let schema = properties.get(name).unwrap().as_object().unwrap();
            if schema.get("enum").is_some() || matches!(value, Value::Bool(_)) {
                continue;
            }
            match value.as_array() {
                Some(items) => values.extend(items.iter().map(spoken)),
                None => values.push(spoken(value)),
            }
        }
    }
    values
}

fn training() -> (Vec<Conversation>, Vec<Conversation>) {
    let pretraining = PretrainingData::new(SEED);
    let mut base: Vec<Conversation> = (0..1500).map(|i| pretraining.conversation(Stage::Easy, i)).collect();
    base.extend((0..2500).map(|i| pretraining.conversation(Stage::Main, i)));
    base.extend((0..1500).map(|i| pretraining.conversation(Stage::Choosing, i)));
    (base, CallingData::new(SEED).conversations(Split::Train, 4000))
}

#[test]
fn the_same_seed_gives_the_same_data() {
    let (a, b) = (CallingData::new(3), CallingData::new(3));
    assert_eq!(a.conversations(Split::Train, 50)[49], b.conversation(Split::Train, 49));
    assert_ne!(a.conversation(Split::Train, 0), CallingData::new(4).conversation(Split::Train, 0));
    let base = PretrainingData::new(3);
    assert_eq!(base.conversation(Stage::Main, 7), PretrainingData::new(3).conversation(Stage::Main, 7));
}

#[test]
fn held_out_words_names_and_values_are_in_no_training_text() {
    let (base, tuning) = training();
    let data = CallingData::new(SEED);
    let seen: HashSet<String> = base.iter().chain(&tuning).flat_map(words).collect();
    for word in HELD_OBJECTS.iter().chain(HELD_VERBS) {
        assert!(!seen.contains(*word), "{word}");
    }
    let names: HashSet<&str> = tuning.iter().flat_map(|c| &c.tools).map(|t| t.name.as_str()).collect();
    let texts: Vec<&str> = base.iter().flat_map(|c| &c.messages).map(|m| m.content.as_str()).collect();
    for split in [Split::NewNames, Split::NewTools] {
        for conversation in data.conversations(split, 300) {
            let name = &calls(&conversation)[0].name;
            assert!(!names.contains(name.as_str()), "{name}");
            assert!(!texts.iter().any(|text| text.contains(&format!("\"{name}\""))), "{name}");
            let parts: Vec<&str> = name.split('_').collect();
            match split {
                Split::NewNames => assert!(parts.iter().all(|part| seen.contains(*part)), "{name}"),
                _ => assert!(parts.iter().all(|part| !seen.contains(*part)), "{name}"),
            }
        }
    }
    let values: HashSet<String> = tuning.iter().flat_map(open_values).collect();
    for split in [Split::UnseenValues, Split::NewNames, Split::NewTools] {
        for value in data.conversations(split, 200).iter().flat_map(open_values) {
            assert!(!values.contains(&value), "{value}");
            assert_eq!(Side::of(&value), Side::Held);
        }
    }
}

#[test]
fn every_call_can_be_answered_from_the_prompt() {
    let data = CallingData::new(SEED);
    for split in [Split::Train, Split::UnseenValues, Split::NewNames, Split::NewTools] {
        for conversation in data.conversations(split, 400) {
            let mut request = "";
            for message in &conversation.messages {
                if message.tool_calls.is_empty() {
                    request = &message.content;
                }
                for call in &message.tool_calls {
                    let tool = conversation.tools.iter().find(|t| t.name == call.name).unwrap();
                    let schema = tool.parameters.as_object().unwrap();
                    for name in schema.get("required").unwrap().as_array().unwrap() {
                        assert!(call.arguments.get(name.as_str().unwrap()).is_some());
                    }
                    for (_, value) in call.arguments.iter().filter(|(_, v)| !matches!(v, Value::Bool(_))) {
                        assert!(request.contains(&spoken(value)), "{request} {value:?}");
                    }
                }
            }
            let names: HashSet<&str> = conversation.tools.iter().map(|t| t.name.as_str()).collect();
            assert_eq!(names.len(), conversation.tools.len());
            assert!((2..=4).contains(&names.len()));
        }
    }
}

#[test]
fn a_quarter_of_the_training_set_calls_nothing_and_irrelevance_never_calls() {
    let data = CallingData::new(SEED);
    let silent = data.conversations(Split::Train, 2000).iter().filter(|c| calls(c).is_empty()).count();
    assert!((500..=600).contains(&silent), "{silent} of 2000");
    assert!(data.conversations(Split::Irrelevance, 300).iter().all(|c| calls(c).is_empty()));
}

#[test]
fn pretraining_holds_no_call_and_no_tool_tag() {
    let (base, _) = training();
    for message in base.iter().flat_map(|c| &c.messages) {
        assert!(message.tool_calls.is_empty());
        let text = &message.content;
        for tag in super::pretraining::TOOL_TAGS {
            assert!(!text.contains(&format!("<{tag}>")) && !text.contains(&format!("</{tag}>")), "{text}");
        }
        for object in text.split('{').skip(1) {
            let object = object.split('}').next().unwrap();
            assert!(!(object.contains("\"name\":") && object.contains("\"arguments\":")), "{text}");
        }
    }
}

#[test]
fn catalog_entries_are_compact_declarations() {
    let mut rng = super::rng::Rng::keyed(SEED, "entries", 0);
    let mut tools = super::hand_written::hand_written();
    tools.extend((0..100).map(|_| super::composed::invented(&mut rng, Side::Train)));
    for tool in tools {
        assert_eq!(ToolSchemaStyle::Compact.write(&tool.definition()).to_json(), tool.entry(true).to_json());
    }
}
