//! What our own template writes, and what it refuses.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use tooltune_chat::{
    ByteTokenizer, COURSE_THINK_SENTENCE, ChatTemplate, Conversation, Course, Error, Gemma2Tools, Hermes,
    LossWeights, Message, Object, Role, SegmentKind, ToolCall, ToolDefinition, Value, course_messages,
    encode, segments_to_text,
};

fn call(city: &str) -> ToolCall {
    let mut arguments = Object::new();
    arguments.insert("city", city);
    ToolCall::new("weather", arguments)
}

fn conversation() -> Conversation {
    let schema = r#"{"type": "object", "properties": {"city": {"type": "string"}}}"#;
    let model = Message {
        content: "<think>Two calls.</think>".to_owned(),
        ..Message::calls(vec![call("Rome"), call("it's")])
    };
    Conversation::new(
        vec![ToolDefinition::new("weather", "The weather.", Value::parse_json(schema).unwrap())],
        vec![
            Message::system(" Be brief. "),
            Message::user("Rome?\n"),
            model,
            Message::tool("weather", "{\"t\": 21}"),
            Message::tool("weather", "{\"t\": 5}"),
            Message::assistant("21 and 5."),
        ],
    )
}

#[test]
fn tools_template_writes_every_part() {
    let segments = Gemma2Tools::default().render(&conversation(), true).unwrap();
    let expected = concat!(
        "<bos><start_of_turn>user\nBe brief.\n\n<tools>\n",
        "{\"type\": \"function\", \"function\": {\"name\": \"weather\", \"description\": \"The weather.\", ",
        "\"parameters\": {\"type\": \"object\", \"properties\": {\"city\": {\"type\": \"string\"}}}}}\n",
        "</tools>\n\nRome?<end_of_turn>\n",
        "<start_of_turn>model\n<think>Two calls.</think>\n",
        "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call>\n",
        "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"it's\"}}\n</tool_call><end_of_turn>\n",
        "<start_of_turn>tool\n<tool_response>\n{\"t\": 21}\n</tool_response>\n",
        "<tool_response>\n{\"t\": 5}\n</tool_response><end_of_turn>\n",
        "<start_of_turn>model\n21 and 5.<end_of_turn>\n<start_of_turn>model\n",
    );
    assert_eq!(segments_to_text(&segments), expected);

    let of_kind = |kind| {
        let texts = segments.iter().filter(|segment| segment.kind == kind);
        texts.map(|segment| segment.content.as_str()).collect::<String>()
    };
    assert_eq!(of_kind(SegmentKind::System), "Be brief.\n\n");
    assert_eq!(of_kind(SegmentKind::Think), "<think>Two calls.</think>");
    assert_eq!(of_kind(SegmentKind::Answer), "21 and 5.");
    assert_eq!(of_kind(SegmentKind::CallName), "\"weather\"\"weather\"");
    assert_eq!(of_kind(SegmentKind::CallArguments), "{\"city\": \"Rome\"}{\"city\": \"it's\"}");
    assert!(of_kind(SegmentKind::Call).ends_with("<tool_call>\n{\"name\": , \"arguments\": }\n</tool_call>"));
    assert!(of_kind(SegmentKind::Tools).starts_with("<tools>\n"));

    let trained: String = segments.iter().filter(|s| s.weight > 0.0).map(|s| s.content.as_str()).collect();
    assert!(trained.starts_with("<think>"));
    assert!(trained.ends_with("</tool_call><end_of_turn>21 and 5.<end_of_turn>"));
}

#[test]
fn tools_template_writes_python_and_can_train_everything() {
    let template = Gemma2Tools::new(Arc::new(Hermes::python())).with_loss(LossWeights::all());
    let segments = template.render(&conversation(), false).unwrap();
    let text = segments_to_text(&segments);
    assert!(text.contains("{'name': 'weather', 'arguments': {'city': \"it's\"}}"), "{text}");
    let chat = encode(&segments, &ByteTokenizer::default()).unwrap();
    assert_eq!(chat.trained_tokens(), chat.len());
}

#[test]
fn roles_that_make_no_sense_are_refused_with_their_index() {
    let user = || Message::user("u");
    let model = || Message::assistant("m");
    let calls = || Message::calls(vec![call("Rome")]);
    let tool = || Message::tool("weather", "t");
    let system = || Message::system("s");
    for (messages, index) in [
        (vec![model()], 0),
        (vec![tool()], 0),
        (vec![system(), model()], 1),
        (vec![system(), system(), user()], 1),
        (vec![user(), system()], 1),
        (vec![user(), user()], 1),
        (vec![user(), model(), model()], 2),
        (vec![user(), tool()], 1),
        (vec![user(), model(), tool()], 2),
        (vec![Message { tool_calls: vec![call("Rome")], ..user() }], 0),
    ] {
        let conversation = Conversation::new(Vec::new(), messages);
        match Gemma2Tools::default().render(&conversation, false) {
            Err(Error::RoleOrder { index: found, .. }) => assert_eq!(found, index, "{conversation:?}"),
            other => panic!("{other:?}"),
        }
    }
    for messages in [
        vec![user(), calls(), tool(), tool(), model(), user(), model()],
        vec![user(), calls(), tool(), calls(), tool(), model()],
        vec![user(), calls(), tool()],
    ] {
        assert!(Gemma2Tools::default().render(&Conversation::new(Vec::new(), messages), true).is_ok());
    }
    for messages in [vec![], vec![system()]] {
        let rendered = Gemma2Tools::default().render(&Conversation::new(Vec::new(), messages), true);
        assert!(matches!(rendered, Err(Error::EmptyConversation)));
    }
}

#[test]
fn the_course_merges_its_system_message() {
    let messages =
        vec![Message::system("S."), Message::new(Role::Human, "H?"), Message::new(Role::Model, "M.")];
    let merged = course_messages(&Conversation::new(Vec::new(), messages)).unwrap();
    assert_eq!(merged.messages.len(), 2);
    assert_eq!(merged.messages[0].role, Role::Human);
    assert_eq!(merged.messages[0].content, format!("S.{COURSE_THINK_SENTENCE}H?"));
    assert!(COURSE_THINK_SENTENCE.ends_with("between <think>{your thoughts}</think>\n\n"));
    assert_eq!(course_messages(&merged).unwrap(), merged);
    let text = segments_to_text(&Course::default().render(&merged, true).unwrap());
    assert!(text.ends_with("<start_of_turn>model\nM.<end_of_turn><eos>\n<start_of_turn>model\n"), "{text}");
    assert!(course_messages(&Conversation::new(Vec::new(), vec![Message::system("S.")])).is_err());
}

#[test]
fn a_tokenizer_without_the_turn_tokens_is_an_error_and_without_tags_is_not() {
    let segments = Gemma2Tools::default().render(&conversation(), false).unwrap();
    let error = encode(&segments, &ByteTokenizer::new(&["<bos>"])).unwrap_err().to_string();
    assert!(error.contains("<start_of_turn>"), "{error}");
    let plain = encode(&segments, &ByteTokenizer::without_tags()).unwrap();
    let tagged = encode(&segments, &ByteTokenizer::default()).unwrap();
    assert!(plain.len() > tagged.len());
}
