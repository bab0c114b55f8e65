//! Every call format, with what the laws need to know about it.
#![allow(dead_code)]

use proptest::prelude::*;
use tooltune_chat::{Hermes, ToolCall, ToolCallFormat};

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
    ]
}
