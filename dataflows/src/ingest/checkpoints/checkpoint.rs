//! A checkpoint that is whole, and how a start finds one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::file::{numbers, path_of, read_extent, read_manifest};
use super::manifest::{Extent, Manifest};
use super::{CheckpointError, io};
use crate::ingest::promises::SavedPromises;

/// A checkpoint whose every byte was held to its checksum.
pub struct Checkpoint {
    /// What it holds.
    pub manifest: Manifest,
    folder: PathBuf,
    /// The files that it refers to, by number.
    files: Mutex<BTreeMap<u64, File>>,
}

/// What a start finds.
#[derive(Default)]
pub struct FoundCheckpoints {
    /// The newest checkpoint that is whole; none if there is none.
    pub checkpoint: Option<Checkpoint>,
    /// What is wrong with newer ones.
    pub passed_over: Vec<CheckpointError>,
    /// The number that the next checkpoint has: above all that there are.
    pub next: u64,
}

/// The newest checkpoint in a folder that is whole.
///
/// # Errors
/// If the folder cannot be read, or another version of the program wrote its newest checkpoint.
pub fn newest(folder: &Path) -> Result<FoundCheckpoints, CheckpointError> {
    let mut found = FoundCheckpoints { next: 1, ..FoundCheckpoints::default() };
    if !folder.exists() {
        return Ok(found);
    }
    let numbers = numbers(folder)?;
    found.next = numbers.last().map_or(1, |last| last + 1);
    for number in numbers.into_iter().rev() {
        match Checkpoint::open(folder, number) {
            Ok(checkpoint) => {
                found.checkpoint = Some(checkpoint);
                break;
            }
            Err(error @ CheckpointError::OtherVersion { .. }) => return Err(error),
            Err(error) => found.passed_over.push(error),
        }
    }
    Ok(found)
}

impl Checkpoint {
    /// Opens a checkpoint and holds every byte that it refers to, to its checksum.
    pub fn open(folder: &Path, number: u64) -> Result<Checkpoint, CheckpointError> {
        let path = path_of(folder, number);
        let manifest = read_manifest(&path)?;
        let files: BTreeSet<u64> = manifest.extents().map(|extent| extent.file).collect();
        let opened = files.into_iter().map(|number| {
            let path = path_of(folder, number);
            Ok((number, File::open(&path).map_err(io("open", &path))?))
        });
        let files = Mutex::new(opened.collect::<Result<_, CheckpointError>>()?);
        let checkpoint = Checkpoint { manifest, folder: folder.to_owned(), files };
        checkpoint.manifest.extents().try_for_each(|at| checkpoint.read(at).map(drop))?;
        Ok(checkpoint)
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        path_of(&self.folder, self.manifest.number)
    }

    /// Its file, and those that it refers to.
    pub fn files(&self) -> Vec<PathBuf> {
        let numbers = self.manifest.extents().map(|extent| extent.file);
        let numbers: BTreeSet<u64> = numbers.chain([self.manifest.number]).collect();
        numbers.into_iter().map(|number| path_of(&self.folder, number)).collect()
    }

    /// A part of the files of this checkpoint.
    pub(super) fn read(&self, extent: Extent) -> Result<Vec<u8>, CheckpointError> {
        let path = path_of(&self.folder, extent.file);
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        match files.get_mut(&extent.file) {
            Some(file) => read_extent(file, &path, extent),
            None => Err(CheckpointError::Damaged {
                path,
                problem: "the checkpoint refers to no such file".to_owned(),
            }),
        }
    }

    /// What clients were promised before its first commit; nothing in one of an earlier version.
    pub fn promises(&self) -> Result<SavedPromises, CheckpointError> {
        let Some(extent) = self.manifest.promises else { return Ok(SavedPromises::default()) };
        SavedPromises::decode(&self.read(extent)?).map_err(|error| CheckpointError::Damaged {
            path: self.path(),
            problem: format!("what clients were promised: {error}"),
        })
    }

    /// The entries of the logs, each by its view: the encoded pieces in order, and how many rows were ever appended.
    pub fn logs(&self) -> impl Iterator<Item = Result<(&str, Vec<Vec<u8>>, u64), CheckpointError>> {
        self.manifest.logs.iter().map(|log| {
            let pieces = log.pieces.iter().map(|piece| self.read(piece.at));
            Ok((&*log.view, pieces.collect::<Result<_, _>>()?, log.appended))
        })
    }
}
