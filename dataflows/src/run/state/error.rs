//! Why a job cannot go on with the state that was kept.

use std::path::PathBuf;

use object_copy::CopyError;

use crate::ingest::checkpoints::CheckpointError;
use crate::ingest::commit_log::CommitLogError;
use crate::ingest::state_copy::CollectError;

/// Why a job cannot go on with the state that was kept.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The directory or the log.
    #[error(transparent)]
    Log(#[from] CommitLogError),
    /// The checkpoints.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// No checkpoint is whole, and the log does not begin with the first commit any more.
    #[error(
        "the state in {path} cannot be restored: {problem}, and the commits before are not in the log any more. Bring \
         the file back from a copy, or begin anew (`run --state-from-sources`): sources are read again from their start, \
         and rows that were posted are gone",
        path = path.display()
    )]
    NoCheckpoint {
        /// The directory.
        path: PathBuf,
        /// What is wrong with the checkpoints.
        problem: String,
    },
    /// What is computed has changed, and the states are of what was computed.
    #[error(
        "the state in {path} is of another configuration, and the commits that would be computed anew are not in its log \
         any more ({changes}): change that back, or begin anew (`run --state-from-sources`), so that sources are read again \
         from their start; with `state.keep_log = true` from the beginning, any change is possible",
        path = path.display()
    )]
    Changed {
        /// The directory.
        path: PathBuf,
        /// Which keys, as they were and are.
        changes: String,
    },
    /// The copy in an object store.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// What is to be copied.
    #[error(transparent)]
    Collect(#[from] CollectError),
    /// There is no checkpoint to copy.
    #[error("{path} holds no checkpoint yet, and a copy begins with one", path = path.display())]
    NothingToCopy {
        /// The directory.
        path: PathBuf,
    },
    /// A job that begins anew would write over the copy of another one.
    #[error(
        "{url} holds the copy of a state (through commit {through}), and the one in {path} begins anew: import the copy \
         (`tickweave checkpoint import {url} {path}`) to go on with it, or name another prefix (`state.copy_to`)",
        path = path.display()
    )]
    CopyThere {
        /// Where the copy is.
        url: String,
        /// How far it goes.
        through: u64,
        /// The directory.
        path: PathBuf,
    },
    /// A copy would be mixed with what is there.
    #[error("{path} is not empty: name another directory, or empty it", path = path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// The log ends before the states.
    #[error(
        "the log in {path} ends with commit {found}, and the checkpoint holds states after commit {wanted}: a segment was \
         replaced or cut; bring it back from a copy, or begin anew (`run --state-from-sources`)",
        path = path.display()
    )]
    LogTooShort {
        /// The directory.
        path: PathBuf,
        /// The last commit in the log.
        found: String,
        /// The last one whose states are there.
        wanted: u64,
    },
}

impl RestoreError {
    /// Whether another command line or configuration would do better.
    pub fn is_refusal(&self) -> bool {
        match self {
            RestoreError::Log(error) => error.is_refusal(),
            RestoreError::Copy(CopyError::Url { .. } | CopyError::Options { .. }) => true,
            RestoreError::Changed { .. }
            | RestoreError::NotEmpty { .. }
            | RestoreError::CopyThere { .. } => true,
            _ => false,
        }
    }
}
