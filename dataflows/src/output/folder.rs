//! A folder of results, in which only files that are ours are replaced.
//!
//! Which files are ours stands in a manifest there. Each file is written beside its place, then named in the manifest,
//! and then moved to its place. So the manifest names no file that was never written, and a run that ends half-way
//! leaves files that the next one may replace.

mod manifest;

use std::collections::{BTreeSet, HashMap};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use connectors::FileKey;

use manifest::{Content, Manifest};

/// The name of the manifest.
pub const MANIFEST: &str = "tickweave-results.json";

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
    /// The file exists, and no manifest says that it is ours as it is.
    #[error(
        "{path} exists, and no {MANIFEST} beside it says that tickweave wrote it as it is now; it is not replaced: \
         write to another folder, or use --force",
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

/// A folder for the results of one run; no other run writes there while this lives.
pub struct ResultsFolder {
    path: PathBuf,
    /// What is ours.
    manifest: Manifest,
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
        let manifest = read(&path.join(MANIFEST))?;
        let folder = ResultsFolder { path: path.to_owned(), manifest, force, in_use, _lock: lock };
        names.iter().try_for_each(|name| folder.check(name))?;
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
            Ok(_) if self.force || self.is_ours(name)? => Ok(()),
            Ok(_) => Err(OutputError::Exists { path }),
        }
    }

    fn is_ours(&self, name: &str) -> Result<bool, OutputError> {
        let known = self.manifest.knows(&self.path, name);
        known.map_err(|error| cannot_write(&self.path.join(name), error))
    }

    fn check_in_use(&self, name: &str) -> Result<(), OutputError> {
        let path = self.path.join(name);
        match self.in_use.get(&FileKey::of(&path)) {
            Some(what) => Err(OutputError::InUse { path, what: what.clone() }),
            None => Ok(()),
        }
    }

    /// Writes the result called `name` by `write`: whole, or not at all.
    pub fn put(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut File) -> csv::Result<()>,
    ) -> Result<(), OutputError> {
        self.check(name)?; // it may have come meanwhile
        let beside = self.write_beside(name, write)?;
        let content = Content::of(&beside).map_err(|error| cannot_write(&beside, error))?;
        self.manifest.may_be(name, content.clone());
        // The less time is between the last look and the move, the better.
        let listed = self.list().and_then(|()| self.check(name));
        if let Err(error) = listed.and_then(|()| self.move_to_place(&beside, name)) {
            let _ = std::fs::remove_file(&beside);
            return Err(error);
        }
        self.manifest.is(name, content);
        self.list()
    }

    /// Removes the result called `name` of an earlier run, if there is one.
    pub fn remove(&mut self, name: &str) -> Result<(), OutputError> {
        let path = self.path.join(name);
        let is_there = path.symlink_metadata().is_ok();
        if is_there && !self.is_ours(name)? {
            return Ok(());
        }
        self.check_in_use(name)?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(cannot_write(&path, error));
            }
            _ => self.manifest.is_gone(name),
        }
        self.list()
    }

    /// Writes the manifest.
    fn list(&self) -> Result<(), OutputError> {
        let beside = self.write_beside(MANIFEST, |file| Ok(self.manifest.write(file)?))?;
        self.move_to_place(&beside, MANIFEST)
    }

    /// Writes what is to become the file called `name`. Returns where it is.
    fn write_beside(
        &self,
        name: &str,
        write: impl FnOnce(&mut File) -> csv::Result<()>,
    ) -> Result<PathBuf, OutputError> {
        let beside = self.path.join(format!(".tickweave-{name}.part"));
        match written(&beside, write) {
            Ok(()) => Ok(beside),
            Err(source) => {
                // What is left of it is replaced by the next run.
                let _ = std::fs::remove_file(&beside);
                Err(OutputError::Write { path: self.path.join(name), source })
            }
        }
    }

    fn move_to_place(&self, beside: &Path, name: &str) -> Result<(), OutputError> {
        let path = self.path.join(name);
        std::fs::rename(beside, &path).map_err(|error| cannot_write(&path, error))
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

/// The manifest at `path`; an empty one if there is none.
fn read(path: &Path) -> Result<Manifest, OutputError> {
    match std::fs::read(path) {
        Ok(text) => Manifest::parse(&text)
            .map_err(|problem| OutputError::NoManifest { path: path.to_owned(), problem }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Manifest::default()),
        Err(error) => Err(cannot_write(path, error)),
    }
}

fn cannot_write(path: &Path, error: io::Error) -> OutputError {
    OutputError::Write { path: path.to_owned(), source: error.into() }
}

#[cfg(test)]
mod tests;
