//! The templates of Qwen and Hermes (ChatML), Llama 3.1 and FunctionGemma, and every call format in Gemma-2's turns.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use tooltune_chat::{
    ByteTokenizer, ChatMl, ChatTemplate, Conversation, Error, FunctionGemma, FunctionGemmaTemplate,
    Gemma2Tools, Llama31, Llama31Template, LossWeights, Message, Object, OpenAi, ParseStatus, Pythonic, Role,
    Segment, SegmentContent, SegmentKind, TextTokenizer, ToolCall, ToolCallFormat, ToolDefinition, Value,
    encode, segments_to_text,
};

fn call(city: &str) -> ToolCall {
    let mut arguments = Object::new();
    arguments.insert("unit", Value::Null);
    arguments.insert("city", city);
    ToolCall::new("weather", arguments)
}

fn conversation() -> Conversation {
    let schema = r#"{"type": "object", "properties": {"unit": {"type": "string", "enum": ["c", "f"]},
        "city": {"type": "string", "description": "Where."}}, "required": ["city"]}"#;
    let calls =
        Message { content: "Two calls.".to_owned(), ..Message::calls(vec![call("Rome"), call("it's")]) };
    Conversation::new(
        vec![ToolDefinition::new("weather", "The weather.", Value::parse_json(schema).unwrap())],
        vec![
            Message::system("Be brief."),
            Message::user("Rome?"),
            calls,
            Message::tool("weather", "{\"t\": 21}"),
            Message::tool("weather", "cold"),
            Message::assistant("21 and cold."),
            Message::user("Thanks."),
            Message::assistant("Bye."),
        ],
    )
}

/// The text of the segments with a loss.
fn trained(segments: &[Segment]) -> String {
    segments.iter().filter(|s| s.weight > 0.0).map(|s| s.content.as_str()).collect()
}

/// Encodes with a tokenizer that has the template's control tokens and the format's tags: one BOS, no other control id than
/// those of segments, and what is trained is what the model writes.
fn check_tokens(
    template: &dyn ChatTemplate,
    format: &dyn ToolCallFormat,
    conversation: &Conversation,
    bos: Option<&str>,
) {
    let mut controls = template.required_controls().to_vec();
    controls.extend(format.special_tokens());
    controls.sort_unstable();
    controls.dedup();
    let tokenizer = ByteTokenizer::new(&controls);
    let segments = template.render(conversation, false).unwrap();
    let chat = encode(&segments, &tokenizer).unwrap();
    let control_ids = chat.ids.iter().filter(|&&id| (id as usize) < controls.len()).count();
    let control_segments = segments.iter().filter(|s| !matches!(s.content, SegmentContent::Text(_))).count();
    assert_eq!(control_ids, control_segments, "{}", template.name());
    if let Some(bos) = bos {
        let id = tokenizer.control_id(bos).unwrap();
        assert_eq!(chat.ids[0], id);
        assert_eq!(chat.ids.iter().filter(|&&other| other == id).count(), 1);
    }
    let labels: Vec<u32> = chat.labels().into_iter().filter_map(|label| label.try_into().ok()).collect();
    assert_eq!(tokenizer.decode(&labels, true).unwrap(), trained(&segments));
    // A tokenizer without one of the required tokens is refused.
    for missing in template.required_controls() {
        let others: Vec<&str> = controls.iter().copied().filter(|token| token != missing).collect();
        assert!(matches!(
            encode(&segments, &ByteTokenizer::new(&others)),
            Err(Error::MissingControl { token }) if token == *missing
        ));
    }
}

