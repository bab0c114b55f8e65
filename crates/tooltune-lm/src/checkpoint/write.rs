//! Writing safetensors files.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use burn::tensor::{DType, TensorData};
use safetensors::{Dtype, View};

use super::whole_folder::sync_folder;
use crate::Error;

/// A tensor to be written: its values are only fetched when their turn comes.
pub struct NamedTensor {
    name: String,
    shape: Vec<usize>,
    dtype: DType,
    read: Box<dyn Fn() -> TensorData>,
    /// Found when the values were fetched, which is once: looking before would mean fetching them twice.
    not_finite: Cell<bool>,
}

impl NamedTensor {
    /// A tensor of the given name, shape and dtype (f32, f16 or bf16), whose values `read` fetches in any float dtype.
    pub fn new(
        name: impl Into<String>,
        shape: impl Into<Vec<usize>>,
        dtype: DType,
        read: impl Fn() -> TensorData + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            shape: shape.into(),
            dtype,
            read: Box::new(read),
            not_finite: Cell::new(false),
        }
    }

    /// The name in the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many values there are.
    pub fn num_elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// How many bytes its values take in the file.
    pub fn bytes(&self) -> u64 {
        (&self).data_len() as u64
    }
}

impl fmt::Debug for NamedTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamedTensor")
            .field("name", &self.name)
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

impl View for &NamedTensor {
    fn dtype(&self) -> Dtype {
        match self.dtype {
            DType::BF16 => Dtype::BF16,
            DType::F16 => Dtype::F16,
            _ => Dtype::F32,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let dtype = if matches!(self.dtype, DType::BF16 | DType::F16) { self.dtype } else { DType::F32 };
        let values = (self.read)().convert_dtype(dtype);
        self.not_finite.set(!is_finite(values.as_bytes(), dtype));
        Cow::Owned(values.as_bytes().to_vec())
    }

    fn data_len(&self) -> usize {
        self.shape.iter().product::<usize>() * View::dtype(self).bitsize() / 8
    }
}

/// Are all of these values finite? Infinity and NaN are those whose exponent is all ones.
fn is_finite(bytes: &[u8], dtype: DType) -> bool {
    let halves = |exponent: u16| {
        let mut values = bytes.as_chunks::<2>().0.iter();
        values.all(|value| u16::from_ne_bytes(*value) & exponent != exponent)
    };
    match dtype {
        DType::F16 => halves(0x7C00),
        DType::BF16 => halves(0x7F80),
        _ => bytes.as_chunks::<4>().0.iter().all(|value| f32::from_ne_bytes(*value).is_finite()),
    }
}

/// Writes `tensors` to `path`: first under a temporary name beside it, flushed to the disk, then renamed, so that `path` never holds a part.
///
/// # Errors
/// [`Error::NotFinite`] for a value that is NaN or infinite, or becomes so in the dtype of the file; [`Error::Io`] and
/// [`Error::InvalidSafetensors`]. The temporary file is removed, and what was at `path` is still there.
pub fn write_safetensors(path: impl AsRef<Path>, tensors: &[NamedTensor]) -> Result<(), Error> {
    let path = path.as_ref();
    let temporary = temporary(path);
    let write = || {
        // safetensors makes its file readable by the owner alone; servers run as somebody else.
        let ordinary =
            File::create(&temporary).and_then(|file| file.metadata()).map_err(Error::io(&temporary))?;
        // transformers and PEFT refuse a file without this entry.
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let named = tensors.iter().map(|tensor| (tensor.name.as_str(), tensor));
        safetensors::serialize_to_file(named, Some(metadata), &temporary).map_err(|source| {
            Error::InvalidSafetensors {
                path: path.to_owned(),
                rule: format!("could not be written: {source}"),
            }
        })?;
        if let Some(tensor) = tensors.iter().find(|tensor| tensor.not_finite.get()) {
            let (path, tensor, dtype) = (path.to_owned(), tensor.name.clone(), tensor.dtype);
            return Err(Error::NotFinite { path, tensor, dtype });
        }
        fs::set_permissions(&temporary, ordinary.permissions()).map_err(Error::io(&temporary))?;
        File::open(&temporary).and_then(|file| file.sync_all()).map_err(Error::io(&temporary))?;
        put_in_place(&temporary, path).map_err(Error::io(path))
    };
    write().inspect_err(|_| {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    })
}

/// Writes a small text file as [`write_safetensors`] writes a large one: under a temporary name, flushed to the disk, then renamed.
///
/// # Errors
/// [`Error::Io`]; the temporary file is removed.
pub fn write_text(path: impl AsRef<Path>, text: &str) -> Result<(), Error> {
    write_file(path, |file| file.write_all(text.as_bytes()))
}

/// Writes a file of any format in the same way: `write` writes to a temporary name, which is flushed to the disk, then renamed.
///
/// # Errors
/// [`Error::Io`], also with what `write` returns; the temporary file is removed.
pub fn write_file(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), Error> {
    let path = path.as_ref();
    let temporary = temporary(path);
    let write = || {
        let mut file = BufWriter::new(File::create(&temporary)?);
        write(&mut file)?;
        file.flush()?;
        file.get_ref().sync_all()?;
        put_in_place(&temporary, path)
    };
    write().map_err(|source| {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
        Error::io(path)(source)
    })
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

/// The rename is on the disk too when this returns.
fn put_in_place(temporary: &Path, path: &Path) -> io::Result<()> {
    fs::rename(temporary, path)?;
    path.parent().map_or(Ok(()), sync_folder)
}
