//! Reads of logs: rows of the entries of change logs. They hold no lock.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use market::Commit;

use super::change_log::Retained;
use super::commit_blocks::Commits;
use rows::readers::{Allowance, Exceeded};
use rows::{Cell, Labels, RowFilter, View};

/// An entry of a log: a row, or several.
pub(super) trait LogEntry: Retained + Send + Sync + 'static {
    /// What becomes a row.
    type Row;

    /// The rows of a commit, in order. Rows that the filter excludes may be missing.
    fn in_order<'a>(entries: &'a [Self], filter: &RowFilter) -> Vec<&'a Self::Row>;

    /// The cells of a row.
    fn cells(row: &Self::Row, commit: Commit, labels: &Labels) -> Vec<Cell>;
}

/// The rows that a read of a log selects, and the names for their numbers.
#[derive(Clone, Copy)]
pub(super) struct LogQuery<'a> {
    pub(super) view: &'a View,
    pub(super) filter: &'a RowFilter,
    pub(super) labels: &'a Labels,
}

/// Why a scan ended before the last row.
#[derive(Debug)]
pub(super) enum ScanEnd<E> {
    /// The rows are more than the read's allowance.
    Exceeded,
    /// The callback returned an error.
    Stopped(E),
}

impl<E> From<Exceeded> for ScanEnd<E> {
    fn from(_: Exceeded) -> ScanEnd<E> {
        ScanEnd::Exceeded
    }
}

impl LogQuery<'_> {
    /// The number and cells of each selected row of a commit, in order, from number `from` on.
    pub(super) fn rows<T: LogEntry>(
        self,
        commit: Commit,
        entries: &[T],
        from: usize,
    ) -> impl DoubleEndedIterator<Item = (usize, Vec<Cell>)> {
        let rows = T::in_order(entries, self.filter).into_iter().enumerate().skip(from);
        let rows = rows.map(move |(number, row)| (number, T::cells(row, commit, self.labels)));
        let rows = rows.inspect(move |(_, cells)| {
            self.view.debug_check(cells);
            // Filters by commit look at either.
            debug_assert_eq!(self.view.commit_of(cells), Some(commit), "{}", self.view.name);
        });
        rows.filter(move |(_, cells)| self.filter.fits(self.view, cells))
    }

    /// Calls `each` with every selected row of these commits, in order, or latest first, until it returns an error.
    pub(super) fn each<T: LogEntry, E>(
        self,
        commits: &Commits<T>,
        latest_first: bool,
        allowance: &mut Allowance<'_>,
        mut each: impl FnMut(Vec<Cell>) -> Result<(), E>,
    ) -> Result<(), ScanEnd<E>> {
        let mut of_one = |(commit, entries): (Commit, &Arc<Vec<T>>)| {
            allowance.take(count(entries))?;
            let mut rows = self.rows(commit, entries, 0).map(|(_, cells)| cells);
            let end = if latest_first {
                rows.rev().try_for_each(&mut each)
            } else {
                rows.try_for_each(&mut each)
            };
            end.map_err(ScanEnd::Stopped)
        };
        match latest_first {
            true => commits.iter().rev().try_for_each(&mut of_one),
            false => commits.iter().try_for_each(&mut of_one),
        }
    }

    /// The first `limit` rows of [`LogQuery::each`], and whether the limit left any out.
    pub(super) fn first<T: LogEntry>(
        self,
        commits: &Commits<T>,
        (latest_first, limit): (bool, usize),
        allowance: &mut Allowance<'_>,
    ) -> Result<(Vec<Vec<Cell>>, bool), Exceeded> {
        let mut rows = Vec::new();
        let end = self.each(commits, latest_first, allowance, |cells| {
            if rows.len() == limit {
                return Err(());
            }
            rows.push(cells);
            Ok(())
        });
        match end {
            Ok(()) => Ok((rows, false)),
            Err(ScanEnd::Stopped(())) => Ok((rows, true)),
            Err(ScanEnd::Exceeded) => Err(Exceeded),
        }
    }

    /// The newest selected row of each instrument, or of all if rows have none; latest first. It reads backwards until
    /// the instruments that the filter names are found.
    pub(super) fn newest<T: LogEntry>(
        self,
        commits: &Commits<T>,
        allowance: &mut Allowance<'_>,
    ) -> Result<Vec<Vec<Cell>>, Exceeded> {
        let column = self.view.column("instrument");
        let named = match (column, &self.filter.instruments) {
            (None, _) => 1,
            (Some(_), Some(instruments)) => instruments.iter().collect::<BTreeSet<_>>().len(),
            (Some(_), None) => usize::MAX,
        };
        let (mut found, mut rows) = (HashSet::new(), Vec::new());
        let end = self.each(commits, true, allowance, |cells| {
            let instrument = match column.and_then(|column| cells.get(column)) {
                Some(Cell::Instrument(instrument)) => Some(*instrument),
                _ => None,
            };
            if found.insert(instrument) {
                rows.push(cells);
            }
            if found.len() < named { Ok(()) } else { Err(()) }
        });
        match end {
            Ok(()) | Err(ScanEnd::Stopped(())) => Ok(rows),
            Err(ScanEnd::Exceeded) => Err(Exceeded),
        }
    }
}

/// The number of rows of a commit, before they are filtered.
pub(super) fn count<T: Retained>(entries: &[T]) -> usize {
    entries.iter().map(T::rows).sum::<u64>() as usize
}
