//! Live: commits close by time and number, rounds by time.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use connectors::Row;

use super::commit_builder::CommitBuilder;
use super::{Naming, SequencerError, Stop, now};
use crate::clock::{Binding, CommitClock};
use crate::ingest::dispatcher::CommitDispatcher;
use crate::ingest::reader_thread::SourceBatch;

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

/// Callbacks of a live run; they must not block.
#[derive(Clone, Copy)]
pub struct LiveCallbacks<'a> {
    /// Called before each commit: none, or the bytes that operators retain and may retain; then sources pause.
    pub over_budget: &'a dyn Fn(Option<(usize, usize)>),
    /// Called after each commit was dispatched.
    pub dispatched: &'a dyn Fn(&Binding),
}

/// Sequences a live run: closes commits by time and number, rounds by time.
pub fn sequence_live(
    clock: CommitClock,
    naming: Naming<'_>,
    batch: &Receiver<SourceBatch>,
    cadence: Cadence,
    dispatcher: &mut CommitDispatcher,
    callbacks: LiveCallbacks<'_>,
    stop: &Stop,
) -> Result<(), SequencerError> {
    let mut builder = CommitBuilder::new(clock, naming);
    let mut closed_at = Instant::now();
    let mut round_at = Instant::now();
    let mut unrounded = false;
    let mut pending: Vec<SourceBatch> = Vec::new(); // at most one; rest of a batch that did not fit
    loop {
        let stopping = stop.is_set();
        let over = dispatcher.is_over_budget();
        (callbacks.over_budget)(over);

        // 1. Add rows until the commit is due.
        let opened_at = Instant::now();
        let idle_due =
            closed_at + if unrounded { cadence.round.min(cadence.idle) } else { cadence.idle };
        let mut due = idle_due;
        while !stopping && builder.rows() < cadence.records_max {
            let next = match pending.pop() {
                Some(rest) => Ok(rest),
                None if over.is_some() => {
                    std::thread::sleep(cadence.round.min(STOP_POLL));
                    break; // sources pause: their reader threads wait
                }
                None => {
                    let rest = due.saturating_duration_since(Instant::now()).min(STOP_POLL);
                    batch.recv_timeout(rest)
                }
            };
            match next {
                Ok(batch) => pending.extend(add_batch(&mut builder, batch, cadence.records_max)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    std::thread::sleep(
                        STOP_POLL.min(due.saturating_duration_since(Instant::now())),
                    );
                }
            }
            if builder.rows() > 0 {
                due = due.min(opened_at.max(closed_at) + cadence.period);
            }
            if stop.is_set() || Instant::now() >= due {
                break;
            }
        }

        // 2. Close it; the last one ends a round.
        let stopping = stopping || stop.is_set();
        let idle = builder.rows() == 0;
        if idle && !stopping && Instant::now() < idle_due {
            continue;
        }
        let round = stopping || idle || round_at.elapsed() >= cadence.round;
        let closed = builder.close(now(), round);
        let binding = closed.binding.clone();
        dispatcher.dispatch(closed)?;
        (callbacks.dispatched)(&binding);
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

/// How often a stop is looked for.
const STOP_POLL: Duration = Duration::from_millis(50);

/// Adds rows while they fit into the commit; returns the rest of the batch.
fn add_batch(
    builder: &mut CommitBuilder<'_>,
    batch: SourceBatch,
    rows_max: usize,
) -> Option<SourceBatch> {
    let SourceBatch { source, partition, rows, since, ended, incidents, drained_at } = batch;
    builder.add_incidents(source, partition, incidents);
    if !rows.is_empty() {
        builder.note_received(since);
    }
    let mut rows = rows.into_iter();
    while builder.rows() < rows_max {
        match rows.next() {
            Some(row) => builder.add(source, partition, row),
            None => {
                if ended {
                    builder.clock.end(source, partition);
                } else if let Some(at) = drained_at {
                    builder.clock.drain(source, partition, at);
                }
                return None;
            }
        }
    }
    let rows: Vec<Row> = rows.collect();
    Some(SourceBatch { source, partition, rows, since, ended, incidents: Vec::new(), drained_at })
}
