//! Time grows with the length of the text and no faster, whatever the text.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::{Duration, Instant};

use tooltune_chat::{CallPiece, Object, ToolCall, ToolCallFormat};

#[path = "common/formats.rs"]
mod formats;
#[path = "common/strategies.rs"]
mod strategies;
#[path = "common/streaming.rs"]
mod streaming;

/// What any grammar of brackets and strings may read twice.
const UNITS: [&str; 12] = [
    "[",
    "{",
    "(",
    "{\"a\":",
    "[{(",
    "{{",
    "\"",
    "{\"",
    "<",
    "{\"name\": \"f\", \"arguments\": ",
    "{\"arguments\":\"\\\"",
    " ",
];

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];
const CHUNK_BYTES: usize = 7;

/// Ten times the text may take this many times as long; quadratic time would take a hundred times.
const MAX_GROWTH: f64 = 40.0;
/// The largest text may take this long on any machine.
const MAX_TIME: Duration = Duration::from_secs(5);
/// What is faster than this is noise.
const NOISE: Duration = Duration::from_micros(300);

fn shot(format: &dyn ToolCallFormat, text: &str) -> Duration {
    let start = Instant::now();
    std::hint::black_box(format.parse(text));
    start.elapsed()
}

fn streamed(format: &dyn ToolCallFormat, text: &str) -> Duration {
    let chunks = streaming::pieces(text, &[CHUNK_BYTES]);
    let start = Instant::now();
    let mut parser = format.stream();
    for chunk in chunks {
        std::hint::black_box(parser.push(chunk));
    }
    std::hint::black_box(parser.finish());
    start.elapsed()
}

/// The best of some runs at each size; of more where other work of the machine is in the way.
fn measure(run: impl Fn(&str) -> Duration, text: impl Fn(usize) -> String) -> [Duration; 3] {
    let texts = SIZES.map(text);
    let mut best = [Duration::MAX; 3];
    for round in 0..20 {
        for (best, text) in best.iter_mut().zip(&texts) {
            *best = run(text).min(*best);
        }
        if round >= 2 && is_linear(best) {
            break;
        }
    }
    best
}

fn is_linear(times: [Duration; 3]) -> bool {
    growth(times) < MAX_GROWTH && times[2] <= MAX_TIME
}

fn growth(times: [Duration; 3]) -> f64 {
    let times = times.map(|time| time.max(NOISE).as_secs_f64());
    (times[1] / times[0]).max(times[2] / times[1])
}

fn column_heads() {
    println!(
        "{:14} {:44} {:>32} {:>32}",
        "format", "text of", "one shot 1, 10, 100 KB (ms)", "in chunks of 7 bytes (ms)"
    );
}

fn row(format: &dyn ToolCallFormat, name: &str, ways: [[Duration; 3]; 2]) {
    let ms = |times: [Duration; 3]| {
        let [a, b, c] = times.map(|time| time.as_secs_f64() * 1e3);
        format!("{a:9.3} {b:9.3} {c:9.3} x{:.0}", growth(times))
    };
    println!("{:14} {name:44.44} {:>32} {:>32}", format.name(), ms(ways[0]), ms(ways[1]));
}

/// A hundred, a thousand and exactly ten thousand openings.
#[test]
fn ten_thousand_openings_take_linear_time() {
    const COUNTS: [usize; 3] = [100, 1_000, 10_000];
    let mut bad = Vec::new();
    column_heads();
    for tested in formats::formats() {
        let format = tested.format.as_ref();
        for opening in ["<tool_call>", tested.openings[0]] {
            let count =
                |bytes: usize| opening.repeat(COUNTS[SIZES.iter().position(|s| *s == bytes).unwrap()]);
            let text = count(SIZES[2]);
            assert_eq!(text.matches(opening).count(), 10_000);
            streaming::check_law(format, &text, &[CHUNK_BYTES]).unwrap();
            assert!(format.parse(&text).calls.is_empty());
            let ways = [measure(|t| shot(format, t), count), measure(|t| streamed(format, t), count)];
            let name = format!("100, 1,000, 10,000 x {opening:?}");
            row(format, &name, ways);
            if !ways.into_iter().all(is_linear) {
                bad.push(format!("{} {name}: {ways:?}", format.name()));
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn time_is_linear() {
    let mut bad = Vec::new();
    column_heads();
    for tested in formats::formats() {
        let format = tested.format.as_ref();
        let content = |piece: CallPiece| piece.content.as_str().to_owned();
        let call: String =
            format.write_call(&ToolCall::new("f", Object::new())).into_iter().map(content).collect();
        let blanks = format!("{}{call}", " ".repeat(40));
        let units = UNITS.iter().chain(tested.openings).copied().chain([call.as_str(), blanks.as_str()]);
        for unit in units {
            let repeated = |bytes: usize| unit.repeat(bytes / unit.len() + 1);
            // After an opening the text is read as a call; before one it is looked back at.
            let after = |bytes: usize| format!("{}{}", tested.openings[0], unit.repeat(bytes / unit.len()));
            let texts: [(&str, &dyn Fn(usize) -> String); 2] = [("", &repeated), ("opening, then ", &after)];
            for (prefix, text) in texts {
                // The limits that keep time linear must not make a stream and one shot differ.
                streaming::check_law(format, &format!("{}{call}", text(SIZES[2])), &[CHUNK_BYTES]).unwrap();
                let ways = [measure(|t| shot(format, t), text), measure(|t| streamed(format, t), text)];
                let name = format!("{prefix}{unit:?}");
                row(format, &name, ways);
                if !ways.into_iter().all(is_linear) {
                    bad.push(format!("{} {name}: {ways:?}", format.name()));
                }
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
