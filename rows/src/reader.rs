//! The interface that reads views: at a frontier, whole or in parts, and the changes between two frontiers.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use market::{Candle, CandleKey, Commit, EventTime};
use tokio::sync::watch;

use crate::cell::Cell;
use crate::row_filter::RowFilter;
use crate::view::{View, ViewKind};

/// A point up to which an answer is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Frontier {
    /// The last commit that the answer reflects, completely; none before the first.
    pub commit: Option<Commit>,
    /// The system time of that commit.
    pub at: EventTime,
}

/// A point in the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AsOf {
    /// A commit.
    Commit(Commit),
    /// A system time.
    Time(EventTime),
}

/// A read of a view.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The view.
    pub view: &'static View,
    /// Selects the rows.
    pub filter: RowFilter,
    /// Read from the latest row backwards, so that a limit keeps the latest rows.
    pub latest_first: bool,
    /// The most rows of the answer. Where there is a limit, and keys have a time, rows are read by this time, and those
    /// of one time by their keys: so it keeps the latest rows of all instruments, and not those of a few.
    /// `usize::MAX` is none.
    pub limit: usize,
    /// Read the view as of the latest snapshot point at or before this; none: as it is now. Only for views with a
    /// history.
    pub as_of: Option<AsOf>,
}

/// Rows as of one frontier.
#[derive(Clone, Debug)]
pub struct Page {
    /// The frontier of the rows.
    pub frontier: Frontier,
    /// The rows, in the order of the view's key, or as the read asked for; one cell per column.
    pub rows: Vec<Vec<Cell>>,
    /// Whether the limit left rows out.
    pub more: bool,
}

/// Bars as of one frontier: the rows of a [`Page`] of `candles`, for further computation.
#[derive(Clone, Debug)]
pub struct CandlePage {
    /// The frontier of the bars.
    pub frontier: Frontier,
    /// The bars, in the order of their keys, or latest first.
    pub rows: Vec<(CandleKey, Candle)>,
    /// Whether the limit left bars out.
    pub more: bool,
}

/// An inserted (1) or deleted (−1) row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The row; one cell per column.
    pub cells: Vec<Cell>,
    /// 1 or −1.
    pub diff: i64,
}

/// The net change of a view from one commit to a later one.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The later commit: its changes and all earlier ones are included, and none after it.
    pub frontier: Frontier,
    /// In the order of the view's key; the old version of a replaced row comes first.
    pub changes: Vec<Change>,
}

/// The filtered rows of a view at one frontier, to be read in parts.
///
/// A snapshot never changes: a part that is read again is the same, however much later.
pub trait Snapshot: Send + Sync {
    /// The frontier of all parts.
    fn frontier(&self) -> Frontier;

    /// About `rows` rows, and the rest of the snapshot; none if there is no more.
    fn next(&self, rows: usize) -> SnapshotPart;
}

/// Some views at one frontier.
///
/// A cut never changes: what is read again is the same, however much later. What it holds stays in memory until its
/// last clone is dropped, so whoever keeps one bounds how many, and for how long.
pub trait Cut: Send + Sync {
    /// The frontier of all reads.
    fn frontier(&self) -> Frontier;

    /// Reads rows of one of the views. The point of `scan.as_of` plays no part: the cut was made there. Views that the
    /// cut was not made of have no rows.
    fn scan(&self, scan: Scan) -> ReadFuture<'static, Page>;

    /// Of the rows that a scan selects, those of the newest bar of each instrument and timeframe. Of views without a
    /// time in their key that is all rows, since they hold what is now; of a log, the newest row of each instrument, or
    /// of all, if it has no instruments. Rows are in the order of the key; the limit keeps the first.
    ///
    /// It costs as much as its result: bars that are not the newest are not visited. A log is read backwards until all
    /// selected instruments were found.
    fn newest(&self, scan: Scan) -> ReadFuture<'static, Page>;

    /// Reads bars; the view of `scan` must be `candles`. Only the dimensions of the key are filtered.
    fn candles(&self, scan: Scan) -> ReadFuture<'static, CandlePage>;
}

/// Rows of a snapshot, and the snapshot of the rows behind them.
pub type SnapshotPart = (Vec<Vec<Cell>>, Option<Arc<dyn Snapshot>>);

