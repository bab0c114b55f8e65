//! The subword tokenizer of the test data.
#![allow(dead_code)]

use tooltune_chat::{HfTokenizer, TextTokenizer};

/// The subword tokenizer of the test data.
pub(crate) fn golden_tokenizer() -> HfTokenizer {
    HfTokenizer::from_file(super::common::data("golden/tokenizer/tokenizer.json")).unwrap()
}

/// The subword tokenizer with these tokens added, as the tokenizer of the model has them.
pub(crate) fn golden_tokenizer_with(tokens: &[&str]) -> HfTokenizer {
    let golden = golden_tokenizer();
    let text = std::fs::read(super::common::data("golden/tokenizer/tokenizer.json")).unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let added = json["added_tokens"].as_array_mut().unwrap();
    for (id, token) in (golden.vocab_size()..).zip(tokens.iter().filter(|t| golden.control_id(t).is_none())) {
        added.push(serde_json::json!({
            "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true
        }));
    }
    HfTokenizer::from_bytes(&serde_json::to_vec(&json).unwrap()).unwrap()
}