#[test]
fn chatml_writes_as_qwen() {
    let template = ChatMl::qwen2_5();
    let expected = concat!(
        "<|im_start|>system\nBe brief.\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n",
        "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n",
        "{\"type\": \"function\", \"function\": {\"name\": \"weather\", \"description\": \"The weather.\", \"parameters\": ",
        "{\"type\": \"object\", \"properties\": {\"unit\": {\"type\": \"string\", \"enum\": [\"c\", \"f\"]}, \"city\": {\"type\": ",
        "\"string\", \"description\": \"Where.\"}}, \"required\": [\"city\"]}}}\n</tools>\n\n",
        "For each function call, return a json object with function name and arguments within <tool_call></tool_call> ",
        "XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call><|im_end|>\n",
        "<|im_start|>user\nRome?<|im_end|>\n",
        "<|im_start|>assistant\nTwo calls.\n",
        "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"unit\": null, \"city\": \"Rome\"}}\n</tool_call>\n",
        "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"unit\": null, \"city\": \"it's\"}}\n</tool_call><|im_end|>\n",
        "<|im_start|>user\n<tool_response>\n{\"t\": 21}\n</tool_response>\n<tool_response>\ncold\n</tool_response><|im_end|>\n",
        "<|im_start|>assistant\n21 and cold.<|im_end|>\n",
        "<|im_start|>user\nThanks.<|im_end|>\n<|im_start|>assistant\nBye.<|im_end|>\n<|im_start|>assistant\n",
    );
    let segments = template.render(&conversation(), true).unwrap();
    assert_eq!(segments_to_text(&segments), expected);
    assert_eq!(
        trained(&segments),
        concat!(
            "Two calls.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"unit\": null, \"city\": \"Rome\"}}\n</tool_call>\n",
            "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"unit\": null, \"city\": \"it's\"}}\n</tool_call><|im_end|>",
            "21 and cold.<|im_end|>Bye.<|im_end|>",
        )
    );
    check_tokens(&template, template.format.as_ref(), &conversation(), None);
    let with_bos = ChatMl::qwen2_5().with_bos("<s>");
    check_tokens(&with_bos, with_bos.format.as_ref(), &conversation(), Some("<s>"));

    let plain = Conversation::new(Vec::new(), vec![Message::user(" u\n")]);
    let text = |template: ChatMl| segments_to_text(&template.render(&plain, false).unwrap());
    assert_eq!(
        text(ChatMl::qwen2_5()),
        "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n\
         <|im_start|>user\n u\n<|im_end|>\n"
    );
    assert_eq!(text(ChatMl::new(Arc::new(Pythonic::new()))), "<|im_start|>user\n u\n<|im_end|>\n");

    // An empty system text keeps the default away, and its gap.
    let mut empty = conversation();
    empty.messages[0].content.clear();
    let segments = template.render(&empty, false).unwrap();
    assert!(segments_to_text(&segments).starts_with("<|im_start|>system\n\n\n# Tools\n\nYou may call"));
    let none = Conversation { messages: empty.messages.split_off(1), ..empty };
    let mut bare = ChatMl::qwen2_5();
    bare.default_system = None;
    let segments = bare.render(&none, false).unwrap();
    assert!(segments_to_text(&segments).starts_with("<|im_start|>system\n# Tools\n\nYou may call"));
}

