//! The contract of a sink.
//!
//! *Batches of one view come in order, each after the one before was written. A batch is written whole or
//! again: what was written before an error, or before a crash, may come once more, with the same run, view,
//! commit and key.* So a sink that keeps rows by key ends right whatever happens, and one that wants each
//! change once recognises by (run, view, commit, key) what it has. A sink reads no clock for what it writes:
//! commits carry the system's time.

use std::path::PathBuf;

use market::{Commit, EventTime, Rejection};

/// A configured sink. To check a configuration must not touch anything outside; to open a writer may.
pub trait Sink: Send + Sync {
    /// Opens a writer for the batches of one of its views. Called on a thread of the view's own, before the
    /// first batch and again after every [`SinkError::Retry`] of its writer, which is dropped first.
    fn open(&self, view: &str) -> Result<Box<dyn SinkWriter>, SinkError>;

    /// Whether its writers know the rows of earlier runs that the other side holds.
    fn knows_earlier_rows(&self) -> bool {
        false
    }

    /// Whether records must hold the row before as well, whatever [`Encoding`] is configured.
    fn needs_before(&self) -> bool {
        false
    }

    /// Learns what there was before this start. Called once at most, before the first writer is opened; never if the job
    /// goes on from nothing.
    fn goes_on(&self, _earlier: &EarlierStarts) {}

    /// The file that it writes the changes of a view to, if it writes one. A file has one writer, and is no input of
    /// its job.
    fn file(&self, _view: &str) -> Option<PathBuf> {
        None
    }
}

/// Writes the batches of one view, on a thread of its own that is outside of any runtime.
pub trait SinkWriter: Send {
    /// Writes a batch whole, and gives back when the other side has it. May block, for a bounded time: while
    /// it does, later changes of the view are gathered into fewer and larger batches.
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<(), SinkError>;

    /// Whether the other side still has what was delivered up to `commit`, the last of this run. Asked every few seconds
    /// while there is nothing to write, also of a writer that was opened anew.
    fn check(&mut self, _run: &str, _commit: Commit) -> Result<(), SinkError> {
        Ok(())
    }

    /// The keys of rows that the other side holds, and that the batches of `run` have neither written nor deleted. None
    /// if [`Sink::knows_earlier_rows`] is false. May block, for a bounded time.
    fn earlier_keys(&mut self, _run: &str) -> Result<Vec<String>, SinkError> {
        Ok(Vec::new())
    }

    /// What became of records that it was given since it was last asked. Asked after every other call, whatever the call
    /// gave back.
    fn take_outcomes(&mut self) -> SinkOutcomes {
        SinkOutcomes::default()
    }

    /// No batch follows: the job has ended in order.
    fn close(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// Net changes of a view, or a part of them; at most [`BATCH_RECORDS`].
#[derive(Clone, Copy, Debug)]
pub struct SinkBatch<'a> {
    /// A text that is new at each start of the process, in the order of starts: commits count from 0 again.
    pub run: &'a str,
    /// The name of the view.
    pub view: &'a str,
    /// What the records are.
    pub kind: BatchKind,
    /// The commit of the batch before; none for the first one.
    pub after: Option<Commit>,
    /// The commit up to which the view has been delivered when the last part of this batch is written.
    pub commit: Commit,
    /// The system time of that commit.
    pub at: EventTime,
    /// The number of this part, from 0.
    pub part: usize,
    /// Whether it is the last part of its batch.
    pub last: bool,
    /// The changes, in the order of the view's key; none if a snapshot has no rows.
    pub records: &'a [SinkRecord],
}

/// The most records of one [`SinkBatch`].
pub const BATCH_RECORDS: usize = 1_000;

/// What the records of a batch are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchKind {
    /// All rows that there are. Keys of this run that are not among its parts are gone.
    Snapshot,
    /// A snapshot that is sent because incremental changes are no longer available, or because the sink
    /// [lost its state](SinkError::Forgotten).
    Resync,
    /// What has changed after the batch before; one record per key, but for logs.
    Changes,
}

