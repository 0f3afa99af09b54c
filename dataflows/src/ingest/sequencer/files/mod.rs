//! Bare files: their rows in the order of time or of lines, cut into commits by number of rows.

mod file_order;
mod merge;
mod newest_first;
mod partition;
mod reorder;
mod sorted_runs;
#[cfg(test)]
mod tests;
mod time_merge;

use connectors::Row;
use market::EventTime;

use super::commit_builder::CommitBuilder;
use super::{Naming, SequencerError};
use crate::clock::CommitClock;
use crate::ingest::dispatcher::CommitDispatcher;
use crate::ingest::event_queues::EventReceiver;
use crate::ingest::play::Pacer;
use crate::ingest::stop::Stop;
use crate::ingest::system_time::now;

use merge::Merge;
use sorted_runs::SortedRuns;
use time_merge::TimeMerge;

pub use file_order::FileOrder;

/// How the rows of bare files are put into order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileReading {
    /// In the order of lines, as they are read.
    Lines,
    /// In the order of time, as they are read. That works for rows of which none comes after [`REORDERED_ROWS`] or more
    /// later ones; see [`SequencerError::OutOfOrder`].
    Reordered,
    /// In the order of time, whatever the order of lines: all is read first, and sorted in a temporary file.
    Sorted,
}

/// Rows that are held in memory to put them into the order of time.
pub const REORDERED_ROWS: usize = 1 << 18;

/// A partition of a file: the numbers of its source and its own.
type FilePlace = (usize, u32);

/// A row, where it is from, and where it stands in the order of time. Rows are ordered by their times, then by source,
/// partition and position.
///
/// The time of a row that has none, such as one that is refused, is that of the row before it in its partition.
struct PlacedRow {
    time: EventTime,
    place: FilePlace,
    row: Row,
}

/// Rows in one order.
enum OrderedRows {
    Lines(Merge<u64>),
    Reordered(TimeMerge),
    Sorted(SortedRuns),
}

/// Sequences bare files, each with a queue of its own: a commit per `commit_rows` rows in the order that `reading` says,
/// and every commit a round, whatever the speed. When all have ended, one commit more lets all bars become final.
///
/// # Errors
/// Besides failures of what commits are dispatched to: [`SequencerError::OutOfOrder`], after which everything that was
/// dispatched is void, and [`SequencerError::NotSorted`].
pub fn sequence_files(
    clock: CommitClock,
    naming: Naming<'_>,
    (partitions, reading): (Vec<(FilePlace, EventReceiver)>, FileReading),
    commit_rows: usize,
    mut pacer: Option<Pacer>,
    dispatcher: &mut CommitDispatcher,
    stop: &Stop,
) -> Result<(), SequencerError> {
    let mut future = FutureRows::after(now());
    let mut builder = CommitBuilder::new(clock, naming);
    let mut rows = OrderedRows::of(partitions, reading, &mut builder, stop)?;
    while let Some(PlacedRow { time, place: (source, partition), row }) = rows.next(&mut builder)? {
        let own = row.time();
        if stop.is_set() || !waited(&mut pacer, own, stop) {
            break;
        }
        if rows.is_by_time() {
            builder.clock.reach(time);
        }
        future.note(row.position, own);
        builder.add(source, partition, row);
        if builder.rows() >= commit_rows {
            let at = builder.clock.newest();
            dispatcher.dispatch(builder.close(at, true))?;
            if let Some(over_budget) = dispatcher.over_budget() {
                return Err(SequencerError::OverBudget(over_budget));
            }
        }
    }
    if !stop.is_set() {
        newest_first::report(&rows.turned_around(), &naming);
        rows.end(&mut builder);
    }
    future.report();
    let at = builder.clock.newest();
    dispatcher.dispatch(builder.close(at, true))?;
    if builder.clock.all_ended() {
        dispatcher.dispatch(builder.close(at, true))?;
    }
    Ok(())
}

/// Rows that are stamped in the future, which most often is a mistake. They count, but somebody should know.
struct FutureRows {
    now: EventTime,
    count: u64,
    first: Option<(u64, EventTime)>,
}

impl FutureRows {
    fn after(now: EventTime) -> FutureRows {
        FutureRows { now, count: 0, first: None }
    }

    fn note(&mut self, position: u64, time: Option<EventTime>) {
        if let Some(time) = time.filter(|time| *time > self.now) {
            self.count += 1;
            self.first.get_or_insert((position, time));
        }
    }

    fn report(&self) {
        if let Some((position, time)) = self.first {
            tracing::warn!(
                "rows stamped in the future: {}, such as row {position} with {time}; `job.not_after` \
                 (--not-after) refuses them",
                self.count
            );
        }
    }
}

/// Waits until `time` is due, if rows are paced and it has one; false if stopped before.
fn waited(pacer: &mut Option<Pacer>, time: Option<EventTime>, stop: &Stop) -> bool {
    pacer.as_mut().zip(time).is_none_or(|(pacer, time)| pacer.wait(time, stop))
}

impl OrderedRows {
    fn of(
        partitions: Vec<(FilePlace, EventReceiver)>,
        reading: FileReading,
        builder: &mut CommitBuilder<'_>,
        stop: &Stop,
    ) -> Result<OrderedRows, SequencerError> {
        Ok(match reading {
            FileReading::Lines => OrderedRows::Lines(Merge::new(partitions)),
            FileReading::Reordered => {
                OrderedRows::Reordered(TimeMerge::new(partitions, REORDERED_ROWS))
            }
            FileReading::Sorted => {
                let sorted = SortedRuns::of(partitions, REORDERED_ROWS, builder, stop);
                OrderedRows::Sorted(sorted.map_err(SequencerError::NotSorted)?)
            }
        })
    }

    /// The files that lie newest first while lines alone say which of two trades was first. Where rows count as they
    /// lie, that is none: they are late then, which is told.
    fn turned_around(&self) -> Vec<FilePlace> {
        match self {
            OrderedRows::Lines(_) => Vec::new(),
            OrderedRows::Reordered(rows) => rows.turned_around(),
            OrderedRows::Sorted(rows) => rows.turned_around(),
        }
    }

    fn is_by_time(&self) -> bool {
        !matches!(self, OrderedRows::Lines(_))
    }

    fn next(
        &mut self,
        builder: &mut CommitBuilder<'_>,
    ) -> Result<Option<PlacedRow>, SequencerError> {
        match self {
            OrderedRows::Lines(rows) => {
                Ok(rows.next(&mut |source, event| builder.apply(source, event)))
            }
            OrderedRows::Reordered(rows) => rows.next(builder),
            OrderedRows::Sorted(rows) => rows.next().map_err(SequencerError::NotSorted),
        }
    }

    /// All rows were taken: partitions end, if that was held back until now.
    fn end(self, builder: &mut CommitBuilder<'_>) {
        let ended = match self {
            OrderedRows::Lines(_) => return,
            OrderedRows::Reordered(rows) => rows.into_control(),
            OrderedRows::Sorted(rows) => rows.into_control(),
        };
        ended.into_iter().for_each(|(source, event)| builder.apply(source, event));
    }
}
