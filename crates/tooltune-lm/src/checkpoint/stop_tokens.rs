//! `generation_config.json`: where a server learns when to stop.

use serde_json::{Map, Value, json};

/// The text of a `generation_config.json` whose `eos_token_id` is a list with all of `ids`. What `existing` says is kept, its own stop tokens
/// included; `None` where it is no JSON object.
///
/// A chat model ends its turns with a token other than the end of a document. `config.json` usually names the latter alone, and a server that
/// goes by it lets the model talk on.
///
/// ```
/// use tooltune_lm::checkpoint::with_stop_tokens;
///
/// let text = with_stop_tokens(Some(r#"{"eos_token_id": 1, "temperature": 0.7}"#), &[1, 107]).unwrap();
/// let config: serde_json::Value = serde_json::from_str(&text).unwrap();
/// assert_eq!(config, serde_json::json!({"eos_token_id": [1, 107], "temperature": 0.7}));
/// assert_eq!(with_stop_tokens(Some("[]"), &[1]), None);
/// ```
pub fn with_stop_tokens(existing: Option<&str>, ids: &[u32]) -> Option<String> {
    let mut config: Map<String, Value> = match existing {
        Some(text) => serde_json::from_str(text).ok()?,
        None => Map::new(),
    };
    let mut stops = match config.get("eos_token_id") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(stops)) => stops.clone(),
        Some(one) => vec![one.clone()],
    };
    for id in ids.iter().map(|id| json!(id)) {
        if !stops.contains(&id) {
            stops.push(id);
        }
    }
    config.insert("eos_token_id".to_owned(), Value::Array(stops));
    Some(format!("{:#}\n", Value::Object(config)))
}
