//! How another process finds a file again.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::claims::FileId;
use crate::file_identity::FileHead;

/// A file is known by its first bytes alone if there are so many: on another disk it has another number.
const KNOWN_BY_BYTES: u64 = 4 << 10;

/// A file that is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KnownFile {
    pub(super) id: FileId,
    pub(super) head: FileHead,
    /// The position before that of its first line.
    pub(super) base: u64,
}

impl KnownFile {
    pub(super) fn of(id: FileId, file: &File, base: u64) -> io::Result<KnownFile> {
        let length = file.metadata()?.len();
        Ok(KnownFile { id, head: FileHead::of(file, length)?, base })
    }

    /// Whether it is noted well enough, now that it is so long: a head is noted anew when it could be twice as long.
    pub(super) fn is_enough(&self, length: u64) -> bool {
        self.head.is_longest() || length < 2 * self.head.bytes.max(1)
    }

    /// Where the file is now: at its path, or under another name in that folder. None if it is not there any more.
    pub(super) fn find(&self, path: &Path) -> Option<PathBuf> {
        if self.is_at(path) {
            return Some(path.to_owned());
        }
        let mut others = files_beside(path).into_iter();
        others.find(|(id, other)| id.is_same(&self.id) && self.is_at(other)).map(|(_, other)| other)
    }

    pub(super) fn is_at(&self, path: &Path) -> bool {
        let Ok(file) = File::open(path) else { return false };
        let Ok(about) = file.metadata() else { return false };
        let is_known = FileId::of(&about).is_same(&self.id) || self.head.bytes >= KNOWN_BY_BYTES;
        about.is_file() && is_known && self.head.fits(&file).unwrap_or(false)
    }
}

/// The folder of a path.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// The files in the folder of a path.
pub(super) fn files_beside(path: &Path) -> Vec<(FileId, PathBuf)> {
    let Ok(entries) = fs::read_dir(folder_of(path)) else { return Vec::new() };
    let files = entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        let about = path.metadata().ok().filter(fs::Metadata::is_file)?;
        Some((FileId::of(&about), path))
    });
    files.collect()
}
