//! What a model is asked in an evaluation, and what is wanted of it: from conversations, or from the Berkeley leaderboard's files.

use std::collections::HashSet;
use std::error::Error;
use std::path::Path;

use tooltune::chat::{Conversation, Message, ToolCall, ToolDefinition};
use tooltune::eval::ast::{Category, GoldCall};
use tooltune::eval::bfcl::BfclFolder;
use tooltune::eval::lint::{LintExample, LintFinding, lint};
use tooltune::eval::{Record, Response};

/// One decision: a prompt that ends where the model must call or answer, and the wanted calls.
#[derive(Clone, Debug)]
pub struct Case {
    /// Unique in an evaluation.
    pub id: String,
    /// The held-out set.
    pub group: String,
    /// What the model is shown.
    pub prompt: Conversation,
    /// The tools as they are judged by; the leaderboard's are in its own schema dialect.
    tools: Vec<ToolDefinition>,
    gold: Vec<ToolCall>,
    accepted: Vec<GoldCall>,
    /// The leaderboard's category.
    category: Option<Category>,
    reference: Option<String>,
    /// Conversation and place in it, where the conversation has several decisions.
    turn: Option<(String, u32)>,
}

impl Case {
    /// The case with what the model made of it.
    pub fn record(&self, response: Response) -> Record {
        let (tools, gold) = (self.tools.clone(), self.gold.clone());
        let mut record = Record::new(&self.id, &self.group, tools, gold, response)
            .with_conversation(self.prompt.messages.clone());
        if !self.accepted.is_empty() {
            record = record.with_accepted(self.accepted.clone());
        }
        record.category = self.category;
        if let Some((dialogue, index)) = &self.turn {
            record = record.in_dialogue(dialogue, 0, *index);
        }
        match &self.reference {
            Some(reference) => record.with_reference(reference),
            None => record,
        }
    }
}

/// The first `limit` cases of a set: one for every model turn that follows a user's, and with `answers` for those that follow a tool
/// result.
///
/// A case is named `ID#TURN`: the conversation's id, and the place of the model turn among its messages, from 0. An id that a
/// conversation before it has is followed by ` (2)`, ` (3)`…
pub fn cases(
    group: &str,
    conversations: &[Conversation],
    limit: usize,
    answers: bool,
    gold: impl Fn(&Message) -> Vec<ToolCall>,
) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut names = HashSet::new();
    for (index, conversation) in conversations.iter().enumerate() {
        let own = conversation.id.clone().unwrap_or_else(|| format!("conversation {}", index + 1));
        let mut name = own.clone();
        for count in 2.. {
            if names.insert(name.clone()) {
                break;
            }
            name = format!("{own} ({count})");
        }
        let messages = &conversation.messages;
        let due = |turn: &usize| {
            let before = messages[turn - 1].role;
            messages[*turn].role.is_model() && (before.is_user() || answers && before.is_tool())
        };
        let turns: Vec<usize> = (1..messages.len()).filter(due).collect();
        for (place, &turn) in (0..).zip(turns.iter().take(limit - cases.len())) {
            let message = &messages[turn];
            let gold = gold(message);
            let is_answer = gold.is_empty() && messages[turn - 1].role.is_tool();
            cases.push(Case {
                id: format!("{name}#{turn}"),
                group: group.to_owned(),
                prompt: conversation.prefix(turn),
                tools: conversation.tools.clone(),
                gold,
                accepted: Vec::new(),
                category: None,
                reference: is_answer.then(|| message.content.clone()),
                turn: (turns.len() > 1).then(|| (format!("{group} {name}"), place)),
            });
        }
    }
    cases
}

