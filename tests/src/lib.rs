//! What the integration tests share: the data folder and comparisons.
#![recursion_limit = "256"]

use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device, Int, Tensor};
use safetensors_data::Tensors;

pub mod safetensors_data;

/// The folder of reference data: `TOOLTUNE_DATA`, or `tests/data`.
pub fn data_dir() -> PathBuf {
    match std::env::var_os("TOOLTUNE_DATA") {
        Some(path) => {
            // Tests run in their package's folder; the variable is meant relative to the workspace.
            let path = PathBuf::from(path);
            if path.is_absolute() {
                path
            } else {
                Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
            }
        }
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("data"),
    }
}

/// `data_dir()/golden`.
pub fn golden_dir() -> PathBuf {
    data_dir().join("golden")
}

/// Opens a safetensors file of the golden data, integer tensors included.
pub fn golden(file: &str) -> Tensors {
    Tensors::open(&golden_dir().join(file))
}

/// Reads a JSON file of the golden data.
pub fn golden_json(file: &str) -> serde_json::Value {
    let path = golden_dir().join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Values of a tensor, in f32.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.cast(DType::F32).into_data().as_slice::<f32>().expect("f32").to_vec()
}

/// Largest absolute difference; both must have the same length.
pub fn max_diff(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "lengths differ");
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// An integer tensor from `u32`s.
pub fn int_tensor(ids: &[u32], shape: [usize; 2], device: &Device) -> Tensor<2, Int> {
    let ids: Vec<i32> = ids.iter().map(|&id| id.cast_signed()).collect();
    Tensor::from_data(burn::tensor::TensorData::new(ids, shape), device)
}

/// A sample from reference rows: padding (mask 0) cut off, weight 1 where the label is not -100.
pub fn sample(id: &str, ids: &[u32], mask: &[u32], labels: &[i64]) -> tooltune_sft::Sample {
    let real: Vec<usize> = (0..ids.len()).filter(|&token| mask[token] == 1).collect();
    let weight = |&token: &usize| if labels[token] == -100 { 0.0 } else { 1.0 };
    let kept_ids = real.iter().map(|&token| ids[token]).collect();
    tooltune_sft::Sample::new(id, kept_ids, real.iter().map(weight).collect())
        .expect("as many ids as weights")
}

/// Rows of a two-dimensional i64 tensor.
pub fn rows(tensors: &Tensors, name: &str) -> Vec<Vec<i64>> {
    let (shape, values) = tensors.i64(name);
    values.chunks(*shape.last().expect("at least one axis")).map(<[i64]>::to_vec).collect()
}
