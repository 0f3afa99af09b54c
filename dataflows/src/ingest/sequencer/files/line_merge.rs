//! Rows of all partitions in the order of lines: by position, then by source and partition.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use market::EventTime;

use super::partition::FilePartition;
use super::{FilePlace, PlacedRow};
use crate::ingest::event_queues::EventReceiver;
use crate::ingest::sequencer::commit_builder::CommitBuilder;

/// The merge of all partitions.
pub(super) struct LineMerge {
    partitions: Vec<FilePartition>,
    /// Where the others are that have a row: position and index.
    heads: BinaryHeap<Reverse<(u64, usize)>>,
    /// The partition at hand, whose next row is before those of all others.
    current: Option<usize>,
    is_started: bool,
}

impl LineMerge {
    pub(super) fn new(partitions: Vec<(FilePlace, EventReceiver)>) -> LineMerge {
        let partitions = FilePartition::all(partitions);
        LineMerge { partitions, heads: BinaryHeap::new(), current: None, is_started: false }
    }

    /// The next row. A partition that ends does so in the commit of its last row.
    pub(super) fn next(&mut self, builder: &mut CommitBuilder<'_>) -> Option<PlacedRow> {
        if !std::mem::replace(&mut self.is_started, true) {
            for index in 0..self.partitions.len() {
                let head = self.head(index, builder);
                self.heads.extend(head.map(|position| Reverse((position, index))));
            }
        }
        let index = match self.current {
            Some(index) => index,
            None => self.heads.pop()?.0.1,
        };
        let row = self.partitions[index].take()?;
        // At once, so that the end of a partition counts from its last row on. Runs of rows of one partition, most often
        // all, do not go through the heap.
        self.current = match (self.head(index, builder), self.heads.peek()) {
            (Some(position), Some(Reverse(other))) if (position, index) > *other => {
                self.heads.push(Reverse((position, index)));
                None
            }
            (head, _) => head.map(|_| index),
        };
        Some(PlacedRow { time: EventTime::NEVER, place: self.partitions[index].place, row })
    }

    /// The position of the next row of a partition.
    fn head(&mut self, index: usize, builder: &mut CommitBuilder<'_>) -> Option<u64> {
        let partition = &mut self.partitions[index];
        let source = partition.place.0;
        partition.head(&mut |event| builder.apply(source, event)).map(|row| row.position)
    }
}
