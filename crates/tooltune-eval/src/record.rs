//! One held-out conversation, what was wanted and what the model wrote.

use std::borrow::Cow;

use tooltune_chat::{ParseStatus, Parsed, ToolCall, ToolCallFormat, ToolDefinition};

use crate::ast::GoldCall;

/// What one evaluation example is judged by: the wanted calls and the model's response.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Record {
    /// Names the example; unique within a run, the same before and after.
    pub id: String,
    /// The held-out set that the example belongs to; sets are reported apart.
    pub group: String,
    /// The tools that were declared to the model.
    pub tools: Vec<ToolDefinition>,
    /// The calls wanted, in any order; empty where no call is wanted.
    pub gold: Vec<ToolCall>,
    /// What the model wrote.
    pub response: Response,
    /// The wanted calls with accepted alternatives; empty where `gold` is accepted as it is and nothing else.
    pub accepted: Vec<GoldCall>,
}

/// What a model wrote for one prompt.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Response {
    /// The text as generated, without the stop token.
    pub text: String,
    /// The model ended its turn by itself (a stop token), rather than by running into the length limit.
    pub stopped: bool,
    /// The calls found in `text`.
    pub parsed: Parsed,
}

impl Record {
    /// A record of the example `id` in the held-out set `group`.
    #[must_use]
    pub fn new(
        id: impl Into<String>,
        group: impl Into<String>,
        tools: Vec<ToolDefinition>,
        gold: Vec<ToolCall>,
        response: Response,
    ) -> Self {
        Self { id: id.into(), group: group.into(), tools, gold, response, accepted: Vec::new() }
    }

    /// The record with accepted alternatives; `gold` becomes the first choice of each.
    #[must_use]
    pub fn with_accepted(self, accepted: Vec<GoldCall>) -> Self {
        Self { gold: accepted.iter().map(GoldCall::preferred).collect(), accepted, ..self }
    }

    /// The wanted calls with what each parameter accepts.
    #[must_use]
    pub fn gold_calls(&self) -> Cow<'_, [GoldCall]> {
        if self.accepted.is_empty() {
            return self.gold.iter().map(GoldCall::from).collect();
        }
        Cow::Borrowed(&self.accepted)
    }

    /// A call is wanted here.
    #[must_use]
    pub fn wants_call(&self) -> bool {
        !self.gold.is_empty()
    }

    /// The model tried to call, whether or not the attempt can be read.
    #[must_use]
    pub fn attempted(&self) -> bool {
        !matches!(self.response.parsed.status, ParseStatus::NoAttempt)
            || !self.response.parsed.calls.is_empty()
    }

    /// The calls that would run: none where the attempt is malformed, even if a part of it can be read.
    #[must_use]
    pub fn calls(&self) -> &[ToolCall] {
        match self.response.parsed.status {
            ParseStatus::Malformed => &[],
            _ => &self.response.parsed.calls,
        }
    }
}

impl Response {
    /// A response whose calls were already parsed.
    #[must_use]
    pub fn new(text: impl Into<String>, stopped: bool, parsed: Parsed) -> Self {
        Self { text: text.into(), stopped, parsed }
    }

    /// Parses the calls in a model's `text`.
    #[must_use]
    pub fn parse(text: impl Into<String>, stopped: bool, format: &dyn ToolCallFormat) -> Self {
        let text = text.into();
        let parsed = format.parse(&text);
        Self { text, stopped, parsed }
    }
}

#[cfg(test)]
mod tests {
    use tooltune_chat::Hermes;

    use super::*;

    #[test]
    fn a_text_is_parsed_by_the_format_given() {
        let parse = |text: &str| {
            let record =
                Record::new("1", "a", Vec::new(), Vec::new(), Response::parse(text, false, &Hermes::json()));
            (record.attempted(), record.calls().iter().map(|call| call.name.clone()).collect::<Vec<_>>())
        };
        assert_eq!(parse("Hello."), (false, vec![]));
        assert_eq!(
            parse("<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>"),
            (true, vec!["f".to_owned()])
        );
        assert_eq!(parse("<tool_call>nonsense</tool_call>"), (true, vec![]));
    }
}
