//! Cross-entropy through a soft-capped head, in chunks of rows, loss and gradient together.
//!
//! The logits of one chunk exist at a time, `[chunk, vocab]`; those of all tokens never do.

use burn::tensor::{Int, Tensor};
use tooltune_lm::Head;

/// The loss and its gradients, all untracked.
#[derive(Clone, Debug)]
pub struct ChunkedLoss {
    /// Sum of the weighted losses of each chunk.
    pub chunk_sums: Vec<Tensor<1>>,
    /// Gradient of the sum with respect to the hidden rows, `[rows, hidden]`, when asked for.
    pub hidden_gradient: Option<Tensor<2>>,
    /// Gradient with respect to the head's weight, `[vocab, hidden]`, when asked for.
    pub weight_gradient: Option<Tensor<2>>,
    /// Gradients with respect to `input` and `weight` of each of the head's updates, when any is asked for.
    pub update_gradients: Vec<(Tensor<2>, Tensor<2>)>,
}

/// Which gradients are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gradients {
    /// Only the loss.
    None,
    /// With respect to the hidden rows: the head is frozen.
    Hidden,
    /// With respect to the hidden rows and the head: full training.
    HiddenAndWeight,
}

/// `Σ weightᵢ · −log softmax(cap · tanh(hᵢ Wᵀ / cap))[targetᵢ]` over untracked tensors: `hidden` `[rows, hidden]`, `targets` and `weights`
/// `[rows]`. The head's updates are added before the cap.
pub fn chunked_cross_entropy(
    hidden: &Tensor<2>,
    head: &Head,
    targets: &Tensor<1, Int>,
    weights: &Tensor<1>,
    chunk_rows: usize,
    gradients: Gradients,
) -> ChunkedLoss {
    let [rows, _] = hidden.dims();
    let mut out = ChunkedLoss {
        chunk_sums: Vec::new(),
        hidden_gradient: None,
        weight_gradient: None,
        update_gradients: Vec::new(),
    };
    let mut hidden_gradients = Vec::new();
    let mut update_gradients: Vec<(Vec<Tensor<2>>, Option<Tensor<2>>)> =
        vec![Default::default(); head.updates.len()];
    for start in (0..rows).step_by(chunk_rows.max(1)) {
        let count = chunk_rows.max(1).min(rows - start);
        let h = hidden.clone().narrow(0, start, count);
        let target = targets.clone().narrow(0, start, count);
        let row_weight = weights.clone().narrow(0, start, count);
        let head = head.rows(start, count);
        let raw = head.clone().raw_logits(h.clone());
        let wanted = gradients != Gradients::None;
        let part = tooltune_kernels::cross_entropy(raw, &target, &row_weight, head.softcap, wanted);
        out.chunk_sums.push(part.losses.sum());
        let Some(d_raw) = part.gradient else { continue };
        for (update, (inputs, sum)) in head.updates.iter().zip(&mut update_gradients) {
            let (input, part) = update.gradients(&d_raw);
            inputs.push(input);
            *sum = add(sum.take(), part);
        }
        hidden_gradients.push(head.hidden_gradient(d_raw.clone()));
        if gradients == Gradients::HiddenAndWeight {
            let part = d_raw.transpose().matmul(h);
            out.weight_gradient = add(out.weight_gradient.take(), part);
        }
    }
    if !hidden_gradients.is_empty() {
        out.hidden_gradient = Some(Tensor::cat(hidden_gradients, 0));
        let whole = |(inputs, weight): (Vec<_>, Option<_>)| weight.map(|w| (Tensor::cat(inputs, 0), w));
        out.update_gradients = update_gradients.into_iter().filter_map(whole).collect();
    }
    out
}

fn add(sum: Option<Tensor<2>>, part: Tensor<2>) -> Option<Tensor<2>> {
    Some(match sum {
        Some(sum) => sum + part,
        None => part,
    })
}
