//! Learning rates that differ between parameters.

use burn::module::{ParamGroup, ParamId};
use burn::optim::{AdamWConfig, LearningRate, ModuleOptimizer, Optimizer};
use burn::tensor::{Device, Tensor};

use crate::OptimizerConfig;

impl OptimizerConfig {
    /// [`build`](Self::build), with the scheduled learning rate multiplied by a factor for some parameters. One that is in several groups
    /// follows the last; one that is in none is multiplied by 1. Give the result to [`train_with`](crate::train_with).
    pub fn build_with_factors(&self, groups: &[(Vec<ParamId>, f64)]) -> ModuleOptimizer {
        groups.iter().fold(self.build(), |optimizer, (parameters, factor)| {
            let scaled = ScaledRate { inner: self.adamw().build(), factor: *factor };
            optimizer.with_group(ParamGroup::from_ids(parameters.clone()), scaled, None)
        })
    }

    pub(crate) fn adamw(&self) -> AdamWConfig {
        AdamWConfig::new()
            .with_beta_1(self.adam_beta1)
            .with_beta_2(self.adam_beta2)
            .with_epsilon(self.adam_epsilon)
            .with_weight_decay(self.weight_decay)
    }
}

/// An optimizer that sees the learning rate multiplied. Decoupled weight decay is scaled with it, as in torch's parameter groups.
#[derive(Clone)]
struct ScaledRate<O> {
    inner: O,
    factor: f64,
}

impl<O: Optimizer> Optimizer for ScaledRate<O> {
    type State<const D: usize> = O::State<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        self.inner.step(lr * self.factor, tensor, grad, state)
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        O::to_device(state, device)
    }
}
