//! Logs: append-only rows, bounded in bytes. A log is a change log whose entries are rows, or several rows.

use std::any::Any;
use std::sync::Arc;

use market::Commit;
use tokio::sync::watch;

use super::change_log::{ChangeLog, Exempt, Retained};
use super::commit_blocks::{Commits, bytes_beside};
use super::log_rows::{LogEntry, LogQuery, ScanEnd, count};
use super::snapshots::{LogSnapshot, LogSource};
use crate::views::kinds::{LogView, SavedEntries};
use rows::readers::{Allowance, Exceeded};
use rows::{Cell, Frontier, Labels, Page, RowFilter, Scan, Snapshot, View};

/// An entry of a log.
pub(super) struct LogItem<L: LogView>(L::Entry);

/// A log, independent of its entries.
pub trait RetainedLog: Send + Sync {
    /// The retained commits up to a frontier, to be read without the lock of the log.
    fn at(&self, frontier: Frontier) -> Arc<dyn LogAt>;

    /// The selected rows after one commit (none: from the beginning) up to another, in order; none if some were
    /// dropped, or if they are more than one update may have.
    fn between(
        &self,
        of: (&View, &RowFilter),
        span: (Option<Commit>, Commit),
        labels: &Labels,
        allowance: &mut Allowance<'_>,
    ) -> Result<Option<Vec<Vec<Cell>>>, Exceeded>;

    /// Notifies subscribers that all commits before this number are complete, if the log may have new rows.
    fn complete(&self, complete_before: u64);

    /// A channel with the number of the latest commit that may have changed the log.
    fn moved(&self) -> watch::Receiver<u64>;

    /// The bound in bytes.
    fn bytes_max(&self) -> usize;

    /// The bytes of what is retained.
    fn bytes(&self) -> usize;

    /// The key in `[limits]` that bounds the log.
    fn bound(&self) -> &'static str;

    /// The number of rows that were ever appended.
    fn appended(&self) -> u64;

    /// The number of rows that were dropped because of the bound.
    fn dropped(&self) -> u64;

    /// The last commit that was dropped because of the bound.
    fn dropped_through(&self) -> Option<Commit>;

    /// Counts commits up to this one as dropped.
    fn forget_through(&self, commit: Commit);

    /// Under which name checkpoints have it.
    fn saved_as(&self) -> &'static str;

    /// The entries after one commit (none: from the beginning) up to another, encoded; none if there are none.
    fn encode(
        &self,
        after: Option<Commit>,
        through: Commit,
    ) -> Result<Option<Vec<u8>>, postcard::Error>;

    /// Takes the entries that an earlier log encoded, in order, and how many rows were ever appended to it. Nothing was
    /// appended to this one. `saved_as` is the name that the checkpoint has for it.
    fn restore(
        &self,
        saved_as: &str,
        pieces: &[Vec<u8>],
        appended: u64,
    ) -> Result<(), postcard::Error>;

    /// The log with its type.
    fn as_any(&self) -> &dyn Any;
}

/// The rows of a log at a frontier. They never change.
pub trait LogAt: Send + Sync {
    /// The first rows, or the latest ones, up to the limit of a scan.
    fn page(
        &self,
        scan: &Scan,
        labels: &Labels,
        allowance: &mut Allowance<'_>,
    ) -> Result<Page, Exceeded>;

    /// The newest of the selected rows of each instrument, or of all if the view has no instruments; in order.
    fn newest(
        &self,
        scan: &Scan,
        labels: &Labels,
        allowance: &mut Allowance<'_>,
    ) -> Result<Page, Exceeded>;

