//! A file mapped read-only into memory.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

/// The bytes of a file, mapped read-only: pages are read when first touched and shared with the page cache.
///
/// # Caveat
/// The file must not be truncated or written to while it is mapped: the operating system has no way to
/// freeze it. If another process changes the file, the bytes seen here change with it; if it shrinks, reading
/// past its new end stops the process (`SIGBUS` on Unix). Checkpoint writers should therefore write a new file
/// and rename it over the old one, which leaves existing mappings untouched.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("tooltune-kernels-doc-{}", std::process::id()));
/// std::fs::write(&path, b"weights")?;
/// let file = tooltune_kernels::mmap::MappedFile::open(&path)?;
/// assert_eq!(&file[..], b"weights");
/// # std::fs::remove_file(&path)
/// # }
/// ```
#[derive(Debug)]
pub struct MappedFile {
    map: Mmap,
}

impl MappedFile {
    /// Maps the whole file at `path`. An empty file gives an empty slice.
    ///
    /// # Errors
    /// Those of opening the file and of mapping it, unchanged (for example [`io::ErrorKind::NotFound`]).
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: the mapping is read-only and private to this value, and hands out `&[u8]` bound to its
        // lifetime. That nobody else changes the file meanwhile cannot be enforced; it is the documented caveat.
        let map = unsafe { Mmap::map(&file) }?;
        Ok(Self { map })
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

impl AsRef<[u8]> for MappedFile {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_was_written() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("file");
        let bytes: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &bytes)?;
        assert_eq!(&MappedFile::open(&path)?[..], &bytes[..]);
        Ok(())
    }

    #[test]
    fn empty_file_is_an_empty_slice() -> io::Result<()> {
        let file = tempfile::NamedTempFile::new()?;
        assert!(MappedFile::open(file.path())?.is_empty());
        Ok(())
    }

    #[test]
    fn missing_file_is_not_found() {
        let error = MappedFile::open("no/such/file").err().map(|e| e.kind());
        assert_eq!(error, Some(io::ErrorKind::NotFound));
    }
}
