//! A dialogue in which the model acts: user turns, calls that run, results, answers.

use tooltune_chat::{Conversation, Message, Object, ToolCall, Value};

use crate::environment::{Environment, state_differences};
use crate::record::{Record, Response};

/// A dialogue that was run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Episode {
    /// The conversation from the first user turn to the end.
    pub conversation: Conversation,
    /// Each decision of the model: how many messages it had before it, and what it wrote.
    pub decisions: Vec<(usize, Response)>,
    /// Whether all user turns were answered, or the model had used up its decisions.
    pub finished: bool,
    /// The environment's state at the end.
    pub state: Value,
}

/// Lets a model act in an environment: each of `user_turns` is said in turn, and the model is asked until it answers
/// without a call. At most `max_decisions` are taken in all, so that a model that only calls comes to an end.
///
/// The calls of a decision run in order, and a call that fails is answered with `{"error": …}`. A call that can't be read
/// can't run: what was written counts as the answer. The model is any function from the conversation so far to a
/// response; what it writes is never evaluated.
///
/// ```
/// use tooltune_chat::{Hermes, Object, ToolCall, ToolDefinition, Value};
/// use tooltune_eval::{Environment, MemoryEnvironment, Response, Scorecard, ToolError, run_episode};
///
/// // A restaurant with one table left.
/// let schema = r#"{"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}"#;
/// let book = ToolDefinition::new("book_table", "Books a table.", Value::parse_json(schema)?);
/// let start: Object = [("free".to_owned(), 1_i64.into())].into_iter().collect();
/// let restaurant = MemoryEnvironment::new(start).with_tool(book, |state, arguments| {
///     let free = state.get("free").and_then(Value::as_i64).unwrap_or_default();
///     if free == 0 {
///         return Err(ToolError::failed("fully booked"));
///     }
///     let name = arguments.get("name").cloned().unwrap_or_default();
///     state.insert("free", free - 1);
///     state.insert("booked", name);
///     Ok("confirmed".into())
/// });
///
/// // A model that follows a script; a real one would generate from the conversation.
/// let script = [
///     r#"<tool_call>{"name": "book_table", "arguments": {"name": "Ada"}}</tool_call>"#,
///     "Your table is confirmed, Ada.",
///     r#"<tool_call>{"name": "book_table", "arguments": {"name": "Bob"}}</tool_call>"#,
///     "I'm sorry, Bob: they are fully booked.",
/// ];
/// let mut lines = script.iter();
/// let model = |_: &tooltune_chat::Conversation| {
///     Response::parse(lines.next().copied().unwrap_or_default(), true, &Hermes::json())
/// };
/// let users = ["A table for Ada, please.", "And one for Bob."];
/// let episode = run_episode(&mut restaurant.clone(), &users, 10, model);
///
/// // Where it should end, and what each decision should be.
/// let call = |name: &str| ToolCall::new("book_table", [("name".to_owned(), name.into())].into_iter().collect());
/// let wanted = restaurant.state_after(&[call("Ada")]).expect("there is a table");
/// assert!(episode.finished && episode.reached(&wanted));
///
/// let gold = [vec![call("Ada")], vec![], vec![call("Bob")], vec![]];
/// let card = Scorecard::score(&episode.records("restaurant", "dialogues", 0, &gold, Some(&wanted)));
/// let value = |name: &str| card.overall.metric(name).and_then(|metric| metric.value);
/// assert_eq!(value("dialogue_success"), Some(1.0));
/// assert_eq!(value("state_match"), Some(1.0));
/// assert_eq!(value("error_acknowledgement"), Some(1.0));
/// # Ok::<(), tooltune_chat::JsonError>(())
/// ```
pub fn run_episode(
    environment: &mut dyn Environment,
    user_turns: &[&str],
    max_decisions: usize,
    mut model: impl FnMut(&Conversation) -> Response,
) -> Episode {
    let mut conversation = Conversation::new(environment.tools().to_vec(), Vec::new());
    let mut decisions: Vec<(usize, Response)> = Vec::new();
    let mut finished = true;
    'turns: for turn in user_turns {
        conversation.messages.push(Message::user(*turn));
        loop {
            if decisions.len() >= max_decisions {
                finished = false;
                break 'turns;
            }
            let response = model(&conversation);
            let said = Message::assistant(response.parsed.content.as_str());
            let calls = response.readable_calls().to_vec();
            decisions.push((conversation.messages.len(), response));
            conversation.messages.push(Message { tool_calls: calls.clone(), ..said });
            if calls.is_empty() {
                break;
            }
            let results = calls.iter().map(|call| answer(environment, call));
            conversation.messages.extend(results);
        }
    }
    Episode { conversation, decisions, finished, state: environment.state() }
}

