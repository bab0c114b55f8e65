//! Rows for new tokens: what they start from, added to the embedding or trained in the place of reserved ones.

use burn::tensor::{DType, Tensor};
use tooltune_lm::{Embedding, EmbeddingTable, Linear, MapProjections};

use crate::init::Draw;
use crate::trainable_tokens::TrainableTokens;
use crate::{Error, LoraEmbedding, LoraLinear};

/// What the row of a token starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialRow {
    /// The token.
    pub id: u32,
    /// Tokens that describe it, whose mean is taken; that of all tokens when there are none.
    pub from_ids: Vec<u32>,
}

/// Enlarges the vocabulary by `rows`, whose ids must be the next ones, in any order. A head with a weight of its own gets the same rows as the
/// embedding, made from its own.
///
/// Rows that would equal an earlier one are moved apart by noise of a tenth of their length, drawn from `seed` and the id: tokens that start
/// the same are trained the same for long.
///
/// # Errors
/// [`Error::TokenRows`].
pub fn add_tokens<M>(model: M, rows: &[InitialRow], seed: u64) -> Result<M::With<Linear>, Error>
where
    M: MapProjections<Projection = Linear>,
{
    let [vocab, _] = model.embedding().table_dims();
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| row.id);
    for (row, expected) in rows.iter().zip(vocab..) {
        if row.id as usize != expected {
            let problem = format!("added tokens must continue the vocabulary: {expected} is next");
            return Err(Error::TokenRows { id: row.id, problem });
        }
    }
    model.map_projections(&mut |_, linear| Ok(linear), &mut |table: EmbeddingTable| {
        let longer = |weight: Tensor<2>| -> Result<Tensor<2>, Error> {
            let new = initial_rows(&weight, &rows, seed)?.cast(weight.dtype());
            Ok(Tensor::cat(vec![weight, new], 0).detach())
        };
        Ok(match &table.lm_head {
            None => EmbeddingTable::tied(longer(table.weight.val())?),
            Some(head) => EmbeddingTable::untied(longer(table.weight.val())?, longer(head.val())?),
        })
    })
}

/// Sets what trained rows start from, in a model whose adapter trains them: for reserved tokens, whose own rows have never been trained. The
/// base is not touched.
///
/// # Errors
/// [`Error::TokenRows`], also when a token is not trained.
pub fn start_rows<M>(model: M, rows: &[InitialRow], seed: u64) -> Result<M::With<LoraLinear>, Error>
where
    M: MapProjections<Projection = LoraLinear>,
{
    model.map_projections(&mut |_, projection| Ok(projection), &mut |mut embedding: LoraEmbedding| {
        let indices = embedding.tokens.as_ref().map_or(&[][..], |tokens| &tokens.indices).to_vec();
        let mut start = embedding.tokens.as_ref().map(|tokens| tokens.weight.val());
        let new = initial_rows(&embedding.base.weight.val(), rows, seed)?;
        for (index, row) in rows.iter().enumerate() {
            let at = indices.iter().position(|id| *id == row.id);
            let (Some(at), Some(weight)) = (at, start.take()) else {
                let problem = "is not among the trainable_token_indices".to_owned();
                return Err(Error::TokenRows { id: row.id, problem });
            };
            let [_, width] = weight.dims();
            let value = new.clone().narrow(0, index, 1);
            start = Some(weight.detach().slice_assign([at..at + 1, 0..width], value));
        }
        if let Some(start) = start {
            let device = start.device();
            let leaf = Tensor::from_data(start.into_data(), &device);
            embedding.tokens = Some(TrainableTokens::new(&indices, leaf));
        }
        Ok(embedding)
    })
}

/// Length of the noise between rows that would be the same, by that of the row.
const NOISE: f64 = 0.1;
/// Rows of the table that are summed up at a time.
const CHUNK_ROWS: usize = 4096;

/// One row, in f32, for each of `rows`.
fn initial_rows(table: &Tensor<2>, rows: &[InitialRow], seed: u64) -> Result<Tensor<2>, Error> {
    let [vocab, width] = table.dims();
    let table = table.clone().detach();
    let mean = |rows: Tensor<2>| rows.cast(DType::F32).mean_dim(0);
    let all = || {
        let chunks = (0..vocab).step_by(CHUNK_ROWS).map(|start| {
            let count = CHUNK_ROWS.min(vocab - start);
            mean(table.clone().narrow(0, start, count)).mul_scalar(count as f64 / vocab as f64)
        });
        chunks.reduce(|sum, part| sum + part)
    };
    let whole = if rows.iter().any(|row| row.from_ids.is_empty()) { all() } else { None };
    let mut out: Vec<Tensor<2>> = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        let fail = |problem: String| Err(Error::TokenRows { id: row.id, problem });
        if rows[..index].iter().any(|earlier| earlier.id == row.id) {
            return fail("is given twice".to_owned());
        }
        if let Some(unknown) = row.from_ids.iter().find(|id| **id as usize >= vocab) {
            return fail(format!("is described by {unknown}, which is not in the vocabulary of {vocab}"));
        }
        let start = match (row.from_ids.as_slice(), &whole) {
            ([], Some(whole)) => whole.clone(),
            (ids, _) => mean(TrainableTokens::of(ids, &table).weight.val().detach()),
        };
        let length = norm(&start);
        let apart = |other: &Tensor<2>| norm(&(start.clone() - other.clone())) > 0.01 * NOISE * length;
        let row = if out.iter().all(apart) {
            start
        } else {
            let draw = Draw::new(seed, &format!("row {}", row.id));
            let noise =
                draw.normal_matrix([1, width], NOISE * length / (width as f64).sqrt(), &table.device());
            start + noise
        };
        out.push(row);
    }
    match out.is_empty() {
        true => Ok(Tensor::zeros([0, width], (&table.device(), DType::F32))),
        false => Ok(Tensor::cat(out, 0)),
    }
}

fn norm(row: &Tensor<2>) -> f64 {
    f64::from(row.clone().square().sum().into_scalar::<f32>()).sqrt()
}
