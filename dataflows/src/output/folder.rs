//! A folder of results, in which only files that are ours are replaced.
//!
//! Which files are ours stands in a manifest there. It is written before the first result is, so that a run that
//! ends half-way leaves files that the next one may replace; each file is written beside its place and moved there
//! when it is whole.

use std::collections::{BTreeSet, HashMap};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use connectors::FileKey;
use serde::{Deserialize, Serialize};

/// The name of the manifest.
pub const MANIFEST: &str = "tickweave-results.json";
/// What a manifest says of itself; a file of its name that does not is not ours.
const ABOUT: &str =
    "files in this folder that tickweave wrote, and replaces when it writes results here again";

/// Results cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The file system says no, or the content cannot be written.
    #[error("cannot write {path}", path = path.display())]
    Write {
        /// Which file, or the folder.
        path: PathBuf,
        /// Why.
        source: csv::Error,
    },
    /// The file exists, and no manifest says that it is ours.
    #[error(
        "{path} exists, and no {MANIFEST} beside it says that tickweave wrote it; it is not replaced: write to \
         another folder, or use --force",
        path = path.display()
    )]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// The job needs the file for something else.
    #[error("{path} would be replaced by a result, and it is {what}; write to another folder", path = path.display())]
    InUse {
        /// Which file.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// Two runs would replace each other's results.
    #[error("another run writes its results to {path}; write to another folder, or wait for its end", path = path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The manifest is none.
    #[error(
        "{path} is not a list of files that tickweave wrote ({problem}); write to another folder, or move it away",
        path = path.display()
    )]
    NoManifest {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl OutputError {
    /// Whether another command line would do better, rather than another file system.
    pub fn is_refusal(&self) -> bool {
        !matches!(self, OutputError::Write { .. })
    }
}

/// The manifest, as it is written.
#[derive(Serialize, Deserialize)]
struct Manifest {
    about: String,
    files: BTreeSet<String>,
}

/// A folder for the results of one run; no other run writes there while this lives.
pub struct ResultsFolder {
    path: PathBuf,
    names: BTreeSet<String>,
    /// Names that the manifest lists.
    ours: BTreeSet<String>,
    force: bool,
    /// What may not be replaced whatever is forced, and what it is.
    in_use: HashMap<FileKey, String>,
    _lock: File,
}

impl ResultsFolder {
    /// Makes the folder at `path` and checks that the files called `names` may be written there: nothing is found
    /// out after a run that is known before. `force` lets them replace files that others wrote, but none of
    /// `in_use`.
    pub fn open(
        path: &Path,
        names: BTreeSet<String>,
        force: bool,
        in_use: HashMap<FileKey, String>,
    ) -> Result<ResultsFolder, OutputError> {
        let cannot = |error| cannot_write(path, error);
        std::fs::create_dir_all(path).map_err(cannot)?;
        let lock = File::open(path).map_err(cannot)?;
        // Some file systems lock no folders; there, two runs at once are not noticed.
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            return Err(OutputError::Locked { path: path.to_owned() });
        }
        let ours = listed(&path.join(MANIFEST))?;
        let folder =
            ResultsFolder { path: path.to_owned(), names, ours, force, in_use, _lock: lock };
        folder.names.iter().try_for_each(|name| folder.check(name))?;
        folder.check_in_use(MANIFEST)?;
        Ok(folder)
    }

    /// Whether a result called `name` may be written.
    fn check(&self, name: &str) -> Result<(), OutputError> {
        self.check_in_use(name)?;
        let path = self.path.join(name);
        match path.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(cannot_write(&path, error)),
            Ok(about) if about.is_dir() => Err(cannot_write(&path, ErrorKind::IsADirectory.into())),
            Ok(_) if self.force || self.ours.contains(name) => Ok(()),
            Ok(_) => Err(OutputError::Exists { path }),
        }
    }

    fn check_in_use(&self, name: &str) -> Result<(), OutputError> {
        let path = self.path.join(name);
        match self.in_use.get(&FileKey::of(&path)) {
            Some(what) => Err(OutputError::InUse { path, what: what.clone() }),
            None => Ok(()),
        }
    }

    /// Lists the results in the manifest, those of earlier runs too. To be called before the first [`Self::put`].
    pub fn begin(&self) -> Result<(), OutputError> {
        // A result that may not be written is not ours, and must not become so.
        let own = self.names.iter().filter(|name| self.check(name).is_ok());
        let files = self.ours.iter().chain(own).cloned().collect();
        let manifest = Manifest { about: ABOUT.to_owned(), files };
        self.replace(MANIFEST, |file| {
            serde_json::to_writer_pretty(&mut *file, &manifest).map_err(io::Error::from)?;
            Ok(file.write_all(b"\n")?)
        })
    }

    /// Writes the result called `name` by `write`: whole, or not at all.
    pub fn put(
        &self,
        name: &str,
        write: impl FnOnce(&mut File) -> csv::Result<()>,
    ) -> Result<(), OutputError> {
        self.check(name)?; // it may have come meanwhile
        self.replace(name, write)
    }

    /// Removes the result called `name` of an earlier run, if there is one.
    pub fn remove(&self, name: &str) -> Result<(), OutputError> {
        let path = self.path.join(name);
        if !self.ours.contains(name) {
            return Ok(());
        }
        self.check_in_use(name)?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(cannot_write(&path, error)),
            _ => Ok(()),
        }
    }

    fn replace(
        &self,
        name: &str,
        write: impl FnOnce(&mut File) -> csv::Result<()>,
    ) -> Result<(), OutputError> {
        let path = self.path.join(name);
        let beside = self.path.join(format!(".tickweave-{name}.part"));
        let written = written(&beside, write)
            .and_then(|()| std::fs::rename(&beside, &path).map_err(csv::Error::from));
        written.map_err(|source| {
            // What is left of it is replaced by the next run.
            let _ = std::fs::remove_file(&beside);
            OutputError::Write { path, source }
        })
    }
}

/// Writes a file anew, through to the disk.
fn written(path: &Path, write: impl FnOnce(&mut File) -> csv::Result<()>) -> csv::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    write(&mut file)?;
    Ok(file.sync_all()?)
}

/// The names that the manifest at `path` lists; none if there is no manifest.
fn listed(path: &Path) -> Result<BTreeSet<String>, OutputError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(cannot_write(path, error)),
    };
    let no_manifest = |problem| OutputError::NoManifest { path: path.to_owned(), problem };
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| no_manifest(error.to_string()))?;
    match manifest.about == ABOUT {
        true => Ok(manifest.files),
        false => Err(no_manifest(format!("`about` is \"{}\"", manifest.about))),
    }
}

fn cannot_write(path: &Path, error: io::Error) -> OutputError {
    OutputError::Write { path: path.to_owned(), source: error.into() }
}

#[cfg(test)]
mod tests;
