//! Mistral's formats as they are written.

use super::Parsed;
use super::mistral_parse::{Progress, Scan, Step, parse};
use super::scan::Release;
use super::stream::{ParseEvent, StreamParser};

/// Reads a model turn in Mistral's formats while it arrives.
///
/// A call is certain at its last brace. The text waits where it may be the beginning of a tag or white space at the end,
/// and an object outside tags until it is known whether it is a call. Behind an invented `[TOOL_RESULTS]`, an object that
/// never ends, or more broken calls than can be read in linear time, nothing is certain before the end of the turn.
#[derive(Default)]
pub(super) struct MistralStream {
    text: String,
    at: Progress,
    calls: usize,
    released: Release,
    thought: Release,
}

impl StreamParser for MistralStream {
    fn push(&mut self, chunk: &str) -> Vec<ParseEvent> {
        self.text.push_str(chunk);
        let mut events = Vec::new();
        let mut scan = Scan::new(&self.text, None, std::mem::take(&mut self.at));
        loop {
            let step = scan.step();
            let Progress { calls, outside, .. } = &scan.at;
            let text = self.released.take(&outside.text, outside.text.len());
            events.extend(text.map(|text| ParseEvent::Text(text.to_owned())));
            let thinking = self.thought.take(&outside.thinking, outside.thinking.len());
            events.extend(thinking.map(|thinking| ParseEvent::Thinking(thinking.to_owned())));
            events.extend(calls[self.calls..].iter().cloned().map(ParseEvent::Call));
            self.calls = calls.len();
            if step == Step::Wait {
                break;
            }
        }
        self.at = scan.at;
        events
    }

    fn finish(self: Box<Self>) -> Parsed {
        // The whole once more: what a stream gives cannot differ from what one shot gives.
        parse(&self.text)
    }
}
