//! What a state directory holds, for people: without taking it, so that a job may run on it meanwhile.

use std::fs;
use std::path::{Path, PathBuf};

use market::{Commit, Generation};

use super::RestoreError;
use crate::ingest::checkpoints::{self, Checkpoint, CheckpointError, FoundCheckpoints};
use crate::ingest::commit_log::{self, CommitLogError};
use crate::ingest::recording::{Next, Recording};

/// A checkpoint in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCheckpoint {
    /// Its number.
    pub number: u64,
    /// The start of the job that wrote it.
    pub generation: Generation,
    /// The first commit after which a shard was saved: a start reads the log from it on.
    pub first: Commit,
    /// The last one.
    pub last: Commit,
    /// The bytes of all that it refers to.
    pub bytes: u64,
    /// The file of the log that begins with its first commit.
    pub segment: PathBuf,
}

/// What a start would go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedState {
    /// The checkpoint that it takes; none if it reads the whole log.
    pub checkpoint: Option<u64>,
    /// How many commits of the log it reads.
    pub commits: u64,
    /// The last of them; none if the directory is empty.
    pub through: Option<Commit>,
    /// Bytes at the end of the log of a commit that was not written to its end.
    pub torn_bytes: u64,
    /// What is wrong with newer checkpoints.
    pub passed_over: Vec<String>,
}

/// The number of a checkpoint, and what it is or what is wrong with it.
pub type NumberedCheckpoint = (u64, Result<KeptCheckpoint, CheckpointError>);

/// Every checkpoint in a directory, oldest first.
pub fn kept_checkpoints(folder: &Path) -> Result<Vec<NumberedCheckpoint>, RestoreError> {
    let numbers = checkpoints::numbers(folder)?;
    let all = numbers.into_iter().map(|number| {
        let opened = Checkpoint::open(folder, number).map(|checkpoint| {
            let manifest = &checkpoint.manifest;
            KeptCheckpoint {
                number,
                generation: manifest.generation,
                first: manifest.start.commit,
                last: manifest.last,
                bytes: manifest.extents().map(|extent| extent.bytes).sum(),
                segment: commit_log::segment(folder, manifest.start.segment),
            }
        });
        (number, opened)
    });
    Ok(all.collect())
}

/// Reads all that a start would read, and holds it to its checksums.
///
/// # Errors
/// Why a start would be refused.
pub fn verify_state(folder: &Path) -> Result<VerifiedState, RestoreError> {
    let FoundCheckpoints { checkpoint, passed_over, .. } = checkpoints::newest(folder)?;
    if let (None, Some(why)) = (&checkpoint, passed_over.first())
        && commit_log::first_segment(folder)?.is_some_and(|first| first > 1)
    {
        let (path, problem) = (folder.to_owned(), why.to_string());
        return Err(RestoreError::NoCheckpoint { path, problem });
    }
    let start = checkpoint.as_ref().map(|checkpoint| &checkpoint.manifest.start);
    let mut wanted = start.map_or(Commit(0), |start| start.commit);
    let mut verified = VerifiedState {
        checkpoint: checkpoint.as_ref().map(|checkpoint| checkpoint.manifest.number),
        commits: 0,
        through: None,
        torn_bytes: 0,
        passed_over: passed_over.iter().map(ToString::to_string).collect(),
    };
    for path in commit_log::segments(folder, start.map_or(1, |start| start.segment))? {
        let mut segment = Recording::open(&path).map_err(CommitLogError::from)?;
        loop {
            match segment.read().map_err(CommitLogError::from)? {
                Next::Commit(closed) if closed.binding.commit == wanted => {
                    (verified.commits, verified.through) = (verified.commits + 1, Some(wanted));
                    wanted = wanted.next();
                }
                Next::Commit(closed) => {
                    let (found, wanted) = (closed.binding.commit.0, wanted.0);
                    return Err(CommitLogError::Incomplete { path, found, wanted }.into());
                }
                Next::Names(_) | Next::Scales(_) | Next::Partitions(_) | Next::Rules(_) => {}
                Next::End { .. } => break,
            }
        }
        let (whole, bytes) = segment.extent();
        verified.torn_bytes = bytes - whole;
    }
    if let Some(checkpoint) = &checkpoint
        && verified.through < Some(checkpoint.manifest.last)
    {
        let found =
            verified.through.map_or_else(|| "none".to_owned(), |Commit(last)| last.to_string());
        let (path, wanted) = (folder.to_owned(), checkpoint.manifest.last.0);
        return Err(RestoreError::LogTooShort { path, found, wanted });
    }
    Ok(verified)
}

/// Copies what a start needs from one directory into another, which must be empty or absent; verifies the copy. The job
/// may run on meanwhile: what it appends to the log while it is copied may be in the copy or not.
pub fn copy_state(from: &Path, to: &Path) -> Result<VerifiedState, RestoreError> {
    let io = |what: &'static str, path: &Path| {
        let path = path.to_owned();
        move |source| CheckpointError::Io { what, path, source }
    };
    let is_empty = !to.exists() || fs::read_dir(to).map_err(io("read", to))?.next().is_none();
    if !is_empty {
        return Err(RestoreError::NotEmpty { path: to.to_owned() });
    }
    let FoundCheckpoints { checkpoint, .. } = checkpoints::newest(from)?;
    let mut files = checkpoint.as_ref().map(Checkpoint::files).unwrap_or_default();
    let first = checkpoint.as_ref().map_or(1, |checkpoint| checkpoint.manifest.start.segment);
    files.extend(commit_log::segments(from, first)?);
    fs::create_dir_all(to).map_err(io("create", to))?;
    commit_log::hand_on_state_id(from, to)?; // what goes on with the copy of the state is the same state
    for file in files {
        let copied = to.join(file.file_name().unwrap_or_default());
        fs::copy(&file, &copied).map_err(io("copy", &file))?;
        let durable = fs::File::open(&copied).and_then(|copied| copied.sync_all());
        durable.map_err(io("make durable", &copied))?;
    }
    verify_state(to)
}
