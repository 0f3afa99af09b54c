//! Rows of all partitions in the order of time, as they are read.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use market::EventTime;

use super::partition::FilePartition;
use super::reorder::ReorderBuffer;
use super::{FilePlace, PlacedRow};
use crate::ingest::event_queues::EventReceiver;
use crate::ingest::input::ControlEvent;
use crate::ingest::sequencer::SequencerError;
use crate::ingest::sequencer::commit_builder::CommitBuilder;

/// The merge of all partitions: each is read on where it has the earliest row, and a buffer puts into order what lies
/// out of it inside a partition.
pub(super) struct TimeMerge {
    partitions: Vec<FilePartition>,
    /// Where the others are that have a row: time and index.
    heads: BinaryHeap<Reverse<(EventTime, usize)>>,
    /// The partition at hand, whose next row is before those of all others.
    current: Option<usize>,
    is_started: bool,
    buffer: ReorderBuffer,
    rows_max: usize,
    /// What was reported of sources. Rows are held back here, so this is as well.
    control: Vec<(usize, ControlEvent)>,
}

impl TimeMerge {
    /// A merge that holds `rows_max` rows in memory, besides those in the queues.
    pub(super) fn new(partitions: Vec<(FilePlace, EventReceiver)>, rows_max: usize) -> TimeMerge {
        TimeMerge {
            partitions: FilePartition::all(partitions),
            heads: BinaryHeap::new(),
            current: None,
            is_started: false,
            buffer: ReorderBuffer::default(),
            rows_max,
            control: Vec::new(),
        }
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
            let Some(mut row) = self.read() else { break };
            builder.register(&mut row.row);
            let time = row.time;
            if !self.buffer.add(row) {
                return Err(SequencerError::OutOfOrder { time, rows: self.rows_max });
            }
        }
        Ok(self.buffer.take())
    }

    pub(super) fn into_control(self) -> Vec<(usize, ControlEvent)> {
        self.control
    }

    /// Reads a row of the partition that has the earliest one.
    fn read(&mut self) -> Option<PlacedRow> {
        if !std::mem::replace(&mut self.is_started, true) {
            for index in 0..self.partitions.len() {
                let head = self.head(index);
                self.heads.extend(head.map(|time| Reverse((time, index))));
            }
        }
        let index = match self.current {
            Some(index) => index,
            None => self.heads.pop()?.0.1,
        };
        let place = self.partitions[index].place;
        let (time, row) = self.partitions[index].take_placed()?;
        self.current = match (self.head(index), self.heads.peek()) {
            (Some(next), Some(Reverse(other))) if (next, index) > *other => {
                self.heads.push(Reverse((next, index)));
                None
            }
            (head, _) => head.map(|_| index),
        };
        Some(PlacedRow { time, place, row })
    }

    fn head(&mut self, index: usize) -> Option<EventTime> {
        let partition = &mut self.partitions[index];
        let (source, control) = (partition.place.0, &mut self.control);
        partition.head_time(&mut |event| control.push((source, event)))
    }
}
