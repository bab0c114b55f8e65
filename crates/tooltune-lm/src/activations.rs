//! What a decoder layer keeps in memory between its forward and its backward pass, for an estimate before a run.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// Numbers of `f32` values per token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerActivations {
    /// Kept from the forward to the backward pass, when gradients flow through the whole layer.
    pub kept: usize,
    /// Needed for a moment on top of that, at the worst moment of the backward pass.
    pub working: usize,
}

impl LayerActivations {
    /// Adds projections that all read the same `inputs` values, in a layer that is otherwise accounted for.
    ///
    /// The gradient of a trained parameter needs what the parameter was multiplied with: as many values as its last axis is long. The input
    /// itself is kept once. (Dropout keeps nothing, unless an adapter is composed of plain operations.)
    pub fn add_projections<M: Module>(&mut self, inputs: usize, projections: &[&M]) {
        let mut adapted = false;
        for projection in projections {
            let trained = trained_inputs(|visitor| projection.visit(visitor));
            adapted |= !trained.is_empty();
            self.kept += trained.iter().filter(|&&width| width != inputs).sum::<usize>();
        }
        if adapted {
            self.kept += inputs;
        }
    }
}

/// Lengths of the last axes of the parameters that `visit` shows and that require a gradient.
pub(crate) fn trained_inputs(visit: impl FnOnce(&mut TrainedInputs)) -> Vec<usize> {
    let mut visitor = TrainedInputs(Vec::new());
    visit(&mut visitor);
    visitor.0
}

pub(crate) struct TrainedInputs(Vec<usize>);

impl ModuleVisitor for TrainedInputs {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            self.0.extend(param.lazy_shape().last());
        }
    }
}
