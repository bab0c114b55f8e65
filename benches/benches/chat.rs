//! From a conversation to ids and a loss mask, and from generated text to calls; on one thread but
//! where the name says all threads. Throughput is in tokens, in conversations where the name says so, and in bytes of text.
use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tooltune::chat::{
    ByteTokenizer, ChatTemplate, Conversation, FORMAT_NAMES, Gemma2Tools, HfTokenizer, Message, Object,
    TextTokenizer, ToolCall, ToolDefinition, Value, encode, format_by_name,
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
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("{name}_conversations"), |b| b.iter(run));
    }
    group.finish();
}

/// All threads at once, each with conversations of its own.
fn render_and_encode_threaded(criterion: &mut Criterion) {
    const PER_THREAD: usize = 64;
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (conversation, template) = (conversation(), Gemma2Tools::default());
    let tokenizer = HfTokenizer::from_file(Path::new(TOKENIZER)).expect("the tokenizer of the test data");
    let run = || {
        let segments = template.render(black_box(&conversation), false).expect("renders");
        black_box(encode(&segments, &tokenizer).expect("encodes")).len()
    };
    let mut group = group(criterion, "chat/render_encode_mask_all_threads");
    group.throughput(Throughput::Elements((threads * PER_THREAD) as u64));
    group.bench_function(format!("subword_{threads}_threads_conversations"), |b| {
        b.iter(|| {
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| (0..PER_THREAD).map(|_| run()).sum::<usize>());
                }
            });
        });
    });
    group.finish();
}

/// The same four calls in every format, with thinking before them.
fn parse(criterion: &mut Criterion) {
    let call = |city: &&str| {
        let mut arguments = Object::new();
        arguments.insert("city", *city);
        arguments.insert("days", 3);
        ToolCall { id: Some("a1B2c3D4e".to_owned()), ..ToolCall::new("get_weather", arguments) }
    };
    let calls: Vec<ToolCall> = ["Paris", "Oslo", "Lima", "Kyiv"].iter().map(call).collect();
    let mut group = group(criterion, "chat/parse");
    for name in FORMAT_NAMES {
        let format = format_by_name(name).expect("a known name");
        let mut text = String::new();
        for piece in format.write_calls(&calls) {
            text.push_str(piece.content.as_str());
        }
        assert_eq!(format.parse(&text).calls.len(), calls.len(), "{name}");
        group.throughput(Throughput::Bytes(text.len() as u64));
        let bytes = text.len();
        group.bench_function(format!("{name}_4_calls_{bytes}_bytes"), |b| {
            b.iter(|| format.parse(black_box(&text)))
        });
        // As tokens arrive: a few bytes at a time.
        let chunks: Vec<&str> =
            text.as_bytes().chunks(4).map(|c| std::str::from_utf8(c).expect("ASCII")).collect();
        group.bench_function(format!("{name}_4_calls_{bytes}_bytes_streamed"), |b| {
            b.iter(|| {
                let mut parser = format.stream();
                for chunk in &chunks {
                    black_box(parser.push(chunk));
                }
                parser.finish()
            })
        });
    }
    group.finish();
}

criterion_group!(benches, render_and_encode, render_and_encode_threaded, parse);
criterion_main!(benches);
