//! Backward steps of the fused kernels.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::{BoolTensor, FloatTensor, IntTensor};
use burn::backend::{Autodiff, TensorMetadata};
use burn::tensor::FloatDType;

use super::attention::Scaling;
use super::lora::LoraParams;
use super::{AttentionState, Direction, Fused, FusedGrad, LoraInputs, LoraState};

#[derive(Debug)]
struct Geglu;

impl<B: Fused + FusedGrad> Backward<B, 2> for Geglu {
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let parents = ops.parents.map(|node| node.map(|node| node.id));
        let (gate, up) = ops.state;
        register::<B, 2>(grads, parents, B::geglu_grad(gate, up, grad));
    }
}

#[derive(Debug)]
struct Attention;

impl<B: Fused + FusedGrad> Backward<B, 3> for Attention {
    type State = AttentionState<B>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let parents = ops.parents.map(|node| node.map(|node| node.id));
        register::<B, 3>(grads, parents, B::attention_grad(ops.state, grad));
    }
}

#[derive(Debug)]
struct RmsNorm;

impl<B: Fused + FusedGrad> Backward<B, 2> for RmsNorm {
    type State = (FloatTensor<B>, FloatTensor<B>, f32);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let ([x_node, weight_node], (x, weight, eps)) = (ops.parents, ops.state);
        // A frozen weight costs nothing.
        if let Some(node) = weight_node {
            grads.register::<B>(node.id, B::rms_norm_weight_grad(x.clone(), eps, grad.clone()));
        }
        if let Some(node) = x_node {
            grads.register::<B>(node.id, B::rms_norm_grad(x, weight, eps, grad));
        }
    }
}

#[derive(Debug)]
struct RotateHalf;

impl<B: Fused + FusedGrad> Backward<B, 1> for RotateHalf {
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (cos, sin) = ops.state;
        if let [Some(node)] = ops.parents {
            grads.register::<B>(node.id, B::rotate_half_grad(cos, sin, grad));
        }
    }
}

#[derive(Debug)]
struct Bf16Linear;

impl<B: Fused + FusedGrad> Backward<B, 2> for Bf16Linear {
    /// The input is only there when the weight wants a gradient.
    type State = (Option<FloatTensor<B>>, FloatTensor<B>, Direction);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let ([x_node, weight_node], (x, weight, direction)) = (ops.parents, ops.state);
        if let (Some(node), Some(x)) = (weight_node, x) {
            let (outputs, inputs) = match direction {
                Direction::Forward => (grad.clone(), x),
                Direction::Backward => (x, grad.clone()),
            };
            let d_weight = B::float_matmul(B::float_transpose(outputs), inputs);
            grads.register::<B>(node.id, B::float_cast(d_weight, FloatDType::BF16));
        }
        if let Some(node) = x_node {
            grads.register::<B>(node.id, B::bf16_linear(grad, weight, direction.reversed()));
        }
    }
}

#[derive(Debug)]
struct Q8Linear;

impl<B: Fused + FusedGrad> Backward<B, 1> for Q8Linear {
    /// Values, scales, columns.
    type State = (IntTensor<B>, FloatTensor<B>, usize, Direction);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (values, scales, inputs, direction) = ops.state;
        if let [Some(node)] = ops.parents {
            let d_x = B::q8_linear(grad, values, scales, inputs, direction.reversed());
            grads.register::<B>(node.id, d_x);
        }
    }
}

#[derive(Debug)]
struct LoraLinear;

impl<B: Fused + FusedGrad> Backward<B, 4> for LoraLinear {
    type State = LoraState<B>;

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let ([x_node, weight_node, a_node, b_node], state) = (ops.parents, ops.state);
        // Frozen, as a rule.
        if let Some(node) = weight_node {
            let (x, dtype) = (state.inputs.x.clone(), state.inputs.weight.dtype());
            let d_weight = B::float_matmul(B::float_transpose(grad.clone()), x);
            grads.register::<B>(node.id, B::float_cast(d_weight, dtype.into()));
        }
        let (d_x, [d_a, d_b]) = B::lora_linear_grad(state, grad, x_node.is_some());
        for (node, value) in [(x_node, d_x), (a_node, Some(d_a)), (b_node, Some(d_b))] {
            if let (Some(node), Some(value)) = (node, value) {
                grads.register::<B>(node.id, value);
            }
        }
    }
}

