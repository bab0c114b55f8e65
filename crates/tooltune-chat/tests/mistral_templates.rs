//! Mistral's templates.
#![allow(clippy::unwrap_used)]

use std::io::Write;

use tooltune_chat::{
    ByteTokenizer, ChatTemplate, Conversation, Error, Message, MistralInstruct, MistralProblem,
    MistralVersion, Object, ReadOptions, Role, SegmentKind, TextToken, TextTokenizer, ToolDefinition, encode,
    read_jsonl, segments_to_text,
};

#[path = "common/weather.rs"]
mod weather;

use weather::{call, conversation, result};

fn rendered(version: MistralVersion, conversation: &Conversation) -> String {
    segments_to_text(&MistralInstruct::new(version).render(conversation, false).unwrap())
}

#[test]
fn versions_write_what_they_were_trained_on() {
    const TOOLS: &str = "[AVAILABLE_TOOLS][{\"type\": \"function\", \"function\": {\"name\": \"weather\", \
                         \"description\": \"The weather.\", \"parameters\": {}}}][/AVAILABLE_TOOLS]";
    let json_calls = "[TOOL_CALLS][{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}, \"id\": \
                      \"aaaaaaaa1\"}, {\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}, \"id\": \
                      \"aaaaaaaa2\"}]</s>";
    let mut two_results = conversation();
    assert_eq!(
        rendered(MistralVersion::V3, &two_results),
        format!(
            "<s>[INST]Hello[/INST]Hi.</s>{TOOLS}[INST]Be brief.\n\nRome, Oslo?[/INST]{json_calls}[TOOL_RESULTS]\
             {{\"content\": {{\"t\": 5}}, \"call_id\": \"aaaaaaaa2\"}}[/TOOL_RESULTS][TOOL_RESULTS]{{\"content\": \
             \"warm\", \"call_id\": \"aaaaaaaa1\"}}[/TOOL_RESULTS]Warm, 5.</s>"
        )
    );
    assert_eq!(
        rendered(MistralVersion::V7Tekken, &two_results),
        format!(
            "<s>[SYSTEM_PROMPT]Be brief.[/SYSTEM_PROMPT][INST]Hello[/INST]Hi.</s>{TOOLS}[INST]Rome, Oslo?[/INST]\
             {json_calls}[TOOL_RESULTS]aaaaaaaa2[TOOL_CONTENT]{{\"t\":5}}[/TOOL_RESULTS][TOOL_RESULTS]aaaaaaaa1\
             [TOOL_CONTENT]warm[/TOOL_RESULTS]Warm, 5.</s>"
        )
    );
    // From version 11 on results stand in the order of their calls.
    assert_eq!(
        rendered(MistralVersion::V11, &two_results),
        format!(
            "<s>[SYSTEM_PROMPT]Be brief.[/SYSTEM_PROMPT][INST]Hello[/INST]Hi.</s>{TOOLS}[INST]Rome, Oslo?[/INST]\
             [TOOL_CALLS]weather[CALL_ID]aaaaaaaa1[ARGS]{{\"city\": \"Rome\"}}[TOOL_CALLS]weather[CALL_ID]aaaaaaaa2\
             [ARGS]{{\"city\": \"Oslo\"}}</s>[TOOL_RESULTS]aaaaaaaa1[TOOL_CONTENT]warm[/TOOL_RESULTS][TOOL_RESULTS]\
             aaaaaaaa2[TOOL_CONTENT]{{\"t\":5}}[/TOOL_RESULTS]Warm, 5.</s>"
        )
    );
    assert_eq!(
        rendered(MistralVersion::V13, &two_results),
        format!(
            "<s>[SYSTEM_PROMPT]Be brief.[/SYSTEM_PROMPT]{TOOLS}[INST]Hello[/INST]Hi.</s>[INST]Rome, Oslo?[/INST]\
             [TOOL_CALLS]weather[ARGS]{{\"city\": \"Rome\"}}[TOOL_CALLS]weather[ARGS]{{\"city\": \"Oslo\"}}</s>\
             [TOOL_RESULTS]warm[/TOOL_RESULTS][TOOL_RESULTS]{{\"t\":5}}[/TOOL_RESULTS]Warm, 5.</s>"
        )
    );
    two_results.messages.truncate(6);
    two_results.messages[4].tool_calls.remove(0);
    let one_result = "[TOOL_CALLS][{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}}]</s>[TOOL_RESULTS]\
                      [{\"name\": \"weather\", \"content\": {\"t\": 5}}][/TOOL_RESULTS]";
    assert_eq!(
        rendered(MistralVersion::V2, &two_results),
        format!("<s>[INST]Hello[/INST]Hi.</s>{TOOLS}[INST]Be brief.\n\nRome, Oslo?[/INST]{one_result}")
    );
    // Version 2 forgets calls and results when the user speaks again.
    two_results.messages.extend([Message::assistant("5."), Message::user("Thanks.")]);
    assert_eq!(
        rendered(MistralVersion::V2, &two_results),
        format!(
            "<s>[INST]Hello[/INST]Hi.</s>[INST]Rome, Oslo?[/INST]5.</s>{TOOLS}[INST]Be brief.\n\nThanks.[/INST]"
        )
    );
    two_results.messages.drain(3..);
    assert_eq!(rendered(MistralVersion::V1, &two_results), "<s>[INST] Be brief.\n\nHello [/INST]Hi. </s>");
}

