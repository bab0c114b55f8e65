//! Conversations as transformers shows them to a template.

use indexmap::IndexMap;
use minijinja::Value as Item;

use super::JinjaError;
use super::budget::Fault;
use super::object::{BigInt, Dict, Key, List, ListKind};
use super::text::{Field, MARK, Origin, Text, text_value};
use super::view::int_value;
use crate::{Conversation, Error, Message, Number, Object, ToolCall, Value};

/// Converts the parts of a conversation; `place` names it in errors.
pub(super) struct Converter {
    pub(super) place: &'static str,
}

impl Converter {
    /// A string that comes from `origin`.
    fn text(&self, text: &str, origin: Origin) -> Result<Item, Error> {
        if text.contains(MARK) {
            return Err(JinjaError::Reserved { place: self.place }.into());
        }
        Ok(text_value(Text::owned(text.to_owned(), origin)))
    }

    /// A JSON value of which every string comes from `origin`.
    pub(super) fn value(&self, value: &Value, origin: Origin) -> Result<Item, Error> {
        Ok(match value {
            Value::Null => Item::from(()),
            Value::Bool(b) => Item::from(*b),
            Value::Number(Number::Int(i)) => Item::from(*i),
            Value::Number(Number::Float(f)) => Item::from(*f),
            Value::Number(Number::BigInt(digits)) => match digits.parse() {
                Ok(i) => int_value(i),
                Err(_) => Item::from_object(BigInt(digits.clone())),
            },
            Value::String(text) => self.text(text, origin)?,
            Value::Array(items) => {
                let items: Result<Vec<Item>, Error> =
                    items.iter().map(|item| self.value(item, origin)).collect();
                List::with_origin(items?, ListKind::List, printed(origin)).map_err(deep)?
            }
            Value::Object(object) => self.object(object, origin)?,
        })
    }

    fn object(&self, object: &Object, origin: Origin) -> Result<Item, Error> {
        let mut entries = IndexMap::with_capacity(object.len());
        for (key, value) in object.iter() {
            let shown = self.text(key, origin)?;
            entries.insert(Key::Str(key.to_owned()), (shown, self.value(value, origin)?));
        }
        Dict::with_origin(entries, printed(origin)).map_err(deep)
    }

    /// The tools as full schemas; none where there are none, as transformers has it.
    pub(super) fn tools(&self, conversation: &Conversation) -> Result<Item, Error> {
        if conversation.tools.is_empty() {
            return Ok(Item::from(()));
        }
        let tools = conversation.tools.iter().map(crate::ToolDefinition::to_value).collect();
        self.value(&Value::Array(tools), Origin::TOOLS)
    }

    /// Messages `0..end`.
    pub(super) fn messages(&self, conversation: &Conversation, end: usize) -> Result<Item, Error> {
        let messages = &conversation.messages[..end];
        if messages.len() > Origin::MAX_MESSAGES {
            let limit = Origin::MAX_MESSAGES as u64;
            return Err(JinjaError::Limit { unit: "messages", limit }.into());
        }
        let messages: Result<Vec<Item>, Error> =
            messages.iter().enumerate().map(|(index, message)| self.message(index, message)).collect();
        List::with_origin(messages?, ListKind::List, Origin::COMPUTED).map_err(deep)
    }

    fn message(&self, index: usize, message: &Message) -> Result<Item, Error> {
        let origin = |field| Origin::message(index, field);
        let mut entries = vec![
            // One of a few words of ours: templates spell control tokens with them.
            ("role", Item::from(message.role.as_str())),
            ("content", self.text(&message.content, origin(Field::Content))?),
        ];
        if !message.tool_calls.is_empty() {
            let calls: Result<Vec<Item>, Error> =
                message.tool_calls.iter().map(|call| self.call(index, call)).collect();
            let calls = List::with_origin(calls?, ListKind::List, origin(Field::Other)).map_err(deep)?;
            entries.push(("tool_calls", calls));
        }
        for (key, value) in [("name", &message.name), ("tool_call_id", &message.tool_call_id)] {
            if let Some(value) = value {
                entries.push((key, self.text(value, origin(Field::Other))?));
            }
        }
        dict(entries, Origin::COMPUTED)
    }

    /// A call in OpenAI's form, with the arguments as a dict.
    fn call(&self, index: usize, call: &ToolCall) -> Result<Item, Error> {
        let origin = |field| Origin::message(index, field);
        let function = dict(
            vec![
                ("name", self.text(&call.name, origin(Field::CallName))?),
                ("arguments", self.object(&call.arguments, origin(Field::CallArguments))?),
            ],
            origin(Field::Other),
        )?;
        let mut entries = Vec::new();
        if let Some(id) = &call.id {
            entries.push(("id", self.text(id, origin(Field::Other))?));
        }
        entries.push(("type", Item::from("function")));
        entries.push(("function", function));
        dict(entries, origin(Field::Other))
    }
}

/// What brackets, separators and numbers come from: the program's own variables are not spelt from them.
fn printed(origin: Origin) -> Origin {
    if origin == Origin::TEMPLATE { Origin::COMPUTED } else { origin }
}

fn dict(entries: Vec<(&'static str, Item)>, origin: Origin) -> Result<Item, Error> {
    let entry = |(key, value): (&str, Item)| (Key::Str(key.to_owned()), (Item::from(key), value));
    Dict::with_origin(entries.into_iter().map(entry).collect(), origin).map_err(deep)
}

/// Only data that is nested too deep is refused.
fn deep(fault: Fault) -> Error {
    let problem = fault.detail().unwrap_or("the data cannot be used").to_owned();
    JinjaError::Render { line: 0, problem }.into()
}
