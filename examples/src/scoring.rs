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
    prompt_ids: Vec<u32>,
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

/// The first `limit` questions of a set: one for every model turn that follows a user's.
///
/// # Errors
/// When a prompt cannot be rendered; with the question's name.
pub fn questions(
    group: &str,
    conversations: &[Conversation],
    limit: usize,
    dialect: &Dialect,
    tokenizer: &HfTokenizer,
) -> Result<Vec<Question>, Box<dyn Error>> {
    let mut questions = Vec::new();
    for (index, conversation) in conversations.iter().enumerate() {
        for turn in 1..conversation.messages.len() {
            let [before, message] = &conversation.messages[turn - 1..=turn] else { continue };
            if questions.len() == limit || !message.role.is_model() || !before.role.is_user() {
                continue;
            }
            // With its place, because ids from a file need not differ.
            let id = format!("{group} {index} {}#{turn}", conversation.id.as_deref().unwrap_or_default());
            let prompt = conversation.prefix(turn);
            let prompt_ids = dialect.prompt(&prompt, tokenizer).map_err(|error| format!("{id}: {error}"))?;
            let gold = dialect.gold(message);
            questions.push(Question { id, group: group.to_owned(), prompt, prompt_ids, gold });
        }
    }
    Ok(questions)
}

/// Leaves out prompts of more than `max_length` tokens, and says so on standard error.
pub fn answerable(questions: Vec<Question>, max_length: usize) -> Vec<Question> {
    let fits = |question: &Question| {
        let tokens = question.prompt_ids.len();
        if tokens > max_length {
            eprintln!(
                "{}: its prompt has {tokens} tokens, more than {max_length}: not evaluated",
                question.id
            );
        }
        tokens <= max_length
    };
    questions.into_iter().filter(fits).collect()
}

/// Answers every question greedily and scores the answers.
///
/// # Errors
/// When generation fails.
pub fn score<M: CausalLm>(
    model: &M,
    tokenizer: &HfTokenizer,
    dialect: &Dialect,
    questions: &[Question],
    config: ScoringConfig,
) -> Result<(Scorecard, Vec<Record>), Box<dyn Error>> {
    let prompts: Vec<&[u32]> = questions.iter().map(|question| question.prompt_ids.as_slice()).collect();
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
                let chosen: Vec<&[u32]> = batch.iter().map(|&index| prompts[index]).collect();
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
