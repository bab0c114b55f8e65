//! `--device`, `--dtype` and `--gradient-checkpointing`.

use burn::tensor::{DType, Device};
use clap::{Args, ValueEnum};
use tooltune::sft::GradientCheckpointing;

/// The options `--device` and `--dtype`.
#[derive(Args, Clone, Copy, Debug)]
pub struct Compute {
    /// Where to compute.
    #[arg(long, value_enum, default_value = "cpu")]
    pub device: DeviceKind,
    /// How the base's weights are held in memory.
    #[arg(long, value_enum, default_value = "f32")]
    pub dtype: WeightDtype,
}

/// Where to compute. A device is there when the feature of its name was compiled in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DeviceKind {
    /// The processor, through Burn's `flex`.
    #[default]
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
    /// Any GPU, through WebGPU.
    Wgpu,
    /// Any GPU, through Vulkan.
    Vulkan,
    /// Apple's GPUs.
    Metal,
    /// AMD's GPUs.
    Rocm,
}

impl DeviceKind {
    /// Opens the device.
    ///
    /// # Errors
    /// When the program was compiled without it; the message says how to compile it in.
    pub fn open(self) -> Result<Device, String> {
        // Tensors come and go at every operation: giving their memory back each time costs more than computing them.
        tooltune::kernels::allocator::keep_freed_memory();
        match self {
            #[cfg(feature = "cpu")]
            Self::Cpu => Ok(Device::flex()),
            #[cfg(feature = "cuda")]
            Self::Cuda => Ok(Device::cuda(0)),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
            #[cfg(feature = "vulkan")]
            Self::Vulkan => Ok(Device::vulkan(burn::tensor::DeviceKind::DefaultDevice)),
            #[cfg(feature = "metal")]
            Self::Metal => Ok(Device::metal(burn::tensor::DeviceKind::DefaultDevice)),
            #[cfg(feature = "rocm")]
            Self::Rocm => Ok(Device::rocm(0)),
            #[allow(unreachable_patterns, reason = "reachable when a backend is compiled out")]
            other => {
                let name =
                    other.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
                Err(format!("this program was compiled without {name}; add --features {name} to cargo run"))
            }
        }
    }
}

/// The dtype of the frozen weights. Activations and adapters are f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum WeightDtype {
    /// 4 bytes a weight; products in f32.
    #[default]
    F32,
    /// 2 bytes a weight; several times faster on processors with bf16 instructions. Products with the weights round their input to bf16.
    Bf16,
}

impl From<WeightDtype> for DType {
    fn from(dtype: WeightDtype) -> Self {
        match dtype {
            WeightDtype::F32 => Self::F32,
            WeightDtype::Bf16 => Self::BF16,
        }
    }
}

/// Whether layers are computed again in the backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Checkpointing {
    /// Never.
    Off,
    /// Always.
    On,
    /// When the run would not fit into the free memory.
    Auto,
}

impl From<Checkpointing> for GradientCheckpointing {
    fn from(choice: Checkpointing) -> Self {
        match choice {
            Checkpointing::Off => Self::Off,
            Checkpointing::On => Self::On,
            Checkpointing::Auto => Self::Auto,
        }
    }
}
