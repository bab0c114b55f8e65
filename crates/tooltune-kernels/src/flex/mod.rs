//! The fused kernels as operations of Burn's `flex` backend.
//!
//! `Fused` is what Burn's dispatch calls, for plain and for tracked tensors; `FusedGrad` holds the gradients,
//! which only the backward steps in `autodiff` call.

mod attention;
mod autodiff;
mod geglu;
mod heads;
mod math;
mod matrix;
mod parallel;
mod rms_norm;
mod rope;
mod simd;
mod softmax;
mod spans;

use burn::backend::tensor::{BoolTensor, FloatTensor};
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Bool, Shape, Tensor, TensorData};
use burn_flex::FlexTensor;

use attention::{Saved, Scaling};

/// Operations with a fused implementation. Float tensors are `f32` and not empty.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait Fused: Backend {
    /// `gelu(gate) · up`.
    fn geglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Grouped-query attention. An empty `mask` masks nothing.
    fn grouped_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        mask: BoolTensor<Self>,
        scaling: Scaling,
    ) -> FloatTensor<Self>;

    /// Gemma's norm of the rows of `x`.
    fn gemma_rms_norm(x: FloatTensor<Self>, weight: FloatTensor<Self>, eps: f32) -> FloatTensor<Self>;

    /// Rotary embedding. The tables are constants.
    fn rotate_half(x: FloatTensor<Self>, cos: FloatTensor<Self>, sin: FloatTensor<Self>)
    -> FloatTensor<Self>;
}

/// Gradients of the operations of [`Fused`].
pub(crate) trait FusedGrad: Backend {
    /// Gradients of [`Fused::geglu`] with respect to gate and up.
    fn geglu_grad(
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2];

    /// [`Fused::grouped_attention`] with what its gradient needs: `max` and `1 / sum` of every row.
    fn attention_with_stats(
        qkv: [FloatTensor<Self>; 3],
        mask: BoolTensor<Self>,
        scaling: Scaling,
    ) -> (FloatTensor<Self>, Vec<softmax::RowStats>);

    /// Gradients of [`Fused::grouped_attention`] with respect to q, k and v.
    fn attention_grad(state: AttentionState<Self>, grad: FloatTensor<Self>) -> [FloatTensor<Self>; 3];

