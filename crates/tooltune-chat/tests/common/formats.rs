//! Every call format, with what the laws need to know about it.
#![allow(dead_code)]

use proptest::prelude::*;
use tooltune_chat::{Hermes, Mistral, ToolCall, ToolCallFormat};

use super::strategies;

/// A format under test.
pub(crate) struct Tested {
    pub(crate) format: Box<dyn ToolCallFormat>,
    /// The calls that the format can express, as it would read them back: a format without ids makes calls without.
    pub(crate) calls: BoxedStrategy<ToolCall>,
    /// Texts with a call that is repaired, which strict mode refuses.
    pub(crate) repaired: &'static [&'static str],
    /// Texts that are repeated to fill time: what opens a call, and what an unfinished call begins with.
    pub(crate) openings: &'static [&'static str],
}

/// Calls with and without ids.
fn calls_with_ids() -> BoxedStrategy<ToolCall> {
    let id = prop_oneof!["[a-zA-Z0-9]{9}", strategies::text()];
    let named = prop_oneof![Just(None), "[a-zA-Z0-9_-]{1,64}".prop_map(Some)];
    (strategies::call(), named, prop::option::of(id))
        .prop_map(|(call, name, id)| ToolCall { id, name: name.unwrap_or(call.name), ..call })
        .boxed()
}

const MISTRAL_OPENINGS: &[&str] = &[
    "[TOOL_CALLS]",
    "[TOOL_CALLS] [",
    "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"x\": \"",
    "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}}",
    ", {\"name\": \"f\", \"arguments\": {}}",
    "]",
    "[TOOL_CALLS]f[ARGS]{\"",
    "[TOOL_CALLS]f[CALL_ID]a[ARGS]",
    "[TOOL_CALLS]f{\"a\": \"\\\"",
    "[TOOL_CALLS]f{}",
    "[TOOL_CALLS][x,",
    "[TOOL_CALLS][{x},",
    "[TOOL_CALLS] {\"name\": \"f\", \"arguments\": {}},",
    "[TOOL_CALLS]```json\n[",
    "[CALL_ID]",
    "[ARGS]",
    "[THINK]",
    "[THINK][/THINK]",
    "[TOOL_RESULTS]",
    "[{\"name\": \"f\", \"arguments\": {}}, ",
    "[{\"arguments\": \"",
    ",{",
    "[INST]",
    "</s>",
];

/// All formats; a new one adds itself here.
pub(crate) fn formats() -> Vec<Tested> {
    vec![
        Tested {
            format: Box::new(Hermes::json()),
            calls: strategies::call().boxed(),
            repaired: &[
                "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1,}}\n</tool_call>",
                "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}",
                "{\"name\": \"f\", \"arguments\": {}}",
            ],
            openings: &[
                "<tool_call>",
                "</tool_call>",
                "<tool_call>{",
                "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": \"",
                "<tool_call>{\"name\": \"f\", \"arguments\": {}} junk ",
                "<tool_call>[\"x\",\"",
                "<tool_call>12",
                "<think>",
                "<think></think>",
                "<tool_response>",
                "{\"name\": \"f\", \"arguments\": {\"x\": \"",
                "{\"name\": \"f\", \"arguments\": {}}",
                "```json\n{\"name\": \"f\", \"arguments\": {}}\n",
                "</tool_call>{\"name\":\"arguments\",",
                "{\"arguments\":[",
            ],
        },
        Tested {
            format: Box::new(Hermes::python()),
            calls: strategies::call().boxed(),
            repaired: &["<tool_call>\n{'name': 'f', 'arguments': {'x': 1\n</tool_call>"],
            openings: &[
                "<tool_call>",
                "<tool_call>\n{'name': 'f', 'arguments': {'x': '",
                "<tool_call>{'a': (",
                "<tool_call>{“",
            ],
        },
        Tested {
            format: Box::new(Mistral::v3()),
            calls: calls_with_ids(),
            repaired: &[
                "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"x\": 1,}}]",
                "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}}",
                "[{\"name\": \"f\", \"arguments\": {}}]",
            ],
            openings: MISTRAL_OPENINGS,
        },
        Tested {
            format: Box::new(Mistral::v11()),
            calls: calls_with_ids(),
            repaired: &[
                "[TOOL_CALLS]f[ARGS]{'x': 1}",
                "[TOOL_CALLS]f[ARGS]</s>",
                "[TOOL_CALLS]f[ARGS]{\"x\": 1} done",
            ],
            openings: MISTRAL_OPENINGS,
        },
    ]
}
