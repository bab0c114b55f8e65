//! A folder that is there as a whole or not at all.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::Error;

/// Makes `folder` from what `write` puts into a temporary folder beside it, which is renamed once `write` has returned and everything is on the
/// disk. Folders on the way are made; `folder` itself must not be there, or be empty.
///
/// # Errors
/// Whatever `write` returns, and [`Error::Io`] as `E`, also when there is something in `folder`; the temporary folder is removed.
pub fn write_folder<E: From<Error>>(
    folder: impl AsRef<Path>,
    write: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let folder = folder.as_ref();
    check_free(folder)?;
    let temporary = temporary(folder)?;
    let make = || {
        // From an earlier process of the same id that was killed.
        if temporary.exists() {
            fs::remove_dir_all(&temporary)?;
        }
        fs::create_dir_all(&temporary)
    };
    make().map_err(Error::io(&temporary))?;
    let finish = || {
        sync_files(&temporary)?;
        fs::rename(&temporary, folder)?;
        temporary.parent().map_or(Ok(()), sync_folder)
    };
    let written = write(&temporary).and_then(|()| finish().map_err(Error::io(folder)).map_err(E::from));
    written.inspect_err(|_| {
        // The first error is the one to report.
        let _ = fs::remove_dir_all(&temporary);
    })
}

fn check_free(folder: &Path) -> Result<(), Error> {
    let occupied = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(source) if source.kind() == io::ErrorKind::NotFound => false,
        Err(source) => return Err(Error::io(folder)(source)),
    };
    if occupied {
        let source =
            io::Error::new(io::ErrorKind::AlreadyExists, "there is something in it: give another folder");
        return Err(Error::io(folder)(source));
    }
    Ok(())
}

/// A hidden sibling, so that the rename stays within one file system.
fn temporary(folder: &Path) -> Result<PathBuf, Error> {
    let Some(name) = folder.file_name() else {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "has no name that a folder could be given");
        return Err(Error::io(folder)(source));
    };
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.tmp", std::process::id()));
    Ok(folder.with_file_name(hidden))
}

fn sync_files(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        File::open(entry?.path())?.sync_all()?;
    }
    sync_folder(folder)
}

/// Puts the names in `folder` on the disk: after a rename or a removal, before what must not happen without it. Does nothing but on Unix, where
/// alone a folder can be opened.
///
/// # Errors
/// Those of the operating system.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
