//! Scoring by generation: what does the model write where a model turn is due?

use std::error::Error;

use tooltune::chat::{Conversation, HfTokenizer, Role, TextTokenizer};
use tooltune::eval::{Record, Response, Scorecard};
use tooltune::lm::generation::Generated;
use tooltune::lm::{CausalLm, FinishReason, GenerationConfig, generate_batch};

use crate::dialect::Dialect;

/// One decision: a prompt that ends where the model must call or answer a user.
#[derive(Clone, Debug)]
pub struct Question {
    id: String,
    group: String,
    prompt: Conversation,
    gold: Vec<tooltune::chat::ToolCall>,
}

/// How generation is run.
#[derive(Clone, Copy, Debug)]
pub struct ScoringConfig {
    /// Tokens that the model may write.
    pub max_new_tokens: usize,
    /// Prompts side by side.
    pub batch_size: usize,
    /// Batches at a time, each in a thread of its own.
    pub threads: usize,
}

impl Default for ScoringConfig {
    fn default() -> Self {
        Self { max_new_tokens: 128, batch_size: 25, threads: 2 }
    }
}

/// A question for every model turn of a conversation that follows a user's.
pub fn questions(group: &str, index: usize, conversation: &Conversation, dialect: &Dialect) -> Vec<Question> {
    // With its place, because ids from a file need not differ.
    let name = format!("{group} {index} {}", conversation.id.as_deref().unwrap_or_default());
    let after_user = |turn: &usize| *turn > 0 && conversation.messages[turn - 1].role.is_user();
    let is_model = |turn: &usize| conversation.messages[*turn].role.is_model();
    let turns = (0..conversation.messages.len()).filter(is_model).filter(after_user);
    let question = |turn: usize| Question {
        id: format!("{name}#{turn}"),
        group: group.to_owned(),
        prompt: conversation.prefix(turn),
        gold: dialect.gold(&conversation.messages[turn]),
    };
    turns.map(question).collect()
}

/// Leaves out prompts of more than `max_length` tokens, and says so on standard error.
///
/// # Errors
/// When a prompt cannot be rendered; with the question's name.
pub fn answerable(
    questions: Vec<Question>,
    dialect: &Dialect,
    tokenizer: &HfTokenizer,
    max_length: usize,
) -> Result<Vec<Question>, Box<dyn Error>> {
    let mut kept = Vec::with_capacity(questions.len());
    for question in questions {
        let prompt = dialect
            .prompt(&question.prompt, tokenizer)
            .map_err(|error| format!("{}: {error}", question.id))?;
        if prompt.len() <= max_length {
            kept.push(question);
        } else {
            eprintln!(
                "{}: its prompt has {} tokens, more than {max_length}: not evaluated",
                question.id,
                prompt.len()
            );
        }
    }
    Ok(kept)
}

/// Answers every question greedily and scores the answers.
///
/// # Errors
/// When a prompt cannot be rendered, or generation fails.
pub fn score<M: CausalLm>(
    model: &M,
    tokenizer: &HfTokenizer,
    dialect: &Dialect,
    questions: &[Question],
    config: ScoringConfig,
) -> Result<(Scorecard, Vec<Record>), Box<dyn Error>> {
    let prompts: Result<Vec<Vec<u32>>, _> =
        questions.iter().map(|q| dialect.prompt(&q.prompt, tokenizer)).collect();
    let prompts = prompts?;
    // Prompts of similar length share a batch: less padding.
    let mut order: Vec<usize> = (0..prompts.len()).collect();
    order.sort_by_key(|&index| prompts[index].len());
    let generation = GenerationConfig {
        max_new_tokens: config.max_new_tokens,
        stop_tokens: dialect.stop_tokens(tokenizer),
        ..GenerationConfig::default()
    };
    let batches: Vec<&[usize]> = order.chunks(config.batch_size.max(1)).collect();
    let mut answers: Vec<Option<Generated>> = vec![None; prompts.len()];
    for group in batches.chunks(config.threads.max(1)) {
        let results = std::thread::scope(|scope| {
            let spawn = |batch: &&[usize]| {
                let chosen: Vec<&[u32]> = batch.iter().map(|&index| prompts[index].as_slice()).collect();
                let (model, generation) = (model.clone(), &generation);
                scope.spawn(move || generate_batch(&model, &chosen, generation))
            };
            let handles: Vec<_> = group.iter().map(spawn).collect();
            handles.into_iter().map(|handle| handle.join()).collect::<Vec<_>>()
        });
        for (batch, result) in group.iter().zip(results) {
            let generated = result.map_err(|_| "a generation thread panicked")??;
            for (&index, answer) in batch.iter().zip(generated) {
                answers[index] = Some(answer);
            }
        }
    }
    let mut records = Vec::with_capacity(questions.len());
    for (question, answer) in questions.iter().zip(answers) {
        let answer = answer.ok_or("a question was left out")?;
        let text = decode(&answer.tokens, tokenizer, dialect)?;
        let stopped = matches!(answer.finish_reason, FinishReason::Stop(_));
        let response = Response::parse(text, stopped, dialect.format.as_ref());
        let tools = question.prompt.tools.clone();
        records.push(Record::new(&question.id, &question.group, tools, question.gold.clone(), response));
    }
    Ok((Scorecard::score(&records), records))
}

/// What the model wrote. Where the embedding has more rows than the tokenizer has tokens, an id without a token is shown as U+FFFD.
///
/// # Errors
/// When the tokenizer cannot decode.
pub fn decode(
    ids: &[u32],
    tokenizer: &HfTokenizer,
    dialect: &Dialect,
) -> Result<String, tooltune::chat::Error> {
    let known = |id: &u32| (*id as usize) < tokenizer.vocab_size();
    let runs = ids.split(|id| !known(id));
    let texts: Result<Vec<String>, _> =
        runs.map(|run| tokenizer.decode_for(run, dialect.format.as_ref())).collect();
    Ok(texts?.join("\u{FFFD}"))
}

/// A prompt's last user message, for showing an example.
pub fn last_user(question: &Question) -> &str {
    let users = question.prompt.messages.iter().rev().find(|message| message.role.normalized() == Role::User);
    users.map_or("", |message| message.content.as_str())
}
