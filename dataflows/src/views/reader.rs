//! The one way to read views: at a frontier, whole or in parts, and what has changed since another.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use market::{Candle, CandleKey, Commit, EventTime};
use tokio::sync::watch;

use super::row::Cell;
use super::row_filter::RowFilter;
use super::{View, ViewKind};

/// Up to when an answer is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Frontier {
    /// The last commit that the answer reflects, and it reflects all of it; none before the first.
    pub commit: Option<Commit>,
    /// The system time of that commit.
    pub at: EventTime,
}

/// A time in the past of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// A commit.
    Commit(Commit),
    /// A system time.
    Time(EventTime),
}

/// What to read of a view.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The view.
    pub view: &'static View,
    /// Which of its rows.
    pub filter: RowFilter,
    /// Read from the latest row backwards, so that a limit keeps the latest rows.
    pub latest_first: bool,
    /// At most so many rows.
    pub limit: usize,
    /// As it was at the latest commit that is kept at or before this; none: as it is now. Only views that
    /// have a history can be asked.
    pub as_of: Option<AsOf>,
}

/// Rows as of one frontier.
#[derive(Clone, Debug)]
pub struct Page {
    /// Up to when they are complete.
    pub frontier: Frontier,
    /// The rows, in the order of the view's key (or latest first, if so asked); one cell per column.
    pub rows: Vec<Vec<Cell>>,
    /// Whether the limit left rows out.
    pub more: bool,
}

/// Bars as of one frontier: the rows of a [`Page`] of `candles`, for those who compute with them.
#[derive(Clone, Debug)]
pub struct CandlePage {
    /// Up to when they are complete.
    pub frontier: Frontier,
    /// The bars, in the order of their keys, or latest first.
    pub rows: Vec<(CandleKey, Candle)>,
    /// Whether the limit left bars out.
    pub more: bool,
}

/// A row that came (1) or went (−1).
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
    /// The later one: every change up to it is in here, and none after it.
    pub frontier: Frontier,
    /// In the order of the view's key; of a row that was replaced, the old one first.
    pub changes: Vec<Change>,
}

/// Rows of a view that are filter, at one frontier, to be read part by part.
///
/// It does not matter how long that takes: what is read stays as it was, and the same part read again is the same.
pub trait Snapshot: Send + Sync {
    /// The frontier of all parts.
    fn frontier(&self) -> Frontier;

    /// The first rows, about so many, and those behind them; none if there are no more.
    fn next(&self, rows: usize) -> SnapshotPart;
}

/// Rows of a snapshot, and what is behind them.
pub type SnapshotPart = (Vec<Vec<Cell>>, Option<Arc<dyn Snapshot>>);

/// Why a read could not be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The workers have stopped.
    #[error("the views are closed: the workers have stopped")]
    Closed,
    /// As many reads wait as may.
    #[error("{waiting} reads wait already, which is what `limits.reads_waiting` allows")]
    Full {
        /// How many may wait.
        waiting: usize,
    },
    /// No thread was free in time.
    #[error("no reader thread was free within {wait:?}: others read too much")]
    Waited {
        /// How long the read waited.
        wait: Duration,
    },
    /// Changes are kept for a while only, and those asked for begin before that.
    #[error("changes after commit {after} are no longer kept; read the view anew")]
    Gone {
        /// The commit after which changes were asked for.
        after: Commit,
    },
    /// The history of views is kept for a while only, and what was asked for was before that.
    #[error("{}", compacted(.oldest))]
    Compacted {
        /// The oldest commit of which views can be read; none if there is none yet.
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
/// Never waits for a worker and never holds one up.
pub trait ViewReader: Send + Sync {
    /// The frontier that a read would have now.
    fn frontier(&self) -> Frontier;

    /// Reads rows.
    fn scan(&self, scan: Scan) -> Reading<'_, Page>;

    /// Reads bars; the view of `scan` must be `candles`.
    fn candles(&self, scan: Scan) -> Reading<'_, CandlePage>;

    /// All rows that are filter. Of logs the latest ones, at most `log_rows`.
    fn snapshot(
        &self,
        view: &'static View,
        filter: Arc<RowFilter>,
        log_rows: usize,
    ) -> Reading<'_, Arc<dyn Snapshot>>;

    /// The net change of the rows that are filter from commit `after` (none: from the beginning) to a
    /// frontier that this reader has had.
    ///
    /// A [`Snapshot`] with the changes after its frontier, read one after the other, each after the
    /// frontier of the one before, is the view: nothing is left out and nothing is told twice.
    fn changes(
        &self,
        view: &'static View,
        filter: Arc<RowFilter>,
        after: Option<Commit>,
        through: Frontier,
    ) -> Reading<'_, Changes>;

    /// Tells the number of the latest commit that is complete and may have changed the view.
    fn moved(&self, view: &'static View) -> watch::Receiver<u64>;

    /// How many rows a view has now: current rows of keyed ones, rows ever appended of logs.
    fn count(&self, view: &'static View) -> u64;
}

/// The answer of a [`ViewReader`], to come.
pub type Reading<'a, T> = Pin<Box<dyn Future<Output = Result<T, ReadError>> + Send + 'a>>;

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
    /// The rows that are there now and were not, or were different; and the keys of those that are gone,
    /// as the rows that they last were.
    ///
    /// Rows of logs are never gone.
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
