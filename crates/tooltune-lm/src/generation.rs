//! Decoding: an iterator of tokens for one prompt, and whole batches for evaluation.

use burn::tensor::TensorData;

use crate::{CausalLm, Error, KvCache, Padding, Sampler, SamplingConfig, TokenBatch};

/// When to stop, and how to choose tokens.
#[derive(Clone, Debug, Default)]
pub struct GenerationConfig {
    /// At most this many tokens are generated.
    pub max_new_tokens: usize,
    /// Tokens that end the text; they are not part of it.
    pub stop_tokens: Vec<u32>,
    /// How tokens are chosen.
    pub sampling: SamplingConfig,
}

/// Why a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The model produced this stop token.
    Stop(u32),
    /// `max_new_tokens` were generated.
    Length,
}

/// What was generated for one row of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// The new tokens, without the stop token.
    pub tokens: Vec<u32>,
    /// Why it ended.
    pub finish_reason: FinishReason,
}

/// The tokens that follow a prompt, one at a time. Made by [`generate`].
#[derive(Debug)]
pub struct Generation<'m, M> {
    model: &'m M,
    sampler: Sampler,
    stop_tokens: Vec<u32>,
    max_new_tokens: usize,
    cache: KvCache,
    next_input: TokenBatch,
    step: usize,
    position: u32,
    finish_reason: Option<FinishReason>,
    failed: bool,
}

/// Starts generating after `prompt`. Give it a model that does not track gradients (`model.valid()`).
///
/// # Errors
/// [`Error::InvalidConfig`] for an empty prompt, a token outside the vocabulary, or a sampling setting out of range.
pub fn generate<'m, M: CausalLm>(
    model: &'m M,
    prompt: &[u32],
    config: &GenerationConfig,
) -> Result<Generation<'m, M>, Error> {
    check_prompt(prompt, model.vocab_size())?;
    Ok(Generation {
        model,
        sampler: Sampler::new(config.sampling.clone())?,
        stop_tokens: config.stop_tokens.clone(),
        max_new_tokens: config.max_new_tokens,
        cache: KvCache::new(model.num_layers(), 1),
        next_input: TokenBatch::single(prompt),
        step: 0,
        position: u32::try_from(prompt.len()).unwrap_or(u32::MAX),
        finish_reason: None,
        failed: false,
    })
}

impl<M> Generation<'_, M> {
    /// Why it ended; `None` while it goes on, and when an error ended it.
    pub fn finish_reason(&self) -> Option<FinishReason> {
        self.finish_reason
    }
}

impl<M: CausalLm> Iterator for Generation<'_, M> {
    type Item = Result<u32, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.finish_reason.is_some() {
            return None;
        }
        if self.step == self.max_new_tokens {
            self.finish_reason = Some(FinishReason::Length);
            return None;
        }
        let token = last_logits(self.model, &self.next_input, &mut self.cache)
            .and_then(|logits| self.sampler.sample(&logits, 0, self.step));
        match token {
            Ok(token) if self.stop_tokens.contains(&token) => {
                self.finish_reason = Some(FinishReason::Stop(token));
                None
            }
            Ok(token) => {
                self.next_input = TokenBatch::next_tokens(&[token], &[self.position]);
                self.position += 1;
                self.step += 1;
                Some(Ok(token))
            }
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}

/// Generates for many prompts at once, left-padded; a row that has ended leaves the batch.
///
/// Greedy results equal those of [`generate`] up to the rounding of batched products.
///
/// # Errors
/// As [`generate`], and [`Error::NonFiniteLogits`].
pub fn generate_batch<M: CausalLm, S: AsRef<[u32]>>(
    model: &M,
    prompts: &[S],
    config: &GenerationConfig,
) -> Result<Vec<Generated>, Error> {
    prompts.iter().try_for_each(|prompt| check_prompt(prompt.as_ref(), model.vocab_size()))?;
    let sampler = Sampler::new(config.sampling.clone())?;
    let unfinished = || Generated { tokens: Vec::new(), finish_reason: FinishReason::Length };
    let mut out: Vec<Generated> = prompts.iter().map(|_| unfinished()).collect();
    if prompts.is_empty() {
        return Ok(out);
    }
    let mut rows: Vec<usize> = (0..prompts.len()).collect();
    let mut cache = KvCache::new(model.num_layers(), rows.len());
    let mut input = TokenBatch::padded(prompts, Padding::Left, 0);
    for step in 0..config.max_new_tokens {
        let logits = last_logits(model, &input, &mut cache)?;
        let vocab = model.vocab_size();
        let mut kept = Vec::with_capacity(rows.len());
        for (slot, &row) in rows.iter().enumerate() {
            let token = sampler.sample(&logits[slot * vocab..(slot + 1) * vocab], row, step)?;
            if config.stop_tokens.contains(&token) {
                out[row].finish_reason = FinishReason::Stop(token);
            } else {
                out[row].tokens.push(token);
                kept.push(slot);
            }
        }
        if kept.is_empty() {
            break;
        }
        if kept.len() < rows.len() {
            cache.keep_rows(&kept);
            rows = kept.iter().map(|&slot| rows[slot]).collect();
        }
        let ids: Vec<u32> = rows.iter().filter_map(|&row| out[row].tokens.last().copied()).collect();
        let position = |&row: &usize| u32::try_from(prompts[row].as_ref().len() + step).unwrap_or(u32::MAX);
        let positions: Vec<u32> = rows.iter().map(position).collect();
        input = TokenBatch::next_tokens(&ids, &positions);
    }
    Ok(out)
}

fn check_prompt(prompt: &[u32], vocab: usize) -> Result<(), Error> {
    if prompt.is_empty() {
        return Err(Error::InvalidConfig { field: "prompt", rule: "must have at least one token" });
    }
    if prompt.iter().any(|&id| id as usize >= vocab) {
        let rule = "has a token outside the model's vocabulary: the tokenizer does not fit the model";
        return Err(Error::InvalidConfig { field: "prompt", rule });
    }
    Ok(())
}

/// Logits after the last token of every row, `[rows × vocab]`, on the host.
fn last_logits<M: CausalLm>(model: &M, batch: &TokenBatch, cache: &mut KvCache) -> Result<Vec<f32>, Error> {
    let data: TensorData = model.next_logits(batch, Some(cache)).into_data_as::<f32>();
    data.as_slice::<f32>()
        .map(<[f32]>::to_vec)
        .map_err(|error| Error::TensorRead { reason: format!("{error:?}") })
}
