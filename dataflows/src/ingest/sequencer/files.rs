//! Bare files: a merge by position, cut into commits by number of rows.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::mpsc::Receiver;

use connectors::Row;

use super::commit_builder::CommitBuilder;
use super::{Naming, SequencerError, Stop};
use crate::clock::CommitClock;
use crate::ingest::dispatcher::CommitDispatcher;
use crate::ingest::play::Pacer;
use crate::ingest::reader_thread::SourceBatch;

/// Sequences bare files: a commit per `commit_rows` rows of the merge by (position, source, partition), and
/// every commit a round, whatever the speed. When all have ended, one commit more lets all bars become
/// final.
pub fn sequence_files(
    clock: CommitClock,
    naming: Naming<'_>,
    partitions: Vec<((usize, usize), Receiver<SourceBatch>)>,
    commit_rows: usize,
    mut pacer: Option<Pacer>,
    dispatcher: &mut CommitDispatcher,
    stop: &Stop,
) -> Result<(), SequencerError> {
    let mut builder = CommitBuilder::new(clock, naming);
    let mut merge = Merge::new(partitions);
    while let Some(((source, partition), row)) = merge.next(&mut builder.clock) {
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
    place: (usize, usize),
    batches: Receiver<SourceBatch>,
    /// The rest of the batch at hand, and whether it is the last.
    rows: std::vec::IntoIter<Row>,
    ended: bool,
}

impl Merge {
    fn new(mut partitions: Vec<((usize, usize), Receiver<SourceBatch>)>) -> Merge {
        partitions.sort_by_key(|(place, _)| *place);
        let merged = |(place, batches)| Merged {
            place,
            batches,
            rows: Vec::new().into_iter(),
            ended: false,
        };
        let partitions = partitions.into_iter().map(merged).collect();
        Merge { partitions, heads: BinaryHeap::new(), current: None, is_started: false }
    }

    fn next(&mut self, clock: &mut CommitClock) -> Option<((usize, usize), Row)> {
        if !std::mem::replace(&mut self.is_started, true) {
            for (index, partition) in self.partitions.iter_mut().enumerate() {
                let head = partition.head(clock);
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
        self.current = match (partition.head(clock), self.heads.peek()) {
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
    /// The position of the next row; waits for the partition's reader thread if need be. None if there is none.
    fn head(&mut self, clock: &mut CommitClock) -> Option<u64> {
        loop {
            if let Some(row) = self.rows.as_slice().first() {
                return Some(row.position);
            }
            match self.batches.recv() {
                Ok(batch) if !self.ended => {
                    self.rows = batch.rows.into_iter();
                    self.ended = batch.ended;
                }
                _ => {
                    // A stopped reader thread has not ended.
                    if self.ended {
                        clock.end(self.place.0, self.place.1);
                    }
                    return None;
                }
            }
        }
    }
}
