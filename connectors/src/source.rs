//! The contract of a source.
//!
//! *Rows of one partition come in ascending position; partitions are independent; opening again at a
//! position may repeat rows, never skip them.* A source reads no clock: when a row was received is the
//! commit that it is bound to, which is decided elsewhere.

use market::{Entry, Refusal};

/// One row of a partition, in the order of its positions.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Where the row lies in its partition: for files, the number of the line, from 1.
    pub position: u64,
    /// What it says, or why it was refused.
    pub event: Result<Entry, Box<Refusal>>,
}

/// Whether a partition has more to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There may be more.
    More,
    /// This partition has ended; nothing will follow.
    Ended,
}

/// A configured source.
pub trait Source: Send {
    /// The names of its partitions; a partition's number is its index here.
    fn partitions(&self) -> Vec<String>;

    /// Whether rows that were read can be read again from their position.
    fn is_replayable(&self) -> bool;

    /// Whether its times are made up: then a live run plays it at the pace of its event times and as if
    /// it began now, unless configured otherwise.
    fn is_made_up(&self) -> bool {
        false
    }

    /// Opens partition `partition` after the row at `after` (0: from its beginning).
    fn open(&self, partition: u32, after: u64) -> Result<Box<dyn PartitionReader>, SourceError>;
}

/// One partition being read, on a thread of its own.
pub trait PartitionReader: Send {
    /// Appends the next rows to `rows`, at most [`BATCH_ROWS`]; blocks until there are some or the
    /// partition ends. A row that cannot be decoded is a refused row, never an error.
    fn read(&mut self, rows: &mut Vec<Row>) -> Result<Progress, SourceError>;

    /// So much has been read of so much, if that is known: bytes of a file as it is stored, ticks of a
    /// simulated venue. For showing only; what has been read may lie a buffer ahead of the rows.
    fn extent(&self) -> Option<(u64, u64)> {
        None
    }
}

/// The most rows that one call of [`PartitionReader::read`] appends.
pub const BATCH_ROWS: usize = 1_024;

/// Why a source cannot be made, opened or read on.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The kind is not in the registry.
    #[error("unknown source kind `{kind}` (known: {known})")]
    UnknownKind {
        /// As configured.
        kind: String,
        /// Every known kind.
        known: String,
    },
    /// The configuration does not make sense.
    #[error("source `{name}`: {problem}")]
    Config {
        /// The source's name.
        name: String,
        /// What is wrong and what is possible.
        problem: String,
    },
    /// The partition could not be opened.
    #[error("cannot open {partition}")]
    Open {
        /// The partition's name.
        partition: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The partition could not be read on.
    #[error("cannot read {partition} after row {position}")]
    Read {
        /// The partition's name.
        partition: String,
        /// The last row that was read.
        position: u64,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl SourceError {
    /// Whether the same call may succeed later. Configuration and files that are not there stay wrong;
    /// interrupted reads may go on.
    pub fn is_retryable(&self) -> bool {
        match self {
            SourceError::UnknownKind { .. } | SourceError::Config { .. } => false,
            SourceError::Open { source, .. } | SourceError::Read { source, .. } => matches!(
                source.kind(),
                std::io::ErrorKind::Interrupted
                    | std::io::ErrorKind::TimedOut
                    | std::io::ErrorKind::WouldBlock
            ),
        }
    }
}
