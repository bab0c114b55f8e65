//! Which implementation a tensor takes.

use burn::tensor::{DType, Device, Tensor};

/// Whether the fused kernels apply: feature `cpu`, `flex` device (tracked or not), `f32`, not empty.
#[cfg(feature = "cpu")]
pub(crate) fn is_fused<const D: usize>(tensor: &Tensor<D>) -> bool {
    is_flex(&tensor.device()) && tensor.dtype() == DType::F32 && tensor.shape().num_elements() > 0
}

/// Whether the device, tracked or not, is the one that has fused kernels.
pub(crate) fn is_flex(device: &Device) -> bool {
    #[cfg(feature = "cpu")]
    {
        use burn::backend::DispatchDevice;
        match device.as_dispatch() {
            DispatchDevice::Autodiff(inner) => matches!(**inner, DispatchDevice::Flex(_)),
            other => matches!(other, DispatchDevice::Flex(_)),
        }
    }
    #[cfg(not(feature = "cpu"))]
    {
        let _ = device;
        false
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, random};
    use crate::{attention, geglu, rms_norm, rope};

    #[test]
    fn other_element_types_take_plain_operations() {
        let half = |x: Tensor<2>| x.cast(DType::BF16);
        let full = |x: Tensor<2>| x.cast(DType::F32);
        let (a, b) = (random([6, 10], 1.0, 1), random([6, 10], 1.0, 2));
        let out = geglu(half(a.clone()), half(b.clone()));
        assert_eq!(out.dtype(), DType::BF16);
        assert_close("geglu", &full(out), &geglu(a.clone(), b), 2e-2);

        let weight = random([10], 0.1, 3);
        let out = rms_norm(half(a.clone()), weight.clone(), 1e-6);
        assert_eq!(out.dtype(), DType::BF16);
        assert_close("rms_norm", &full(out), &rms_norm(a, weight, 1e-6), 2e-2);

        let (q, table) = (random([1, 2, 5, 8], 1.0, 4), random([1, 5, 4], 1.0, 5));
        let out = rope(q.clone().cast(DType::BF16), table.clone(), table.clone());
        assert_eq!(out.dtype(), DType::BF16);
        assert_close("rope", &out.cast(DType::F32), &rope(q.clone(), table.clone(), table), 2e-2);

        let out = {
            let q = q.clone().cast(DType::BF16);
            attention(q.clone(), q.clone(), q, None, 0.4, Some(50.0))
        };
        assert_eq!(out.dtype(), DType::BF16);
        let expected = attention(q.clone(), q.clone(), q, None, 0.4, Some(50.0));
        assert_close("attention", &out.cast(DType::F32), &expected, 4e-2);
    }
}
