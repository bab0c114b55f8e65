//! What must be true of the first step.

use std::collections::HashSet;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use crate::{Error, TrainerCallback};

/// Checks the gradients of the first step: every parameter that is meant to learn has one, those that must move have one that is not zero,
/// and no other parameter has any. The optimizer only touches parameters with a gradient, so the rest stays as it was, bit for bit.
///
/// With LoRA the parameters that must move are the Bs: the gradient of an A is zero while its B still is.
#[derive(Clone, Debug)]
pub struct GradientGuard {
    trainable: Vec<(String, ParamId)>,
    must_move: HashSet<ParamId>,
}

impl GradientGuard {
    /// Expects gradients for `trainable`, and non-zero ones for those whose name `must_move` accepts.
    pub fn new(trainable: Vec<(String, ParamId)>, must_move: impl Fn(&str) -> bool) -> Self {
        let must_move = trainable.iter().filter(|(name, _)| must_move(name)).map(|(_, id)| *id).collect();
        Self { trainable, must_move }
    }
}

impl<M: Module> TrainerCallback<M> for GradientGuard {
    fn on_gradients(&mut self, step: usize, model: &M, gradients: &GradientsParams) -> Result<(), Error> {
        if step != 1 {
            return Ok(());
        }
        let mut found = Found { gradients, zero: HashSet::new(), moving: HashSet::new() };
        model.visit(&mut found);
        let fail =
            |parameter: &str, problem| Err(Error::FirstStep { parameter: parameter.to_owned(), problem });
        for (name, id) in &self.trainable {
            if !found.moving.contains(id) && !found.zero.contains(id) {
                return fail(name, "has no gradient: it is not part of what the loss depends on");
            }
            if self.must_move.contains(id) && found.zero.contains(id) {
                return fail(name, "has a gradient of zero: it cannot learn");
            }
        }
        let known: HashSet<ParamId> = self.trainable.iter().map(|(_, id)| *id).collect();
        match found.moving.union(&found.zero).find(|id| !known.contains(id)) {
            Some(id) => fail(&id.to_string(), "has a gradient although it is meant to be frozen"),
            None => Ok(()),
        }
    }
}

struct Found<'a> {
    gradients: &'a GradientsParams,
    zero: HashSet<ParamId>,
    moving: HashSet<ParamId>,
}

impl ModuleVisitor for Found<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let largest = gradient.abs().max().into_scalar::<f32>();
            let set = if largest == 0.0 { &mut self.zero } else { &mut self.moving };
            set.insert(param.id);
        }
    }
}
