//! Bare files: a merge by position, cut into commits by number of rows.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::mpsc::Receiver;

use connectors::Row;

use super::gathering::Gathering;
use super::{DriveError, SourceNames, Stop};
use crate::clock::CommitClock;
use crate::ingest::handover::Handover;
use crate::ingest::play::Pacer;
use crate::ingest::pump::Pumped;

/// Drives bare files: a commit per `commit_rows` rows of the merge by (position, source, partition), and
/// every commit a round, whatever the speed. When all have ended, one commit more lets all bars become
/// final.
pub fn drive_files(
    clock: CommitClock,
    sources: &[SourceNames],
    partitions: Vec<((usize, usize), Receiver<Pumped>)>,
    commit_rows: usize,
    mut pacer: Option<Pacer>,
    handover: &mut Handover,
    stop: &Stop,
) -> Result<(), DriveError> {
    let mut gathering = Gathering::new(clock, sources);
    let mut merge = Merge::new(partitions);
    while let Some(((source, partition), row)) = merge.next(&mut gathering.clock) {
        if stop.is_set() {
            break;
        }
        if let (Some(pacer), Ok(event)) = (&mut pacer, &row.event)
            && let Some(time) = event.time()
            && !pacer.wait(time, stop)
        {
            break;
        }
        gathering.take(source, partition, row);
        if gathering.rows() >= commit_rows {
            let at = gathering.clock.newest();
            handover.hand_over(gathering.seal(at, true))?;
            if let Some((retained, limit)) = handover.is_over_budget() {
                return Err(DriveError::OverBudget { retained, limit });
            }
        }
    }
    let at = gathering.clock.newest();
    handover.hand_over(gathering.seal(at, true))?;
    if gathering.clock.all_ended() {
        handover.hand_over(gathering.seal(at, true))?;
    }
    Ok(())
}

/// Rows of all partitions by (position, source, partition).
struct Merge {
    partitions: Vec<Merged>,
    heads: BinaryHeap<Reverse<(u64, usize)>>,
    next_rows: Vec<Option<Row>>,
    started: bool,
}

/// One partition: its place, where its batches come from, the rest of the batch at hand, and whether that
/// is the last.
type Merged = ((usize, usize), Receiver<Pumped>, std::vec::IntoIter<Row>, bool);

impl Merge {
    fn new(mut partitions: Vec<((usize, usize), Receiver<Pumped>)>) -> Merge {
        partitions.sort_by_key(|(place, _)| *place);
        let next_rows = partitions.iter().map(|_| None).collect();
        let partitions = partitions
            .into_iter()
            .map(|(place, receiver)| (place, receiver, Vec::new().into_iter(), false))
            .collect();
        Merge { partitions, heads: BinaryHeap::new(), next_rows, started: false }
    }

    fn next(&mut self, clock: &mut CommitClock) -> Option<((usize, usize), Row)> {
        if !self.started {
            self.started = true;
            (0..self.partitions.len()).for_each(|index| self.refill(index, clock));
        }
        let Reverse((_, index)) = self.heads.pop()?;
        let row = self.next_rows[index].take()?;
        let place = self.partitions[index].0;
        self.refill(index, clock);
        Some((place, row))
    }

    /// Gets the next row of a partition; waits for its pump if need be.
    fn refill(&mut self, index: usize, clock: &mut CommitClock) {
        let ((source, partition), receiver, rows, ended) = &mut self.partitions[index];
        loop {
            if let Some(row) = rows.next() {
                self.heads.push(Reverse((row.position, index)));
                self.next_rows[index] = Some(row);
                return;
            }
            match receiver.recv() {
                Ok(pumped) if !*ended => {
                    *rows = pumped.rows.into_iter();
                    *ended = pumped.ended;
                }
                _ => {
                    // Only a pump that came to its end has ended; one that was stopped has not.
                    if *ended {
                        clock.end(*source, *partition);
                    }
                    return;
                }
            }
        }
    }
}
