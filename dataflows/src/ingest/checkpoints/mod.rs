//! Checkpoints: the states of all operators as they were, so that a start need not compute them from the first commit.
//!
//! Beside the segments of the [log](super::commit_log), a state directory holds files `checkpoint-00000001.twckpt`, ….
//! A checkpoint is taken while commits go on: each of them saves the states of a few shards, so that none takes long.
//! The [schedule](CheckpointKeeper) says which, workers encode them, and a thread writes them. When all shards are
//! there, and everything through the last of these commits is complete and durable, the logs of the job are added, and
//! the manifest makes the file a checkpoint.
//!
//! A start takes the newest checkpoint that is whole, and reads the log from its first commit on. Each shard ignores the
//! commits that its state has ([`operators::keyed()`]); so shards may be saved after different commits.
//!
//! A state that is as it was in the checkpoint before is not written again: its place there is noted. Two checkpoints
//! are kept, with the files that they refer to, and the log from the first commit of the older one.

mod checkpoint;
mod file;
mod keeper;
mod kept;
mod manifest;
mod messages;
mod states;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};

pub use checkpoint::{Checkpoint, FoundCheckpoints, newest};
pub use file::numbers;
pub use keeper::{CheckpointKeeper, CheckpointPlan};
pub use kept::{KeptFiles, kept_files};
pub use manifest::{Manifest, ReplayStart};
pub use states::CheckpointStates;
pub use writer::{CheckpointReport, CheckpointStatus};

/// Why a checkpoint cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system returned an error.
    #[error("cannot {what} {path}", path = path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// Which file or folder.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: std::io::Error,
    },
    /// It is not what was written.
    #[error("checkpoint {path} is damaged: {problem}", path = path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Another version of the program wrote it.
    #[error(
        "{path} is a checkpoint of version {found}, and this program reads versions {known}: go on with the program that \
         wrote it, or begin anew (`run --state-from-sources`)",
        path = path.display()
    )]
    OtherVersion {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: String,
        /// Those that can be read.
        known: String,
    },
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> CheckpointError {
    let path = path.to_owned();
    move |source| CheckpointError::Io { what, path, source }
}