    /// Begins a snapshot of the latest filtered rows.
    fn latest(
        &self,
        of: (&'static View, Arc<RowFilter>),
        rows: usize,
        labels: Labels,
        allowance: &mut Allowance<'_>,
    ) -> Result<Arc<dyn Snapshot>, Exceeded>;

    /// Calls `each` with every row, in order, until it returns false.
    fn each(&self, view: &View, labels: &Labels, each: &mut dyn FnMut(&[Cell]) -> bool);

    /// The rows with their type.
    fn as_any(&self) -> &dyn Any;
}

/// A log of the entries of a view.
pub(super) struct LogOf<L: LogView>(ChangeLog<LogItem<L>>);

pub(super) struct CommitsAt<L: LogView> {
    frontier: Frontier,
    commits: Commits<LogItem<L>>,
}

impl<L: LogView> LogOf<L> {
    /// An empty log of at most `bytes_max` bytes, and one commit.
    pub(super) fn new(bytes_max: usize) -> LogOf<L> {
        LogOf(ChangeLog::new(bytes_max, Exempt::NewestCommit))
    }

    /// The same, with its type erased.
    pub(super) fn boxed(bytes_max: usize) -> Box<dyn RetainedLog> {
        Box::new(LogOf::<L>::new(bytes_max))
    }

    pub(super) fn append(&self, commit: Commit, entry: L::Entry) {
        self.0.append(commit, LogItem(entry));
    }
}

impl<L: LogView> Clone for LogItem<L> {
    fn clone(&self) -> LogItem<L> {
        LogItem(self.0.clone())
    }
}

impl<L: LogView> Retained for LogItem<L> {
    fn bytes(&self) -> usize {
        L::bytes(&self.0) - size_of::<L::Entry>() + bytes_beside::<L::Entry>()
    }

    fn rows(&self) -> u64 {
        L::rows(&self.0).len() as u64
    }
}

impl<L: LogView> LogEntry for LogItem<L> {
    type Row = L::Row;

    fn in_order<'a>(items: &'a [LogItem<L>], filter: &RowFilter) -> Vec<&'a L::Row> {
        let rows = items.iter().flat_map(|item| L::rows(&item.0));
        let mut rows: Vec<&L::Row> = rows.filter(|row| L::may_match(row, filter)).collect();
        rows.sort_by(|one, other| L::order(one, other));
        rows
    }

    fn cells(row: &L::Row, commit: Commit, labels: &Labels) -> Vec<Cell> {
        let mut cells = Vec::with_capacity(L::VIEW.columns.len());
        L::cells(row, commit, labels, &mut cells);
        cells
    }
}

impl<L: LogView> RetainedLog for LogOf<L> {
    fn at(&self, frontier: Frontier) -> Arc<dyn LogAt> {
        let commits = frontier.commit.map(|through| self.0.through(through));
        let commits = commits.unwrap_or_else(Commits::none);
        Arc::new(CommitsAt::<L> { frontier, commits })
    }

    fn between(
        &self,
        (view, filter): (&View, &RowFilter),
        (after, through): (Option<Commit>, Commit),
        labels: &Labels,
        allowance: &mut Allowance<'_>,
    ) -> Result<Option<Vec<Vec<Cell>>>, Exceeded> {
        let Some(commits) = self.0.between(after, through) else { return Ok(None) };
        let query = LogQuery { view, filter, labels };
        let (rows, more) = query.first(&commits, (false, L::CATCH_UP_ROWS_MAX), allowance)?;
        Ok((!more).then_some(rows))
    }

    fn complete(&self, complete_before: u64) {
        self.0.complete(complete_before);
    }

    fn moved(&self) -> watch::Receiver<u64> {
        self.0.moved()
    }

    fn bytes_max(&self) -> usize {
        self.0.bytes_max()
    }

    fn bytes(&self) -> usize {
        self.0.bytes()
    }

