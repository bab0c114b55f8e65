//! Writing FunctionGemma's values and declarations.

use super::function_gemma::Tags;
use super::function_gemma_value::is_plain_key;
use crate::{Object, SegmentContent, Value};

/// Text and tags under construction.
pub(super) struct Writer {
    tags: &'static Tags,
    pieces: Vec<SegmentContent>,
    text: String,
}

impl Writer {
    pub(super) fn new(tags: &'static Tags) -> Self {
        Self { tags, pieces: Vec::new(), text: String::new() }
    }

    pub(super) fn finish(mut self) -> Vec<SegmentContent> {
        self.flush();
        self.pieces
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.pieces.push(SegmentContent::Text(std::mem::take(&mut self.text)));
        }
    }

    pub(super) fn tag(&mut self, tag: &str) {
        self.flush();
        self.pieces.push(SegmentContent::Tag(tag.to_owned()));
    }

    pub(super) fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub(super) fn string(&mut self, string: &str) {
        if string.contains(self.tags.string) {
            self.text(&Value::from(string).to_json().replace('<', "\\u003c"));
        } else {
            self.tag(self.tags.string);
            self.text(string);
            self.tag(self.tags.string);
        }
    }

    /// A name or a key.
    pub(super) fn word(&mut self, word: &str, is_plain: fn(&str) -> bool) {
        if is_plain(word) { self.text(word) } else { self.string(word) }
    }

    pub(super) fn value(&mut self, value: &Value, escape_keys: bool) {
        match value {
            Value::String(string) => self.string(string),
            Value::Array(items) => {
                self.text("[");
                for (index, item) in items.iter().enumerate() {
                    self.text(if index > 0 { "," } else { "" });
                    self.value(item, escape_keys);
                }
                self.text("]");
            }
            Value::Object(object) => self.object(object, escape_keys),
            other => self.text(&other.to_json()),
        }
    }

    pub(super) fn object(&mut self, object: &Object, escape_keys: bool) {
        self.text("{");
        for (index, (key, value)) in sorted(object).into_iter().enumerate() {
            self.text(if index > 0 { "," } else { "" });
            if escape_keys {
                self.string(key);
            } else {
                self.word(key, is_plain_key);
            }
            self.text(":");
            self.value(value, escape_keys);
        }
        self.text("}");
    }

    /// The schema of a tool's arguments, as the model's template writes it.
    pub(super) fn schema(&mut self, schema: &Value) {
        let Some(schema) = schema.as_object().filter(|schema| !schema.is_empty()) else { return };
        self.text(",parameters:{");
        let mut comma = "";
        if let Some(properties) = schema.get("properties").and_then(Value::as_object)
            && !properties.is_empty()
        {
            self.text("properties:{");
            self.properties(properties);
            self.text("}");
            comma = ",";
        }
        if let Some(required) = schema.get("required").filter(|names| is_filled(names)) {
            self.text(comma);
            self.text("required:");
            self.value(required, true);
            comma = ",";
        }
        if let Some(kind) = schema.get("type") {
            self.text(comma);
            self.kind(kind);
        }
        self.text("}");
    }

    fn properties(&mut self, properties: &Object) {
        for (index, (key, property)) in sorted(properties).into_iter().enumerate() {
            self.text(if index > 0 { "," } else { "" });
            self.word(key, is_plain_key);
            self.text(":{description:");
            self.string(property.get("description").and_then(Value::as_str).unwrap_or_default());
            let kind = property.get("type").and_then(Value::as_str).unwrap_or_default();
            match kind.to_lowercase().as_str() {
                "object" => {
                    self.text(",properties:{");
                    if let Some(inner) = property.get("properties").and_then(Value::as_object) {
                        self.properties(inner);
                    }
                    self.text("}");
                    if let Some(required) = property.get("required").filter(|names| is_filled(names)) {
                        self.text(",required:");
                        self.value(required, true);
                    }
                }
                "array" => {
                    if let Some(items) = property.get("items").and_then(Value::as_object)
                        && !items.is_empty()
                    {
                        self.text(",items:{");
                        self.items(items);
                        self.text("}");
                    }
                }
                _ => {
                    if let Some(values) = property.get("enum").filter(|values| is_filled(values)) {
                        self.text(",enum:");
                        self.value(values, true);
                    }
                }
            }
            self.text(",");
            self.kind(property.get("type").unwrap_or(&Value::String(String::new())));
            self.text("}");
        }
    }

    fn items(&mut self, items: &Object) {
        let items = sorted(items).into_iter().filter(|(_, value)| !value.is_null());
        for (index, (key, value)) in items.enumerate() {
            self.text(if index > 0 { "," } else { "" });
            match (key, value) {
                ("properties", Value::Object(properties)) => {
                    self.text("properties:{");
                    self.properties(properties);
                    self.text("}");
                }
                ("type", kind) => self.kind(kind),
                (key, value) => {
                    self.word(key, is_plain_key);
                    self.text(":");
                    self.value(value, true);
                }
            }
        }
    }

    /// `type:…`, in capitals.
    fn kind(&mut self, kind: &Value) {
        let upper = |kind: &Value| kind.as_str().map_or_else(|| kind.clone(), |k| k.to_uppercase().into());
        self.text("type:");
        match kind {
            Value::Array(kinds) => self.value(&kinds.iter().map(upper).collect::<Vec<_>>().into(), true),
            kind => self.value(&upper(kind), true),
        }
    }
}

fn is_filled(value: &Value) -> bool {
    value.as_array().is_some_and(|items| !items.is_empty())
}

/// Keys and values as Jinja's `dictsort` orders them.
fn sorted(object: &Object) -> Vec<(&str, &Value)> {
    let mut items: Vec<(&str, &Value)> = object.iter().collect();
    items.sort_by_cached_key(|(key, _)| key.to_lowercase());
    items
}
