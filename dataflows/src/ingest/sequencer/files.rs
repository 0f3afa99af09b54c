//! Bare files: a merge by position, cut into commits by number of rows.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use connectors::Row;

use super::commit_builder::CommitBuilder;
use super::{Naming, SequencerError};
use crate::clock::CommitClock;
use crate::ingest::dispatcher::CommitDispatcher;
use crate::ingest::event_queues::EventReceiver;
use crate::ingest::input::{ControlEvent, SourceEvent};
use crate::ingest::play::Pacer;
use crate::ingest::stop::Stop;

/// Sequences bare files, each with a queue of its own: a commit per `commit_rows` rows of the merge by (position,
/// source, partition), and every commit a round, whatever the speed. When all have ended, one commit more lets all bars
/// become final.
pub fn sequence_files(
    clock: CommitClock,
    naming: Naming<'_>,
    partitions: Vec<((usize, u32), EventReceiver)>,
    commit_rows: usize,
    mut pacer: Option<Pacer>,
    dispatcher: &mut CommitDispatcher,
    stop: &Stop,
) -> Result<(), SequencerError> {
    let mut builder = CommitBuilder::new(clock, naming);
    let mut merge = Merge::new(partitions);
    while let Some(((source, partition), row)) = merge.next(&mut builder) {
        if stop.is_set() {
            break;
        }
        if let (Some(pacer), Ok(event)) = (&mut pacer, &row.event)
            && let Some(time) = event.time()
            && !pacer.wait(time, stop)
        {
            break;
        }
        builder.add(source, partition, row);
        if builder.rows() >= commit_rows {
            let at = builder.clock.newest();
            dispatcher.dispatch(builder.close(at, true))?;
            if let Some((retained, limit)) = dispatcher.is_over_budget() {
                return Err(SequencerError::OverBudget { retained, limit });
            }
        }
    }
    let at = builder.clock.newest();
    dispatcher.dispatch(builder.close(at, true))?;
    if builder.clock.all_ended() {
        dispatcher.dispatch(builder.close(at, true))?;
    }
    Ok(())
}

/// Rows of all partitions by (position, source, partition).
struct Merge {
    partitions: Vec<Merged>,
    /// Where the others are that have a row: position and index.
    heads: BinaryHeap<Reverse<(u64, usize)>>,
    /// The partition at hand, whose next row is before those of all others.
    current: Option<usize>,
    is_started: bool,
}

/// One partition being merged.
struct Merged {
    place: (usize, u32),
    events: EventReceiver,
    /// The rest of the rows at hand.
    rows: std::vec::IntoIter<Row>,
}

impl Merge {
    fn new(mut partitions: Vec<((usize, u32), EventReceiver)>) -> Merge {
        partitions.sort_by_key(|(place, _)| *place);
        let merged = |(place, events)| Merged { place, events, rows: Vec::new().into_iter() };
        let partitions = partitions.into_iter().map(merged).collect();
        Merge { partitions, heads: BinaryHeap::new(), current: None, is_started: false }
    }

    fn next(&mut self, builder: &mut CommitBuilder<'_>) -> Option<((usize, u32), Row)> {
        if !std::mem::replace(&mut self.is_started, true) {
            for (index, partition) in self.partitions.iter_mut().enumerate() {
                let head = partition.head(builder);
                self.heads.extend(head.map(|position| Reverse((position, index))));
            }
        }
        let index = match self.current {
            Some(index) => index,
            None => self.heads.pop()?.0.1,
        };
        let partition = &mut self.partitions[index];
        let row = partition.rows.next()?;
        // At once, so that the end of a partition counts from its last row on. Runs of rows of one partition, most often
        // all, do not go through the heap.
        self.current = match (partition.head(builder), self.heads.peek()) {
            (Some(position), Some(Reverse(other))) if (position, index) > *other => {
                self.heads.push(Reverse((position, index)));
                None
            }
            (head, _) => head.map(|_| index),
        };
        Some((self.partitions[index].place, row))
    }
}

impl Merged {
    /// The position of the next row; waits for the partition's reader thread if need be. None if there is none, also
    /// if the reader thread was stopped before the end.
    fn head(&mut self, builder: &mut CommitBuilder<'_>) -> Option<u64> {
        loop {
            if let Some(row) = self.rows.as_slice().first() {
                return Some(row.position);
            }
            let (source, partition) = self.place;
            match self.events.recv()?.1 {
                SourceEvent::Rows { rows, .. } => self.rows = rows.into_iter(),
                SourceEvent::Drained { at, .. } => {
                    builder.clock.drain(source, partition as usize, at);
                }
                SourceEvent::Control(event) => {
                    let is_end = matches!(event, ControlEvent::Ended { .. });
                    builder.apply(source, event);
                    if is_end {
                        return None;
                    }
                }
            }
        }
    }
}
