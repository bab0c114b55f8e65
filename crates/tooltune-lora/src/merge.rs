//! Merging adapters into the weights that they belong to.

use burn::tensor::{DType, Tensor};
use tooltune_lm::dtype::can_store;
use tooltune_lm::{Linear, MapProjections};

use crate::LoraLinear;

/// An ordinary model in place of an adapted one, and what became of it on the way.
#[derive(Clone, Debug)]
#[must_use = "a merge may have untied the head from the embedding"]
pub struct Merged<M> {
    /// The model.
    pub model: M,
    /// The embedding and the head shared a weight before and cannot any more, because the adapter changed one of them, or each in its
    /// own way. The model has grown by one matrix, its config says `tie_word_embeddings: false`, and a checkpoint of it holds
    /// `lm_head.weight`.
    pub untied: bool,
    /// What rounding to bf16 takes from each delta, whatever the dtype of the weights here.
    pub rounding: Vec<(String, Rounding)>,
}

/// How much of a merged delta survives in bf16.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rounding {
    /// Sum of the squares of the delta.
    pub delta_squares: f64,
    /// Sum of the squares of what rounding the merged weight to bf16 changes.
    pub lost_squares: f64,
}

impl Rounding {
    /// The part of the delta's norm that is lost: 0 is nothing, 1 as much noise as signal.
    pub fn lost(&self) -> f64 {
        if self.delta_squares == 0.0 { 0.0 } else { (self.lost_squares / self.delta_squares).sqrt() }
    }
}

impl std::iter::Sum for Rounding {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), |sum, part| Self {
            delta_squares: sum.delta_squares + part.delta_squares,
            lost_squares: sum.lost_squares + part.lost_squares,
        })
    }
}

impl<M> Merged<M> {
    /// What rounding to bf16 takes from all deltas together.
    pub fn total_rounding(&self) -> Rounding {
        self.rounding.iter().map(|(_, rounding)| *rounding).sum()
    }
}

/// Makes an ordinary model that computes what the adapted one does, up to one rounding of each weight.
///
/// A head that is tied to the embedding stays tied where the adapter treats the two as one (`ensure_weight_tying`, trained token rows);
/// otherwise it becomes a matrix of its own, and [`Merged::untied`] says so. (Adding both deltas to the one shared matrix, as PEFT does,
/// gives a different model.)
pub fn merge<M>(model: M) -> Merged<M::With<Linear>>
where
    M: MapProjections<Projection = LoraLinear>,
{
    let (mut linears, mut tables, mut untied) = (Vec::new(), Vec::new(), false);
    let merged = model.map_projections::<_, std::convert::Infallible>(
        &mut |path, projection| {
            let (linear, rounding) = projection.merge_with_rounding();
            linears.extend(rounding.map(|rounding| (path.to_owned(), rounding)));
            Ok(linear)
        },
        &mut |embedding| {
            let merged = embedding.merge();
            untied = merged.untied;
            let paths = [M::EMBED_TOKENS, M::LM_HEAD].map(str::to_owned).into_iter();
            tables.extend(paths.zip(merged.rounding).filter_map(|(path, r)| Some((path, r?))));
            Ok(merged.table)
        },
    );
    let rounding = [linears, tables].concat();
    match merged {
        Ok(model) => Merged { model, untied, rounding },
        Err(never) => match never {},
    }
}

/// Rows of a merged weight that exist in f32 at a time.
const MERGED_ROWS: usize = 4096;

/// `f` of the rows of `weight`, in f32 and in pieces (given the number of the first row and how many they are), rounded once to its dtype.
pub(crate) fn merge_rows(
    weight: &Tensor<2>,
    f: impl Fn(Tensor<2>, usize, usize) -> Tensor<2>,
) -> (Tensor<2>, Rounding) {
    let [rows, _] = weight.dims();
    let mut rounding = Rounding::default();
    let mut pieces = Vec::new();
    for start in (0..rows).step_by(MERGED_ROWS) {
        let count = MERGED_ROWS.min(rows - start);
        let old = weight.clone().narrow(0, start, count).cast(DType::F32).detach();
        let new = f(old.clone(), start, count).detach();
        let rounded = round_to_bf16(&new);
        let squares = |x: Tensor<2>| f64::from(x.square().sum().into_scalar::<f32>());
        rounding.delta_squares += squares(new.clone() - old);
        rounding.lost_squares += squares(rounded - new.clone());
        pieces.push(new.cast(weight.dtype()));
    }
    // A parameter must be a leaf of the graph.
    (Tensor::cat(pieces, 0).detach(), rounding)
}

/// On a device that cannot hold bf16, the processor rounds.
fn round_to_bf16(x: &Tensor<2>) -> Tensor<2> {
    if can_store(&x.device(), DType::BF16) {
        return x.clone().cast(DType::BF16).cast(DType::F32);
    }
    let data = x.to_data().convert_dtype(DType::BF16).convert_dtype(DType::F32);
    Tensor::from_data(data, &x.device())
}