/// What became of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkRecord {
    /// The texts of the key columns, joined by `|`; in them `\` is written `\\` and `|` is written `\|`, and no
    /// value is `\N`. Rows of logs, which may agree in all key columns, also have their number among those
    /// that do in one commit, from 0.
    pub key: String,
    /// The row now as a JSON object; none: it is gone.
    pub now: Option<String>,
    /// The row before as a JSON object; none: it was not there, or only [`Encoding::Upserts`] are wanted.
    pub before: Option<String>,
}

/// What became of records of a sink that picks what it delivers, such as one that notifies people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkOutcomes {
    /// Messages that the other side has.
    pub messages: u64,
    /// Records that will never be delivered, though the sink goes on.
    pub rejected: Vec<RejectedRecord>,
    /// Changes that were not told: too old, or they take back what nobody was told.
    pub skipped: u64,
    /// Changes beyond the bound of messages per minute; one message tells how many.
    pub held_back: u64,
}

/// A record that the other side has refused, or not taken for so long that the sink has given it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRecord {
    /// The commit of the change.
    pub commit: Commit,
    /// Why, what was sent, and the record as JSON. No secret is in it.
    pub rejection: Rejection,
}

/// The starts of a job before this one, which goes on from what they have left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EarlierStarts {
    /// Each with its first commit and the one after its last, oldest first.
    pub starts: Vec<EarlierStart>,
    /// The last commit up to which the last of them has certainly delivered, if that is known: it was stopped in order, and
    /// then sinks get everything, or say that they did not.
    pub delivered: Option<Commit>,
}

/// An earlier start of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierStart {
    /// Its [`SinkBatch::run`].
    pub run: String,
    /// Its first commit.
    pub first: Commit,
    /// The commit after its last.
    pub end: Commit,
}

impl EarlierStarts {
    /// The start that a commit is of; none: of this one.
    pub fn run_of(&self, commit: Commit) -> Option<&str> {
        let of = |start: &&EarlierStart| start.first <= commit && commit < start.end;
        self.starts.iter().find(of).map(|start| &*start.run)
    }
}

/// What a record holds of a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// The row as it is now.
    #[default]
    Upserts,
    /// The row before as well. Not the default: most receivers keep rows by key, and need half the bytes.
    Deltas,
}

/// The error of the other side or of the system.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a sink cannot be made, opened or written to.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The kind is not in the registry.
    #[error("unknown sink kind `{kind}` (known: {known})")]
    UnknownKind {
        /// As configured.
        kind: String,
        /// Every known kind.
        known: String,
    },
    /// The configuration does not make sense.
    #[error("sink `{name}`: {problem}")]
    Config {
        /// The sink's name.
        name: String,
        /// What is wrong and what is possible.
        problem: String,
    },
    /// It may go well later: the same batch comes again, to a writer that is opened anew.
    #[error("{tried}: {cause}")]
    Retry {
        /// What was tried.
        tried: String,
        /// Why it did not go well.
        cause: BoxError,
    },
    /// The same, but not before so long a time has passed: the other side asks for that.
    #[error("{tried}: {cause}")]
    RetryAfter {
        /// What was tried.
        tried: String,
        /// Why it did not go well.
        cause: BoxError,
        /// How long to leave the other side alone.
        pause: std::time::Duration,
    },
    /// The other side has not what was written before: everything comes again, as a
    /// [`BatchKind::Resync`], to a writer that is opened anew.
    #[error("{tried}: {cause}")]
    Forgotten {
        /// What was tried.
        tried: String,
        /// How that is known.
        cause: BoxError,
    },
    /// It will never go well: nothing more is delivered.
    #[error("{tried}: {cause}")]
    Fatal {
        /// What was tried.
        tried: String,
        /// Why it cannot go well.
        cause: BoxError,
    },
}