/// A tokenizer that puts a blank before what it encodes, as sentencepiece does.
struct Dummy(ByteTokenizer);

impl TextTokenizer for Dummy {
    fn encode_with_spans(&self, text: &str) -> Result<Vec<TextToken>, Error> {
        let mut tokens = self.0.encode_with_spans(" ")?;
        tokens[0].span = 0..0;
        tokens.extend(self.0.encode_with_spans(text)?);
        Ok(tokens)
    }
    fn control_id(&self, token: &str) -> Option<u32> {
        self.0.control_id(token)
    }
    fn decode_filtered(&self, ids: &[u32], keep: &dyn Fn(&str) -> bool) -> Result<String, Error> {
        self.0.decode_filtered(ids, keep)
    }
    fn vocab_size(&self) -> usize {
        self.0.vocab_size()
    }
}

/// What is encoded at once gets one blank: the system text and the user's together, version 1's turns apart.
#[test]
fn texts_are_encoded_one_by_one() {
    let mut conversation = conversation();
    conversation.messages.truncate(3);
    for (version, expected) in [
        (MistralVersion::V1, "<s> [INST] Be brief.\n\nHello [/INST] Hi. </s>"),
        (
            MistralVersion::V3,
            "<s>[AVAILABLE_TOOLS] [{\"type\": \"function\", \"function\": {\"name\": \"weather\", \"description\": \
             \"The weather.\", \"parameters\": {}}}][/AVAILABLE_TOOLS][INST] Be brief.\n\nHello[/INST] Hi.</s>",
        ),
    ] {
        let template = MistralInstruct::new(version);
        let tokenizer = Dummy(ByteTokenizer::new(template.required_controls()));
        let segments = template.render(&conversation, false).unwrap();
        let chat = encode(&segments, &tokenizer).unwrap();
        assert_eq!(tokenizer.decode(&chat.ids, true).unwrap(), expected);
    }
}

#[test]
fn the_loss_is_on_what_the_model_writes() {
    for version in MistralVersion::ALL {
        let mut conversation = conversation();
        if version <= MistralVersion::V2 {
            conversation.messages.truncate(4);
        }
        let segments = MistralInstruct::new(version).render(&conversation, false).unwrap();
        let trained: String =
            segments.iter().filter(|s| s.weight > 0.0).map(|s| s.content.as_str()).collect();
        assert!(trained.starts_with("Hi."), "{trained}");
        let others = ["[INST]", "<s>", "[TOOL_RESULTS]", "brief", "Oslo?", "[AVAILABLE_TOOLS]", "warm"];
        assert!(!others.iter().any(|other| trained.contains(other)), "{trained}");
        assert_eq!(trained.matches("</s>").count(), segments_to_text(&segments).matches("</s>").count());
        if version > MistralVersion::V2 {
            assert!(
                trained.contains("</s>[TOOL_CALLS]") && trained.ends_with("</s>Warm, 5.</s>"),
                "{trained}"
            );
            let of_kind = |kind| {
                let texts = segments.iter().filter(|segment| segment.kind == kind);
                texts.map(|segment| segment.content.as_str()).collect::<String>()
            };
            assert_eq!(of_kind(SegmentKind::CallName).replace('"', ""), "weatherweather");
            assert_eq!(of_kind(SegmentKind::CallArguments), "{\"city\": \"Rome\"}{\"city\": \"Oslo\"}");
            assert_eq!(of_kind(SegmentKind::Answer), "Hi.Warm, 5.");
        }
    }
}

