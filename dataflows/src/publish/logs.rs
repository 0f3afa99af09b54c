//! Logs: append-only rows, bounded in bytes. A log is a change log whose entries are rows, or several rows.

use std::any::Any;
use std::ops::ControlFlow;
use std::sync::Arc;

use market::Commit;
use tokio::sync::watch;

use super::change_log::{ChangeLog, Exempt, Retained};
use super::commit_blocks::{Commits, bytes_beside};
use super::log_rows::{CommitRows, LogQuery, ScanEnd};
use super::snapshots::{LogSnapshot, LogSource};
use crate::views::kinds::{LogView, SavedEntries};
use rows::readers::{Allowance, Exceeded};
use rows::{Cell, Frontier, Labels, Page, RowFilter, Scan, Snapshot, View};

/// An entry of a log.
pub(super) struct LogItem<L: LogView>(L::Entry);

/// A log, independent of its entries.
pub trait RetainedLog: Send + Sync {
    /// The retained commits up to one (none: no commits), to be read without the lock of the log.
    fn through(&self, through: Option<Commit>) -> Arc<dyn CommitRows>;

    /// The retained commits after one (none: from the beginning) up to another; none if some with rows that the filter
    /// may select were dropped.
    fn between(
        &self,
        filter: &RowFilter,
        span: (Option<Commit>, Commit),
    ) -> Option<Arc<dyn CommitRows>>;

    /// A subscriber more than this many rows behind gets a resync.
    fn catch_up_rows_max(&self) -> usize;

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

    /// Whether it has the rows of other logs.
    fn is_union(&self) -> bool {
        false
    }

    /// The log with its type.
    fn as_any(&self) -> &dyn Any;
}

/// The rows of a log at a frontier. They never change.
#[derive(Clone)]
pub(super) struct LogAt {
    frontier: Frontier,
    rows: Arc<dyn CommitRows>,
}

/// A log of the entries of a view.
pub(super) struct LogOf<L: LogView>(ChangeLog<LogItem<L>>);

impl<L: LogView> LogOf<L> {
    /// An empty log of at most `bytes_max` bytes, and one commit.
    pub(super) fn new(bytes_max: usize) -> LogOf<L> {
        LogOf(ChangeLog::new(bytes_max, Exempt::NewestCommit))
    }

    /// The same, with its type erased.
    pub(super) fn shared(bytes_max: usize) -> Arc<dyn RetainedLog> {
        Arc::new(LogOf::<L>::new(bytes_max))
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

impl<L: LogView> LogItem<L> {
    /// The rows of a commit, in order. Rows that the filter excludes may be missing.
    fn in_order<'a>(items: &'a [LogItem<L>], filter: &RowFilter) -> Vec<&'a L::Row> {
        let rows = items.iter().flat_map(|item| L::rows(&item.0));
        let mut rows: Vec<&L::Row> = rows.filter(|row| L::may_match(row, filter)).collect();
        rows.sort_by(|one, other| L::order(one, other));
        rows
    }
}

impl<L: LogView> CommitRows for Commits<LogItem<L>> {
    fn next(&self, _query: LogQuery<'_>, after: Option<Commit>) -> Option<Commit> {
        self.first_after(after)
    }

    fn previous(&self, _query: LogQuery<'_>, before: Option<Commit>) -> Option<Commit> {
        self.last_before(before)
    }

    fn count(&self, _query: LogQuery<'_>, commit: Commit) -> usize {
        self.entries(commit).iter().map(LogItem::rows).sum::<u64>() as usize
    }