impl Episode {
    /// The dialogue was finished, and ended in the state `wanted`.
    #[must_use]
    pub fn reached(&self, wanted: &Value) -> bool {
        self.finished && state_differences(wanted, &self.state).is_empty()
    }

    /// A record for each decision, with the conversation that led to it, as try `trial` at the dialogue `id`.
    ///
    /// `gold` has the calls wanted at each decision, none where an answer is wanted; decisions beyond it want an answer.
    /// A model that ends too early has answered where a call was wanted, so its dialogue is wrong; so is one that was not
    /// finished, or that has fewer decisions than `gold`, however right they are: its last record is
    /// [`cut_short`](Record::cut_short). With the state `wanted` at the end, the last record says whether it was reached.
    /// Without decisions there are no records.
    #[must_use]
    pub fn records(
        &self,
        id: &str,
        group: &str,
        trial: u32,
        gold: &[Vec<ToolCall>],
        wanted: Option<&Value>,
    ) -> Vec<Record> {
        let last = self.decisions.len().saturating_sub(1);
        let cut_short = !self.finished || self.decisions.len() < gold.len();
        let decisions = self.decisions.iter().zip(0_u32..).enumerate();
        let record = |(at, ((messages, response), index)): (usize, (&(usize, Response), u32))| {
            let gold = gold.get(at).cloned().unwrap_or_default();
            let name = format!("{id}/{trial}/{index}");
            let record = Record::new(name, group, self.conversation.tools.clone(), gold, response.clone())
                .with_conversation(self.conversation.messages[..*messages].to_vec())
                .in_dialogue(id, trial, index);
            let state_match = wanted.filter(|_| at == last).map(|wanted| self.reached(wanted));
            Record { state_match, cut_short: cut_short && at == last, ..record }
        };
        decisions.map(record).collect()
    }
}

/// Runs one call and puts the result into a message.
fn answer(environment: &mut dyn Environment, call: &ToolCall) -> Message {
    let result = environment.call(call).unwrap_or_else(|error| {
        let error: Object = [("error".to_owned(), error.to_string().into())].into_iter().collect();
        error.into()
    });
    let content = match result {
        Value::String(text) => text,
        other => other.to_json(),
    };
    Message { tool_call_id: call.id.clone(), ..Message::tool(call.name.as_str(), content) }
}

#[cfg(test)]
mod tests {
    use tooltune_chat::{Hermes, ToolDefinition};

    use super::*;
    use crate::environment::MemoryEnvironment;
    use crate::scorecard::Scorecard;
    use crate::testing::call;

    fn counter() -> MemoryEnvironment {
        let start: Object = [("count".to_owned(), 0_i64.into())].into_iter().collect();
        let empty = Value::parse_json(r#"{"properties":{}}"#).unwrap();
        MemoryEnvironment::new(start).with_tool(ToolDefinition::new("next", "", empty), |state, _| {
            let count = state.get("count").and_then(Value::as_i64).unwrap_or_default() + 1;
            state.insert("count", count);
            Ok(count.into())
        })
    }

    const NEXT: &str = r#"<tool_call>{"name": "next", "arguments": {}}</tool_call>"#;

    fn run(users: &[&str], max_decisions: usize, script: &[&str]) -> Episode {
        let mut lines = script.iter();
        run_episode(&mut counter(), users, max_decisions, |_| {
            Response::parse(lines.next().copied().unwrap_or(NEXT), true, &Hermes::json())
        })
    }

    fn count(episode: &Episode) -> Option<i64> {
        episode.state.get("count").and_then(Value::as_i64)
    }

    #[test]
    fn calls_run_and_their_results_are_read() {
        let two = format!("Two.\n{NEXT}{NEXT}");
        let episode = run(&["Count.", "Again."], 10, &[&two, NEXT, "3 so far.", "No."]);
        assert!(episode.finished);
        assert_eq!(count(&episode), Some(3));
        let roles: Vec<&str> = episode.conversation.messages.iter().map(|m| m.role.as_str()).collect();
        assert_eq!(
            roles,
            ["user", "assistant", "tool", "tool", "assistant", "tool", "assistant", "user", "assistant"]
        );
        episode.conversation.check_roles().unwrap();
        assert_eq!(episode.conversation.messages[3].content, "2");
        assert_eq!(episode.conversation.messages[1].content, "Two.");
        assert_eq!(episode.decisions.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1, 4, 6, 8]);
    }

