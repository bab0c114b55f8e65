//! The fused kernels as operations of Burn's `flex` backend.
//!
//! `Fused` is what Burn's dispatch calls, for plain and for tracked tensors; `FusedGrad` holds the gradients,
//! which only the backward steps in `autodiff` call.

mod attention;
mod autodiff;
mod bf16;
mod cross_entropy;
mod dropout;
mod geglu;
mod geglu_lora;
mod heads;
mod lora;
mod math;
mod matrix;
mod parallel;
mod q8;
mod rms_norm;
mod rope;
mod simd;
mod softmax;
mod spans;

use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::{BoolTensor, FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Bool, DType, Shape, Tensor, TensorData};
use burn_flex::FlexTensor;

use attention::Scaling;
use bf16::Isa;
use lora::{Lora, LoraParams};

pub(crate) use cross_entropy::cross_entropy;
pub(crate) use geglu_lora::geglu_lora_linear;
pub(crate) use q8::quantize_rows;

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

    /// Rows of `x` through a weight in bf16, `[out, in]`.
    fn bf16_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        direction: Direction,
    ) -> FloatTensor<Self>;

    /// Rows of `x` through a weight of 8 bits with `inputs` columns, see [`crate::QuantizedWeight`]. The weight is a constant.
    fn q8_linear(
        x: FloatTensor<Self>,
        values: IntTensor<Self>,
        scales: FloatTensor<Self>,
        inputs: usize,
        direction: Direction,
    ) -> FloatTensor<Self>;

    /// Rows of `x` through a weight in `f32` or bf16, and through an adapter.
    fn lora_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        lora_a: FloatTensor<Self>,
        lora_b: FloatTensor<Self>,
        params: LoraParams,
    ) -> FloatTensor<Self>;
}

/// Which way rows go through a weight, `[out, in]`. Each is the gradient of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// `x Wᵀ`, from `in` to `out`.
    Forward,
    /// `x W`, from `out` to `in`.
    Backward,
}

impl Direction {
    /// The other way.
    fn reversed(self) -> Self {
        match self {
            Self::Forward => Self::Backward,
            Self::Backward => Self::Forward,
        }
    }
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