/// The first `limit` questions of each file of the leaderboard in `folder`, under the leaderboard's ids.
///
/// # Errors
/// With the file and the line that cannot be used; where there is none to use, or an id stands twice.
pub fn bfcl_cases(folder: &Path, limit: usize) -> Result<Vec<Case>, Box<dyn Error>> {
    let files = BfclFolder::open(folder)?;
    for path in &files.skipped {
        eprintln!("{}: not a category that can be scored: left out", path.display());
    }
    if files.files.is_empty() {
        return Err(format!("{}: no question file (BFCL_v4_simple_python.json…)", folder.display()).into());
    }
    let mut cases: Vec<Case> = Vec::new();
    let mut ids = HashSet::new();
    for file in &files.files {
        for example in file.read()?.into_iter().take(limit) {
            if !ids.insert(example.id.clone()) {
                let place = file.questions.display();
                return Err(format!("{place}: a file before it has the id {} too", example.id).into());
            }
            cases.push(Case {
                id: example.id.clone(),
                group: example.set.clone(),
                prompt: example.conversation(),
                gold: Vec::new(),
                accepted: example.gold,
                category: Some(example.category),
                tools: example.functions,
                reference: None,
                turn: None,
            });
        }
    }
    Ok(cases)
}

/// What is wrong with the wanted calls.
pub fn lint_gold(cases: &[Case]) -> Vec<LintFinding> {
    let gold: Vec<Vec<GoldCall>> = cases
        .iter()
        .map(|case| match case.accepted.is_empty() {
            true => case.gold.iter().map(GoldCall::from).collect(),
            false => case.accepted.clone(),
        })
        .collect();
    lint(cases.iter().zip(&gold).map(|(case, gold)| LintExample { id: &case.id, tools: &case.tools, gold }))
}

#[cfg(test)]
mod tests {
    use tooltune::chat::{Message, Object};

    use super::*;

    fn conversation(id: Option<&str>) -> Conversation {
        let call = ToolCall::new("f", Object::new());
        let messages = vec![
            Message::user("Go."),
            Message::calls(vec![call]),
            Message::tool("f", "5"),
            Message::assistant("It is 5."),
            Message::user("Thanks."),
            Message::assistant("Not at all."),
        ];
        Conversation { id: id.map(str::to_owned), tools: Vec::new(), messages }
    }

    fn ids(conversations: &[Conversation], limit: usize, answers: bool) -> Vec<String> {
        let gold = |message: &Message| message.tool_calls.clone();
        cases("s", conversations, limit, answers, gold).into_iter().map(|case| case.id).collect()
    }

    #[test]
    fn decisions_are_named_after_conversation_and_turn() {
        let two = [conversation(None), conversation(Some("x"))];
        assert_eq!(ids(&two, usize::MAX, false), ["conversation 1#1", "conversation 1#5", "x#1", "x#5"]);
        assert_eq!(ids(&two, 4, true), ["conversation 1#1", "conversation 1#3", "conversation 1#5", "x#1"]);
        let twins = [conversation(Some("x")), conversation(Some("x")), conversation(Some("x"))];
        assert_eq!(ids(&twins, 5, false), ["x#1", "x#5", "x (2)#1", "x (2)#5", "x (3)#1"]);
    }

    #[test]
    fn records_know_their_place_and_what_was_said() {
        let gold = |message: &Message| message.tool_calls.clone();
        let cases = cases("s", &[conversation(None)], 9, true, gold);
        let parse = |text: &str| Response::parse(text, true, &tooltune::chat::Hermes::json());
        let records: Vec<Record> = cases.iter().map(|case| case.record(parse("It is 5."))).collect();
        let places: Vec<u32> = records.iter().filter_map(|r| Some(r.turn.as_ref()?.index)).collect();
        assert_eq!(places, [0, 1, 2]);
        assert_eq!(records.iter().map(Record::wants_call).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(records[1].tool_results().len(), 1);
        assert_eq!(records[1].reference.as_deref(), Some("It is 5."));
        assert_eq!(records[2].request(), Some("Thanks."));
        assert_eq!(records[2].reference, None);
    }
}
