//! A log whose rows are those of other logs, in one form. It keeps nothing: readers make its rows of theirs.

use std::any::Any;
use std::ops::ControlFlow;
use std::sync::Arc;

use market::Commit;
use tokio::sync::watch;

use super::log_rows::{CommitRows, LogQuery};
use super::logs::RetainedLog;
use crate::views::kinds::{LogBound, UnionPart};
use rows::{Cell, Column, ColumnType, RowFilter, View};

/// The rows of several logs. Within a commit they are in the order of its parts.
pub(super) struct UnionLog {
    view: &'static View,
    parts: Vec<(Arc<Part>, Arc<dyn RetainedLog>)>,
    moved: watch::Sender<u64>,
}

/// The retained commits of the parts.
struct UnionRows(Vec<(Arc<Part>, Arc<dyn CommitRows>)>);

/// A log, and how its rows become rows of the union.
struct Part {
    own: &'static UnionPart,
    /// Where the cell of each column of the union comes from.
    cells: Vec<CellSource>,
}

enum CellSource {
    /// The log has none.
    Nothing,
    /// It is the same word in all rows.
    Word(&'static str),
    /// The cell of a column of the log.
    Column(usize),
    /// The same, as text.
    Text(usize),
}

impl Part {
    fn new(view: &View, own: &'static UnionPart) -> Part {
        let source = |column: &Column| match (column.name, own.types) {
            ("type", [only]) => CellSource::Word(only),
            ("type", _) => own.view.column("kind").map_or(CellSource::Nothing, CellSource::Column),
            (name, _) => {
                let renamed = own.renamed.iter().find(|(_, here)| *here == name);
                let there = own.view.column(renamed.map_or(name, |(there, _)| there));
                match there {
                    None => CellSource::Nothing,
                    Some(at) if column.column_type == ColumnType::Text => CellSource::Text(at),
                    Some(at) => CellSource::Column(at),
                }
            }
        };
        Part { own, cells: view.columns.iter().map(source).collect() }
    }

    /// A row of the log as a row of the union.
    fn row(&self, row: &[Cell]) -> Vec<Cell> {
        let cells = self.cells.iter().map(|source| match source {
            CellSource::Nothing => Cell::Null,
            CellSource::Word(word) => Cell::Word(word),
            CellSource::Column(at) => row[*at].clone(),
            CellSource::Text(at) => match &row[*at] {
                Cell::Word(word) => Cell::Text((*word).to_owned()),
                other => other.clone(),
            },
        });
        cells.collect()
    }
}

/// A row has the number `part << PART_SHIFT | number in the part`.
const PART_SHIFT: u32 = 48;

/// The condition that a filter of a union is of one of its parts. What it leaves out is looked at when the row is made.
fn part_filter(filter: &RowFilter) -> RowFilter {
    let RowFilter { instruments, after, through, .. } = filter;
    let (after, through) = (*after, *through);
    RowFilter { instruments: instruments.clone(), after, through, ..RowFilter::default() }
}

/// Whether a filter may select rows of a part.
fn is_selected(view: &View, part: &UnionPart, filter: &RowFilter) -> bool {
    let of_type = filter.texts.iter().filter(|(column, _)| view.column("type") == Some(*column));
    of_type
        .into_iter()
        .all(|(_, wanted)| wanted.iter().any(|wanted| part.types.contains(&&**wanted)))
}

impl UnionLog {
    /// The union of those parts whose logs `log` finds.
    pub(super) fn new(
        view: &'static View,
        parts: &'static [UnionPart],
        log: impl Fn(&str) -> Option<Arc<dyn RetainedLog>>,
    ) -> UnionLog {
        let parts = parts.iter().filter_map(|part| {
            let log = log(part.view.name)?;
            Some((Arc::new(Part::new(view, part)), log))
        });
        let parts = parts.collect();
        UnionLog { view, parts, moved: watch::Sender::new(0) }
    }

    fn sum(&self, of: impl Fn(&dyn RetainedLog) -> u64) -> u64 {
        self.parts.iter().map(|(_, log)| of(&**log)).sum()
    }
}

impl RetainedLog for UnionLog {
    fn through(&self, through: Option<Commit>) -> Arc<dyn CommitRows> {
        let parts = self.parts.iter().map(|(part, log)| (Arc::clone(part), log.through(through)));
        Arc::new(UnionRows(parts.collect()))
    }

