//! Writing GGUF, version 3: a header, metadata, the description of the tensors, then their values.
//!
//! Numbers are little-endian, strings are their length in 64 bits and UTF-8, and values start at multiples of [`ALIGNMENT`], counted from the
//! start of the first. A shape is given from the innermost axis outwards: a matrix that is `[rows, columns]` here is written `[columns, rows]`,
//! with the same bytes.

use std::io::{self, Write};
use std::path::Path;

use burn::tensor::{DType, Tensor};
use tooltune_lm::write_file;

use crate::Error;

const MAGIC: &[u8; 4] = b"GGUF";
const VERSION: u32 = 3;
/// The format's own default.
const ALIGNMENT: u64 = 32;

/// A value of the metadata.
pub(super) enum GgufValue {
    U32(u32),
    F32(f32),
    String(String),
}

impl GgufValue {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::U32(value) => {
                out.extend(4u32.to_le_bytes());
                out.extend(value.to_le_bytes());
            }
            Self::F32(value) => {
                out.extend(6u32.to_le_bytes());
                out.extend(value.to_le_bytes());
            }
            Self::String(text) => {
                out.extend(8u32.to_le_bytes());
                write_string(text, out);
            }
        }
    }
}

/// A matrix to be written.
pub(super) struct GgufTensor {
    name: String,
    tensor: Tensor<2>,
    dtype: DType,
}

impl GgufTensor {
    /// A matrix to be written in f32 or f16.
    ///
    /// # Errors
    /// [`Error::NotFinite`] when it holds a value that is not finite in this dtype.
    pub(super) fn new(name: String, tensor: Tensor<2>, dtype: DType) -> Result<Self, Error> {
        let converted = tensor.to_data().convert_dtype(dtype);
        if converted.iter::<f32>().any(|value| !value.is_finite()) {
            return Err(Error::NotFinite { name, dtype });
        }
        Ok(Self { name, tensor, dtype })
    }

    fn bytes(&self) -> u64 {
        let width = if self.dtype == DType::F16 { 2 } else { 4 };
        self.tensor.shape().num_elements() as u64 * width
    }

    fn describe(&self, offset: u64, out: &mut Vec<u8>) {
        write_string(&self.name, out);
        let [rows, columns] = self.tensor.dims();
        out.extend(2u32.to_le_bytes());
        out.extend((columns as u64).to_le_bytes());
        out.extend((rows as u64).to_le_bytes());
        out.extend(u32::from(self.dtype == DType::F16).to_le_bytes());
        out.extend(offset.to_le_bytes());
    }
}

/// A whole file.
pub(super) struct GgufFile {
    pub(super) metadata: Vec<(&'static str, GgufValue)>,
    pub(super) tensors: Vec<GgufTensor>,
}

impl GgufFile {
    /// Writes the file as [`write_file`] does, one tensor in memory at a time.
    pub(super) fn write(&self, path: &Path) -> Result<(), Error> {
        let header = self.header();
        Ok(write_file(path, |file| {
            file.write_all(&header)?;
            pad(file, header.len() as u64)?;
            for tensor in &self.tensors {
                file.write_all(tensor.tensor.to_data().convert_dtype(tensor.dtype).as_bytes())?;
                pad(file, tensor.bytes())?;
            }
            Ok(())
        })?)
    }

    fn header(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(VERSION.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            write_string(key, &mut out);
            value.write(&mut out);
        }
        let mut offset = 0u64;
        for tensor in &self.tensors {
            tensor.describe(offset, &mut out);
            offset += tensor.bytes().next_multiple_of(ALIGNMENT);
        }
        out
    }
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// Zeros up to the next multiple of the alignment.
fn pad(file: &mut impl Write, written: u64) -> io::Result<()> {
    const ZEROS: [u8; ALIGNMENT as usize] = [0; ALIGNMENT as usize];
    let missing = written.next_multiple_of(ALIGNMENT) - written;
    file.write_all(&ZEROS[..missing as usize])
}