/// Why a read failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The workers have stopped.
    #[error("the views are closed: the workers have stopped")]
    Closed,
    /// The state of the job is being restored: views are not whole.
    #[error("the state of the job is being restored, so views are not whole yet")]
    Restoring,
    /// The queue of waiting reads is full.
    #[error("{waiting} reads wait already, which is what `limits.reads_waiting` allows")]
    Full {
        /// The bound of the queue.
        waiting: usize,
    },
    /// No reader thread was free in time.
    #[error("no reader thread was free within {wait:?}: others read too much")]
    Waited {
        /// The time that the read waited.
        wait: Duration,
    },
    /// The changes begin before the retained ones.
    #[error("changes after commit {after} are no longer kept; read the view anew")]
    Gone {
        /// The commit after which changes were requested.
        after: Commit,
    },
    /// The requested point is before the oldest retained snapshot point.
    #[error("{}", compacted(.oldest))]
    Compacted {
        /// The oldest retained snapshot point; none if there is none yet.
        oldest: Option<Frontier>,
    },
}

fn compacted(oldest: &Option<Frontier>) -> String {
    match oldest {
        Some(Frontier { commit: Some(commit), at }) => {
            format!(
                "what views were then is not kept; the oldest that is kept is commit {commit} at {at}"
            )
        }
        _ => "nothing is kept yet of what views were".to_owned(),
    }
}

/// Reads views at a frontier that is common to all shards.
///
/// A read never waits for a worker and never blocks one.
pub trait ViewReader: Send + Sync {
    /// The present frontier.
    fn frontier(&self) -> Frontier;

    /// Reads rows.
    fn scan(&self, scan: Scan) -> ReadFuture<'_, Page>;

    /// Several views at one frontier: the present one, or that of the latest snapshot point at or before `as_of`. That
    /// is only for views with a history.
    ///
    /// # Errors
    ///
    /// If no snapshot point at or before `as_of` is retained.
    fn cut(&self, views: &[&'static View], as_of: Option<AsOf>) -> Result<Arc<dyn Cut>, ReadError>;

    /// Reads bars; the view of `scan` must be `candles`.
    fn candles(&self, scan: Scan) -> ReadFuture<'_, CandlePage>;

    /// A snapshot of the filtered rows; of logs the latest ones, at most `log_rows`.
    fn snapshot(
        &self,
        view: &'static View,
        filter: Arc<RowFilter>,
        log_rows: usize,
    ) -> ReadFuture<'_, Arc<dyn Snapshot>>;

    /// The net change of the filtered rows from commit `after` (none: from the beginning) to `through`, a frontier that
    /// this reader has returned.
    ///
    /// A [`Snapshot`] and the changes after its frontier add up to the view: read in sequence, each after the frontier
    /// of the previous one, they have no holes and no repetitions.
    fn changes(
        &self,
        view: &'static View,
        filter: Arc<RowFilter>,
        after: Option<Commit>,
        through: Frontier,
    ) -> ReadFuture<'_, Changes>;

    /// A channel with the number of the latest complete commit that may have changed the view.
    fn moved(&self, view: &'static View) -> watch::Receiver<u64>;

    /// The number of rows of a view: current rows of keyed views, rows ever appended of logs.
    fn count(&self, view: &'static View) -> u64;
}

/// The future answer of a [`ViewReader`].
pub type ReadFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, ReadError>> + Send + 'a>>;

impl Scan {
    /// All rows.
    pub fn all(view: &'static View) -> Scan {
        Scan {
            view,
            filter: RowFilter::default(),
            latest_first: false,
            limit: usize::MAX,
            as_of: None,
        }
    }
}

impl Changes {
    /// Inserted or replaced rows in their new version, and the deleted rows in their last version.
    ///
    /// Rows of logs are never deleted.
    pub fn upserts_and_deletes(&self, view: &View) -> (Vec<&[Cell]>, Vec<&[Cell]>) {
        let (mut upserts, mut deletes): (Vec<&[Cell]>, Vec<&[Cell]>) = (Vec::new(), Vec::new());
        if view.kind == ViewKind::Log {
            upserts.extend(self.changes.iter().map(|change| &*change.cells));
            return (upserts, deletes);
        }
        for change in &self.changes {
            if change.diff < 0 {
                deletes.push(&change.cells);
                continue;
            }
            if deletes.last().is_some_and(|gone| view.same_key(gone, &change.cells)) {
                deletes.pop();
            }
            upserts.push(&change.cells);
        }
        (upserts, deletes)
    }
}
