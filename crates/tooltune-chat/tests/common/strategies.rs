//! Random values, names and texts that look like trouble.
#![allow(dead_code)]

use proptest::prelude::*;
use tooltune_chat::{Number, Object, ToolCall, Value};

/// Pieces that mean something to a parser, a template or a tokenizer.
pub(crate) const PIECES: [&str; 44] = [
    "<tool_call>",
    "</tool_call>",
    "<think>",
    "</think>",
    "<tools>",
    "</tools>",
    "<tool_response>",
    "</tool_response>",
    "<bos>",
    "<eos>",
    "<pad>",
    "<unk>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<|im_end|>",
    "<start_of",
    "_turn>",
    "model\n",
    "user\n",
    "tool\n",
    "```",
    "```json\n",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    ":",
    ",",
    "\\",
    "\n",
    " ",
    "\u{1c}",
    "\u{a0}",
    "name",
    "arguments",
    "{\"name\": \"f\", \"arguments\": {\"x\": 1}}",
    "{'name': 'f', 'arguments': {'x': None}}",
    "“",
    "😀",
    "é",
    "12.5e3",
    "(1,",
];

/// Text of any characters, or of pieces.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,12}",
        any::<String>(),
        prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..12)
            .prop_map(|pieces| pieces.concat()),
    ]
}

pub(crate) fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(Value::from),
        "-?[1-9][0-9]{19,40}".prop_map(|digits| Value::Number(Number::BigInt(digits))),
    ]
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..5)
                .prop_map(|items| Value::Object(items.into_iter().collect())),
        ]
    })
}

pub(crate) fn object() -> impl Strategy<Value = Object> {
    prop::collection::vec((text(), value()), 0..5).prop_map(|items| items.into_iter().collect())
}

pub(crate) fn call() -> impl Strategy<Value = ToolCall> {
    (text().prop_filter("a name", |name| !name.is_empty()), object())
        .prop_map(|(name, arguments)| ToolCall::new(name, arguments))
}
