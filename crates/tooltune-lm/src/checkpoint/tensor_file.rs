//! One safetensors file, open for reading.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device, Tensor, TensorData};
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use serde::Deserializer as _;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use tooltune_kernels::mmap::MappedFile;

use crate::Error;
use crate::dtype::can_store;

/// A header may not be longer: a 57 MB header costs a gigabyte to parse.
pub const MAX_HEADER_BYTES: u64 = 1 << 20;
/// A file may not hold more tensors.
pub const MAX_TENSORS: usize = 10_000;

/// One safetensors file: names, shapes, and tensors on demand.
///
/// The file is mapped anew for each tensor and unmapped after it, so that what has been read does not stay in memory.
#[derive(Clone, Debug)]
pub struct TensorFile {
    path: PathBuf,
    tensors: BTreeMap<String, (Dtype, Vec<usize>)>,
}

impl TensorFile {
    /// Reads and checks the header of `path`.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::InvalidSafetensors`] with the rule that the file breaks.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        check_header(&path)?;
        let map = MappedFile::open(&path).map_err(Error::io(&path))?;
        let parsed = SafeTensors::deserialize(&map)
            .map_err(|source| invalid(&path, format!("not a valid safetensors file: {source}")))?;
        let mut tensors = BTreeMap::new();
        for (name, view) in parsed.iter() {
            if !matches!(view.dtype(), Dtype::F32 | Dtype::F16 | Dtype::BF16) {
                let rule =
                    format!("tensor {name} is {:?}; only F32, F16 and BF16 are supported", view.dtype());
                return Err(invalid(&path, rule));
            }
            tensors.insert(name.to_owned(), (view.dtype(), view.shape().to_vec()));
        }
        Ok(Self { path, tensors })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names and shapes, sorted by name.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.tensors.iter().map(|(name, (_, shape))| (name.as_str(), shape.as_slice()))
    }

    /// Reads one tensor in the given dtype (f32, f16 or bf16).
    ///
    /// # Errors
    /// [`Error::UnsupportedDtype`] when `device` cannot hold it; [`Error::TensorSet`] when there is no such tensor; [`Error::InvalidSafetensors`] when its rank is not `D`; that or [`Error::Io`] when
    /// the file has changed since it was opened.
    pub fn tensor<const D: usize>(
        &self,
        name: &str,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor<D>, Error> {
        let missing = || Error::TensorSet {
            path: self.path.clone(),
            missing: vec![name.to_owned()],
            unexpected: vec![],
            mismatched: vec![],
        };
        if !can_store(device, dtype) {
            return Err(Error::UnsupportedDtype { dtype });
        }
        let (_, shape) = self.tensors.get(name).ok_or_else(missing)?;
        if shape.len() != D {
            let rule = format!("tensor {name} has {} axes where {D} are expected", shape.len());
            return Err(invalid(&self.path, rule));
        }
        let map = MappedFile::open(&self.path).map_err(Error::io(&self.path))?;
        let parsed = SafeTensors::deserialize(&map)
            .map_err(|source| invalid(&self.path, format!("changed while it was read: {source}")))?;
        let view = parsed.tensor(name).map_err(|_| missing())?;
        let data = convert(view.data(), view.dtype(), dtype, view.shape());
        Ok(Tensor::from_data(data, (device, dtype)))
    }
}

fn invalid(path: &Path, rule: String) -> Error {
    Error::InvalidSafetensors { path: path.to_owned(), rule }
}

/// Little-endian bytes of one dtype → data of another. Equal dtypes are copied bit by bit.
fn convert(bytes: &[u8], from: Dtype, to: DType, shape: &[usize]) -> TensorData {
    let same = matches!(
        (from, to),
        (Dtype::F32, DType::F32) | (Dtype::F16, DType::F16) | (Dtype::BF16, DType::BF16)
    );
    if same {
        return TensorData::from_bytes_vec(bytes.to_vec(), shape, to);
    }
    let halves = || bytes.as_chunks::<2>().0.iter();
    let wide: Box<dyn Iterator<Item = f32>> = match from {
        Dtype::BF16 => Box::new(halves().map(|&b| bf16::from_le_bytes(b).to_f32())),
        Dtype::F16 => Box::new(halves().map(|&b| f16::from_le_bytes(b).to_f32())),
        _ => Box::new(bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b))),
    };
    match to {
        DType::BF16 => TensorData::new(wide.map(bf16::from_f32).collect::<Vec<_>>(), shape),
        DType::F16 => TensorData::new(wide.map(f16::from_f32).collect::<Vec<_>>(), shape),
        _ => TensorData::new(wide.collect::<Vec<f32>>(), shape),
    }
}

/// Bounds the header before anything parses it, and refuses duplicate names, which a map would swallow.
fn check_header(path: &Path) -> Result<(), Error> {
    let mut file = File::open(path).map_err(Error::io(path))?;
    let mut length = [0; 8];
    file.read_exact(&mut length)
        .map_err(|_| invalid(path, "shorter than the 8 bytes of a safetensors header".to_owned()))?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER_BYTES {
        return Err(invalid(
            path,
            format!("its header claims {length} bytes; at most {MAX_HEADER_BYTES} are accepted"),
        ));
    }
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header).map_err(Error::io(path))?;
    let mut parser = serde_json::Deserializer::from_slice(&header);
    let names = parser
        .deserialize_map(UniqueNames)
        .map_err(|source| invalid(path, format!("its header is not valid: {source}")))?;
    if names.len() > MAX_TENSORS {
        return Err(invalid(
            path,
            format!("it holds {} tensors; at most {MAX_TENSORS} are accepted", names.len()),
        ));
    }
    Ok(())
}

struct UniqueNames;

impl<'de> Visitor<'de> for UniqueNames {
    type Value = HashSet<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut names = HashSet::new();
        while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format!("tensor {name} occurs twice")));
            }
        }
        Ok(names)
    }
}
