//! The three ways to drive a job: live, from bare files, from a recording. Each decides what a commit
//! holds and hands it over sealed.

mod files;
mod gathering;
mod live;
mod recorded;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use market::{Catalog, EventTime};

use super::handover::HandoverError;
use super::recording::RecordingError;
use crate::views::PartitionNames;

pub use files::drive_files;
pub use live::{Cadence, Told, drive_live};
pub use recorded::{RecordingEnd, drive_recording};

/// Asks all threads of a job to stop in order.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks.
    pub fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether anybody has asked.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// What dead letters and records are told apart by: names and ranks of sources.
#[derive(Clone, Debug)]
pub struct SourceNames {
    /// The source's name.
    pub name: String,
    /// The rank of its provider; 0 is best.
    pub rank: u8,
    /// The names of its partitions.
    pub partitions: PartitionNames,
}

/// What names rows, and what their names are registered with when they are bound.
#[derive(Clone, Copy)]
pub struct Naming<'a> {
    /// The sources, by number.
    pub sources: &'a [SourceNames],
    /// The instruments, portfolios and models.
    pub catalog: &'a Catalog,
}

/// Why a drive ended before its input did.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// Commits cannot be handed over any more.
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// The recording cannot be read on.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// Operators retain more than they may, and a file would only add to it.
    #[error(
        "operators retain about {retained} bytes, more than `limits.state_bytes` = {limit}; \
         raise it, or shorten `correction_horizon`"
    )]
    OverBudget {
        /// Estimated.
        retained: usize,
        /// As configured.
        limit: usize,
    },
}

/// The system's time.
pub fn now() -> EventTime {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime(i64::try_from(since_1970.as_nanos()).unwrap_or(i64::MAX))
}
