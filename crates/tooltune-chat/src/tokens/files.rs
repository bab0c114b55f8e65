//! The files of a tokenizer: read, kept as text, written whole.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::TokenProblem;
use super::edit::TOKENIZER_FILE;
use super::edit_config::{ADDED_TOKENS_FILE, CONFIG_FILE, SPECIAL_TOKENS_FILE};
use super::pretty::to_pretty_json;
use crate::{Error, HfTokenizer, MAX_TOKENIZER_BYTES, Value};

/// Files that hold tokens, or the template that a tokenizer folder carries along.
const BESIDE: [&str; 4] = [CONFIG_FILE, SPECIAL_TOKENS_FILE, ADDED_TOKENS_FILE, TEMPLATE_FILE];
const TEMPLATE_FILE: &str = "chat_template.jinja";

/// `tokenizer.json` and what stands beside it: `tokenizer_config.json`, `special_tokens_map.json`,
/// `added_tokens.json` and `chat_template.jinja`, as far as they exist.
///
/// A sentencepiece `tokenizer.model` is not among them: it cannot hold the changed tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenizerFiles {
    tokenizer: TextFile,
    beside: Vec<(&'static str, TextFile)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct TextFile {
    /// Where it was read, for messages.
    path: PathBuf,
    text: String,
}

impl TokenizerFiles {
    /// Reads the files of a folder, each of at most [`MAX_TOKENIZER_BYTES`].
    ///
    /// # Errors
    /// Where `tokenizer.json` is missing, or a file is too large or not UTF-8.
    pub fn from_folder(folder: impl AsRef<Path>) -> Result<Self, Error> {
        let folder = folder.as_ref();
        let tokenizer = TextFile::read(folder.join(TOKENIZER_FILE))?;
        let mut beside = Vec::new();
        for name in BESIDE {
            match TextFile::read(folder.join(name)) {
                Ok(file) => beside.push((name, file)),
                Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { tokenizer, beside })
    }

    /// The text of a `tokenizer.json` that stands alone.
    pub fn from_json(tokenizer_json: impl Into<String>) -> Self {
        let tokenizer = TextFile { path: PathBuf::from(TOKENIZER_FILE), text: tokenizer_json.into() };
        Self { tokenizer, beside: Vec::new() }
    }

    /// The text of `tokenizer.json`.
    #[must_use]
    pub fn tokenizer_json(&self) -> &str {
        &self.tokenizer.text
    }

    /// The text of one of the files, by its name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all().find(|(file, _)| *file == name).map(|(_, file)| file.text.as_str())
    }

    /// Loads the tokenizer.
    ///
    /// # Errors
    /// [`Error::TokenizerFile`] where `tokenizer.json` is none.
    pub fn tokenizer(&self) -> Result<HfTokenizer, Error> {
        HfTokenizer::from_bytes(self.tokenizer.text.as_bytes()).map_err(|error| {
            let message = match error {
                Error::Tokenizer { message } => message,
                other => other.to_string(),
            };
            Error::TokenizerFile { path: self.tokenizer.path.clone(), message }
        })
    }

    /// Writes the files to a folder, which is made where it is missing. All are written and flushed under
    /// temporary names first and then renamed, `tokenizer.json` last, so that no file is ever there in part.
    ///
    /// # Errors
    /// [`Error::FileTooLarge`] for a file beyond [`MAX_TOKENIZER_BYTES`], before anything is written;
    /// [`Error::Io`] otherwise, and the temporary files are removed.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<(), Error> {
        let folder = folder.as_ref();
        let mut files: Vec<_> = self.all().collect();
        files.reverse();
        for (name, file) in &files {
            check_size(&folder.join(name), file.text.len() as u64)?;
        }
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Io { path, source }
        };
        fs::create_dir_all(folder).map_err(io(folder))?;
        let temporary = |name: &str| folder.join(format!(".{name}.{}.tmp", std::process::id()));
        let write = || {
            for (name, file) in &files {
                let path = temporary(name);
                write_synced(&path, &file.text).map_err(io(&path))?;
            }
            for (name, _) in &files {
                let path = folder.join(name);
                fs::rename(temporary(name), &path).map_err(io(&path))?;
            }
            sync_folder(folder).map_err(io(folder))
        };
        write().inspect_err(|_| {
            for (name, _) in &files {
                // The first error is the one to report.
                let _ = fs::remove_file(temporary(name));
            }
        })
    }

    /// The files with `tokenizer` and `beside` applied to what they hold; templates stay as they are.
    pub(super) fn edit(
        &self,
        tokenizer: &dyn Fn(Value) -> Result<Value, TokenProblem>,
        beside: &dyn Fn(&'static str, Value) -> Result<Value, TokenProblem>,
    ) -> Result<Self, Error> {
        let edit_beside = |(name, file): &(&'static str, TextFile)| {
            let file =
                if *name == TEMPLATE_FILE { file.clone() } else { file.edit(&|root| beside(name, root))? };
            Ok((*name, file))
        };
        Ok(Self {
            tokenizer: self.tokenizer.edit(tokenizer)?,
            beside: self.beside.iter().map(edit_beside).collect::<Result<_, Error>>()?,
        })
    }

    /// `tokenizer.json` first.
    fn all(&self) -> impl Iterator<Item = (&'static str, &TextFile)> {
        let beside = self.beside.iter().map(|(name, file)| (*name, file));
        std::iter::once((TOKENIZER_FILE, &self.tokenizer)).chain(beside)
    }
}

impl TextFile {
    fn read(path: PathBuf) -> Result<Self, Error> {
        let io = |source| Error::Io { path: path.clone(), source };
        let file = File::open(&path).map_err(io)?;
        check_size(&path, file.metadata().map_err(io)?.len())?;
        let mut bytes = Vec::new();
        // The file may grow while it is read.
        file.take(MAX_TOKENIZER_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
        check_size(&path, bytes.len() as u64)?;
        let text = String::from_utf8(bytes)
            .map_err(|error| io(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        Ok(Self { path, text })
    }

    fn edit(&self, edit: &dyn Fn(Value) -> Result<Value, TokenProblem>) -> Result<Self, Error> {
        let root = Value::parse_json(&self.text)
            .map_err(|error| TokenProblem::NotJson { path: self.path.clone(), error })?;
        let root = edit(root)?;
        // In the layout of the file, so that a comparison shows the change alone.
        let over_lines =
            self.text.trim_start().starts_with("{\n") || self.text.trim_start().starts_with("{\r\n");
        let mut text = if over_lines { to_pretty_json(&root) } else { root.to_json() };
        if self.text.ends_with('\n') {
            text.push('\n');
        }
        Ok(Self { path: self.path.clone(), text })
    }
}

fn check_size(path: &Path, bytes: u64) -> Result<(), Error> {
    let limit = MAX_TOKENIZER_BYTES;
    if bytes > limit {
        return Err(Error::FileTooLarge { path: path.to_owned(), bytes, limit });
    }
    Ok(())
}

fn write_synced(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Makes the renames last; only Unix can open a folder.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
