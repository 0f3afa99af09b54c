//! Rows of all partitions in the order of time, as they are read.

use market::EventTime;

use super::merge::Merge;
use super::reorder::ReorderBuffer;
use super::{FilePlace, PlacedRow};
use crate::ingest::event_queues::EventReceiver;
use crate::ingest::input::ControlEvent;
use crate::ingest::sequencer::SequencerError;
use crate::ingest::sequencer::commit_builder::CommitBuilder;

/// The merge of all partitions by time, and a buffer that puts into order what lies out of it inside a partition.
pub(super) struct TimeMerge {
    merge: Merge<EventTime>,
    buffer: ReorderBuffer,
    rows_max: usize,
    /// What was reported of sources. Rows are held back here, so this is as well.
    control: Vec<(usize, ControlEvent)>,
}

impl TimeMerge {
    /// A merge that holds `rows_max` rows in memory, besides those in the queues.
    pub(super) fn new(partitions: Vec<(FilePlace, EventReceiver)>, rows_max: usize) -> TimeMerge {
        let (merge, buffer) = (Merge::new(partitions), ReorderBuffer::default());
        TimeMerge { merge, buffer, rows_max, control: Vec::new() }
    }

    /// The next row.
    ///
    /// # Errors
    /// A row was read that stands before one that was given already.
    pub(super) fn next(
        &mut self,
        builder: &CommitBuilder<'_>,
    ) -> Result<Option<PlacedRow>, SequencerError> {
        while self.buffer.len() < self.rows_max {
            let read = self.merge.next(&mut |source, event| self.control.push((source, event)));
            let Some(mut row) = read else { break };
            builder.register(&mut row.row);
            let time = row.time;
            if !self.buffer.add(row) {
                return Err(SequencerError::OutOfOrder { time, rows: self.rows_max });
            }
        }
        Ok(self.buffer.take())
    }

    /// See [`Merge::turned_around`].
    pub(super) fn turned_around(&self) -> Vec<FilePlace> {
        self.merge.turned_around()
    }

    pub(super) fn into_control(self) -> Vec<(usize, ControlEvent)> {
        self.control
    }
}
