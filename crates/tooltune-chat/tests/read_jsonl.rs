//! Conversations from files, and the errors of files that cannot be used.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use tooltune_chat::{
    ChatTemplate, Conversation, Gemma2Tools, ReadOptions, Role, Value, read_jsonl, read_jsonl_with_report,
};

struct Data {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn file(content: impl AsRef<[u8]>) -> Data {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.jsonl");
    std::fs::write(&path, content).unwrap();
    Data { _folder: folder, path }
}

fn read(content: impl AsRef<[u8]>) -> Vec<Conversation> {
    read_jsonl(file(content).path, &ReadOptions::default()).unwrap()
}

fn error(content: impl AsRef<[u8]>) -> String {
    let message = read_jsonl(file(content).path, &ReadOptions::default()).unwrap_err().to_string();
    assert!(message.contains("data.jsonl"), "{message}");
    message
}

const COURSE: &str = concat!(
    r#"{"conversations": [{"role": "system", "content": "You call functions within <tools></tools> tags.\n<tools>"#,
    r#"[{'type': 'function', 'function': {'name': 'news', 'description': \"It's news\", 'parameters': {'type': "#,
    r#"'object', 'properties': {'n': {'type': 'integer'}}, 'required': ['n']}}}]</tools>\nAs: <tool_call>\n"#,
    r#"{tool_call}\n</tool_call>"}, {"role": "human", "content": "News?"}, {"role": "model", "content": "#,
    r#""<think>Yes.\n</think><tool_call>\n{'name': 'news', 'arguments': {'n': 5, 'q': None}}\n</tool_call>"}, "#,
    r#"{"role": "tool", "content": "<tool_response>\n{'news': [\"It's on\"]}\n</tool_response>"}, "#,
    r#"{"role": "model", "content": "It is on."}]}"#,
    "\n"
);

const OPENAI: &str = concat!(
    r#"{"id": 7, "source": "s", "tools": [{"type": "function", "function": {"name": "news", "strict": true, "#,
    r#""parameters": {"type": "object", "properties": {}}}}], "messages": [{"role": "developer", "content": "#,
    r#"[{"type": "text", "text": "Be brief."}]}, {"role": "user", "content": "News?", "weight": 0}, "#,
    r#"{"role": "assistant", "content": null, "tool_calls": [{"id": "a", "type": "function", "function": {"name": "#,
    r#""news", "arguments": "{\"n\": 5}"}}, {"id": "b", "type": "function", "function": {"name": "old", "#,
    r#""arguments": {"n": 5.0}}}]}, {"role": "tool", "tool_call_id": "b", "content": "B"}, {"role": "tool", "#,
    r#""tool_call_id": "a", "content": "A"}, {"role": "assistant", "content": "Done."}]}"#,
    "\n"
);

#[test]
fn the_course_layout_becomes_data() {
    let conversation = &read(COURSE)[0];
    assert_eq!(conversation.tools[0].name, "news");
    assert_eq!(conversation.tools[0].description, "It's news");
    let roles: Vec<Role> = conversation.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Model, Role::Tool, Role::Model]);
    assert!(conversation.messages[0].content.ends_with("\nAs: <tool_call>\n{tool_call}\n</tool_call>"));
    let calls = &conversation.messages[2];
    assert_eq!(calls.content, "<think>Yes.\n</think>");
    assert_eq!(
        calls.tool_calls[0].to_value().to_json(),
        r#"{"name": "news", "arguments": {"n": 5, "q": null}}"#
    );
    assert_eq!(conversation.messages[3].content, "{'news': [\"It's on\"]}");
    assert_eq!(conversation.messages[3].name.as_deref(), Some("news"));
    assert!(Gemma2Tools::default().render(conversation, false).is_ok());
}

#[test]
fn verbatim_keeps_the_text_and_the_roles() {
    let conversations = read_jsonl(file(COURSE).path, &ReadOptions::verbatim()).unwrap();
    let messages = &conversations[0].messages;
    assert!(conversations[0].tools.is_empty());
    assert_eq!(messages[1].role, Role::Human);
    assert!(messages[2].content.contains("{'name': 'news', 'arguments': {'n': 5, 'q': None}}"));
    assert!(messages.iter().all(|message| message.tool_calls.is_empty()));
    let refused = read_jsonl(file(OPENAI).path, &ReadOptions::verbatim()).unwrap_err().to_string();
    assert!(refused.contains("preset `fixed`"), "{refused}");
}

#[test]
fn the_openai_layout_becomes_data() {
    let (conversations, report) = read_jsonl_with_report(file(OPENAI).path, &ReadOptions::default()).unwrap();
    let conversation = &conversations[0];
    assert_eq!(conversation.id.as_deref(), Some("7"));
    assert_eq!(conversation.messages[0].content, "Be brief.");
    let calls = &conversation.messages[2].tool_calls;
    assert_eq!(calls[0].arguments.get("n"), Some(&Value::from(5)));
    assert_eq!(calls[1].arguments.get("n"), Some(&Value::from(5.0)));
    let names: Vec<_> = conversation.messages[3..5].iter().map(|m| m.name.as_deref().unwrap()).collect();
    assert_eq!(names, ["old", "news"]);
    let ignored: Vec<&str> = report.ignored_keys.keys().map(String::as_str).collect();
    assert_eq!(ignored, ["messages[].weight", "source", "tools[].strict"]);
    assert_eq!((report.lines, report.blank_lines), (1, 0));
}

