//! Ids, masks and labels against transformers and TRL.
#![allow(clippy::unwrap_used)]

mod common;

use tooltune_chat::{
    ChatTemplate, Conversation, Course, EncodedChat, Gemma2, HfTokenizer, IGNORE_INDEX, MAX_TOKENIZER_BYTES,
    TextTokenizer, Value, encode, segments_to_text,
};

fn golden() -> (Value, HfTokenizer) {
    let text = std::fs::read_to_string(common::data("golden/chat.json")).unwrap();
    (common::json(&text), HfTokenizer::from_file(common::data("golden/tokenizer/tokenizer.json")).unwrap())
}

fn list<'a>(value: &'a Value, path: &[&str]) -> &'a [Value] {
    path.iter().fold(value, |value, key| value.get(key).unwrap()).as_array().unwrap()
}

fn signed(ids: &[u32]) -> Vec<i64> {
    ids.iter().map(|&id| i64::from(id)).collect()
}

fn encoded(conversation: &Conversation, tokenizer: &HfTokenizer) -> EncodedChat {
    encode(&Gemma2::default().render(conversation, false).unwrap(), tokenizer).unwrap()
}

#[test]
fn cases_have_the_ids_and_masks_of_trl() {
    let (golden, tokenizer) = golden();
    for case in list(&golden, &["cases"]) {
        let conversation = common::conversation(case.get("messages").unwrap());
        let text = |key| case.get(key).and_then(Value::as_str).unwrap();
        let segments = Gemma2::default().render(&conversation, false).unwrap();
        assert_eq!(segments_to_text(&segments), text("gemma_text"));
        let prompt = Gemma2::default().render(&conversation.prefix(1), true).unwrap();
        assert_eq!(segments_to_text(&prompt), text("gemma_text_generation_prompt"));
        let chat = encode(&segments, &tokenizer).unwrap();
        assert_eq!(signed(&chat.ids), common::ids(case.get("training_input_ids").unwrap()));
        let mask: Vec<i64> = chat.weights.iter().map(|&weight| i64::from(weight > 0.0)).collect();
        assert_eq!(mask, common::ids(case.get("assistant_mask").unwrap()));
        assert_eq!(tokenizer.decode(&chat.ids, true).unwrap(), text("training_text"));
    }
}

#[test]
fn course_cases_have_the_ids_of_the_whole_text() {
    let (golden, tokenizer) = golden();
    for case in list(&golden, &["course_cases"]) {
        let conversation = common::conversation(case.get("messages").unwrap());
        let segments = Course::default().render(&conversation, false).unwrap();
        assert_eq!(segments_to_text(&segments), case.get("text").and_then(Value::as_str).unwrap());
        let chat = encode(&segments, &tokenizer).unwrap();
        assert_eq!(signed(&chat.ids), common::ids(case.get("ids").unwrap()));
        assert_eq!(chat.trained_tokens(), chat.len());
    }
}

#[test]
fn assistant_only_rows_are_those_of_trl() {
    let (golden, tokenizer) = golden();
    for row in list(&golden, &["trl_assistant_only", "prepared_rows"]) {
        let chat = encoded(&common::conversation(row.get("messages").unwrap()), &tokenizer);
        assert_eq!(signed(&chat.ids), common::ids(row.get("input_ids").unwrap()));
        assert_eq!(chat.labels(), common::ids(row.get("labels").unwrap()));
    }
}

#[test]
fn completion_only_rows_are_those_of_trl() {
    let (golden, tokenizer) = golden();
    for row in list(&golden, &["trl_completion_only", "prepared_rows"]) {
        let mut conversation = common::conversation(row.get("prompt").unwrap());
        let prompt = encode(&Gemma2::default().render(&conversation, true).unwrap(), &tokenizer).unwrap();
        conversation.messages.extend(common::conversation(row.get("completion").unwrap()).messages);
        let chat = encoded(&conversation, &tokenizer);
        assert_eq!(signed(&chat.ids), common::ids(row.get("input_ids").unwrap()));
        assert_eq!(chat.ids[..prompt.len()], prompt.ids);
        let mut labels = chat.labels();
        labels[..prompt.len()].fill(IGNORE_INDEX);
        assert_eq!(labels, common::ids(row.get("labels").unwrap()));
    }
}

#[test]
fn files_that_are_no_tokenizer_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let error = |path: &std::path::Path| HfTokenizer::from_file(path).unwrap_err().to_string();
    assert!(error(&path).contains("tokenizer.json"));
    std::fs::write(&path, "{\"model\": 1}").unwrap();
    assert!(error(&path).contains("not a usable tokenizer.json"));
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(MAX_TOKENIZER_BYTES + 1).unwrap();
    assert!(error(&path).contains("more than the"), "{}", error(&path));
}

#[test]
fn the_tokenizer_is_checked_against_the_model() {
    let (_, tokenizer) = golden();
    let template = Gemma2::default();
    assert!(tokenizer.validate_for(tokenizer.vocab_size(), template.required_controls()).is_ok());
    let error = tokenizer.validate_for(tokenizer.vocab_size() - 1, &[]).unwrap_err().to_string();
    assert!(error.contains("do not belong together"), "{error}");
    let error = tokenizer.validate_for(usize::MAX, &["<no_such>"]).unwrap_err().to_string();
    assert!(error.contains("<no_such>"), "{error}");
}
