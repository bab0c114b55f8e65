//! The same code on a GPU: what `flex` computes with the fused kernels, another backend computes with plain operations.
//!
//! One backend is compiled in, by a feature of this package:
//!
//! ```sh
//! cargo test --workspace --features tooltune-tests/wgpu --test gpu
//! ```
//!
//! A software driver for Vulkan will do. Without such a feature these tests compile, and are ignored.
#![recursion_limit = "256"]

mod kernels;
mod model;

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::Device;
use tooltune_tests::max_diff;

/// The device under test. Of several backends that are compiled in, the last one here.
fn gpu() -> Device {
    let mut devices: Vec<Device> = Vec::new();
    #[cfg(feature = "wgpu")]
    devices.push(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice));
    #[cfg(feature = "vulkan")]
    devices.push(Device::vulkan(burn::tensor::DeviceKind::DefaultDevice));
    #[cfg(feature = "metal")]
    devices.push(Device::metal(burn::tensor::DeviceKind::DefaultDevice));
    #[cfg(feature = "rocm")]
    devices.push(Device::rocm(0));
    #[cfg(feature = "cuda")]
    devices.push(Device::cuda(0));
    devices.pop().expect("a GPU backend is compiled in")
}

/// A device has one stream of random numbers, which training seeds: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Prints the largest difference relative to the largest of `expected` (or 1e-3), which may be `tolerance`.
fn compare(what: &str, actual: &[f32], expected: &[f32], tolerance: f32) {
    let largest = expected.iter().fold(1e-3f32, |max, x| max.max(x.abs()));
    let relative = max_diff(actual, expected) / largest;
    println!("{what}: {relative:.1e} of the largest, {largest:.2e}");
    assert!(relative <= tolerance, "{what}: {relative} of the largest, {largest}");
    assert!(actual.iter().all(|x| x.is_finite()), "{what}: not finite");
}