    fn bound(&self) -> &'static str {
        L::BOUND.key()
    }

    fn appended(&self) -> u64 {
        self.0.appended()
    }

    fn dropped(&self) -> u64 {
        self.0.dropped()
    }

    fn dropped_through(&self) -> Option<Commit> {
        self.0.dropped_through()
    }

    fn encode(
        &self,
        after: Option<Commit>,
        through: Commit,
    ) -> Result<Option<Vec<u8>>, postcard::Error> {
        // What was dropped meanwhile is not asked for.
        let commits = self.0.through(through);
        let commits: Vec<(Commit, Vec<&L::Entry>)> = commits
            .iter()
            .filter(|(commit, _)| Some(*commit) > after)
            .map(|(commit, items)| (commit, items.iter().map(|item| &item.0).collect()))
            .collect();
        (!commits.is_empty()).then(|| postcard::to_stdvec(&commits)).transpose()
    }

    fn forget_through(&self, commit: Commit) {
        self.0.forget_through(commit);
    }

    fn saved_as(&self) -> &'static str {
        L::SAVED_AS
    }

    fn restore(
        &self,
        saved_as: &str,
        pieces: &[Vec<u8>],
        appended: u64,
    ) -> Result<(), postcard::Error> {
        let mut all = Vec::new();
        for piece in pieces {
            let commits: SavedEntries<L::Entry> = match saved_as == L::SAVED_AS {
                true => postcard::from_bytes(piece)?,
                false => L::read_former(piece)?,
            };
            let commits = commits.into_iter();
            all.extend(commits.map(|(commit, entries)| {
                (commit, entries.into_iter().map(LogItem).collect::<Vec<_>>())
            }));
        }
        self.0.restore(all, appended);
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<L: LogView> LogAt for CommitsAt<L> {
    fn page(
        &self,
        scan: &Scan,
        labels: &Labels,
        allowance: &mut Allowance<'_>,
    ) -> Result<Page, Exceeded> {
        let Scan { view, filter, latest_first, limit, as_of: _ } = scan; // logs have no history
        let query = LogQuery { view, filter, labels };
        let commits = self.commits.selected(filter);
        let (rows, more) = query.first(&commits, (*latest_first, *limit), allowance)?;
        Ok(Page { frontier: self.frontier, rows, more })
    }

    fn newest(
        &self,
        scan: &Scan,
        labels: &Labels,
        allowance: &mut Allowance<'_>,
    ) -> Result<Page, Exceeded> {
        let query = LogQuery { view: scan.view, filter: &scan.filter, labels };
        let commits = self.commits.selected(&scan.filter);
        let mut rows = query.newest(&commits, allowance)?;
        rows.reverse();
        let more = rows.len() > scan.limit;
        rows.truncate(scan.limit);
        Ok(Page { frontier: self.frontier, rows, more })
    }

    fn latest(
        &self,
        (view, filter): (&'static View, Arc<RowFilter>),
        rows: usize,
        labels: Labels,
        allowance: &mut Allowance<'_>,
    ) -> Result<Arc<dyn Snapshot>, Exceeded> {
        let (frontier, commits) = (self.frontier, self.commits.clone());
        let source = LogSource { frontier, view, filter, labels, commits };
        Ok(Arc::new(LogSnapshot::latest(source, rows, allowance)?))
    }

    fn each(&self, view: &View, labels: &Labels, each: &mut dyn FnMut(&[Cell]) -> bool) {
        let query = LogQuery { view, filter: &RowFilter::default(), labels };
        let unlimited = &mut Allowance::unlimited();
        // It ends early only because `each` does.
        let _: Result<(), ScanEnd<()>> = query
            .each(&self.commits, false, unlimited, |cells| each(&cells).then_some(()).ok_or(()));
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<L: LogView> CommitsAt<L> {
    /// Calls `each` with every row and its commit, commit by commit; of one commit in no particular order.
    pub(super) fn each_row<E: From<Exceeded>>(
        &self,
        allowance: &mut Allowance<'_>,
        mut each: impl FnMut(Commit, &L::Row) -> Result<(), E>,
    ) -> Result<(), E> {
        for (commit, items) in self.commits.iter() {
            allowance.take(count(items))?;
            let mut rows = items.iter().flat_map(|item| L::rows(&item.0));
            rows.try_for_each(|row| each(commit, row))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
