//! Where an earlier process has left a followed path, and which files it would have read next.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::FollowedPath;
use super::claims::{Claims, FileId};
use super::known_file::{KnownFile, files_beside, folder_of};
use super::open_file::OpenFile;
use crate::lines::compression;
use crate::source::PartitionState;

/// What the reader of a path needs to read on in another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum FollowState {
    /// It read a file.
    Reads(KnownFile),
    /// Its file is gone, which was told.
    Gone,
}

/// Files and what they are called, by their folders.
pub(crate) type Folders = HashMap<PathBuf, Vec<(FileId, PathBuf)>>;

impl FollowState {
    pub(super) fn of(state: &PartitionState) -> Option<FollowState> {
        state.read()
    }
}

/// Notes that a partition has read its file, so that no other one does.
pub(super) fn claim(
    path: &FollowedPath,
    known: &KnownFile,
    claims: &Claims,
    folders: &mut Folders,
) {
    let folder = folder_of(&path.path);
    let files = folders.entry(folder).or_insert_with(|| files_beside(&path.path));
    for (id, _) in files.iter().filter(|(id, at)| id.is_same(&known.id) && known.is_at(at)) {
        claims.claim(id.clone(), path.number);
    }
}

/// Files that the path named after `old` and does not name any more: those whose names begin as its own and that were
/// written to later, in that order. Gives those that can be read, and those that are compressed.
pub(super) fn named_between(old: &Path, path: &FollowedPath) -> (Vec<OpenFile>, Vec<PathBuf>) {
    let modified = |path: &Path| path.metadata().and_then(|about| about.modified()).ok();
    let (Some(name), Some(since)) = (path.path.file_name(), modified(old)) else {
        return (Vec::new(), Vec::new());
    };
    let name = name.to_string_lossy();
    let mut later: Vec<(SystemTime, PathBuf)> = files_beside(&path.path)
        .into_iter()
        .filter(|(_, other)| {
            let other = other.file_name().map(|other| other.to_string_lossy());
            other.is_some_and(|other| other.strip_prefix(&*name).is_some_and(is_of_rotation))
        })
        .filter_map(|(_, other)| Some((modified(&other).filter(|at| *at > since)?, other)))
        .collect();
    later.sort_unstable();
    let (mut plain, mut packed) = (Vec::new(), Vec::new());
    for (_, path) in later {
        match open_plain(&path) {
            Ok(Some(file)) => plain.push(file),
            Ok(None) | Err(_) => packed.push(path),
        }
    }
    (plain, packed)
}

/// Whether a rotated file may have this behind its name: a number or a time, such as `.1`, `-20260105` or `.2.gz`. An
/// editor's copy has something else.
fn is_of_rotation(ending: &str) -> bool {
    let packed = [".gz", ".zst", ".xz", ".bz2"];
    let plain = packed.iter().find_map(|packed| ending.strip_suffix(packed)).unwrap_or(ending);
    let has_mark = plain.starts_with(['.', '-', '_']);
    let is_time = |char: char| char.is_ascii_digit() || ".-_:T".contains(char);
    has_mark && plain.contains(|char: char| char.is_ascii_digit()) && plain.chars().all(is_time)
}

/// Opens a file, unless it is compressed.
fn open_plain(path: &Path) -> io::Result<Option<OpenFile>> {
    use std::os::unix::fs::FileExt as _;
    let file = File::open(path)?;
    let mut start = [0; 4];
    let bytes = file.read_at(&mut start, 0)?;
    if compression(&start[..bytes]).is_some() {
        return Ok(None);
    }
    OpenFile::of(file).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_files_have_numbers_or_times() {
        for ending in [".1", ".12.gz", "-20260105", ".2026-01-05T10:00", "_3.zst"] {
            assert!(is_of_rotation(ending), "{ending}");
        }
        for ending in ["", ".", "~", ".swp", ".bak", "1", ".gz", ".1.swp", ".lock"] {
            assert!(!is_of_rotation(ending), "{ending}");
        }
    }
}
