//! The commit log of a job: what makes a restart go on where the process was killed.
//!
//! A state directory holds a file `lock` and segments `log-00000001.twrec`, …; each start of the job adds one. A segment
//! is a [recording](super::recording): every commit of that start, whole, before any worker sees it. A process that is
//! killed at any instruction loses no commit that anybody has seen, since a commit is handed to the system first; with
//! `fsync` the disk has it before it is told as durable, so that it survives the machine, too.
//!
//! A start reads the segments, dispatches their commits as they were bound, opens its sources behind the rows that these
//! hold, and goes on with the next commit. Segments are never changed once their start has ended.

mod state_dir;
mod state_id;
mod status;
mod syncer;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};

use market::RegistryError;

use super::recording::RecordingError;

pub use state_dir::{
    StateDir, first_segment, make_durable, registries, remove_segments, segment, segments,
};
pub use state_id::{hand_on_state_id, new_id, set_state_id, state_id};
pub use status::LogStatus;
pub use syncer::OnDurable;
pub use writer::{CommitLog, LogHeader, OnHeld};

/// Why the state of a job cannot be written or restored.
#[derive(Debug, thiserror::Error)]
pub enum CommitLogError {
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
    /// Another process goes on with it.
    #[error(
        "the state directory {path} is in use by process {pid}: stop that one, or give this job another directory",
        path = path.display()
    )]
    Locked {
        /// The directory.
        path: PathBuf,
        /// Who holds it, as far as that is known.
        pid: String,
    },
    /// A segment cannot be read or written.
    #[error(
        "the state cannot be used: bring the segment back from a copy, or begin anew (`run --state-from-sources`)"
    )]
    Segment(#[from] RecordingError),
    /// A segment is missing.
    #[error(
        "the state lacks {path}: bring that segment back from a copy, or begin anew (`run --state-from-sources`)",
        path = path.display()
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The note of the newest segment is not what was written.
    #[error(
        "{path} does not name the newest segment of the log any more: bring it back from a copy, or remove it if no \
         segment is lost",
        path = path.display()
    )]
    Unreadable {
        /// Which file.
        path: PathBuf,
    },
    /// The id of the state is not what was written.
    #[error(
        "{path} does not hold the id of the state any more: bring it back from a copy, or remove it, so that the state gets \
         another one (then it is copied to another prefix)",
        path = path.display()
    )]
    NoId {
        /// Which file.
        path: PathBuf,
    },
    /// Commits are missing between two segments.
    #[error(
        "the state in {path} lacks commits: {path} begins with commit {found}, and {wanted} follows the one before. A \
         segment was replaced or cut; bring it back from a copy, or begin anew (`run --state-from-sources`)",
        path = path.display()
    )]
    Incomplete {
        /// The segment behind the hole.
        path: PathBuf,
        /// Its first commit.
        found: u64,
        /// The one that was to follow.
        wanted: u64,
    },
    /// Numbers in the log are in other units than those that are configured now.
    #[error(
        "the state in {path} has {instrument} with {was} decimals (prices, sizes), and the configuration now says \
         {now}: say `{was}` for it again, or begin anew (`run --state-from-sources`)",
        path = path.display(), was = pair(*was), now = pair(*now)
    )]
    OtherScale {
        /// The directory.
        path: PathBuf,
        /// The name of the instrument.
        instrument: String,
        /// Decimals of prices and sizes in the log.
        was: (u8, u8),
        /// Those of the configuration.
        now: (u8, u8),
    },
    /// The log could not be made durable, so nothing more may be told.
    #[error("the commit log {path} cannot be made durable: {problem}", path = path.display())]
    NotDurable {
        /// The segment.
        path: PathBuf,
        /// The error of the system.
        problem: String,
    },
    /// The log has more names than a job may have.
    #[error(transparent)]
    Names(#[from] RegistryError),
    /// What it reads cannot be read on from a position.
    #[error(
        "source `{0}` cannot go on where it was after a restart ({1}), so it cannot be combined with `state.dir`"
    )]
    NotResumable(String, &'static str),
}

impl CommitLogError {
    /// Whether another command line or configuration would do better.
    pub fn is_refusal(&self) -> bool {
        use CommitLogError::{Locked, NotResumable, OtherScale};
        matches!(self, Locked { .. } | OtherScale { .. } | NotResumable(..))
    }
}

fn pair((prices, sizes): (u8, u8)) -> String {
    format!("{prices}, {sizes}")
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> CommitLogError {
    let path = path.to_owned();
    move |source| CommitLogError::Io { what, path, source }
}
