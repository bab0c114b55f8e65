//! A folder of the leaderboard's files.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::example::{answer, question};
use super::lines::for_each_line;
use super::{BfclExample, BfclProblem};
use crate::Error;
use crate::ast::Category;

/// The question files in a folder.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BfclFolder {
    /// The files of known categories, by name.
    pub files: Vec<BfclFile>,
    /// The leaderboard's other files, which are not read: other languages, several turns, executable answers.
    pub skipped: Vec<PathBuf>,
}

/// A question file, and the file of its accepted answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BfclFile {
    /// The questions.
    pub questions: PathBuf,
    /// The accepted answers; `None` where there is no such file.
    pub answers: Option<PathBuf>,
    /// The version in the name, as `4`.
    pub version: String,
    /// The set in the name, as `live_parallel`.
    pub set: String,
    /// The category of the set.
    pub category: Category,
}

impl BfclFolder {
    /// Lists the files in `folder`: `BFCL_v<version>_<set>.json`, answers in `possible_answer/`.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder can't be read.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let io = |source| Error::Io { path: folder.to_owned(), source };
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(io)? {
            paths.push(entry.map_err(io)?.path());
        }
        paths.sort_unstable();
        let (mut files, mut skipped) = (Vec::new(), Vec::new());
        for path in paths {
            match BfclFile::from_path(&path) {
                Ok(file) => files.push(file),
                Err(_)
                    if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"BFCL_")) =>
                {
                    skipped.push(path);
                }
                Err(_) => {}
            }
        }
        Ok(Self { files, skipped })
    }
}

impl BfclFile {
    /// The question file at `path`, with the answers beside it.
    ///
    /// # Errors
    /// [`Error::UnknownCategory`] where the name is not that of a file of a known category.
    pub fn from_path(path: &Path) -> Result<Self, Error> {
        let unknown = || Error::UnknownCategory {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        };
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(unknown)?;
        let stem = name.strip_suffix(".json").or_else(|| name.strip_suffix(".jsonl")).ok_or_else(unknown)?;
        let rest = stem.strip_prefix("BFCL_v").ok_or_else(unknown)?;
        let (version, set) = rest.split_once('_').ok_or_else(unknown)?;
        let answers = path.with_file_name("possible_answer").join(name);
        Ok(Self {
            questions: path.to_owned(),
            answers: answers.is_file().then_some(answers),
            version: version.to_owned(),
            set: set.to_owned(),
            category: set.parse()?,
        })
    }

    /// Reads the examples, in the order of the questions. Questions and answers are paired by id: both or neither must
    /// be there.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::BfclLine`] with the file and the line that can't be used.
    pub fn read(&self) -> Result<Vec<BfclExample>, Error> {
        let mut answers = HashMap::new();
        if let Some(path) = self.answers.as_deref().filter(|_| self.category.has_gold()) {
            for_each_line(path, |number, line| {
                let (id, gold) = answer(line)?;
                match answers.insert(id.clone(), (number, gold)) {
                    Some((first, _)) => Err(BfclProblem::DuplicateId { id, first }),
                    None => Ok(()),
                }
            })?;
        }
        let answers_name = self.answers.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        let mut lines: HashMap<String, usize> = HashMap::new();
        let mut examples = Vec::new();
        for_each_line(&self.questions, |number, line| {
            let mut example = question(line, &self.set, self.category)?;
            if let Some(first) = lines.insert(example.id.clone(), number) {
                return Err(BfclProblem::DuplicateId { id: example.id, first });
            }
            if self.category.has_gold() {
                example.gold = match answers.remove(&example.id) {
                    Some((_, gold)) if !gold.is_empty() => gold,
                    _ => {
                        let (id, answers) = (example.id, answers_name.clone());
                        return Err(BfclProblem::NoAnswer { id, answers });
                    }
                };
            }
            examples.push(example);
            Ok(())
        })?;
        let spare = answers.into_iter().map(|(id, (line, _))| (line, id)).min();
        match (spare, &self.answers) {
            (Some((line, id)), Some(path)) => Err(Error::BfclLine {
                path: path.clone(),
                line,
                problem: Box::new(BfclProblem::NoQuestion { id }),
            }),
            _ => Ok(examples),
        }
    }
}