    /// Only the parts that the filter selects must reach back so far.
    fn between(
        &self,
        filter: &RowFilter,
        span: (Option<Commit>, Commit),
    ) -> Option<Arc<dyn CommitRows>> {
        let own = part_filter(filter);
        let parts = self.parts.iter().filter(|(part, _)| is_selected(self.view, part.own, filter));
        let parts = parts.map(|(part, log)| Some((Arc::clone(part), log.between(&own, span)?)));
        Some(Arc::new(UnionRows(parts.collect::<Option<_>>()?)))
    }

    fn catch_up_rows_max(&self) -> usize {
        self.parts.iter().map(|(_, log)| log.catch_up_rows_max()).min().unwrap_or(usize::MAX)
    }

    /// The parts were notified before.
    fn complete(&self, _complete_before: u64) {
        let latest = self.parts.iter().map(|(_, log)| *log.moved().borrow()).max().unwrap_or(0);
        self.moved.send_if_modified(|known| latest > std::mem::replace(known, latest.max(*known)));
    }

    fn moved(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    fn bytes_max(&self) -> usize {
        self.parts.iter().map(|(_, log)| log.bytes_max()).sum()
    }

    /// What is retained counts where it is.
    fn bytes(&self) -> usize {
        0
    }

    fn bound(&self) -> &'static str {
        LogBound::LogBytes.key()
    }

    fn appended(&self) -> u64 {
        self.sum(|log| log.appended())
    }

    fn dropped(&self) -> u64 {
        self.sum(|log| log.dropped())
    }

    fn dropped_through(&self) -> Option<Commit> {
        self.parts.iter().filter_map(|(_, log)| log.dropped_through()).max()
    }

    fn encode(
        &self,
        _after: Option<Commit>,
        _through: Commit,
    ) -> Result<Option<Vec<u8>>, postcard::Error> {
        Ok(None)
    }

    fn forget_through(&self, _commit: Commit) {}

    fn saved_as(&self) -> &'static str {
        self.view.name
    }

    fn restore(
        &self,
        _saved_as: &str,
        _pieces: &[Vec<u8>],
        _appended: u64,
    ) -> Result<(), postcard::Error> {
        Ok(())
    }

    fn is_union(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl UnionRows {
    /// The parts that a query selects, with their places.
    fn selected<'a>(
        &'a self,
        query: LogQuery<'a>,
    ) -> impl DoubleEndedIterator<Item = (usize, &'a Part, &'a dyn CommitRows)> {
        let parts = self.0.iter().enumerate();
        parts
            .filter(move |(_, (part, _))| is_selected(query.view, part.own, query.filter))
            .map(|(place, (part, rows))| (place, &**part, &**rows))
    }
}

impl CommitRows for UnionRows {
    fn next(&self, query: LogQuery<'_>, after: Option<Commit>) -> Option<Commit> {
        self.selected(query).filter_map(|(_, _, rows)| rows.next(query, after)).min()
    }

    fn previous(&self, query: LogQuery<'_>, before: Option<Commit>) -> Option<Commit> {
        self.selected(query).filter_map(|(_, _, rows)| rows.previous(query, before)).max()
    }

    fn count(&self, query: LogQuery<'_>, commit: Commit) -> usize {
        self.selected(query).map(|(_, _, rows)| rows.count(query, commit)).sum()
    }

    fn rows(
        &self,
        query: LogQuery<'_>,
        (commit, from): (Commit, usize),
        last_first: bool,
        each: &mut dyn FnMut(usize, Vec<Cell>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let filter = part_filter(query.filter);
        let mut of_part = |(place, part, rows): (usize, &Part, &dyn CommitRows)| {
            let first = place << PART_SHIFT;
            let from = from.saturating_sub(first);
            let own = LogQuery { view: part.own.view, filter: &filter, labels: query.labels };
            rows.rows(own, (commit, from), last_first, &mut |number, cells| {
                let cells = part.row(&cells);
                query.view.debug_check(&cells);
                match query.filter.fits(query.view, &cells) {
                    true => each(first | number, cells),
                    false => ControlFlow::Continue(()),
                }
            })
        };
        match last_first {
            true => self.selected(query).rev().try_for_each(&mut of_part),
            false => self.selected(query).try_for_each(&mut of_part),
        }
    }

    fn without_before(&self, commit: Commit) -> Arc<dyn CommitRows> {
        let parts =
            self.0.iter().map(|(part, rows)| (Arc::clone(part), rows.without_before(commit)));
        Arc::new(UnionRows(parts.collect()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests;
