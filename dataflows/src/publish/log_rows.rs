//! Reads of logs: rows by commit. They hold no lock.

use std::any::Any;
use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use market::Commit;

use rows::readers::{Allowance, Exceeded};
use rows::{Cell, Labels, RowFilter, View};

/// The rows of a log up to a frontier, commit by commit. They never change.
pub trait CommitRows: Send + Sync {
    /// The first commit that may have selected rows after this one; none: of all.
    fn next(&self, query: LogQuery<'_>, after: Option<Commit>) -> Option<Commit>;

    /// The last commit that may have selected rows before this one; none: of all.
    fn previous(&self, query: LogQuery<'_>, before: Option<Commit>) -> Option<Commit>;

    /// The number of rows of a commit that a read has to look at.
    fn count(&self, query: LogQuery<'_>, commit: Commit) -> usize;

    /// Calls `each` with the number and the cells of every selected row of a commit whose number is `from` or higher,
    /// in order, or the last first, until it breaks. Numbers ascend with the order; the same query gives a row the same
    /// number each time.
    fn rows(
        &self,
        query: LogQuery<'_>,
        place: (Commit, usize),
        last_first: bool,
        each: &mut dyn FnMut(usize, Vec<Cell>) -> ControlFlow<()>,
    ) -> ControlFlow<()>;

    /// The same without the commits before this one, so that they need not be held.
    fn without_before(&self, commit: Commit) -> Arc<dyn CommitRows>;

    /// The commits with the type of their entries.
    fn as_any(&self) -> &dyn Any;
}

/// The rows that a read of a log selects, and the names for their numbers.
#[derive(Clone, Copy)]
pub struct LogQuery<'a> {
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
    /// The commits of a log that this query selects, ascending or latest first.
    pub(super) fn commits(
        self,
        log: &dyn CommitRows,
        latest_first: bool,
    ) -> impl Iterator<Item = Commit> {
        let RowFilter { after, through, .. } = *self.filter;
        let before = through.map(|through| Commit(through.0.saturating_add(1)));
        let mut last = if latest_first { before } else { after };
        std::iter::from_fn(move || {
            let commit = match latest_first {
                true => log.previous(self, last)?,
                false => log.next(self, last)?,
            };
            last = Some(commit);
            self.filter.has_commit(commit).then_some(commit)
        })
    }

    /// Calls `each` with every selected row of a log, in order, or latest first, until it returns an error.
    pub(super) fn each<E>(
        self,
        log: &dyn CommitRows,
        latest_first: bool,
        allowance: &mut Allowance<'_>,
        mut each: impl FnMut(Vec<Cell>) -> Result<(), E>,
    ) -> Result<(), ScanEnd<E>> {
        for commit in self.commits(log, latest_first) {
            allowance.take(log.count(self, commit))?;
            let mut end = Ok(());
            let _ = log.rows(self, (commit, 0), latest_first, &mut |_, cells| {
                end = each(cells);
                if end.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            end.map_err(ScanEnd::Stopped)?;
        }
        Ok(())
    }

    /// The first `limit` rows of [`LogQuery::each`], and whether the limit left any out.
    pub(super) fn first(
        self,
        log: &dyn CommitRows,
        (latest_first, limit): (bool, usize),
        allowance: &mut Allowance<'_>,
    ) -> Result<(Vec<Vec<Cell>>, bool), Exceeded> {
        let mut rows = Vec::new();
        let end = self.each(log, latest_first, allowance, |cells| {
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
    pub(super) fn newest(
        self,
        log: &dyn CommitRows,
        allowance: &mut Allowance<'_>,
    ) -> Result<Vec<Vec<Cell>>, Exceeded> {
        let column = self.view.column("instrument");
        let named = match (column, &self.filter.instruments) {
            (None, _) => 1,
            (Some(_), Some(instruments)) => instruments.iter().collect::<BTreeSet<_>>().len(),
            (Some(_), None) => usize::MAX,
        };
        let (mut found, mut rows) = (HashSet::new(), Vec::new());
        let end = self.each(log, true, allowance, |cells| {
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
