//! Which element types a device knows.

use burn::backend::{Backend, DTypeUsage, Dispatch};
use burn::tensor::{DType, Device};

/// Whether tensors of `dtype` can be held on `device` and converted to other types, which is all that a frozen weight needs. Not every GPU
/// holds bf16; what is computed from a type that it does not hold is garbage, without an error.
pub fn can_store(device: &Device, dtype: DType) -> bool {
    Dispatch::dtype_usage(device.as_dispatch(), dtype).contains(DTypeUsage::Storage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_stores_what_checkpoints_hold() {
        for device in [Device::flex(), Device::flex().autodiff()] {
            for dtype in [DType::F32, DType::F16, DType::BF16] {
                assert!(can_store(&device, dtype), "{dtype:?}");
            }
        }
    }
}
