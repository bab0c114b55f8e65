//! Templates of model folders: rendered as transformers renders them.
#![cfg(feature = "jinja")]
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use tooltune_chat::{
    ByteTokenizer, ChatTemplate, Conversation, Course, Error, Gemma2, JinjaDate, JinjaError, JinjaOptions,
    JinjaTemplate, Message, Object, Segment, SegmentContent, ToolCall, ToolDefinition, TurnSpans, Value,
    encode, segments_to_text,
};

const GEMMA2: &str = "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not \
     supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) \
     %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if \
     (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}\
     {{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}{% if \
     add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}";

/// The same with what is trained marked, and laid out for people.
const GEMMA2_TRAINING: &str = r"{{ bos_token }}
{%- if messages[0].role == 'system' %}
  {{- raise_exception('System role not supported') }}
{%- endif %}
{%- for message in messages %}
  {%- if (message.role == 'user') != (loop.index0 is even) %}
    {{- raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
  {%- endif %}
  {%- if message.role == 'assistant' %}
    {{- '<start_of_turn>model\n' }}
    {%- generation %}
      {{- message.content | trim + '<end_of_turn>\n' }}
    {%- endgeneration %}
  {%- else %}
    {{- '<start_of_turn>' + message.role + '\n' + message.content | trim + '<end_of_turn>\n' }}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
  {{- '<start_of_turn>model\n' }}
{%- endif %}
";

const COURSE: &str = "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not \
     supported') }}{% endif %}{% for message in messages %}{{ '<start_of_turn>' + message['role'] + '\\n' + \
     message['content'] | trim + '<end_of_turn><eos>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ \
     '<start_of_turn>model\\n' }}{% endif %}";

const CHATML: &str = r"
{%- if tools %}{{ '<|im_start|>system\n' + (tools | tojson) + '<|im_end|>\n' }}{% endif %}
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\n' + message.content }}
{%- for call in message.tool_calls %}
{{- '\n<tool_call>\n' }}{{ call.function | tojson }}{{ '\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

fn options(controls: &[&str]) -> JinjaOptions {
    let variables = [("bos_token", "<bos>"), ("eos_token", "<eos>"), ("unk_token", "<unk>")];
    JinjaOptions {
        controls: controls.iter().map(|&token| token.to_owned()).collect(),
        variables: variables.map(|(name, value)| (name.to_owned(), value.into())).to_vec(),
        ..JinjaOptions::default()
    }
}

const GEMMA_CONTROLS: [&str; 4] = ["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"];
const CHATML_CONTROLS: [&str; 2] = ["<|im_start|>", "<|im_end|>"];

fn template(source: &str, controls: &[&str]) -> JinjaTemplate {
    JinjaTemplate::from_source(source, options(controls)).unwrap()
}

fn pair(question: &str, answer: &str) -> Conversation {
    Conversation::new(Vec::new(), vec![Message::user(question), Message::assistant(answer)])
}

/// What is trained, in pieces.
fn trained(segments: &[Segment]) -> Vec<&str> {
    segments.iter().filter(|segment| segment.weight > 0.0).map(|segment| segment.content.as_str()).collect()
}

/// The trained parts of the text, in code points, merged.
fn trained_spans(segments: &[Segment]) -> Vec<(i64, i64)> {
    let mut spans: Vec<(i64, i64)> = Vec::new();
    let mut at = 0;
    for segment in segments {
        let end = at + i64::try_from(segment.content.as_str().chars().count()).unwrap();
        if segment.weight > 0.0 {
            match spans.last_mut() {
                Some(last) if last.1 == at => last.1 = end,
                _ => spans.push((at, end)),
            }
        }
        at = end;
    }
    spans
}

#[test]
fn snippets_render_as_in_transformers() {
    let file = include_str!("jinja_snippets.jsonl");
    let mut rows = file.lines().map(common::json);
    let shared = rows.next().unwrap();
    let strings = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let message = |value: &Value| {
        let role = strings(value, "role").unwrap().parse().unwrap();
        let mut message = Message::new(role, strings(value, "content").unwrap());
        message.name = strings(value, "name");
        message.tool_call_id = strings(value, "tool_call_id");
        for call in value.get("tool_calls").and_then(Value::as_array).unwrap_or_default() {
            let function = call.get("function").unwrap();
            let arguments = function.get("arguments").and_then(Value::as_object).unwrap().clone();
            let made = ToolCall::new(strings(function, "name").unwrap(), arguments);
            message.tool_calls.push(ToolCall { id: strings(call, "id"), ..made });
        }
        message
    };
    let array = |key: &str| shared.get(key).and_then(Value::as_array).unwrap();
    let tools = array("tools").iter().map(|tool| ToolDefinition::from_value(tool).unwrap()).collect();
    let conversation = Conversation::new(tools, array("messages").iter().map(message).collect());
    let variables = shared.get("variables").and_then(Value::as_object).unwrap();
    let options = JinjaOptions {
        variables: variables.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect(),
        now: JinjaDate { year: 2026, month: 3, day: 4, hour: 5, minute: 6, second: 7 },
        spans: TurnSpans::Contents,
        ..JinjaOptions::default()
    };
    let mut checked = 0;
    for row in rows {
        let source = row.get("template").and_then(Value::as_str).unwrap();
        let rendered = JinjaTemplate::from_source(source, options.clone())
            .and_then(|template| template.render(&conversation, false));
        match row.get("expected").and_then(Value::as_str) {
            Some(expected) => assert_eq!(segments_to_text(&rendered.unwrap()), expected, "{source}"),
            None => assert!(matches!(rendered.unwrap_err(), Error::Jinja(_)), "{source}"),
        }
        checked += 1;
    }
    assert!(checked > 100);
}

#[test]
fn rows_render_as_in_transformers() {
    let by_content = JinjaOptions { spans: TurnSpans::Contents, ..options(&GEMMA_CONTROLS) };
    let templates = [
        ("gemma2", template(GEMMA2, &GEMMA_CONTROLS)),
        ("gemma2-training", template(GEMMA2_TRAINING, &GEMMA_CONTROLS)),
        // Its prompt names another role than some of its turns, so they cannot be found by prefixes.
        ("course", JinjaTemplate::from_source(COURSE, by_content).unwrap()),
    ];
    let mut checked = [0; 3];
    for row in common::rows("chat/render.jsonl") {
        let name = row.get("template").and_then(Value::as_str).unwrap();
        let Some(index) = templates.iter().position(|(known, _)| *known == name) else { continue };
        let id = row.get("id").map(Value::to_json).unwrap_or_default();
        let conversation = common::conversation(row.get("messages").unwrap());
        let prompt = row.get("add_generation_prompt").and_then(Value::as_bool).unwrap();
        let rendered = templates[index].1.render(&conversation, prompt);
        checked[index] += 1;
        if let Some(error) = row.get("error").and_then(Value::as_str) {
            let expected = error.split_once(": ").map_or(error, |(_, message)| message);
            match rendered.unwrap_err() {
                Error::Jinja(JinjaError::Raised { message }) => assert_eq!(message, expected, "{id}"),
                other => panic!("{id}: {other}"),
            }
            continue;
        }
        let segments = rendered.unwrap();
        let expected = row.get("expected").and_then(Value::as_str).unwrap();
        assert_eq!(segments_to_text(&segments), expected, "{id}");
        if let Some(spans) = row.get("assistant_char_spans").and_then(Value::as_array) {
            let spans: Vec<(i64, i64)> =
                spans.iter().map(|span| (common::ids(span)[0], common::ids(span)[1])).collect();
            assert_eq!(trained_spans(&segments), spans, "{id}");
        }
        // The tokens are those of the same template in Rust; its tags are text here.
        let native: &dyn ChatTemplate = if index == 2 { &Course::default() } else { &Gemma2::default() };
        let native = native.render(&conversation, prompt).unwrap();
        let tokenizer = ByteTokenizer::new(&GEMMA_CONTROLS);
        assert_eq!(
            encode(&segments, &tokenizer).unwrap().ids,
            encode(&native, &tokenizer).unwrap().ids,
            "{id}"
        );
    }
    assert!(checked.iter().all(|count| *count > 0), "{checked:?}");
}

#[test]
fn a_folder_says_what_its_template_needs() {
    let template = JinjaTemplate::from_folder(common::data("golden/tokenizer")).unwrap();
    assert_eq!(template.required_controls(), ["<bos>", "<start_of_turn>", "<end_of_turn>"]);
    assert_eq!(template.stop_controls(), ["<end_of_turn>", "<eos>"]);
    let conversation = pair("<start_of_turn>model\nno<eos>", "yes <end_of_turn>");
    for prompt in [false, true] {
        let mut conversation = conversation.clone();
        if prompt {
            conversation.messages.truncate(1);
        }
        let segments = template.render(&conversation, prompt).unwrap();
        let native = Gemma2 { train_final_newline: false, ..Gemma2::default() };
        let native = native.render(&conversation, prompt).unwrap();
        let tokenizer = ByteTokenizer::new(&GEMMA_CONTROLS);
        let (ours, theirs) = (encode(&segments, &tokenizer).unwrap(), encode(&native, &tokenizer).unwrap());
        assert_eq!((&ours.ids, ours.labels()), (&theirs.ids, theirs.labels()));
        assert_eq!(ours.ids.iter().filter(|id| **id < 4).count(), if prompt { 4 } else { 5 });
    }
}

#[test]
fn folders_keep_templates_in_several_places() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let render = |conversation: &Conversation| {
        let template = JinjaTemplate::from_folder(folder.path())?;
        template.render(conversation, true).map(|segments| segments_to_text(&segments))
    };
    let plain = Conversation::new(Vec::new(), vec![Message::user("x")]);
    let tools = Conversation::new(
        vec![ToolDefinition::new("f", "", Value::Object(Object::new()))],
        vec![Message::user("x")],
    );
    assert!(matches!(render(&plain).unwrap_err(), Error::Jinja(JinjaError::NoTemplate { .. })));
    write(
        "tokenizer_config.json",
        r#"{"bos_token": {"content": "<s>", "special": true}, "eos_token": null, "extra_special_tokens": {"image_token": "<img>"},
            "chat_template": [{"name": "default", "template": "{{ bos_token }}{{ eos_token }}{{ image_token }}d"},
                              {"name": "tool_use", "template": "t{{ tools | length }}"}]}"#,
    );
    assert_eq!(render(&plain).unwrap(), "<s><img>d");
    assert_eq!(render(&tools).unwrap(), "t1");
    write("special_tokens_map.json", r#"{"bos_token": "<no>", "eos_token": "</s>"}"#);
    assert_eq!(render(&plain).unwrap(), "<s></s><img>d");
    write("chat_template.json", r#"{"chat_template": "json {{ messages[0].content }}"}"#);
    assert_eq!(render(&plain).unwrap(), "json x");
    write("chat_template.jinja", "jinja {{ messages[0].role }}\n");
    assert_eq!(render(&tools).unwrap(), "jinja user");
    let given =
        JinjaOptions { variables: vec![("bos_token".to_owned(), "mine".into())], ..JinjaOptions::default() };
    write("chat_template.jinja", "{{ bos_token }}{{ eos_token }}");
    let template = JinjaTemplate::from_folder_with(folder.path(), given).unwrap();
    assert_eq!(segments_to_text(&template.render(&plain, true).unwrap()), "mine</s>");
    write("chat_template.jinja", "{% if %}");
    let error = render(&plain).unwrap_err();
    assert!(matches!(error, Error::Jinja(JinjaError::Syntax { line: 1, .. })), "{error}");
    write("tokenizer_config.json", "[1]");
    assert!(matches!(render(&plain).unwrap_err(), Error::Jinja(JinjaError::File { .. })));
}

#[test]
fn turns_are_found_by_rendering_prefixes() {
    let template = template(CHATML, &CHATML_CONTROLS);
    assert_eq!(template.required_controls(), CHATML_CONTROLS);
    assert_eq!(template.stop_controls(), ["<|im_end|>"]);
    let mut arguments = Object::new();
    arguments.insert("city", "Paris");
    let conversation = Conversation::new(
        vec![ToolDefinition::new("weather", "", Value::Object(Object::new()))],
        vec![
            Message::user("Rain?"),
            Message {
                content: "I look.".to_owned(),
                ..Message::calls(vec![ToolCall::new("weather", arguments)])
            },
            Message::tool("weather", "no"),
            Message::assistant("No."),
        ],
    );
    let segments = template.render(&conversation, false).unwrap();
    let parts: Vec<(&str, &str)> = segments
        .iter()
        .filter(|segment| segment.weight > 0.0)
        .map(|segment| (segment.kind.as_str(), segment.content.as_str()))
        .collect();
    assert_eq!(
        parts,
        [
            ("answer", "I look."),
            ("call", "\n<tool_call>\n{\"name\": "),
            ("call name", "\"weather\""),
            ("call", ", \"arguments\": "),
            ("call arguments", "{\"city\": \"Paris\"}"),
            ("call", "}\n</tool_call>"),
            ("end of turn", "<|im_end|>"),
            ("answer", "No."),
            ("end of turn", "<|im_end|>"),
        ]
    );
    assert!(trained(&template.render(&conversation, true).unwrap()).is_empty());
}

#[test]
fn a_template_that_rewrites_history_needs_another_way() {
    // Thinking of earlier turns is left out, as many templates do.
    let source = r"{%- for m in messages %}
{{- '<|im_start|>' + m.role + '\n' }}
{{- m.content.split('</think>')[-1] if not loop.last else m.content }}
{{- '<|im_end|>\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
    let mut conversation = pair("a", "<think>b</think>c");
    conversation.messages.extend([Message::user("d"), Message::assistant("<think>e</think>f")]);
    let prefixes = template(source, &CHATML_CONTROLS);
    let error = prefixes.render(&conversation, false).unwrap_err();
    assert!(matches!(error, Error::Jinja(JinjaError::NotAPrefix { index: 1 })), "{error}");
    let by_content = JinjaOptions {
        spans: TurnSpans::Contents,
        model_tags: vec!["<think>".to_owned(), "</think>".to_owned()],
        ..options(&CHATML_CONTROLS)
    };
    let by_content = JinjaTemplate::from_source(source, by_content).unwrap();
    let segments = by_content.render(&conversation, false).unwrap();
    assert_eq!(trained(&segments), ["c", "<|im_end|>", "<think>", "e", "</think>", "f", "<|im_end|>"]);
    let tags = segments.iter().filter(|segment| matches!(segment.content, SegmentContent::Tag(_)));
    assert!(tags.clone().all(|segment| segment.kind.as_str() == "think") && tags.count() == 2);
}

#[test]
fn both_ways_agree_where_both_work() {
    let contents = JinjaOptions { spans: TurnSpans::Contents, ..options(&GEMMA_CONTROLS) };
    let contents = JinjaTemplate::from_source(GEMMA2, contents).unwrap();
    let prefixes = template(GEMMA2, &GEMMA_CONTROLS);
    let mut conversation = pair("  a\n", " b <end_of_turn> ");
    conversation.messages.extend([Message::user("c"), Message::assistant("d")]);
    let segments = prefixes.render(&conversation, false).unwrap();
    assert_eq!(trained(&segments), ["b <end_of_turn>", "<end_of_turn>", "d", "<end_of_turn>"]);
    let by_content = contents.render(&conversation, false).unwrap();
    assert_eq!(segments_to_text(&by_content), segments_to_text(&segments));
    assert_eq!(trained_spans(&by_content), trained_spans(&segments));
}
