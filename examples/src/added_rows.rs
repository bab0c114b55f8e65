//! Rows of the embedding for new tokens: where a base gets them that was not published with them.

use std::error::Error;
use std::path::Path;

use burn::tensor::{DType, Device, Tensor};
use tooltune::gemma2::Gemma2;
use tooltune::lm::checkpoint::NamedTensor;
use tooltune::lm::{CausalLm, EmbeddingTable, MapProjections, TensorFile, write_safetensors};
use tooltune::lora::{AdapterWeights, InitialRow, add_tokens};

/// The file of [`AddedRows`].
pub(crate) const FILE: &str = "added_rows.safetensors";

/// The rows that a base was enlarged by, where the adapter changes them but does not hold them: one of low rank is nothing without them.
/// `added_rows.safetensors` beside the adapter; the names in it are those of the checkpoint.
#[derive(Clone, Debug)]
pub struct AddedRows {
    embed_tokens: Tensor<2>,
    /// Where the head has a weight of its own.
    lm_head: Option<Tensor<2>>,
}

impl AddedRows {
    /// The last `count` rows of a model.
    pub fn of(model: &Gemma2, count: usize) -> Self {
        let last = |weight: Tensor<2>| {
            let [rows, _] = weight.dims();
            let device = weight.device();
            let rows = weight.detach().narrow(0, rows - count, count).cast(DType::F32);
            // A copy: the whole embedding is not kept for them.
            Tensor::from_data(rows.into_data(), &device)
        };
        let table = model.embedding();
        let lm_head = table.lm_head.as_ref().map(|head| last(head.val()));
        Self { embed_tokens: last(table.weight.val()), lm_head }
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When that fails.
    pub fn save(&self, folder: &Path) -> Result<(), tooltune::lm::Error> {
        let named = |(path, rows): (&str, &Tensor<2>)| {
            let rows = rows.clone();
            NamedTensor::new(weight(path), rows.dims().to_vec(), DType::F32, move || rows.to_data())
        };
        let tables =
            [(<Gemma2>::EMBED_TOKENS, Some(&self.embed_tokens)), (<Gemma2>::LM_HEAD, self.lm_head.as_ref())];
        let tables = tables.into_iter().filter_map(|(path, rows)| Some((path, rows?)));
        write_safetensors(folder.join(FILE), &tables.map(named).collect::<Vec<_>>())
    }

    /// Reads the file, if it is there.
    fn load(folder: &Path, device: &Device) -> Result<Option<Self>, tooltune::lm::Error> {
        let path = folder.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let file = TensorFile::open(path)?;
        let read = |path: &str| file.tensor::<2>(&weight(path), DType::F32, device);
        let untied = file.shapes().any(|(name, _)| name == weight(<Gemma2>::LM_HEAD));
        let lm_head = if untied { Some(read(<Gemma2>::LM_HEAD)?) } else { None };
        Ok(Some(Self { embed_tokens: read(<Gemma2>::EMBED_TOKENS)?, lm_head }))
    }

    fn len(&self) -> usize {
        self.embed_tokens.dims()[0]
    }

    fn append(self, base: Gemma2) -> Result<Gemma2, String> {
        let longer = |table: Tensor<2>, rows: Tensor<2>| {
            let ([_, hidden], [_, width]) = (table.dims(), rows.dims());
            if hidden != width {
                return Err(format!("{FILE} has rows of {width} values, the base of {hidden}"));
            }
            let rows = rows.cast(table.dtype());
            Ok(Tensor::cat(vec![table, rows], 0).detach())
        };
        base.map_projections(&mut |_, linear| Ok(linear), &mut |table: EmbeddingTable| match (
            &table.lm_head,
            &self.lm_head,
        ) {
            (None, None) => Ok(EmbeddingTable::tied(longer(table.weight.val(), self.embed_tokens.clone())?)),
            (Some(head), Some(rows)) => Ok(EmbeddingTable::untied(
                longer(table.weight.val(), self.embed_tokens.clone())?,
                longer(head.val(), rows.clone())?,
            )),
            _ => Err(format!("{FILE} and the base differ in whether the head is tied to the embedding")),
        })
    }
}

fn weight(path: &str) -> String {
    format!("{path}.weight")
}

/// The base with room for the tokens that the adapter in `folder` has added. Their rows are in the adapter where it trains rows, else in
/// `added_rows.safetensors`. A base that has them already is left as it is.
///
/// # Errors
/// When the rows are not there, or not for this base.
pub fn enlarged(base: Gemma2, adapter: &AdapterWeights, folder: &Path) -> Result<Gemma2, Box<dyn Error>> {
    let vocab = base.config.vocab_size;
    if let Some(rows) = AddedRows::load(folder, &base.device())? {
        let (added, wanted) = (rows.len(), adapter.vocab_size());
        let wanted = wanted.unwrap_or(vocab + added);
        if wanted == vocab {
            return Ok(base);
        }
        if wanted != vocab + added {
            return Err(format!(
                "the adapter is for {wanted} tokens, of which {added} are added; the base has {vocab}: it is for another base"
            )
            .into());
        }
        return Ok(rows.append(base)?);
    }
    let mut added: Vec<u32> = adapter.config.trainable_token_indices.clone();
    added.retain(|id| *id as usize >= vocab);
    if added.is_empty() {
        return Ok(base);
    }
    if !base.config.tie_word_embeddings {
        return Err(
            "the adapter adds tokens, but has no rows for the head, which is not tied to the embedding"
                .into(),
        );
    }
    // What the rows start from does not matter: the adapter replaces them.
    let row = |id: u32| InitialRow { id, from_ids: vec![0] };
    Ok(add_tokens(base, &added.into_iter().map(row).collect::<Vec<_>>(), 0)?)
}