    /// Gradient of [`Fused::gemma_rms_norm`] with respect to x.
    fn rms_norm_grad(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        eps: f32,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// Gradient of [`Fused::gemma_rms_norm`] with respect to the weight.
    fn rms_norm_weight_grad(x: FloatTensor<Self>, eps: f32, grad: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Gradient of [`Fused::rotate_half`] with respect to x.
    fn rotate_half_grad(
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// What the gradient of attention needs.
#[derive(Clone, Debug)]
pub(crate) struct AttentionState<B: Backend> {
    qkv: [FloatTensor<B>; 3],
    mask: BoolTensor<B>,
    stats: Vec<softmax::RowStats>,
    scaling: Scaling,
}

impl Fused for Flex {
    fn geglu(gate: FlexTensor, up: FlexTensor) -> FlexTensor {
        let (gate, up) = (gate.to_contiguous(), up.to_contiguous());
        let mut out = vec![0.0; gate.layout().num_elements()];
        geglu::forward(gate.storage(), up.storage(), &mut out);
        tensor(out, gate.layout().shape().clone())
    }

    fn grouped_attention(
        q: FlexTensor,
        k: FlexTensor,
        v: FlexTensor,
        mask: FlexTensor,
        scaling: Scaling,
    ) -> FlexTensor {
        attention::forward(&q, &k, &v, mask, scaling).0
    }

    fn gemma_rms_norm(x: FlexTensor, weight: FlexTensor, eps: f32) -> FlexTensor {
        let x = x.to_contiguous();
        let mut out = vec![0.0; x.layout().num_elements()];
        rms_norm::forward(x.storage(), &norm_factors(&weight), eps, &mut out);
        tensor(out, x.layout().shape().clone())
    }

    fn rotate_half(x: FlexTensor, cos: FlexTensor, sin: FlexTensor) -> FlexTensor {
        rope::rotate(&x, &cos, &sin, false)
    }
}

impl FusedGrad for Flex {
    fn geglu_grad(gate: FlexTensor, up: FlexTensor, grad: FlexTensor) -> [FlexTensor; 2] {
        let (gate, up, grad) = (gate.to_contiguous(), up.to_contiguous(), grad.to_contiguous());
        let mut d_gate = vec![0.0; gate.layout().num_elements()];
        let mut d_up = vec![0.0; d_gate.len()];
        geglu::backward(gate.storage(), up.storage(), grad.storage(), &mut d_gate, &mut d_up);
        [d_gate, d_up].map(|values| tensor(values, gate.layout().shape().clone()))
    }

    fn attention_with_stats(
        [q, k, v]: [FlexTensor; 3],
        mask: FlexTensor,
        scaling: Scaling,
    ) -> (FlexTensor, Vec<softmax::RowStats>) {
        attention::forward(&q, &k, &v, mask, scaling)
    }

    fn attention_grad(state: AttentionState<Self>, grad: FlexTensor) -> [FlexTensor; 3] {
        let AttentionState { qkv: [q, k, v], mask, stats, scaling } = state;
        let saved = Saved { q: &q, k: &k, v: &v, mask, stats: &stats };
        attention::backward(saved, &grad, scaling)
    }

    fn rms_norm_grad(x: FlexTensor, weight: FlexTensor, eps: f32, grad: FlexTensor) -> FlexTensor {
        let (x, grad) = (x.to_contiguous(), grad.to_contiguous());
        let mut d_x = vec![0.0; x.layout().num_elements()];
        rms_norm::backward(x.storage(), &norm_factors(&weight), eps, grad.storage(), &mut d_x);
        tensor(d_x, x.layout().shape().clone())
    }

    fn rms_norm_weight_grad(x: FlexTensor, eps: f32, grad: FlexTensor) -> FlexTensor {
        let (x, grad) = (x.to_contiguous(), grad.to_contiguous());
        let hidden = x.layout().shape()[1];
        tensor(rms_norm::weight_grad(x.storage(), hidden, eps, grad.storage()), [hidden])
    }

    fn rotate_half_grad(cos: FlexTensor, sin: FlexTensor, grad: FlexTensor) -> FlexTensor {
        rope::rotate(&grad, &cos, &sin, true)
    }
}

/// `1 + weight`.
fn norm_factors(weight: &FlexTensor) -> Vec<f32> {
    weight.to_contiguous().storage::<f32>().iter().map(|w| 1.0 + w).collect()
}

/// A tensor that owns `values`.
fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.into()))
}

/// [`Fused::geglu`] on Burn's tensors.
pub(crate) fn geglu(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as Fused>::geglu(gate.into_dispatch(), up.into_dispatch()))
}

/// [`Fused::grouped_attention`] on Burn's tensors.
pub(crate) fn attention(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    mask: Option<&Tensor<4, Bool>>,
    scale: f64,
    softcap: Option<f64>,
) -> Tensor<4> {
    let scaling = Scaling { scale: scale as f32, cap: softcap.unwrap_or(0.0) as f32 };
    let mask = match mask {
        Some(mask) => mask.clone(),
        None => Tensor::empty([1, 1, 0, 0], &q.device()),
    };
    let [q, k, v] = [q, k, v].map(Tensor::into_dispatch);
    Tensor::from_dispatch(<Dispatch as Fused>::grouped_attention(q, k, v, mask.into_dispatch(), scaling))
}

/// [`Fused::gemma_rms_norm`] on Burn's tensors.
pub(crate) fn rms_norm(x: Tensor<2>, weight: Tensor<1>, eps: f64) -> Tensor<2> {
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(<Dispatch as Fused>::gemma_rms_norm(x, weight, eps as f32))
}

/// [`Fused::rotate_half`] on Burn's tensors.
pub(crate) fn rope(x: Tensor<4>, cos: Tensor<3>, sin: Tensor<3>) -> Tensor<4> {
    let (x, cos, sin) = (x.into_dispatch(), cos.into_dispatch(), sin.into_dispatch());
    Tensor::from_dispatch(<Dispatch as Fused>::rotate_half(x, cos, sin))
}
