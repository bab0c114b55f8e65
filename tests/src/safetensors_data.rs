//! Reading the reference tensors, which include integers that a checkpoint may not hold.

use std::path::Path;

use safetensors::{Dtype, SafeTensors};

/// A safetensors file in memory.
pub struct Tensors {
    bytes: Vec<u8>,
    name: String,
}

impl Tensors {
    /// Reads `path`; panics when it is not there, as a test should.
    pub fn open(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self { bytes, name: path.display().to_string() }
    }

    fn parsed(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.bytes).unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.parsed().names().into_iter().map(str::to_owned).collect();
        names.sort();
        names
    }

    /// Shape and values of an f32 tensor.
    pub fn f32(&self, name: &str) -> (Vec<usize>, Vec<f32>) {
        let parsed = self.parsed();
        let view = parsed.tensor(name).unwrap_or_else(|e| panic!("{} in {}: {e}", name, self.name));
        assert_eq!(view.dtype(), Dtype::F32, "{name}");
        let values = view.data().as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
        (view.shape().to_vec(), values)
    }

    /// Shape and values of an i64 tensor.
    pub fn i64(&self, name: &str) -> (Vec<usize>, Vec<i64>) {
        let parsed = self.parsed();
        let view = parsed.tensor(name).unwrap_or_else(|e| panic!("{} in {}: {e}", name, self.name));
        assert_eq!(view.dtype(), Dtype::I64, "{name}");
        let values = view.data().as_chunks::<8>().0.iter().map(|&b| i64::from_le_bytes(b)).collect();
        (view.shape().to_vec(), values)
    }

    /// The rows of a two-dimensional i64 tensor as token ids.
    pub fn ids(&self, name: &str) -> Vec<Vec<u32>> {
        let (shape, values) = self.i64(name);
        let width = *shape.last().expect("at least one axis");
        values.chunks(width).map(|row| row.iter().map(|&id| id as u32).collect()).collect()
    }
}