    fn rows(
        &self,
        query: LogQuery<'_>,
        (commit, from): (Commit, usize),
        last_first: bool,
        each: &mut dyn FnMut(usize, Vec<Cell>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let rows = LogItem::<L>::in_order(self.entries(commit), query.filter);
        let rows = rows.into_iter().enumerate().skip(from);
        let mut one = |(number, row): (usize, &L::Row)| {
            let mut cells = Vec::with_capacity(L::VIEW.columns.len());
            L::cells(row, commit, query.labels, &mut cells);
            L::VIEW.debug_check(&cells);
            // Filters by commit look at either.
            debug_assert_eq!(L::VIEW.commit_of(&cells), Some(commit), "{}", L::VIEW.name);
            match query.filter.fits(query.view, &cells) {
                true => each(number, cells),
                false => ControlFlow::Continue(()),
            }
        };
        match last_first {
            true => rows.rev().try_for_each(&mut one),
            false => rows.into_iter().try_for_each(&mut one),
        }
    }

    fn without_before(&self, commit: Commit) -> Arc<dyn CommitRows> {
        Arc::new(self.blocks_from(commit))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl LogAt {
    /// The rows of a log at a frontier.
    pub(super) fn new(log: &dyn RetainedLog, frontier: Frontier) -> LogAt {
        LogAt { frontier, rows: log.through(frontier.commit) }
    }

    /// The first rows, or the latest ones, up to the limit of a scan.
    pub(super) fn page(
        &self,
        scan: &Scan,
        labels: &Labels,
        allowance: &mut Allowance<'_>,
    ) -> Result<Page, Exceeded> {
        let Scan { view, filter, latest_first, limit, as_of: _ } = scan; // logs have no history
        let query = LogQuery { view, filter, labels };
        let (rows, more) = query.first(&*self.rows, (*latest_first, *limit), allowance)?;
        Ok(Page { frontier: self.frontier, rows, more })
    }

    /// The newest of the selected rows of each instrument, or of all if the view has no instruments; in order.
    pub(super) fn newest(
        &self,
        scan: &Scan,
        labels: &Labels,
        allowance: &mut Allowance<'_>,
    ) -> Result<Page, Exceeded> {
        let query = LogQuery { view: scan.view, filter: &scan.filter, labels };
        let mut rows = query.newest(&*self.rows, allowance)?;
        rows.reverse();
        let more = rows.len() > scan.limit;
        rows.truncate(scan.limit);
        Ok(Page { frontier: self.frontier, rows, more })
    }

    /// Begins a snapshot of the latest filtered rows.
    pub(super) fn latest(
        &self,
        (view, filter): (&'static View, Arc<RowFilter>),
        rows: usize,
        labels: Labels,
        allowance: &mut Allowance<'_>,
    ) -> Result<Arc<dyn Snapshot>, Exceeded> {
        let source = LogSource {
            frontier: self.frontier,
            view,
            filter,
            labels,
            rows: Arc::clone(&self.rows),
        };
        Ok(Arc::new(LogSnapshot::latest(source, rows, allowance)?))
    }

    /// Calls `each` with every row, in order, until it returns false.
    pub(super) fn each(&self, view: &View, labels: &Labels, each: &mut dyn FnMut(&[Cell]) -> bool) {
        let query = LogQuery { view, filter: &RowFilter::default(), labels };
        let unlimited = &mut Allowance::unlimited();
        // It ends early only because `each` does.
        let _: Result<(), ScanEnd<()>> =
            query.each(&*self.rows, false, unlimited, |cells| each(&cells).then_some(()).ok_or(()));
    }
}

/// The selected rows of a log after one commit (none: from the beginning) up to another, in order; none if some were
/// dropped, or if they are more than one update may have.
pub(super) fn update(
    log: &dyn RetainedLog,
    query: LogQuery<'_>,
    span: (Option<Commit>, Commit),
    allowance: &mut Allowance<'_>,
) -> Result<Option<Vec<Vec<Cell>>>, Exceeded> {
    let Some(commits) = log.between(query.filter, span) else { return Ok(None) };
    let (rows, more) = query.first(&*commits, (false, log.catch_up_rows_max()), allowance)?;
    Ok((!more).then_some(rows))
}

impl<L: LogView> RetainedLog for LogOf<L> {
    fn through(&self, through: Option<Commit>) -> Arc<dyn CommitRows> {
        let commits = through.map(|through| self.0.through(through));
        Arc::new(commits.unwrap_or_else(Commits::none))
    }

    fn between(
        &self,
        _filter: &RowFilter,
        (after, through): (Option<Commit>, Commit),
    ) -> Option<Arc<dyn CommitRows>> {
        Some(Arc::new(self.0.between(after, through)?))
    }

    fn catch_up_rows_max(&self) -> usize {
        L::CATCH_UP_ROWS_MAX
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

impl LogAt {
    /// Calls `each` with every row of a log of this type and its commit, commit by commit; of one commit in no particular
    /// order.
    pub(super) fn each_row<L: LogView, E: From<Exceeded>>(
        &self,
        allowance: &mut Allowance<'_>,
        mut each: impl FnMut(Commit, &L::Row) -> Result<(), E>,
    ) -> Result<(), E> {
        let commits = self.rows.as_any().downcast_ref::<Commits<LogItem<L>>>();
        let Some(commits) = commits else { return Ok(()) };
        for (commit, items) in commits.iter() {
            allowance.take(items.iter().map(LogItem::rows).sum::<u64>() as usize)?;
            let mut rows = items.iter().flat_map(|item| L::rows(&item.0));
            rows.try_for_each(|row| each(commit, row))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