#[test]
fn llama_writes_as_its_template() {
    let template = Llama31Template::default();
    let expected = concat!(
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nEnvironment: ipython\n",
        "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\nBe brief.<|eot_id|>",
        "<|start_header_id|>user<|end_header_id|>\n\nGiven the following functions, please respond with a JSON for a function ",
        "call with its proper arguments that best answers the given prompt.\n\nRespond in the format {\"name\": function ",
        "name, \"parameters\": dictionary of argument name and its value}.Do not use variables.\n\n",
        "{\n    \"type\": \"function\",\n    \"function\": {\n        \"name\": \"weather\",\n        \"description\": \"The ",
        "weather.\",\n        \"parameters\": {\n            \"type\": \"object\",\n            \"properties\": {\n                ",
        "\"unit\": {\n                    \"type\": \"string\",\n                    \"enum\": [\n                        \"c\",\n",
        "                        \"f\"\n                    ]\n                },\n                \"city\": {\n                    ",
        "\"type\": \"string\",\n                    \"description\": \"Where.\"\n                }\n            },\n            ",
        "\"required\": [\n                \"city\"\n            ]\n        }\n    }\n}\n\nRome?<|eot_id|>",
        "<|start_header_id|>assistant<|end_header_id|>\n\nTwo calls.\n",
        "{\"name\": \"weather\", \"parameters\": {\"unit\": null, \"city\": \"Rome\"}}; ",
        "{\"name\": \"weather\", \"parameters\": {\"unit\": null, \"city\": \"it's\"}}<|eot_id|>",
        "<|start_header_id|>ipython<|end_header_id|>\n\n\"{\\\"t\\\": 21}\"<|eot_id|>",
        "<|start_header_id|>ipython<|end_header_id|>\n\n\"cold\"<|eot_id|>",
        "<|start_header_id|>assistant<|end_header_id|>\n\n21 and cold.<|eot_id|>",
        "<|start_header_id|>user<|end_header_id|>\n\nThanks.<|eot_id|>",
        "<|start_header_id|>assistant<|end_header_id|>\n\nBye.<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    );
    let segments = template.render(&conversation(), true).unwrap();
    assert_eq!(segments_to_text(&segments), expected);
    assert_eq!(
        trained(&segments),
        concat!(
            "Two calls.\n{\"name\": \"weather\", \"parameters\": {\"unit\": null, \"city\": \"Rome\"}}; ",
            "{\"name\": \"weather\", \"parameters\": {\"unit\": null, \"city\": \"it's\"}}<|eot_id|>",
            "21 and cold.<|eot_id|>Bye.<|eot_id|>",
        )
    );
    check_tokens(&template, template.format.as_ref(), &conversation(), Some("<|begin_of_text|>"));

    let tagged = Llama31Template::new(Arc::new(Llama31::new().with_python_tag(true))).with_eom(true);
    let text = segments_to_text(&tagged.render(&conversation(), false).unwrap());
    assert!(text.contains("Two calls.\n<|python_tag|>{\"name\": \"weather\""), "{text}");
    assert!(text.contains("\"it's\"}}<|eom_id|><|start_header_id|>ipython"), "{text}");
    assert!(text.contains("21 and cold.<|eot_id|>"), "{text}");
    check_tokens(&tagged, tagged.format.as_ref(), &conversation(), Some("<|begin_of_text|>"));
}

#[test]
fn functiongemma_writes_as_its_template() {
    let template = FunctionGemmaTemplate::default();
    let expected = concat!(
        "<bos><start_of_turn>developer\nBe brief.<start_function_declaration>declaration:weather{description:",
        "<escape>The weather.<escape>,parameters:{properties:{city:{description:<escape>Where.<escape>,type:<escape>STRING",
        "<escape>},unit:{description:<escape><escape>,enum:[<escape>c<escape>,<escape>f<escape>],type:<escape>STRING<escape>",
        "}},required:[<escape>city<escape>],type:<escape>OBJECT<escape>}}<end_function_declaration><end_of_turn>\n",
        "<start_of_turn>user\nRome?<end_of_turn>\n<start_of_turn>model\nTwo calls.\n",
        "<start_function_call>call:weather{city:<escape>Rome<escape>,unit:null}<end_function_call>",
        "<start_function_call>call:weather{city:<escape>it's<escape>,unit:null}<end_function_call>",
        "<start_function_response>response:weather{t:21}<end_function_response>",
        "<start_function_response>response:weather{value:<escape>cold<escape>}<end_function_response>",
        "21 and cold.<end_of_turn>\n<start_of_turn>user\nThanks.<end_of_turn>\n",
        "<start_of_turn>model\nBye.<end_of_turn>\n<start_of_turn>model\n",
    );
    let segments = template.render(&conversation(), true).unwrap();
    assert_eq!(segments_to_text(&segments), expected);
    assert_eq!(
        trained(&segments),
        concat!(
            "Two calls.\n<start_function_call>call:weather{city:<escape>Rome<escape>,unit:null}<end_function_call>",
            "<start_function_call>call:weather{city:<escape>it's<escape>,unit:null}<end_function_call>",
            "<start_function_response>21 and cold.<end_of_turn>Bye.<end_of_turn>",
        )
    );
    check_tokens(&template, &FunctionGemma::new(), &conversation(), Some("<bos>"));

    let render = |messages: Vec<Message>, prompt| {
        let conversation = Conversation::new(Vec::new(), messages);
        template.render(&conversation, prompt).map(|segments| segments_to_text(&segments))
    };
    let calls = || Message::calls(vec![ToolCall::new("now", Object::new())]);
    // The end of calls is what the model must learn to write; nothing is left to generate.
    for prompt in [false, true] {
        assert_eq!(
            render(vec![Message::user("u"), calls()], prompt).unwrap(),
            "<bos><start_of_turn>user\nu<end_of_turn>\n<start_of_turn>model\n\
             <start_function_call>call:now{}<end_function_call><start_function_response>"
        );
    }
    // A result without a name has that of its call; the model goes on in its turn.
    let unnamed = Message { name: None, ..Message::tool("", "noon") };
    assert!(render(vec![Message::user("u"), calls(), unnamed.clone()], true).unwrap().ends_with(
        "<end_function_call><start_function_response>response:now{value:<escape>noon<escape>}<end_function_response>"
    ));
    let more = vec![Message::user("u"), calls(), unnamed.clone(), unnamed.clone()];
    assert!(matches!(render(more, true), Err(Error::RoleOrder { index: 3, role: Role::Tool, .. })));
    let next = vec![Message::user("u"), calls(), unnamed, Message::user("v")];
    assert!(render(next, true).unwrap().ends_with(
        "<end_function_response><end_of_turn>\n<start_of_turn>user\nv<end_of_turn>\n<start_of_turn>model\n"
    ));
}

#[test]
fn nothing_has_a_loss_but_what_the_model_writes_and_all_can() {
    let templates: [Box<dyn Fn(LossWeights) -> Box<dyn ChatTemplate>>; 3] = [
        Box::new(|loss| Box::new(ChatMl::default().with_loss(loss))),
        Box::new(|loss| Box::new(Llama31Template::default().with_loss(loss))),
        Box::new(|loss| Box::new(FunctionGemmaTemplate::default().with_loss(loss))),
    ];
    for template in templates {
        for segment in template(LossWeights::assistant()).render(&conversation(), true).unwrap() {
            let by_model = segment.role.is_some_and(Role::is_model)
                && segment.kind != SegmentKind::Control
                && !(segment.kind == SegmentKind::EndOfTurn && segment.content.as_str() == "\n");
            assert_eq!(segment.weight > 0.0, by_model, "{segment:?}");
        }
        let calls = template(LossWeights::calls_only()).render(&conversation(), false).unwrap();
        assert!(!trained(&calls).contains("Two calls."));
        let all = template(LossWeights::all()).render(&conversation(), false).unwrap();
        assert!(all.iter().all(|s| s.weight > 0.0 || s.content.as_str() == "\n"));
    }
}

#[test]
fn every_format_works_in_gemma_turns() {
    let formats: [Arc<dyn ToolCallFormat>; 6] = [
        Arc::new(Llama31::new()),
        Arc::new(Llama31::new().with_python_tag(true)),
        Arc::new(Pythonic::new()),
        Arc::new(FunctionGemma::new()),
        Arc::new(FunctionGemma::gemma4()),
        Arc::new(OpenAi::new()),
    ];
    for format in formats {
        let template = Gemma2Tools::new(Arc::clone(&format));
        let mut conversation = conversation();
        conversation.messages[2].content = "<think>Two calls.</think>".to_owned();
        let segments = template.render(&conversation, false).unwrap();
        let text = segments_to_text(&segments);
        assert!(text.matches("weather").count() >= 3, "{text}");
        let turn =
            text.split("<start_of_turn>model\n").nth(1).unwrap().split("<start_of_turn>").next().unwrap();
        let parsed = format.parse(turn);
        assert_eq!(parsed.status, ParseStatus::Calls, "{turn}\n{parsed:?}");
        assert_eq!(parsed.calls, [call("Rome"), call("it's")], "{turn}");
        assert_eq!(parsed.thinking, "Two calls.");
        // The same from ids, with a tokenizer that has the format's tags and with one that has none.
        let mut controls = vec!["<bos>", "<start_of_turn>", "<end_of_turn>"];
        for tags in [&[][..], format.special_tokens()] {
            controls.extend(tags);
            let tokenizer = ByteTokenizer::new(&controls);
            let chat = encode(&segments, &tokenizer).unwrap();
            let labels: Vec<u32> = chat.labels().into_iter().filter_map(|l| l.try_into().ok()).collect();
            let end = tokenizer.control_id("<end_of_turn>").unwrap();
            let first = labels.split(|&id| id == end).next().unwrap();
            let written = tokenizer.decode_for(first, format.as_ref()).unwrap();
            assert_eq!(format.parse(&written).into_strict().unwrap().calls, [call("Rome"), call("it's")]);
        }
    }
}
