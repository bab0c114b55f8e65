//! Scoring by generation: what does the model write where a model turn is due?

use std::error::Error;

use tooltune::chat::{Conversation, HfTokenizer, TextTokenizer};
use tooltune::eval::{Record, Response};
use tooltune::lm::generation::Generated;
use tooltune::lm::{CausalLm, FinishReason, GenerationConfig, generate_batch};

use crate::case::{Case, cases};
use crate::dialect::Dialect;

/// A case, as the model reads it.
#[derive(Clone, Debug)]
pub struct Question {
    /// The case.
    pub case: Case,
    prompt_ids: Vec<u32>,
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

/// The first `limit` questions of a set, as [`cases`] has them.
///
/// # Errors
/// When a prompt cannot be rendered; with the question's name.
pub fn questions(
    group: &str,
    conversations: &[Conversation],
    limit: usize,
    answers: bool,
    dialect: &Dialect,
    tokenizer: &HfTokenizer,
) -> Result<Vec<Question>, Box<dyn Error>> {
    let cases = cases(group, conversations, limit, answers, |turn| dialect.gold(turn));
    cases.into_iter().map(|case| question(case, dialect, tokenizer)).collect()
}

/// The question that a case is.
///
/// # Errors
/// When the prompt cannot be rendered; with the case's name.
pub fn question(case: Case, dialect: &Dialect, tokenizer: &HfTokenizer) -> Result<Question, Box<dyn Error>> {
    let prompt_ids =
        dialect.prompt(&case.prompt, tokenizer).map_err(|error| format!("{}: {error}", case.id))?;
    Ok(Question { case, prompt_ids })
}

/// Leaves out prompts of more than `max_length` tokens, and says so on standard error.
pub fn answerable(questions: Vec<Question>, max_length: usize) -> Vec<Question> {
    let fits = |question: &Question| {
        let tokens = question.prompt_ids.len();
        if tokens > max_length {
            eprintln!(
                "{}: its prompt has {tokens} tokens, more than {max_length}: not evaluated",
                question.case.id
            );
        }
        tokens <= max_length
    };
    questions.into_iter().filter(fits).collect()
}

/// Answers every question greedily.
///
/// # Errors
/// When generation fails.
pub fn answer<M: CausalLm>(
    model: &M,
    tokenizer: &HfTokenizer,
    dialect: &Dialect,
    questions: &[Question],
    config: ScoringConfig,
) -> Result<Vec<Record>, Box<dyn Error>> {
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
        records.push(question.case.record(response));
    }
    Ok(records)
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
