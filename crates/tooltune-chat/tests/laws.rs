//! The laws that every call format keeps.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tooltune_chat::{CallPiece, ParseStatus, Severity, ToolCall, ToolCallFormat};

#[path = "common/formats.rs"]
mod formats;
#[path = "common/strategies.rs"]
mod strategies;
#[path = "common/streaming.rs"]
mod streaming;

use formats::formats;
use streaming::check_law;

fn written(format: &dyn ToolCallFormat, calls: &[ToolCall]) -> String {
    let content = |piece: CallPiece| piece.content.as_str().to_owned();
    format.write_calls(calls).into_iter().map(content).collect()
}

fn run<S: Strategy>(cases: u32, strategy: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(strategy, test).unwrap();
}

/// How many cases: more where the environment asks for more.
fn cases(default: u32) -> u32 {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    wanted.unwrap_or(default)
}

/// Pieces of any sizes, mostly small.
fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![4 => 1..9usize, 1 => 1..200usize], 0..6)
}

/// Text that looks like trouble, with pieces of the format's own.
fn adversarial(openings: &'static [&'static str]) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(strategies::PIECES.to_vec()).prop_map(str::to_owned),
        2 => prop::sample::select(openings.to_vec()).prop_map(str::to_owned),
        1 => strategies::text(),
        1 => "`{1,4}",
        // The beginning of a tag, as a cut or a slip leaves it.
        1 => (prop::sample::select(openings.to_vec()), 0..12usize).prop_map(|(opening, end)| {
            opening[..opening.floor_char_boundary(end.min(opening.len()))].to_owned()
        }),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

#[test]
fn parse_of_write_is_identity() {
    for tested in formats() {
        let format = tested.format.as_ref();
        run(cases(500), &prop::collection::vec(tested.calls, 1..4), |calls| {
            let text = written(format, &calls);
            let parsed = format.parse(&text);
            prop_assert_eq!(&parsed.calls, &calls, "{} wrote {:?}", format.name(), text);
            prop_assert_eq!(parsed.status, ParseStatus::Calls);
            prop_assert!(parsed.diagnostics.iter().all(|d| d.severity() == Severity::Note), "{:?}", parsed);
            prop_assert_eq!(&parsed.content, "");
            prop_assert!(parsed.into_strict().is_ok());
            Ok(())
        });
    }
}

#[test]
fn any_chunking_of_written_calls_is_one_shot() {
    for tested in formats() {
        let format = tested.format.as_ref();
        let calls = prop::collection::vec(tested.calls, 1..4);
        run(
            cases(300),
            &(strategies::text(), calls, strategies::text(), cuts()),
            |(before, calls, after, cuts)| {
                let text = format!("{before}{}{after}", written(format, &calls));
                check_law(format, &text, &cuts)?;
                check_law(format, &text, &[1])?;
                Ok(())
            },
        );
    }
}

#[test]
fn any_chunking_of_anything_is_one_shot() {
    for tested in formats() {
        let format = tested.format.as_ref();
        run(cases(3000), &(adversarial(tested.openings), cuts()), |(text, cuts)| {
            check_law(format, &text, &cuts)?;
            check_law(format, &text, &[1])?;
            check_law(format, &text, &[])?;
            Ok(())
        });
    }
}

#[test]
fn strict_mode_takes_what_could_have_been_written() {
    for tested in formats() {
        let format = tested.format.as_ref();
        run(cases(1000), &adversarial(tested.openings), |text| {
            let parsed = format.parse(&text);
            let repaired = parsed.diagnostics.iter().any(|d| d.severity() > Severity::Note);
            let status = parsed.status;
            let strict = parsed.into_strict();
            prop_assert_eq!(strict.is_err(), repaired);
            match status {
                ParseStatus::Calls => prop_assert!(!repaired),
                ParseStatus::Recovered | ParseStatus::Malformed => prop_assert!(repaired),
                ParseStatus::NoAttempt => {}
            }
            let calls = strict.map(|parsed| parsed.calls).unwrap_or_default();
            if !calls.is_empty() {
                prop_assert_eq!(format.parse(&written(format, &calls)).calls, calls);
            }
            Ok(())
        });
        for text in tested.repaired {
            let parsed = format.parse(text);
            assert_eq!(parsed.status, ParseStatus::Recovered, "{}: {text}", format.name());
            assert!(parsed.into_strict().is_err(), "{}: {text}", format.name());
        }
    }
}
