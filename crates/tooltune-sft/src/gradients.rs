//! Global norm and clipping of gradients.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor};

use crate::Error;

/// The L2 norm over all gradients together, as `torch.nn.utils.clip_grad_norm_` has it.
///
/// # Errors
/// [`Error::TensorRead`].
pub fn global_norm<M: Module>(model: &M, gradients: &GradientsParams) -> Result<f64, Error> {
    let mut squares = Squares { gradients, sums: Vec::new() };
    model.visit(&mut squares);
    if squares.sums.is_empty() {
        return Ok(0.0);
    }
    let sums = read(Tensor::cat(squares.sums, 0))?;
    Ok(sums.iter().map(|sum| f64::from(*sum)).sum::<f64>().sqrt())
}

/// Multiplies every gradient by `factor`.
pub fn scale<M: Module>(model: &M, gradients: GradientsParams, factor: f64) -> GradientsParams {
    let mut scaling = Scaling { from: gradients, to: GradientsParams::new(), factor };
    model.visit(&mut scaling);
    scaling.to
}

/// Scales the gradients down to `max_norm` where `norm` exceeds it; with torch's guard of 1e-6 in the divisor.
pub fn clip<M: Module>(model: &M, gradients: GradientsParams, norm: f64, max_norm: f64) -> GradientsParams {
    let factor = max_norm / (norm + 1e-6);
    if factor < 1.0 { scale(model, gradients, factor) } else { gradients }
}

/// The values of a vector, on the host.
pub(crate) fn read(tensor: Tensor<1>) -> Result<Vec<f32>, Error> {
    let data = tensor.cast(DType::F32).into_data();
    data.as_slice::<f32>().map(<[f32]>::to_vec).map_err(|e| Error::TensorRead { reason: format!("{e:?}") })
}

struct Squares<'a> {
    gradients: &'a GradientsParams,
    sums: Vec<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.sums.push(gradient.cast(DType::F32).square().sum());
        }
    }
}

struct Scaling {
    from: GradientsParams,
    to: GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scaling {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.from.remove::<D>(param.id) {
            self.to.register(param.id, gradient.mul_scalar(self.factor));
        }
    }
}