#[test]
fn the_old_function_call_is_converted() {
    let line = r#"{"functions": [{"name": "f"}], "messages": [{"role": "user", "content": "?"}, {"role": "assistant",
        "content": null, "function_call": {"name": "f", "arguments": "{}"}}, {"role": "function", "name": "f",
        "content": "1"}, {"role": "assistant", "content": "!"}]}"#
        .replace('\n', " ");
    let conversation = &read(line)[0];
    assert_eq!(conversation.messages[1].tool_calls[0].name, "f");
    assert_eq!(conversation.messages[2].role, Role::Tool);
}

#[test]
fn serde_writes_what_the_reader_reads() {
    for text in [COURSE, OPENAI] {
        let conversations = read(text);
        let line = serde_json::to_string(&conversations[0]).unwrap();
        assert_eq!(read(line), conversations);
    }
}

#[test]
fn blank_lines_and_byte_order_marks_are_no_conversations() {
    let content = format!("\u{feff}{COURSE}\r\n  \n{}", OPENAI.trim_end());
    let (conversations, report) =
        read_jsonl_with_report(file(content).path, &ReadOptions::default()).unwrap();
    assert_eq!(conversations.len(), 2);
    assert_eq!((report.lines, report.blank_lines), (4, 2));
}

#[test]
fn errors_name_file_line_and_remedy() {
    let user = r#"{"role": "user", "content": "u"}"#;
    let line = |message: &str| format!("{COURSE}{{\"messages\": [{user}, {message}]}}\n");
    for (content, wanted) in [
        (String::new(), "no conversation in it"),
        ("\n\n".to_owned(), "no conversation in it"),
        (format!("{COURSE}{{\"messages\" [\n"), ":2: column 13: not valid JSON"),
        ("[1]".to_owned(), ":1: the line is a JSON array"),
        ("{\"text\": \"x\"}".to_owned(), "neither `messages` nor `conversations`"),
        ("{\"messages\": []}".to_owned(), "list of messages is empty"),
        (
            "{\"messages\": [], \"messages\": []}".to_owned(),
            "column 18: not valid JSON: the key \"messages\" stands twice",
        ),
        (format!("{{\"messages\": {}1{}}}", "[".repeat(200), "]".repeat(200)), "nested deeper than 128"),
        (line(r#"{"role": "bot", "content": "x"}"#), ":2: message 1: unknown role \"bot\""),
        (line(r#"{"from": "gpt", "value": "x"}"#), "rename `from` to `role`"),
        (line(r#"{"role": "user", "content": "x"}"#), ":2: message 1 (user): a user message cannot follow"),
        (
            line(r#"{"role": "model", "content": "<tool_call>\n{'name': f}\n</tool_call>"}"#),
            "call that does not parse",
        ),
        (
            line(r#"{"role": "model", "content": "<tool_call>{'name': 'f', 'arguments': {}}"}"#),
            "without its end tag",
        ),
        (
            line(r#"{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{x"}}]}"#),
            "the arguments of \"f\" do not parse",
        ),
        (line(r#"{"role": "assistant", "content": [{"type": "image_url"}]}"#), "only text can be trained on"),
        (
            "{\"tools\": [{}], \"messages\": [{}]}".to_owned(),
            "tool 0: a tool declaration cannot be used: it has no `name`",
        ),
    ] {
        let message = error(&content);
        assert!(message.contains(wanted), "{message}\nwanted: {wanted}");
    }
    assert!(error(b"{\"messages\": \"\xff\"}").contains(":1: not UTF-8 at byte 14"));
    let missing = read_jsonl("no/such/file.jsonl", &ReadOptions::default()).unwrap_err().to_string();
    assert!(missing.contains("no/such/file.jsonl"), "{missing}");
    let options = ReadOptions { max_line_bytes: 100, ..ReadOptions::default() };
    let long = read_jsonl(file(COURSE).path, &options).unwrap_err().to_string();
    assert!(long.contains(":1: the line is longer than 100 bytes"), "{long}");
    let exact = ReadOptions { max_line_bytes: COURSE.len() - 1, ..ReadOptions::default() };
    assert!(read_jsonl(file(COURSE).path, &exact).is_ok());
}

#[test]
fn repaired_calls_are_accepted_only_when_asked_for() {
    let line = concat!(
        r#"{"messages": [{"role": "user", "content": "u"}, {"role": "model", "content": "#,
        r#""<tool_call>{'name': 'f', 'arguments': {'t': (1, 2)}}</tool_call>"}]}"#
    );
    assert!(error(line).contains("a tuple was read as an array"));
    let options = ReadOptions { accept_repaired_calls: true, ..ReadOptions::default() };
    let (conversations, report) = read_jsonl_with_report(file(line).path, &options).unwrap();
    assert_eq!(report.repaired_turns, 1);
    assert_eq!(conversations[0].messages[1].tool_calls.len(), 1);
}
