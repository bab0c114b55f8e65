//! The last projection of a gated feed-forward network with its adapter, from gate and up.
//!
//! What lies between, `x = gelu(gate) · up`, is as large as either of them. The gradient of the gate needs gate and up, that of A needs x: x is
//! computed again in the backward pass, a hundredth of what the product costs, instead of being kept. Beside a weight in bf16, whose
//! product rounds x anyway, gate and up are kept in bf16 too.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{DType, Tensor, TensorData, bf16};
use burn_flex::FlexTensor;

use super::bf16::portable::{narrow, widen};
use super::lora::LoraParams;
use super::parallel::{CHUNK, for_each};
use super::simd::multiversion;
use super::{Fused, FusedGrad, LoraInputs, LoraState};

/// `lora_linear` of what `geglu` gives.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait GegluLora: Backend {
    /// Rows of gate and up, `[rows, in]`, through a weight in `f32` or bf16, and through an adapter.
    fn geglu_lora_linear(
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        lora_a: FloatTensor<Self>,
        lora_b: FloatTensor<Self>,
        params: LoraParams,
    ) -> FloatTensor<Self>;
}

/// What is kept for the backward pass.
pub(crate) trait Kept: Backend {
    /// An `f32` tensor in bf16.
    fn narrowed(tensor: FloatTensor<Self>) -> FloatTensor<Self>;
    /// A tensor in `f32`, whether it was narrowed or not.
    fn widened(tensor: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl GegluLora for Flex {
    fn geglu_lora_linear(
        gate: FlexTensor,
        up: FlexTensor,
        weight: FlexTensor,
        lora_a: FlexTensor,
        lora_b: FlexTensor,
        params: LoraParams,
    ) -> FlexTensor {
        Self::lora_linear(Self::geglu(gate, up), weight, lora_a, lora_b, params)
    }
}

impl Kept for Flex {
    fn narrowed(tensor: FlexTensor) -> FlexTensor {
        let tensor = tensor.to_contiguous();
        let mut out = vec![bf16::ZERO; tensor.storage::<f32>().len()];
        let pieces = tensor.storage::<f32>().chunks(CHUNK).zip(out.chunks_mut(CHUNK)).collect();
        for_each(tensor.storage::<f32>().len(), pieces, |(): &mut (), _, (values, out)| {
            narrow_all(values, out)
        });
        FlexTensor::from_data(TensorData::new(out, tensor.layout().shape().clone()))
    }

    fn widened(tensor: FlexTensor) -> FlexTensor {
        if tensor.dtype() == DType::F32 {
            return tensor;
        }
        let mut out = vec![0.0; tensor.storage::<bf16>().len()];
        let pieces = tensor.storage::<bf16>().chunks(CHUNK).zip(out.chunks_mut(CHUNK)).collect();
        for_each(tensor.storage::<bf16>().len(), pieces, |(): &mut (), _, (values, out)| {
            widen_all(values, out)
        });
        super::tensor(out, tensor.layout().shape().clone())
    }
}

multiversion! {
    fn narrow_all<FMA>(values: &[f32], out: &mut [bf16]) {
        let _ = FMA;
        out.iter_mut().zip(values).for_each(|(out, &value)| *out = bf16::from_bits(narrow(value)));
    }
}

multiversion! {
    fn widen_all<FMA>(values: &[bf16], out: &mut [f32]) {
        let _ = FMA;
        out.iter_mut().zip(values).for_each(|(out, &value)| *out = widen(value.to_bits()));
    }
}

#[derive(Clone, Debug)]
struct State<B: Backend> {
    gate_up: [FloatTensor<B>; 2],
    weight: FloatTensor<B>,
    lora_a: FloatTensor<B>,
    lora_b: FloatTensor<B>,
    low: FloatTensor<B>,
    params: LoraParams,
}

#[derive(Debug)]
struct Step;

impl<B: Fused + FusedGrad + Kept> Backward<B, 5> for Step {
    type State = State<B>;

    fn backward(self, ops: Ops<Self::State, 5>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let ([gate_node, up_node, weight_node, a_node, b_node], state) = (ops.parents, ops.state);
        let State { gate_up, weight, lora_a, lora_b, low, params } = state;
        let [gate, up] = gate_up.map(B::widened);
        let x = B::geglu(gate.clone(), up.clone());
        // Frozen, as a rule.
        if let Some(node) = weight_node {
            let d_weight = B::float_matmul(B::float_transpose(grad.clone()), x.clone());
            grads.register::<B>(node.id, B::float_cast(d_weight, weight.dtype().into()));
        }
        let inputs = LoraInputs { x, weight, lora_a, lora_b };
        let wants_x = gate_node.is_some() || up_node.is_some();
        let (d_x, [d_a, d_b]) = B::lora_linear_grad(LoraState { inputs, low, params }, grad, wants_x);
        let [d_gate, d_up] = match d_x {
            Some(d_x) => B::geglu_grad(gate, up, d_x).map(Some),
            None => [None, None],
        };
        let nodes = [gate_node, up_node, a_node, b_node];
        for (node, value) in nodes.into_iter().zip([d_gate, d_up, Some(d_a), Some(d_b)]) {
            if let (Some(node), Some(value)) = (node, value) {
                grads.register::<B>(node.id, value);
            }
        }
    }
}

impl<B: GegluLora + Fused + FusedGrad + Kept, S: CheckpointStrategy> GegluLora for Autodiff<B, S> {
    fn geglu_lora_linear(
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        lora_a: FloatTensor<Self>,
        lora_b: FloatTensor<Self>,
        params: LoraParams,
    ) -> FloatTensor<Self> {
        let nodes = [gate.node(), up.node(), weight.node(), lora_a.node(), lora_b.node()];
        let [gate, up, weight, lora_a, lora_b] =
            [gate, up, weight, lora_a, lora_b].map(|tensor| tensor.into_primitive());
        match Step.prepare::<S>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let x = B::geglu(gate.clone(), up.clone());
                // Narrowed before the product, so that the wide ones are free during it where nobody else holds them.
                let gate_up = match weight.dtype() {
                    DType::BF16 => [gate, up].map(B::narrowed),
                    _ => [gate, up],
                };
                let [kept_weight, a, b] = [&weight, &lora_a, &lora_b].map(Clone::clone);
                let (out, low) = B::lora_linear_with_low(LoraInputs { x, weight, lora_a, lora_b }, params);
                prep.finish(State { gate_up, weight: kept_weight, lora_a: a, lora_b: b, low, params }, out)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(B::geglu_lora_linear(gate, up, weight, lora_a, lora_b, params))
            }
        }
    }
}

/// [`GegluLora::geglu_lora_linear`] on Burn's tensors; `dropout` is a probability and a seed.
pub(crate) fn geglu_lora_linear(
    gate_up: [Tensor<2>; 2],
    weight: Tensor<2>,
    lora_a: Tensor<2>,
    lora_b: Tensor<2>,
    scaling: f64,
    dropout: Option<(f64, u64)>,
) -> Tensor<2> {
    let params = LoraParams::new(scaling, dropout);
    let [gate, up] = gate_up.map(Tensor::into_dispatch);
    let [weight, a, b] = [weight, lora_a, lora_b].map(Tensor::into_dispatch);
    Tensor::from_dispatch(<Dispatch as GegluLora>::geglu_lora_linear(gate, up, weight, a, b, params))
}