/// Hands each gradient to the input it belongs to, if that one is tracked.
fn register<B: Fused, const N: usize>(
    grads: &mut Gradients,
    parents: [Option<NodeId>; N],
    values: [FloatTensor<B>; N],
) {
    for (parent, value) in parents.into_iter().zip(values) {
        if let Some(id) = parent {
            grads.register::<B>(id, value);
        }
    }
}

impl<B: Fused + FusedGrad, S: CheckpointStrategy> Fused for Autodiff<B, S> {
    fn geglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [gate.node(), up.node()];
        let (gate, up) = (gate.into_primitive(), up.into_primitive());
        match Geglu.prepare::<S>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((gate.clone(), up.clone()), B::geglu(gate, up)),
            OpsKind::UnTracked(prep) => prep.finish(B::geglu(gate, up)),
        }
    }

    fn grouped_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        mask: BoolTensor<Self>,
        scaling: Scaling,
    ) -> FloatTensor<Self> {
        let nodes = [q.node(), k.node(), v.node()];
        let qkv = [q, k, v].map(|tensor| tensor.into_primitive());
        match Attention.prepare::<S>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (out, stats) = B::attention_with_stats(qkv.clone(), mask.clone(), scaling);
                prep.finish(AttentionState { qkv, mask, stats, scaling }, out)
            }
            OpsKind::UnTracked(prep) => {
                let [q, k, v] = qkv;
                prep.finish(B::grouped_attention(q, k, v, mask, scaling))
            }
        }
    }

    fn gemma_rms_norm(x: FloatTensor<Self>, weight: FloatTensor<Self>, eps: f32) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node()];
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        match RmsNorm.prepare::<S>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                prep.finish((x.clone(), weight.clone(), eps), B::gemma_rms_norm(x, weight, eps))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::gemma_rms_norm(x, weight, eps)),
        }
    }

    fn rotate_half(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node()];
        let (x, cos, sin) = (x.into_primitive(), cos.into_primitive(), sin.into_primitive());
        match RotateHalf.prepare::<S>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((cos.clone(), sin.clone()), B::rotate_half(x, cos, sin)),
            OpsKind::UnTracked(prep) => prep.finish(B::rotate_half(x, cos, sin)),
        }
    }
    fn bf16_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        direction: Direction,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node()];
        let weight_is_tracked = weight.is_tracked();
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        match Bf16Linear.prepare::<S>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let kept = weight_is_tracked.then(|| x.clone());
                prep.finish((kept, weight.clone(), direction), B::bf16_linear(x, weight, direction))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::bf16_linear(x, weight, direction)),
        }
    }

    fn q8_linear(
        x: FloatTensor<Self>,
        values: IntTensor<Self>,
        scales: FloatTensor<Self>,
        inputs: usize,
        direction: Direction,
    ) -> FloatTensor<Self> {
        let nodes = [x.node()];
        let (x, scales) = (x.into_primitive(), scales.into_primitive());
        match Q8Linear.prepare::<S>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let out = B::q8_linear(x, values.clone(), scales.clone(), inputs, direction);
                prep.finish((values, scales, inputs, direction), out)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::q8_linear(x, values, scales, inputs, direction)),
        }
    }

    fn lora_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        lora_a: FloatTensor<Self>,
        lora_b: FloatTensor<Self>,
        params: LoraParams,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), lora_a.node(), lora_b.node()];
        let [x, weight, lora_a, lora_b] = [x, weight, lora_a, lora_b].map(|tensor| tensor.into_primitive());
        let inputs = LoraInputs { x, weight, lora_a, lora_b };
        match LoraLinear.prepare::<S>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (out, low) = B::lora_linear_with_low(inputs.clone(), params);
                prep.finish(LoraState { inputs, low, params }, out)
            }
            OpsKind::UnTracked(prep) => {
                let LoraInputs { x, weight, lora_a, lora_b } = inputs;
                prep.finish(B::lora_linear(x, weight, lora_a, lora_b, params))
            }
        }
    }
}
