//! The three sequencers: live, bare files, recording. Each decides which records a commit holds, closes it and
//! dispatches it.

mod alignment;
mod calendar_limits;
mod commit_builder;
mod commit_timer;
mod files;
mod live;
mod recorded;
mod restored;

use market::{Catalog, EventTime, NameOrder, RegistryError, SharedRegistries};

use super::commit_log::CommitLogError;
use super::dispatcher::DispatchError;
use super::recording::RecordingError;
use crate::publish::OverBudget;
use rows::PartitionNames;

pub use commit_timer::Cadence;
pub use files::{FileOrder, FileReading, REORDERED_ROWS, sequence_files};
pub use live::{LiveCallbacks, LiveInput, sequence_live};
pub use recorded::{RecordingEnd, sequence_recording};
pub use restored::LogReplay;

/// The names and the rank of a source, for dead letters and records.
#[derive(Clone, Debug)]
pub struct SourceNames {
    /// The source's name.
    pub name: String,
    /// The rank of its provider; 0 is best.
    pub rank: u8,
    /// Where its name stands in the order of names.
    pub order: NameOrder,
    /// The names of its partitions.
    pub partitions: PartitionNames,
}

/// The names that rows are bound with.
#[derive(Clone, Copy)]
pub struct Naming<'a> {
    /// The sources, by number.
    pub sources: &'a [SourceNames],
    /// The instruments, portfolios and models.
    pub catalog: &'a Catalog,
}

/// Where the names that a recording holds are registered.
#[derive(Clone, Copy)]
pub struct NameTables<'a> {
    /// Instruments, portfolios and models.
    pub catalog: &'a Catalog,
    /// Partitions of sources.
    pub registries: &'a SharedRegistries,
}

/// Why a sequencer ended before its input did.
#[derive(Debug, thiserror::Error)]
pub enum SequencerError {
    /// Commits cannot be dispatched any more.
    #[error(transparent)]
    Dispatch(#[from] DispatchError),
    /// The recording cannot be read on.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The state cannot be restored.
    #[error(transparent)]
    State(#[from] CommitLogError),
    /// A recorded name has another number here.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Files that are read in the order of time have a row that stands before one that was dispatched already. They have
    /// to be read anew, as [`FileReading::Sorted`].
    #[error("a row of {time} lies after {rows} later ones")]
    OutOfOrder {
        /// The time of the row.
        time: EventTime,
        /// How many rows are put into order as they are read.
        rows: usize,
    },
    /// The temporary file in which rows are sorted cannot be written or read.
    #[error(
        "rows that are out of order are sorted in a temporary file, and one in {} failed; TMPDIR names another folder, \
         and `commit.file_order` = \"lines\" needs none",
        std::env::temp_dir().display()
    )]
    NotSorted(#[source] std::io::Error),
    /// More is retained than may be, and a file would only add to it.
    #[error("{0}")]
    OverBudget(OverBudget),
}
