//! Which partition of a source reads which file, so that a file which is renamed is read once.

use std::collections::{HashMap, HashSet};
use std::fs::Metadata;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::file_key::FileKey;

/// A file, whatever it is called. Another one may get the number of one that was removed, but is made later.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct FileId {
    key: FileKey,
    /// When it was made, where that is known.
    made: Option<SystemTime>,
}

impl FileId {
    pub(crate) fn of(about: &Metadata) -> FileId {
        FileId { key: FileKey::of_open(about), made: about.created().ok() }
    }

    /// Whether it is the same file as seen by an earlier process: the number of a disk may change with a boot of the
    /// system; then when it was made tells it from others.
    pub(crate) fn is_same(&self, before: &FileId) -> bool {
        let of_disk = |id: &FileId| match &id.key {
            FileKey::Node { device, inode } => (Some(*device), *inode),
            FileKey::Path(_) => (None, 0),
        };
        let ((device, inode), (device_before, inode_before)) = (of_disk(self), of_disk(before));
        let is_made_with = self.made == before.made;
        inode == inode_before
            && is_made_with
            && (device == device_before || self.made.is_some())
            && device.is_some()
    }
}

/// The files that partitions of a source have read. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims(Arc<Mutex<HashMap<FileId, Claim>>>);

#[derive(Clone, Copy, Debug)]
struct Claim {
    /// The number of the partition.
    owner: u32,
    /// Whether the file was among those that the paths of the source name, and how often in a row it was not since.
    was_named: bool,
    missed: u32,
}

/// A file that was missed so often is gone. A listing of a folder may miss one that is just renamed.
const MISSED_MAX: u32 = 3;

/// Beyond so many, those of files that were never named go.
const CLAIMS_MAX: usize = 65_536;

impl Claims {
    /// Whether partition `owner` reads the file: it does if no other one has.
    pub(crate) fn claim(&self, id: FileId, owner: u32) -> bool {
        let claim = Claim { owner, was_named: false, missed: 0 };
        self.lock().entry(id).or_insert(claim).owner == owner
    }

    /// Whether another partition than `owner` has read the file.
    pub(crate) fn is_of_other(&self, id: &FileId, owner: u32) -> bool {
        self.lock().get(id).is_some_and(|claim| claim.owner != owner)
    }

    /// The paths name these files now. Those that they named and do not any more are forgotten after a while: they are
    /// gone, and what comes in their place is another file.
    pub(crate) fn name(&self, named: &HashSet<FileId>) {
        let mut claims = self.lock();
        let is_full = claims.len() > CLAIMS_MAX;
        claims.retain(|id, claim| {
            let is_named = named.contains(id);
            claim.was_named |= is_named;
            claim.missed = if is_named { 0 } else { claim.missed + 1 };
            let is_gone = claim.was_named && claim.missed >= MISSED_MAX;
            is_named || !(is_gone || (is_full && !claim.was_named))
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<FileId, Claim>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
