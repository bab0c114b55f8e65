//! From a conversation to ids and a loss mask, and from generated text to calls; one thread. Throughput is in tokens, and in bytes of text.
use std::fmt::Write;
use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tooltune::chat::{
    ByteTokenizer, ChatTemplate, Conversation, Gemma2Tools, Hermes, HfTokenizer, Message, Object,
    TextTokenizer, ToolCall, ToolCallFormat, ToolDefinition, Value, encode,
};
use tooltune_benches::group;

const TOKENIZER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/golden/tokenizer/tokenizer.json");

/// Four tools and three rounds of request, call, result and answer.
fn conversation() -> Conversation {
    let schema = r#"{"type": "object", "properties": {"city": {"type": "string", "description": "Name of the city"},
        "days": {"type": "integer"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}}, "required": ["city"]}"#;
    let tool = |name: &&str| {
        let schema = Value::parse_json(schema).expect("valid JSON");
        ToolDefinition::new(*name, "Looks something up for a city and a number of days.", schema)
    };
    let tools = ["get_weather", "find_hotels", "list_events", "get_air_quality"].iter().map(tool).collect();
    let mut messages = vec![Message::system("You are a helpful assistant with access to functions.")];
    for city in ["Paris", "São Paulo", "Kraków"] {
        let mut arguments = Object::new();
        arguments.insert("city", city);
        arguments.insert("days", 3);
        arguments.insert("unit", "celsius");
        messages.extend([
            Message::user(format!("What will the weather be like in {city} over the next three days?")),
            Message::calls(vec![ToolCall::new("get_weather", arguments)]),
            Message::tool(
                "get_weather",
                r#"{"days": [{"high": 21.5, "low": 12.0, "sky": "cloudy"}], "source": "station 7"}"#,
            ),
            Message::assistant(format!("{city} will be cloudy, between 12 and 21.5 degrees.")),
        ]);
    }
    Conversation::new(tools, messages)
}

fn render_and_encode(criterion: &mut Criterion) {
    let (conversation, template) = (conversation(), Gemma2Tools::default());
    let subword = HfTokenizer::from_file(Path::new(TOKENIZER)).expect("the tokenizer of the test data");
    let tokenizers: [(&str, &dyn TextTokenizer); 2] =
        [("bytes", &ByteTokenizer::default()), ("subword", &subword)];
    let mut group = group(criterion, "chat/render_encode_mask");
    for (name, tokenizer) in tokenizers {
        let run = || {
            let segments = template.render(black_box(&conversation), false).expect("renders");
            encode(&segments, tokenizer).expect("encodes")
        };
        let tokens = run().len();
        group.throughput(Throughput::Elements(tokens as u64));
        group.bench_function(format!("{name}_{tokens}_tokens"), |b| b.iter(run));
    }
    group.finish();
}

fn parse(criterion: &mut Criterion) {
    let mut text = String::from("<think>The user wants the weather.</think>");
    for city in ["Paris", "Oslo", "Lima", "Kyiv"] {
        let _ = write!(
            text,
            "<tool_call>\n{{\"name\": \"get_weather\", \"arguments\": {{\"city\": \"{city}\", \"days\": 3}}}}\n</tool_call>\n"
        );
    }
    let format = Hermes::json();
    assert_eq!(format.parse(&text).calls.len(), 4);
    let mut group = group(criterion, "chat/parse_hermes");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function(format!("4_calls_{}_bytes", text.len()), |b| {
        b.iter(|| format.parse(black_box(&text)))
    });
    group.finish();
}

criterion_group!(benches, render_and_encode, parse);
criterion_main!(benches);
