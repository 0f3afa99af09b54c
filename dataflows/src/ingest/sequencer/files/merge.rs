//! Rows of all partitions in the order of a key that ascends in each of them, then by source and partition.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use market::EventTime;

use super::partition::FilePartition;
use super::{FilePlace, PlacedRow};
use crate::ingest::event_queues::EventReceiver;
use crate::ingest::input::ControlEvent;

/// The merge of all partitions: each is read on where it has the least key. Where keys do not ascend in a partition, its
/// rows come in their own order.
pub(super) struct Merge<K> {
    partitions: Vec<FilePartition>,
    /// Where the others are that have a row: key and index.
    heads: BinaryHeap<Reverse<(K, usize)>>,
    /// The partition at hand, whose next row is before those of all others.
    current: Option<usize>,
    is_started: bool,
}

/// The key of a row that stands at a place time.
pub(super) trait MergeKey: Ord + Copy {
    fn of(position: u64, time: EventTime) -> Self;
}

/// By position: the order of lines.
impl MergeKey for u64 {
    fn of(position: u64, _: EventTime) -> u64 {
        position
    }
}

/// By place time.
impl MergeKey for EventTime {
    fn of(_: u64, time: EventTime) -> EventTime {
        time
    }
}

impl<K: MergeKey> Merge<K> {
    pub(super) fn new(partitions: Vec<(FilePlace, EventReceiver)>) -> Merge<K> {
        let partitions = FilePartition::all(partitions);
        Merge { partitions, heads: BinaryHeap::new(), current: None, is_started: false }
    }

    /// The next row. What readers report of their sources goes to `control`; that a partition ends does so with its last
    /// row.
    pub(super) fn next(
        &mut self,
        control: &mut impl FnMut(usize, ControlEvent),
    ) -> Option<PlacedRow> {
        if !std::mem::replace(&mut self.is_started, true) {
            for index in 0..self.partitions.len() {
                let head = self.head(index, control);
                self.heads.extend(head.map(|key| Reverse((key, index))));
            }
        }
        let index = match self.current {
            Some(index) => index,
            None => self.heads.pop()?.0.1,
        };
        let row = self.partitions[index].take()?;
        // At once, so that the end of a partition counts from its last row on. Runs of rows of one partition, most often
        // all, do not go through the heap.
        self.current = match (self.head(index, control), self.heads.peek()) {
            (Some(key), Some(Reverse(other))) if (key, index) > *other => {
                self.heads.push(Reverse((key, index)));
                None
            }
            (head, _) => head.map(|_| index),
        };
        Some(row)
    }

    /// Those of its partitions that lie newest first, see [`FilePartition::turned_around`].
    pub(super) fn turned_around(&self) -> Vec<FilePlace> {
        self.partitions.iter().filter_map(FilePartition::turned_around).collect()
    }

    /// The key of the next row of a partition.
    fn head(&mut self, index: usize, control: &mut impl FnMut(usize, ControlEvent)) -> Option<K> {
        let partition = &mut self.partitions[index];
        let source = partition.place.0;
        let (position, time) = partition.head(&mut |event| control(source, event))?;
        Some(K::of(position, time))
    }
}
