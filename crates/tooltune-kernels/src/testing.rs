//! What the tests of all kernels share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::{Device, Tensor};

/// The device under test, without autodiff.
pub(crate) fn device() -> Device {
    Device::flex()
}

/// Seeds the device. It has one stream of random numbers for all tests: the others that draw from it wait while the guard lives.
pub(crate) fn seeded(seed: u64) -> MutexGuard<'static, ()> {
    static DRAWING: Mutex<()> = Mutex::new(());
    let guard = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
    device().seed(seed);
    guard
}

/// Reproducible values, normally distributed.
pub(crate) fn random<const D: usize>(shape: [usize; D], scale: f64, seed: u64) -> Tensor<D> {
    // xorshift64*, summed: the device's own generator is shared by tests that run at the same time.
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut uniform = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    };
    let len = shape.iter().product();
    let values: Vec<f32> =
        (0..len).map(|_| (scale * ((0..12).map(|_| uniform()).sum::<f64>() - 6.0)) as f32).collect();
    Tensor::<1>::from_floats(values.as_slice(), &device()).reshape(shape)
}

/// The elements in row-major order.
pub(crate) fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.clone().into_data().convert::<f32>().try_into_vec().expect("f32")
}

/// Asserts that the largest difference is at most `tolerance` times the largest expected magnitude (or 1e-3).
pub(crate) fn assert_close<const D: usize>(
    what: &str,
    actual: &Tensor<D>,
    expected: &Tensor<D>,
    tolerance: f32,
) {
    assert_eq!(actual.dims(), expected.dims(), "{what}: shape");
    let (actual, expected) = (values(actual), values(expected));
    let largest = expected.iter().fold(1e-3f32, |acc, x| acc.max(x.abs()));
    for (i, (a, e)) in actual.iter().zip(&expected).enumerate() {
        let error = (a - e).abs() / largest;
        assert!(
            error <= tolerance,
            "{what}: element {i} is {a}, expected {e} (error {error:e} of the largest)"
        );
    }
}

/// The gradients of `sum(output · weights)`, with fixed random weights, with respect to `inputs`.
pub(crate) fn gradients<const D: usize, const I: usize, const N: usize>(
    inputs: [Tensor<I>; N],
    f: impl FnOnce([Tensor<I>; N]) -> Tensor<D>,
) -> [Tensor<I>; N] {
    let inputs = inputs.map(|x| x.autodiff().require_grad());
    let output = f(inputs.clone());
    let weights = random(output.dims(), 1.0, 99);
    let grads = (output * weights.autodiff()).sum().backward();
    inputs.map(|x| x.grad(&grads).expect("a gradient"))
}
