//! From messages to turns as Mistral's code makes them: checked, merged, in order.

use super::mistral::MistralVersion;
use super::mistral_problem::MistralProblem;
use crate::{Conversation, Error, Message, Role, ToolCall, ToolResult};

/// What stands between messages that become one.
const BETWEEN: &str = "\n\n";

/// A turn, or a part of one.
pub(super) struct Turn<'a> {
    /// The index of its first message.
    index: usize,
    /// The role of its first message.
    pub(super) role: Role,
    pub(super) said: Said<'a>,
}

pub(super) enum Said<'a> {
    System(&'a str),
    User(UserText),
    Model { text: String, calls: Vec<&'a ToolCall> },
    Result(ToolResult),
}

#[derive(Default)]
pub(super) struct UserText {
    /// The system text, in the one turn that carries it.
    pub(super) system: String,
    pub(super) text: String,
}

/// The turns of a conversation, for a prompt where `prompt` is true.
pub(super) fn turns(
    version: MistralVersion,
    conversation: &Conversation,
    prompt: bool,
) -> Result<Vec<Turn<'_>>, Error> {
    let messages = conversation.messages.as_slice();
    check_order(messages, prompt)?;
    check_results(version, messages)?;
    for (index, message) in messages.iter().enumerate() {
        check_message(version, index, message, index + 1 == messages.len())?;
    }
    for tool in &conversation.tools {
        check_name(&tool.name, None)?;
    }
    let mut turns = merged(version, messages);
    if version.number() < 7 {
        put_system_text(version, messages, &mut turns);
    }
    let no_user = !turns.iter().any(|turn| matches!(turn.said, Said::User(_)));
    if no_user && !conversation.tools.is_empty() {
        return Err(MistralProblem::ToolsWithoutUser.into());
    }
    check_turns(version, &turns)?;
    Ok(turns)
}

fn check_order(messages: &[Message], prompt: bool) -> Result<(), Error> {
    let fail = |index: usize, rule| Err(Error::RoleOrder { index, role: messages[index].role, rule });
    let (Some(first), Some(last)) = (messages.first(), messages.last()) else {
        return Err(Error::EmptyConversation);
    };
    if first.role.is_tool() || (messages.len() == 1 && first.role.is_model()) {
        return fail(0, "Conversation must start with a user message or system message");
    }
    if prompt && last.role.is_model() {
        return fail(messages.len() - 1, "the model goes on after a user or tool message");
    }
    for (index, message) in messages.iter().enumerate() {
        if !message.role.is_model() && !message.tool_calls.is_empty() {
            return fail(index, "only a model turn can call tools");
        }
    }
    for (before, pair) in messages.windows(2).enumerate() {
        let (previous, role) = (pair[0].role, pair[1].role);
        let asked = previous.is_system() || previous.is_user();
        if (role.is_tool() && asked) || (role.is_system() && !asked) {
            return Err(MistralProblem::RoleOrder { index: before + 1, role, previous }.into());
        }
    }
    Ok(())
}

/// Results follow their calls: as many before the model speaks again, and from version 11 on with their ids.
fn check_results(version: MistralVersion, messages: &[Message]) -> Result<(), Error> {
    let mut open: Vec<Option<&str>> = Vec::new();
    let mut answered: Vec<&str> = Vec::new();
    let by_id = version.number() >= 11;
    for (index, message) in messages.iter().enumerate() {
        if message.role.is_tool() {
            let id = message.tool_call_id.as_deref().filter(|_| by_id);
            let call = match id {
                Some(id) if answered.contains(&id) => {
                    return Err(MistralProblem::AnsweredTwice { index, id: id.to_owned() }.into());
                }
                Some(id) => {
                    open.iter().position(|&open| open == Some(id)).or_else(|| position_of_none(&open))
                }
                None => position_of_none(&open).or(if open.is_empty() { None } else { Some(0) }),
            };
            answered.extend(id);
            match (call, id) {
                (Some(call), _) => drop(open.remove(call)),
                (None, Some(id)) => {
                    return Err(MistralProblem::UnknownCallId { index, id: id.to_owned() }.into());
                }
                (None, None) => return Err(MistralProblem::ResultCount { index }.into()),
            }
        } else if message.role.is_model() {
            if !open.is_empty() {
                return Err(MistralProblem::ResultCount { index }.into());
            }
            answered.clear();
            for call in &message.tool_calls {
                let id = call.id.as_deref();
                if by_id && id.is_some() && open.contains(&id) {
                    let id = id.unwrap_or_default().to_owned();
                    return Err(MistralProblem::DuplicateCallId { index, id }.into());
                }
                open.push(id);
            }
        }
    }
    Ok(())
}

fn position_of_none(open: &[Option<&str>]) -> Option<usize> {
    open.iter().position(Option::is_none)
}

fn check_message(
    version: MistralVersion,
    index: usize,
    message: &Message,
    is_last: bool,
) -> Result<(), Error> {
    let number = version.number();
    if message.role.is_model() {
        if number < 7 && message.content.is_empty() == message.tool_calls.is_empty() {
            return Err(MistralProblem::ContentOrCalls { index }.into());
        }
        for call in &message.tool_calls {
            // The last calls may wait for their ids: the model is to write them.
            if !(is_last && call.id.is_none()) {
                check_id(version, index, call.id.as_deref())?;
            }
            check_name(&call.name, Some(index))?;
        }
    } else if message.role.is_tool() {
        if let Some(name) = &message.name {
            check_name(name, Some(index))?;
        }
        check_id(version, index, message.tool_call_id.as_deref())?;
    }
    Ok(())
}

