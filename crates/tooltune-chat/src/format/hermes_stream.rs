//! The Hermes format as it is written.

use super::Parsed;
use super::bare::settled_text;
use super::hermes::HermesDialect;
use super::hermes_parse::{Phase, Progress, Scan, Step, parse};
use super::scan::Release;
use super::stream::{ParseEvent, StreamParser};

/// Reads a model turn in the Hermes format while it arrives.
///
/// The text waits where it may be the beginning of a tag, a fence before a call, or white space at the end. A call
/// outside tags is certain at its last brace. A call inside tags waits for the end of its block: until then the
/// model may write another beside it. Behind an invented `<tool_response>`, an object that never ends, or more broken
/// calls than can be read in linear time, nothing is certain before the end of the turn.
pub(super) struct HermesStream {
    dialect: HermesDialect,
    text: String,
    at: Progress,
    calls: usize,
    released: Release,
    thought: Release,
}

impl HermesStream {
    pub(super) fn new(dialect: HermesDialect) -> Self {
        Self {
            dialect,
            text: String::new(),
            at: Progress::default(),
            calls: 0,
            released: Release::default(),
            thought: Release::default(),
        }
    }
}

impl StreamParser for HermesStream {
    fn push(&mut self, chunk: &str) -> Vec<ParseEvent> {
        self.text.push_str(chunk);
        let mut events = Vec::new();
        let mut scan = Scan::new(&self.text, self.dialect, None, std::mem::take(&mut self.at));
        loop {
            let step = scan.step();
            let Progress { phase, calls, outside, settled, .. } = &scan.at;
            let text = self.released.take(&outside.text, settled_text(&outside.text, *settled));
            events.extend(text.map(|text| ParseEvent::Text(text.to_owned())));
            let thinking = self.thought.take(&outside.thinking, outside.thinking.len());
            events.extend(thinking.map(|thinking| ParseEvent::Thinking(thinking.to_owned())));
            if !matches!(phase, Phase::Block { .. }) {
                events.extend(calls[self.calls..].iter().cloned().map(ParseEvent::Call));
                self.calls = calls.len();
            }
            if step == Step::Wait {
                break;
            }
        }
        self.at = scan.at;
        events
    }

    fn finish(self: Box<Self>) -> Parsed {
        // The whole once more: what a stream gives cannot differ from what one shot gives.
        parse(&self.text, self.dialect)
    }
}