#[test]
fn what_mistral_refuses_is_an_error_with_its_place() {
    use MistralProblem as P;
    let calls = |id: Option<&str>, name: &str| Message::calls(vec![call(id, name, "Rome")]);
    let user = || Message::user("u");
    let id = "aaaaaaaa1";
    let both = Message { content: "I call.".to_owned(), ..calls(Some(id), "f") };
    let (v1, v2, v3) = (MistralVersion::V1, MistralVersion::V2, MistralVersion::V3);
    let (v7, v11, v13) = (MistralVersion::V7, MistralVersion::V11, MistralVersion::V13);
    for (version, messages, expected) in [
        (v1, vec![user(), calls(None, "f")], P::ToolsInV1 { index: 1 }),
        (v3, vec![user(), both.clone()], P::ContentOrCalls { index: 1 }),
        (v3, vec![user(), Message::assistant("")], P::ContentOrCalls { index: 1 }),
        (
            v3,
            vec![user(), Message::assistant("I call."), calls(Some(id), "f")],
            P::ContentOrCalls { index: 1 },
        ),
        (v7, vec![user(), Message::assistant("")], P::EmptyTurn { index: 1 }),
        (
            v2,
            vec![
                user(),
                Message::calls(vec![call(None, "f", ""), call(None, "g", "")]),
                Message::tool("f", "1"),
                Message::tool("g", "2"),
            ],
            P::SeveralResults { index: 3 },
        ),
        (v3, vec![user(), calls(None, "f"), result(id, "1")], P::MissingCallId { index: 1 }),
        (v3, vec![user(), calls(Some(id), "f"), Message::tool("f", "1")], P::MissingCallId { index: 2 }),
        (v7, vec![user(), calls(Some("call_1"), "f")], P::CallId { index: 1, id: "call_1".to_owned() }),
        (
            v2,
            vec![user(), calls(None, "f[ARGS]")],
            P::FunctionName { index: Some(1), name: "f[ARGS]".to_owned() },
        ),
        (v3, vec![user(), calls(Some(id), "f"), Message::assistant("a")], P::ResultCount { index: 2 }),
        (v3, vec![user(), Message::assistant("a"), result(id, "1")], P::ResultCount { index: 2 }),
        (
            v11,
            vec![user(), calls(Some(id), "f"), result("aaaaaaaa2", "1")],
            P::UnknownCallId { index: 2, id: "aaaaaaaa2".to_owned() },
        ),
        (
            v11,
            vec![user(), calls(Some(id), "f"), result(id, "1"), result(id, "1")],
            P::AnsweredTwice { index: 3, id: id.to_owned() },
        ),
        (
            v13,
            vec![user(), Message::calls(vec![call(Some(id), "f", ""), call(Some(id), "f", "")])],
            P::DuplicateCallId { index: 1, id: id.to_owned() },
        ),
        (
            v7,
            vec![user(), result(id, "1")],
            P::RoleOrder { index: 1, role: Role::Tool, previous: Role::User },
        ),
    ] {
        match MistralInstruct::new(version).render(&Conversation::new(Vec::new(), messages), false) {
            Err(Error::Mistral(problem)) => assert_eq!(problem, expected, "{version:?}"),
            other => panic!("{version:?}: {other:?} instead of {expected:?}"),
        }
    }
    let tools = vec![ToolDefinition::new("a b", "", Object::new())];
    let named = MistralInstruct::new(v3).render(&Conversation::new(tools, vec![user()]), true);
    assert!(named.unwrap_err().to_string().starts_with("a tool: Function name was a b"));
    let model_last = Conversation::new(Vec::new(), vec![user(), Message::assistant("a")]);
    let prompt = MistralInstruct::new(v3).render(&model_last, true);
    assert!(matches!(prompt, Err(Error::RoleOrder { index: 1, .. })));
    let empty = MistralInstruct::new(v3).render(&Conversation::default(), true);
    assert!(matches!(empty, Err(Error::EmptyConversation)));
    // The model is still to write the ids of its last calls; version 13 has none.
    for (version, messages) in [
        (v3, vec![user(), calls(None, "f")]),
        (v13, vec![user(), calls(None, "f"), Message::tool("f", "1"), Message::assistant("a")]),
        (v7, vec![user(), both]),
    ] {
        let conversation = Conversation::new(Vec::new(), messages);
        assert!(MistralInstruct::new(version).render(&conversation, false).is_ok(), "{version:?}");
    }
}

/// Arguments as a string of JSON, and the old `function_call`.
#[test]
fn openai_lines_are_read_and_rendered() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let function = "{\"name\": \"f\", \"arguments\": \"{\\\"x\\\": 1e2}\"}";
    writeln!(
        file,
        "{{\"messages\": [{{\"role\": \"user\", \"content\": \"u\"}}, {{\"role\": \"assistant\", \"function_call\": \
         {function}}}, {{\"role\": \"function\", \"name\": \"f\", \"content\": \"1\"}}]}}"
    )
    .unwrap();
    let old = read_jsonl(file.path(), &ReadOptions::default()).unwrap();
    assert_eq!(
        rendered(MistralVersion::V2, &old[0]),
        "<s>[INST]u[/INST][TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"x\": 100.0}}]</s>[TOOL_RESULTS][{\"name\": \
         \"f\", \"content\": 1}][/TOOL_RESULTS]"
    );
}