/// The versions that write ids ask for nine letters and digits.
fn check_id(version: MistralVersion, index: usize, id: Option<&str>) -> Result<(), Error> {
    let problem = match id {
        _ if !(3..13).contains(&version.number()) => return Ok(()),
        Some(id) if id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric()) => return Ok(()),
        Some(id) => MistralProblem::CallId { index, id: id.to_owned() },
        None => MistralProblem::MissingCallId { index },
    };
    Err(problem.into())
}

fn check_name(name: &str, index: Option<usize>) -> Result<(), Error> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if (1..=64).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(MistralProblem::FunctionName { index, name: name.to_owned() }.into())
}

/// Neighbouring messages of the same role as one turn. System messages part other messages even where they have no
/// place of their own.
fn merged(version: MistralVersion, messages: &[Message]) -> Vec<Turn<'_>> {
    let same = |a: &Message, b: &Message| a.role.normalized() == b.role.normalized();
    let mut turns: Vec<Turn<'_>> = Vec::new();
    let mut index = 0;
    for group in messages.chunk_by(same) {
        let Some(role) = group.first().map(|message| message.role) else { continue };
        let mut push = |index, said| turns.push(Turn { index, role, said });
        if role.is_tool() {
            let results = group.iter().enumerate();
            let mut results: Vec<_> =
                results.map(|(at, message)| (index + at, message.to_result())).collect();
            if version.number() >= 11 {
                sort_as_called(&messages[..index], &mut results);
            }
            for (index, result) in results {
                push(index, Said::Result(result));
            }
        } else if role.is_model() {
            let calls = group.iter().flat_map(|message| &message.tool_calls).collect();
            push(index, Said::Model { text: joined(group), calls });
        } else if role.is_user() {
            push(index, Said::User(UserText { system: String::new(), text: joined(group) }));
        } else if version.number() >= 7 {
            for (at, message) in group.iter().enumerate() {
                push(index + at, Said::System(&message.content));
            }
        }
        index += group.len();
    }
    turns
}

fn joined(messages: &[Message]) -> String {
    let texts: Vec<&str> =
        messages.iter().map(|m| m.content.as_str()).filter(|text| !text.is_empty()).collect();
    texts.join(BETWEEN)
}

/// Puts results into the order of their calls, which the model turns at the end of `before` made.
fn sort_as_called(before: &[Message], results: &mut [(usize, ToolResult)]) {
    let model = before.iter().rev().take_while(|message| message.role.is_model()).count();
    let calls: Vec<&ToolCall> = before[before.len() - model..].iter().flat_map(|m| &m.tool_calls).collect();
    let place = |result: &ToolResult| {
        let id = result.call_id.as_deref();
        id.and_then(|id| calls.iter().position(|call| call.id.as_deref() == Some(id))).unwrap_or(usize::MAX)
    };
    results.sort_by_key(|(_, result)| place(result));
}

/// Before version 7 the system text is a part of the first or last user turn, and the first turn is a user's.
fn put_system_text(version: MistralVersion, messages: &[Message], turns: &mut Vec<Turn<'_>>) {
    if !matches!(turns.first(), Some(Turn { said: Said::User(_), .. })) {
        turns.insert(0, Turn { index: 0, role: Role::User, said: Said::User(UserText::default()) });
    }
    let texts =
        messages.iter().filter(|message| message.role.is_system()).map(|message| message.content.as_str());
    let text = texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(BETWEEN);
    let mut users = turns.iter_mut().filter_map(|turn| match &mut turn.said {
        Said::User(user) => Some(user),
        _ => None,
    });
    let user = if version.number() == 1 { users.next() } else { users.last() };
    if let Some(user) = user {
        user.system = text;
    }
}

/// What only the merged turns show.
fn check_turns(version: MistralVersion, turns: &[Turn<'_>]) -> Result<(), Error> {
    let last_user = turns.iter().rposition(|turn| matches!(turn.said, Said::User(_)));
    let mut results = 0;
    for (at, Turn { index, said, .. }) in turns.iter().enumerate() {
        let index = *index;
        results = if matches!(said, Said::Result(_)) { results + 1 } else { 0 };
        let problem = match said {
            Said::Model { text, calls } if version.number() >= 7 => {
                (text.is_empty() && calls.is_empty()).then_some(MistralProblem::EmptyTurn { index })
            }
            Said::Model { calls, .. } if version.number() == 1 && !calls.is_empty() => {
                Some(MistralProblem::ToolsInV1 { index })
            }
            Said::Model { text, calls } if text.is_empty() == calls.is_empty() => {
                Some(MistralProblem::ContentOrCalls { index })
            }
            Said::Result(_) if version.number() == 1 => Some(MistralProblem::ToolsInV1 { index }),
            Said::Result(_) if version.number() == 2 && results > 1 && Some(at) > last_user => {
                Some(MistralProblem::SeveralResults { index })
            }
            _ => None,
        };
        if let Some(problem) = problem {
            return Err(problem.into());
        }
    }
    Ok(())
}