    /// [`Fused::lora_linear`] with what its gradient needs: the rows between A and B.
    fn lora_linear_with_low(
        inputs: LoraInputs<Self>,
        params: LoraParams,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// Gradients of [`Fused::lora_linear`] with respect to x (if wanted), A and B.
    fn lora_linear_grad(
        state: LoraState<Self>,
        grad: FloatTensor<Self>,
        wants_x: bool,
    ) -> (Option<FloatTensor<Self>>, [FloatTensor<Self>; 2]);

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

/// The tensors of [`Fused::lora_linear`].
#[derive(Clone, Debug)]
pub(crate) struct LoraInputs<B: Backend> {
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    lora_a: FloatTensor<B>,
    lora_b: FloatTensor<B>,
}

/// What the gradient of [`Fused::lora_linear`] needs.
#[derive(Clone, Debug)]
pub(crate) struct LoraState<B: Backend> {
    inputs: LoraInputs<B>,
    low: FloatTensor<B>,
    params: LoraParams,
}

impl Fused for Flex {
    fn geglu(gate: FlexTensor, up: FlexTensor) -> FlexTensor {
        let (gate, up) = (gate.to_contiguous(), up.to_contiguous());
        tensor(geglu::forward(gate.storage(), up.storage()), gate.layout().shape().clone())
    }

    fn grouped_attention(
        q: FlexTensor,
        k: FlexTensor,
        v: FlexTensor,
        mask: FlexTensor,
        scaling: Scaling,
    ) -> FlexTensor {
        attention::forward([&q, &k, &v], mask, scaling).0
    }

    fn gemma_rms_norm(x: FlexTensor, weight: FlexTensor, eps: f32) -> FlexTensor {
        let x = x.to_contiguous();
        let out = rms_norm::forward(x.storage(), &norm_factors(&weight), eps);
        tensor(out, x.layout().shape().clone())
    }

    fn rotate_half(x: FlexTensor, cos: FlexTensor, sin: FlexTensor) -> FlexTensor {
        rope::rotate(&x, &cos, &sin, false)
    }

    fn bf16_linear(x: FlexTensor, weight: FlexTensor, direction: Direction) -> FlexTensor {
        let (x, weight) = (x.to_contiguous(), weight.to_contiguous());
        let (rows, [outputs, inputs]) = (x.layout().shape()[0], weight.layout().shape().dims());
        let weight = bf16::Weight::new(bf16_bits(&weight), inputs);
        match direction {
            Direction::Forward => tensor(weight.forward(Isa::best(), x.storage()), [rows, outputs]),
            Direction::Backward => tensor(weight.backward(Isa::best(), x.storage()), [rows, inputs]),
        }
    }

    fn q8_linear(
        x: FlexTensor,
        values: FlexTensor,
        scales: FlexTensor,
        inputs: usize,
        direction: Direction,
    ) -> FlexTensor {
        let [x, values, scales] = [x, values, scales].map(|tensor| tensor.to_contiguous());
        let weight = q8::Weight::new(bytes(&values), bf16_bits(&scales), inputs);
        let (rows, outputs) = (x.layout().shape()[0], weight.outputs());
        match direction {
            Direction::Forward => tensor(weight.forward(Isa::best(), x.storage()), [rows, outputs]),
            Direction::Backward => tensor(weight.backward(Isa::best(), x.storage()), [rows, inputs]),
        }
    }

    fn lora_linear(
        x: FlexTensor,
        weight: FlexTensor,
        lora_a: FlexTensor,
        lora_b: FlexTensor,
        params: LoraParams,
    ) -> FlexTensor {
        Self::lora_linear_with_low(LoraInputs { x, weight, lora_a, lora_b }, params).0
    }
}

impl FusedGrad for Flex {
    fn geglu_grad(gate: FlexTensor, up: FlexTensor, grad: FlexTensor) -> [FlexTensor; 2] {
        let (gate, up, grad) = (gate.to_contiguous(), up.to_contiguous(), grad.to_contiguous());
        geglu::backward(gate.storage(), up.storage(), grad.storage())
            .map(|values| tensor(values, gate.layout().shape().clone()))
    }

    fn attention_with_stats(
        [q, k, v]: [FlexTensor; 3],
        mask: FlexTensor,
        scaling: Scaling,
    ) -> (FlexTensor, Vec<softmax::RowStats>) {
        attention::forward([&q, &k, &v], mask, scaling)
    }

    fn attention_grad(state: AttentionState<Self>, grad: FlexTensor) -> [FlexTensor; 3] {
        let AttentionState { qkv: [q, k, v], mask, stats, scaling } = state;
        attention::backward([&q, &k, &v], mask, scaling, &stats, &grad)
    }

    fn rms_norm_grad(x: FlexTensor, weight: FlexTensor, eps: f32, grad: FlexTensor) -> FlexTensor {
        let (x, grad) = (x.to_contiguous(), grad.to_contiguous());
        let d_x = rms_norm::backward(x.storage(), &norm_factors(&weight), eps, grad.storage());
        tensor(d_x, x.layout().shape().clone())
    }

    fn rms_norm_weight_grad(x: FlexTensor, eps: f32, grad: FlexTensor) -> FlexTensor {
        let (x, grad) = (x.to_contiguous(), grad.to_contiguous());
        let hidden = x.layout().shape()[1];
        tensor(rms_norm::weight_grad(x.storage(), hidden, eps, grad.storage()), [hidden])
    }

    fn lora_linear_with_low(inputs: LoraInputs<Self>, params: LoraParams) -> (FlexTensor, FlexTensor) {
        let LoraInputs { x, weight, lora_a, lora_b } = inputs;
        let [x, a, b] = [x, lora_a, lora_b].map(|tensor| tensor.to_contiguous());
        let rank = a.layout().shape()[0];
        let rows = x.layout().shape()[0];
        let mut out = product(x.clone(), weight, Direction::Forward);
        let lora = Lora { a: a.storage(), b: b.storage(), rank, params };
        let low = lora.forward(x.storage(), out.storage_mut());
        (out, tensor(low, [rows, rank]))
    }

    fn lora_linear_grad(
        state: LoraState<Self>,
        grad: FlexTensor,
        wants_x: bool,
    ) -> (Option<FlexTensor>, [FlexTensor; 2]) {
        let LoraState { inputs: LoraInputs { x, weight, lora_a, lora_b }, low, params } = state;
        let [x, a, b, grad] = [x, lora_a, lora_b, grad].map(|tensor| tensor.to_contiguous());
        let mut d_x = wants_x.then(|| product(grad.clone(), weight, Direction::Backward));
        let lora = Lora { a: a.storage(), b: b.storage(), rank: a.layout().shape()[0], params };
        let target = d_x.as_mut().map(|d_x| d_x.storage_mut());
        let grads = lora.backward(x.storage(), low.storage(), grad.storage(), target);
        let [a_shape, b_shape] = [&a, &b].map(|tensor| tensor.layout().shape().clone());
        (d_x, [tensor(grads.a, a_shape), tensor(grads.b, b_shape)])
    }

    fn rotate_half_grad(cos: FlexTensor, sin: FlexTensor, grad: FlexTensor) -> FlexTensor {
        rope::rotate(&grad, &cos, &sin, true)
    }
}

/// Rows of `x` through a weight of either type; the result is contiguous and its own.
fn product(x: FlexTensor, weight: FlexTensor, direction: Direction) -> FlexTensor {
    if weight.dtype() == DType::BF16 {
        return Flex::bf16_linear(x, weight, direction);
    }
    let weight = match direction {
        Direction::Forward => weight.transpose(0, 1),
        Direction::Backward => weight,
    };
    <Flex as FloatTensorOps<Flex>>::float_matmul(x, weight).to_contiguous()
}

/// The elements of a contiguous bf16 tensor.
fn bf16_bits(tensor: &FlexTensor) -> &[u16] {
    let values: &[burn::tensor::bf16] = tensor.storage();
    // SAFETY: `bf16` is a transparent wrapper of `u16`.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), values.len()) }
}

/// The bytes of a contiguous tensor of `i32`.
fn bytes(tensor: &FlexTensor) -> &[i8] {
    let words: &[i32] = tensor.storage();
    // SAFETY: a word is four bytes, and any four bytes are `i8`.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
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

/// [`Fused::bf16_linear`] on Burn's tensors.
pub(crate) fn bf16_linear(x: Tensor<2>, weight: Tensor<2>, direction: Direction) -> Tensor<2> {
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(<Dispatch as Fused>::bf16_linear(x, weight, direction))
}

/// [`Fused::q8_linear`] on Burn's tensors.
pub(crate) fn q8_linear(x: Tensor<2>, weight: &crate::QuantizedWeight, direction: Direction) -> Tensor<2> {
    let [_, inputs] = weight.dims();
    let (x, values, scales) =
        (x.into_dispatch(), weight.values().into_dispatch(), weight.scales().into_dispatch());
    Tensor::from_dispatch(<Dispatch as Fused>::q8_linear(x, values, scales, inputs, direction))
}

/// [`Fused::lora_linear`] on Burn's tensors; `dropout` is a probability and a seed.
pub(crate) fn lora_linear(
    x: Tensor<2>,
    weight: Tensor<2>,
    lora_a: Tensor<2>,
    lora_b: Tensor<2>,
    scaling: f64,
    dropout: Option<(f64, u64)>,
) -> Tensor<2> {
    let params = LoraParams::new(scaling, dropout);
    let [x, weight, lora_a, lora_b] = [x, weight, lora_a, lora_b].map(Tensor::into_dispatch);
    Tensor::from_dispatch(<Dispatch as Fused>::lora_linear(x, weight, lora_a, lora_b, params))
}

#[cfg(test)]
mod tests {
    use crate::testing::{gradients, random, values};
    use crate::{attention, cross_entropy, geglu, lora_linear, rms_norm, rope};

    /// Bytes of the results and gradients of all kernels, at sizes that are split over threads.
    fn everything() -> Vec<u32> {
        let shape = [300, 601];
        let [a, b] = gradients([random(shape, 1.0, 1), random(shape, 1.0, 2)], |[gate, up]| geglu(gate, up));
        let [c] = gradients([random(shape, 1.0, 1)], |[x]| rms_norm(x, random([601], 0.1, 3), 1e-6));
        let weight = random([1, 601], 0.1, 3);
        let [d] = gradients([weight], |[w]| rms_norm(random(shape, 1.0, 1).autodiff(), w.squeeze(), 1e-6));
        let qkv = [4, 2, 2].map(|heads| random([2, heads, 150, 64], 1.0, heads as u64));
        let table = random([1, 150, 32], 1.0, 5);
        let qkv = gradients(qkv, |[q, k, v]| {
            let q = rope(q, table.clone(), table);
            attention(q, k, v, None, 0.3, Some(50.0))
        });
        let adapter = [[40, 601], [500, 601], [8, 601], [500, 8]].map(|shape| random(shape, 1.0, 6));
        let adapted = gradients([random(shape, 1.0, 1)], |[x]| {
            let [_, weight, lora_a, lora_b] = adapter.clone();
            let _drawing = crate::testing::seeded(3);
            lora_linear(x, weight, lora_a, lora_b, 2.0, 0.1)
        });
        let targets = burn::tensor::Tensor::zeros([300], &crate::testing::device());
        let loss = cross_entropy(random(shape, 3.0, 1), &targets, &random([300], 1.0, 2), Some(30.0), true);
        let [e] = adapted;
        let f = loss.gradient.expect("asked for");
        let rows = [a, b, c, d, e, f].map(|x| values(&x)).into_iter().chain(qkv.map(|x| values(&x)));
        rows.flatten().map(f32::to_bits).collect()
    }

    #[test]
    fn threads_change_no_bit() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(everything)
        };
        let one = run(1);
        assert!(one == run(2) && one == run(3));
    }
}
