//! Which files the newest checkpoints need.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use market::Commit;

use super::CheckpointError;
use super::file::{numbers, path_of, read_manifest};
use super::writer::KEPT;

/// What has to be kept so that a start can go on from the newest checkpoint, or from the one before.
pub struct KeptFiles {
    /// The number of the newest checkpoint.
    pub newest: u64,
    /// The last commit whose states it holds.
    pub through: Commit,
    /// The files of the checkpoints, those that go first before others.
    pub files: Vec<PathBuf>,
    /// The log is needed from this segment on.
    pub segment: u64,
}

/// What the newest checkpoints in a folder need, by their manifests; none if there is no checkpoint. Pieces are not held to
/// their checksums: whoever reads a copy does that.
///
/// # Errors
/// If the folder cannot be read, or there are checkpoints and the manifest of none is whole.
pub fn kept_files(folder: &Path) -> Result<Option<KeptFiles>, CheckpointError> {
    let mut manifests = Vec::new();
    let mut damaged = None;
    for number in numbers(folder)?.into_iter().rev() {
        match read_manifest(&path_of(folder, number)) {
            Ok(manifest) => manifests.push(manifest),
            Err(error) => damaged = damaged.or(Some(error)),
        }
        if manifests.len() == KEPT {
            break;
        }
    }
    let (Some(newest), Some(oldest)) = (manifests.first(), manifests.last()) else {
        return damaged.map_or(Ok(None), Err);
    };
    let numbers = manifests
        .iter()
        .flat_map(|manifest| manifest.extents().map(|at| at.file).chain([manifest.number]));
    let numbers: BTreeSet<u64> = numbers.collect();
    Ok(Some(KeptFiles {
        newest: newest.number,
        through: newest.last,
        files: numbers.into_iter().map(|number| path_of(folder, number)).collect(),
        segment: oldest.start.segment,
    }))
}
