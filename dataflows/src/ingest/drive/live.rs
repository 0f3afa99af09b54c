//! Live: commits close by time and number, rounds by time.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use connectors::Row;

use super::gathering::Gathering;
use super::{DriveError, Naming, Stop, now};
use crate::clock::{Binding, CommitClock};
use crate::ingest::handover::Handover;
use crate::ingest::pump::Pumped;

/// When a live run closes commits and rounds.
#[derive(Clone, Copy, Debug)]
pub struct Cadence {
    /// A commit closes this long after its first record at the latest.
    pub period: Duration,
    /// A commit closes with this many records at the latest.
    pub records_max: usize,
    /// Without any record, a commit closes this often.
    pub idle: Duration,
    /// A round ends about this often.
    pub round: Duration,
}

/// Who is told how a live run goes; must not block.
#[derive(Clone, Copy)]
pub struct Told<'a> {
    /// Before each commit: whether sources pause because operators retain too much, and the bytes retained
    /// and allowed.
    pub over_budget: &'a dyn Fn(Option<(usize, usize)>),
    /// After each commit has been handed over.
    pub handed_over: &'a dyn Fn(&Binding),
}

/// Drives a live run: commits by time and number, rounds by time.
pub fn drive_live(
    clock: CommitClock,
    naming: Naming<'_>,
    pumped: &Receiver<Pumped>,
    cadence: Cadence,
    handover: &mut Handover,
    told: Told<'_>,
    stop: &Stop,
) -> Result<(), DriveError> {
    let mut gathering = Gathering::new(clock, naming);
    let mut closed_at = Instant::now();
    let mut round_at = Instant::now();
    let mut unrounded = false;
    let mut waiting: Vec<Pumped> = Vec::new(); // at most one; rest of a batch that did not fit
    loop {
        let stopping = stop.is_set();
        let over = handover.is_over_budget();
        (told.over_budget)(over);

        // 1. Gather until the commit is due.
        let opened_at = Instant::now();
        let idle_due =
            closed_at + if unrounded { cadence.round.min(cadence.idle) } else { cadence.idle };
        let mut due = idle_due;
        while !stopping && gathering.rows() < cadence.records_max {
            let next = match waiting.pop() {
                Some(rest) => Ok(rest),
                None if over.is_some() => {
                    std::thread::sleep(cadence.round.min(STOP_NOTICED));
                    break; // sources pause: their pumps wait
                }
                None => {
                    let rest = due.saturating_duration_since(Instant::now()).min(STOP_NOTICED);
                    pumped.recv_timeout(rest)
                }
            };
            match next {
                Ok(batch) => waiting.extend(take_batch(&mut gathering, batch, cadence.records_max)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    std::thread::sleep(
                        STOP_NOTICED.min(due.saturating_duration_since(Instant::now())),
                    );
                }
            }
            if gathering.rows() > 0 {
                due = due.min(opened_at.max(closed_at) + cadence.period);
            }
            if stop.is_set() || Instant::now() >= due {
                break;
            }
        }

        // 2. Close it; the last one ends a round.
        let stopping = stopping || stop.is_set();
        let idle = gathering.rows() == 0;
        if idle && !stopping && Instant::now() < idle_due {
            continue;
        }
        let round = stopping || idle || round_at.elapsed() >= cadence.round;
        let sealed = gathering.seal(now(), round);
        let binding = sealed.binding.clone();
        handover.hand_over(sealed)?;
        (told.handed_over)(&binding);
        closed_at = Instant::now();
        unrounded = !round;
        if round {
            round_at = closed_at;
        }
        if stopping {
            return Ok(());
        }
    }
}

/// A stop is noticed within this time.
const STOP_NOTICED: Duration = Duration::from_millis(50);

/// Takes rows while they fit into the commit; gives back the rest.
fn take_batch(gathering: &mut Gathering<'_>, batch: Pumped, rows_max: usize) -> Option<Pumped> {
    let Pumped { source, partition, rows, since, ended, incidents, drained_at } = batch;
    gathering.hear(source, partition, incidents);
    if !rows.is_empty() {
        gathering.since(since);
    }
    let mut rows = rows.into_iter();
    while gathering.rows() < rows_max {
        match rows.next() {
            Some(row) => gathering.take(source, partition, row),
            None => {
                if ended {
                    gathering.clock.end(source, partition);
                } else if let Some(at) = drained_at {
                    gathering.clock.drain(source, partition, at);
                }
                return None;
            }
        }
    }
    let rows: Vec<Row> = rows.collect();
    Some(Pumped { source, partition, rows, since, ended, incidents: Vec::new(), drained_at })
}
