//! One held-out conversation, what was wanted and what the model wrote.

use std::borrow::Cow;

use tooltune_chat::{
    DiagnosticKind, Message, ParseStatus, Parsed, ToolCall, ToolCallFormat, ToolDefinition, Value,
};

use crate::align::calls_match;

use crate::ast::{AstOptions, Category, GoldCall};

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
    /// The kind of example where it is known; `None` infers it. Where it is [`Category::Relevance`] and `gold` is empty, a
    /// call is wanted, whichever.
    pub category: Option<Category>,
    /// The messages that the model answers, oldest first; empty where the caller has none to show. What is asked about
    /// the response to a tool result, and examples in reports, need them.
    pub conversation: Vec<Message>,
    /// Values that the answer must mention; empty to take them from the tool results.
    pub facts: Vec<Value>,
    /// The answer as it should have been: of the tool results, the answer must mention what this text mentions.
    pub reference: Option<String>,
    /// The place in a dialogue of several decisions.
    pub turn: Option<Turn>,
    /// For the last decision of a dialogue that was run in an environment: it ended in the state that was wanted.
    pub state_match: Option<bool>,
    /// For the last decision of a dialogue: more decisions were due, so that the dialogue as a whole is wrong.
    pub cut_short: bool,
}

/// The place of a record in a dialogue.
///
/// Records of one dialogue are not independent of each other: intervals by resampling draw whole dialogues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Names the dialogue, the same in each try.
    pub dialogue: String,
    /// Which try at the dialogue, where it was run several times.
    pub trial: u32,
    /// Which decision in the dialogue, from 0.
    pub index: u32,
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
        Self {
            id: id.into(),
            group: group.into(),
            tools,
            gold,
            response,
            accepted: Vec::new(),
            category: None,
            conversation: Vec::new(),
            facts: Vec::new(),
            reference: None,
            turn: None,
            state_match: None,
            cut_short: false,
        }
    }

    /// The record with the messages that the model answers.
    #[must_use]
    pub fn with_conversation(self, conversation: Vec<Message>) -> Self {
        Self { conversation, ..self }
    }

    /// The record with values that the answer must mention.
    #[must_use]
    pub fn with_facts(self, facts: Vec<Value>) -> Self {
        Self { facts, ..self }
    }

    /// The record with the answer as it should have been.
    #[must_use]
    pub fn with_reference(self, reference: impl Into<String>) -> Self {
        Self { reference: Some(reference.into()), ..self }
    }

    /// The record as decision `index` (from 0) of try `trial` at a dialogue.
    #[must_use]
    pub fn in_dialogue(self, dialogue: impl Into<String>, trial: u32, index: u32) -> Self {
        Self { turn: Some(Turn { dialogue: dialogue.into(), trial, index }), ..self }
    }

    /// The record with accepted alternatives; `gold` becomes the first choice of each.
    #[must_use]
    pub fn with_accepted(self, accepted: Vec<GoldCall>) -> Self {
        Self { gold: accepted.iter().map(GoldCall::preferred).collect(), accepted, ..self }
    }

    /// The record as one of a known kind.
    #[must_use]
    pub fn with_category(self, category: Category) -> Self {
        Self { category: Some(category), ..self }
    }

    /// How the record is matched: `options` with the record's category where they have none of their own.
    #[must_use]
    pub fn options(&self, options: &AstOptions) -> AstOptions {
        AstOptions { category: options.category.or(self.category), ..options.clone() }
    }

    /// The wanted calls with what each parameter accepts.
    #[must_use]
    pub fn gold_calls(&self) -> Cow<'_, [GoldCall]> {
        if self.accepted.is_empty() {
            return self.gold.iter().map(GoldCall::from).collect();
        }
        Cow::Borrowed(&self.accepted)
    }

    /// A call is wanted here, be it [any](Self::wants_any_call).
    #[must_use]
    pub fn wants_call(&self) -> bool {
        !self.gold.is_empty() || self.wants_any_call()
    }

    /// A call is wanted, and none in particular.
    #[must_use]
    pub fn wants_any_call(&self) -> bool {
        self.gold.is_empty() && self.category == Some(Category::Relevance)
    }

    /// Particular calls are wanted, which those made can be compared with.
    pub(crate) fn has_gold(&self) -> bool {
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
        self.response.readable_calls()
    }

    /// Exactly the wanted calls are made, in any order; where none is wanted, none is attempted; where any is, there is one
    /// that can be read.
    #[must_use]
    pub fn is_right(&self) -> bool {
        match (self.has_gold(), self.wants_any_call()) {
            (true, _) => calls_match(&self.gold, self.calls()),
            (false, true) => !self.calls().is_empty(),
            (false, false) => !self.attempted(),
        }
    }

    /// What a user would see: the text outside calls and thinking.
    #[must_use]
    pub fn answer(&self) -> &str {
        &self.response.parsed.text
    }

    /// The last user message; `None` where there is none to show.
    #[must_use]
    pub fn request(&self) -> Option<&str> {
        self.conversation.iter().rev().find(|m| m.role.is_user()).map(|m| m.content.as_str())
    }

    /// The tool results that the model answers: the tool messages at the end of the conversation.
    #[must_use]
    pub fn tool_results(&self) -> &[Message] {
        let others = self.conversation.iter().rposition(|m| !m.role.is_tool()).map_or(0, |last| last + 1);
        &self.conversation[others..]
    }

    /// What the record is resampled by: its dialogue, or itself.
    #[must_use]
    pub fn cluster(&self) -> &str {
        self.turn.as_ref().map_or(&self.id, |turn| &turn.dialogue)
    }

    /// The parser noticed something of the kind that `is` accepts.
    pub(crate) fn noticed(&self, is: fn(&DiagnosticKind) -> bool) -> bool {
        self.response.parsed.diagnostics.iter().any(|diagnostic| is(&diagnostic.kind))
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

    /// The calls that would run: none where the attempt is malformed, even if a part of it can be read.
    #[must_use]
    pub fn readable_calls(&self) -> &[ToolCall] {
        match self.parsed.status {
            ParseStatus::Malformed => &[],
            _ => &self.parsed.calls,
        }
    }
}

#[cfg(test)]
mod tests {
    use tooltune_chat::Hermes;

    use super::*;

    #[test]
    fn results_are_the_tool_messages_at_the_end() {
        let results = |messages: Vec<Message>| {
            let response = Response::parse("", true, &Hermes::json());
            let record = Record::new("1", "a", Vec::new(), Vec::new(), response).with_conversation(messages);
            record.tool_results().iter().map(|m| m.content.clone()).collect::<Vec<_>>()
        };
        let (user, call) = (Message::user("Go."), Message::calls(Vec::new()));
        let (one, two) = (Message::tool("f", "1"), Message::tool("g", "2"));
        assert!(results(vec![]).is_empty());
        assert!(results(vec![user.clone()]).is_empty());
        assert_eq!(results(vec![user.clone(), call.clone(), one.clone(), two.clone()]), ["1", "2"]);
        assert_eq!(results(vec![user.clone(), call.clone(), one.clone(), call, two]), ["2"]);
        assert!(results(vec![one, user]).is_empty());
    }

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