    #[test]
    fn a_model_that_only_calls_comes_to_an_end() {
        let episode = run(&["Count.", "Never said."], 5, &[]);
        assert!(!episode.finished && !episode.reached(&episode.state));
        assert_eq!((episode.decisions.len(), count(&episode)), (5, Some(5)));
    }

    #[test]
    fn what_fails_is_told_and_what_is_malformed_does_not_run() {
        let unknown = r#"<tool_call>{"name": "reset", "arguments": {}}</tool_call>"#;
        let episode = run(&["Reset."], 10, &[unknown, "<tool_call>next(</tool_call>"]);
        assert!(episode.finished);
        assert_eq!(episode.conversation.messages[2].content, r#"{"error": "no tool is called `reset`"}"#);
        assert_eq!(count(&episode), Some(0));
    }

    #[test]
    fn records_are_scored_as_a_dialogue() {
        let gold = [vec![call("next", "{}")], vec![call("next", "{}")], vec![]];
        let wanted = Value::parse_json(r#"{"count": 2}"#).unwrap();
        let value = |script: &[&str], name: &str| {
            let records = run(&["Count to 2."], 10, script).records("d", "g", 0, &gold, Some(&wanted));
            let metric = *Scorecard::score(&records).overall.metric(name).unwrap();
            metric.value
        };
        let right = [NEXT, NEXT, "2."];
        let both = [&*format!("{NEXT}{NEXT}"), "2."];
        let early = [NEXT, "2."];
        assert_eq!((value(&right, "dialogue_success"), value(&right, "state_match")), (Some(1.0), Some(1.0)));
        // Another way to the same end: not the calls that were wanted, but the state that was.
        assert_eq!((value(&both, "dialogue_success"), value(&both, "state_match")), (Some(0.0), Some(1.0)));
        assert_eq!((value(&early, "dialogue_success"), value(&early, "state_match")), (Some(0.0), Some(0.0)));
        assert_eq!(value(&early, "first_failing_turn"), Some(2.0));
        assert_eq!(value(&early, "premature_answer"), Some(1.0));
    }

    #[test]
    fn a_right_beginning_is_no_success() {
        let gold = [vec![call("next", "{}")], vec![call("next", "{}")], vec![]];
        let figures = |max_decisions: usize, gold: &[Vec<ToolCall>]| {
            let records =
                run(&["Count to 2."], max_decisions, &[NEXT, NEXT, "2."]).records("d", "g", 0, gold, None);
            let card = Scorecard::score(&records);
            ["dialogue_success", "turn_accuracy", "first_failing_turn"]
                .map(|name| card.overall.metric(name).and_then(|metric| metric.value))
        };
        assert_eq!(figures(3, &gold), [Some(1.0), Some(1.0), None]);
        // Each decision is right, but the answer, the third decision, was never given.
        assert_eq!(figures(2, &gold), [Some(0.0), Some(1.0), Some(3.0)]);
        // It is due even where the gold stops there too.
        assert_eq!(figures(2, &gold[..2]), [Some(0.0), Some(1.0), Some(3.0)]);
        // All that was said is answered, and more was wanted.
        let longer = [gold.as_slice(), &[vec![call("next", "{}")]]].concat();
        assert_eq!(figures(10, &longer), [Some(0.0), Some(1.0), Some(4.0)]);
    }
}
