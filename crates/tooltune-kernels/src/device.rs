//! Which implementation a tensor takes.

use burn::tensor::{DType, Tensor};

/// Whether the fused kernels apply: feature `cpu`, `flex` device (tracked or not), `f32`, not empty.
#[cfg(feature = "cpu")]
pub(crate) fn is_fused<const D: usize>(tensor: &Tensor<D>) -> bool {
    use burn::backend::DispatchDevice;
    let device = tensor.device();
    let flex = match device.as_dispatch() {
        DispatchDevice::Autodiff(inner) => matches!(**inner, DispatchDevice::Flex(_)),
        other => matches!(other, DispatchDevice::Flex(_)),
    };
    flex && tensor.dtype() == DType::F32 && tensor.shape().num_elements() > 0
}

/// Runs `compute` in `f32` and gives the result the element type of `tensor`.
pub(crate) fn in_f32<const D: usize>(
    tensor: Tensor<D>,
    compute: impl FnOnce(Tensor<D>) -> Tensor<D>,
) -> Tensor<D> {
    match tensor.dtype() {
        DType::F32 => compute(tensor),
        dtype => compute(tensor.cast(DType::F32)).cast(dtype),
    }
}
