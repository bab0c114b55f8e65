//! Every call format, with what the laws need to know about it.
#![allow(dead_code)]

use proptest::prelude::*;
use tooltune_chat::{
    FORMAT_NAMES, FunctionGemma, Hermes, Llama31, Mistral, OpenAi, Pythonic, ToolCall, ToolCallFormat,
};

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

const FUNCTION_GEMMA_OPENINGS: &[&str] = &[
    "<start_function_call>",
    "<end_function_call>",
    "<start_function_call>call:",
    "<start_function_call>call:f{a:<escape>",
    "<start_function_call>call:f{a:\"",
    "<start_function_call>call:f{a:{",
    "<start_function_call>call:f{}",
    "<start_function_call>call:f{a:1}<end_function_call>",
    "<start_function_response>",
    "<start_function_response> x",
    "<escape>",
    "call:f{",
    "call:<escape>",
    "a:[1,",
    "<think>",
    "<think></think>",
];

const GEMMA4_OPENINGS: &[&str] = &[
    "<|tool_call>",
    "<tool_call|>",
    "<|tool_call>call:",
    "<|tool_call>call:f{a:<|\"|>",
    "<|tool_call>call:f{a:\"",
    "<|tool_call>call:f{a:{",
    "<|tool_call>call:f{}",
    "<|tool_call>call:f{a:1}<tool_call|>",
    "<|tool_response>",
    "<|tool_response> x",
    "<|\"|>",
    "call:f{",
    "call:<|\"|>",
    "a:[1,",
    "<think>",
    "<think></think>",
];

const LLAMA_OPENINGS: &[&str] = &[
    "<|python_tag|>",
    "{\"name\": \"f\", \"parameters\": {\"x\": \"",
    "{\"name\": \"f\", \"parameters\": {}}",
    "; {\"name\": \"f\", \"parameters\": {}}",
    "{\"name\": \"f\"}",
    "{\"name\": \"f\"}; ",
    "; ",
    "{\"parameters\": {",
    "{\"name\":",
    "```json\n{\"name\": \"f\", \"parameters\": {}}\n",
    "{'name': 'f', 'parameters': {'x': '",
    "<think>",
    "<think></think>",
    "<|eom_id|>",
    "{“",
];

/// All formats; a new one adds itself here.
pub(crate) fn formats() -> Vec<Tested> {
    let mut formats = tags_and_brackets();
    formats.extend(other_models());
    let named = |name: &&str| formats.iter().any(|tested| tested.format.name() == *name);
    let missing: Vec<_> = FORMAT_NAMES.iter().filter(|name| !named(name)).collect();
    assert!(missing.is_empty(), "without laws: {missing:?}");
    formats
}

/// The formats of Llama, Google's models and OpenAI.
fn other_models() -> Vec<Tested> {
    let llama = |format: Llama31| Tested {
        format: Box::new(format),
        calls: strategies::call().boxed(),
        repaired: &[
            "{\"name\": \"f\", \"parameters\": {\"x\": 1,}}",
            "{\"name\": \"f\", \"parameters\": {}} done",
            "{'name': 'f', 'parameters': {}}",
        ],
        openings: LLAMA_OPENINGS,
    };
    vec![
        llama(Llama31::new()),
        llama(Llama31::new().with_python_tag(true)),
        Tested {
            format: Box::new(Pythonic::new()),
            calls: strategies::call().boxed(),
            repaired: &["[f(x=1)] done", "f(x=1)\ng(y=2)", "[f(x=paris)]"],
            openings: &[
                "[f(",
                "[f(x=1)]",
                "[f(x='",
                "[f(x=\"",
                "[f(x=[",
                "[f(x={'a': (",
                "[f(x=1),",
                "[f(**{'",
                "['f g'(",
                "f(",
                "f(x=1)\n",
                "f(\n",
                "g(y=2)",
                "<|python_start|>",
                "<|python_end|>",
                "**{",
                ")",
                "<think>",
                "<think></think>",
            ],
        },
        Tested {
            format: Box::new(FunctionGemma::new()),
            calls: strategies::call().boxed(),
            repaired: &[
                "<start_function_call>call:f{x:1,}<end_function_call>",
                "<start_function_call>call:f{x:1}",
                "<start_function_call>call:f{x:1}<end_function_call> done",
            ],
            openings: FUNCTION_GEMMA_OPENINGS,
        },
        Tested {
            format: Box::new(FunctionGemma::gemma4()),
            calls: strategies::call().boxed(),
            repaired: &[
                "<|tool_call>call:f{x:1,}<tool_call|>",
                "<|tool_call>call:f{x:1}",
                "<|tool_call>call:f{x:1}<tool_call|> done",
            ],
            openings: GEMMA4_OPENINGS,
        },
        Tested {
            format: Box::new(OpenAi::new()),
            calls: calls_with_ids(),
            repaired: &[
                "[{\"function\": {\"name\": \"f\", \"arguments\": {}}}]",
                "[{\"name\": \"f\", \"arguments\": \"{}\"}]",
                "[{\"function\": {\"name\": \"f\", \"arguments\": \"{}\"}}] done",
            ],
            openings: &[
                "[{\"function\": {",
                "[{\"id\": \"",
                "[{\"id\": \"a\", \"type\": \"function\", \"function\": {\"name\": \"f\", \"arguments\": \"{\\\"",
                "[{\"function\": {\"name\": \"f\", \"arguments\": \"{}\"}}",
                ", {\"function\": {\"name\": \"f\", \"arguments\": \"{}\"}}]",
                "{\"function\": {\"name\": \"f\", \"arguments\": \"{}\"}}",
                "{\"tool_calls\": [",
                "{\"content\": \"x\", \"tool_calls\": [",
                "\"arguments\": \"{\\\"x\\\": 1}\"",
                "```json\n[",
                "[{",
                "<think>",
                "<think></think>",
            ],
        },
    ]
}

/// The formats of Hermes and Mistral.
fn tags_and_brackets() -> Vec<Tested> {
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
