//! What of a state directory a copy holds.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use market::Commit;
use object_copy::FileToCopy;

use crate::ingest::checkpoints::{CheckpointError, KeptFiles, kept_files};
use crate::ingest::commit_log::{self, CommitLogError};

/// What of a state directory a copy holds: the files are open, so that they can be read when they are removed meanwhile.
/// There are at most as many as two checkpoints refer to, and the segments of the log since the older one.
pub struct StateFiles {
    /// The newest checkpoint.
    pub checkpoint: u64,
    /// The last commit whose states it holds. The log goes that far at least.
    pub through: Commit,
    /// The files.
    pub files: Vec<FileToCopy>,
}

/// Why the files cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The checkpoints.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The log.
    #[error(transparent)]
    Log(#[from] CommitLogError),
}

impl CollectError {
    /// Whether a file that was there is gone: a checkpoint that was finished meanwhile makes older ones go.
    pub(super) fn is_removed(&self) -> bool {
        let is_gone = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
        match self {
            CollectError::Checkpoint(CheckpointError::Io { source, .. }) => is_gone(source),
            CollectError::Log(CommitLogError::Missing { .. }) => true,
            _ => false,
        }
    }
}

/// The checksums of files that are not written any more, by name, each with its length: they are read once.
#[derive(Debug, Default)]
pub(super) struct Checksums(BTreeMap<String, (u64, u32)>);

impl StateFiles {
    /// What a directory holds now; none before the first checkpoint. A job may go on to write there.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn collect(folder: &Path) -> Result<Option<StateFiles>, CollectError> {
        StateFiles::collect_with(folder, &mut Checksums::default())
    }

    pub(super) fn collect_with(
        folder: &Path,
        known: &mut Checksums,
    ) -> Result<Option<StateFiles>, CollectError> {
        let Some(KeptFiles { newest, through, files: paths, segment }) = kept_files(folder)? else {
            return Ok(None);
        };
        let segments = commit_log::segments(folder, segment)?;
        let open = |path: &PathBuf| {
            let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
            opened.map_err(io("open", path)).map(|(bytes, file)| (path.clone(), bytes, file))
        };
        // The segment at hand may grow: a part of a commit at its end is left out by whoever reads it.
        let at_hand = segments.last().cloned();
        let opened: Result<Vec<_>, _> = paths.iter().chain(&segments).map(open).collect();
        let mut seen = Checksums::default();
        let mut files = Vec::new();
        for (path, bytes, mut file) in opened? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let checksum = match known.0.get(&name) {
                Some((length, checksum)) if *length == bytes => *checksum,
                _ => checksum(&mut file, bytes).map_err(io("read", &path))?,
            };
            if Some(&path) != at_hand.as_ref() {
                seen.0.insert(name.clone(), (bytes, checksum));
            }
            files.push(FileToCopy { name, file, bytes, checksum });
        }
        *known = seen;
        Ok(Some(StateFiles { checkpoint: newest, through, files }))
    }
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> CheckpointError {
    let path = path.to_owned();
    move |source| CheckpointError::Io { what, path, source }
}

/// CRC-32 of the first bytes of a file.
fn checksum(file: &mut File, bytes: u64) -> std::io::Result<u32> {
    let mut hasher = crc32fast::Hasher::new();
    let mut part = vec![0; 1 << 20];
    let mut left = bytes;
    file.seek(SeekFrom::Start(0))?;
    while left > 0 {
        let length = left.min(part.len() as u64) as usize;
        file.read_exact(&mut part[..length])?;
        hasher.update(&part[..length]);
        left -= length as u64;
    }
    Ok(hasher.finalize())
}
