//! The three ways to drive a job: live, from bare files, from a recording.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use connectors::Row;
use market::{Catalog, Commit, EventTime, Origin, Record, SourceId};

use super::handover::{Handover, HandoverError, Sealed};
use super::pump::{Pacer, Pumped};
use super::recording::{Next, Recording, RecordingError};
use crate::clock::CommitClock;
use crate::views::DeadLetterRow;

/// Asks all threads of a job to stop in order.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks.
    pub fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether anybody has asked.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// What dead letters and records are told apart by: names and ranks of sources.
#[derive(Clone, Debug)]
pub struct SourceNames {
    /// The source's name.
    pub name: String,
    /// The rank of its provider; 0 is best.
    pub rank: u8,
    /// The names of its partitions.
    pub partitions: Vec<String>,
}

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

/// Why a drive ended before its input did.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// Commits cannot be handed over any more.
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// The recording cannot be read on.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// Operators retain more than they may, and a file would only add to it.
    #[error(
        "operators retain about {retained} bytes, more than `limits.state_bytes` = {limit}; \
         raise it, or shorten `correction_horizon`"
    )]
    OverBudget {
        /// Estimated.
        retained: usize,
        /// As configured.
        limit: usize,
    },
}

/// The commit at hand.
struct Gathering<'a> {
    clock: CommitClock,
    sources: &'a [SourceNames],
    records: Vec<Record>,
    refused: Vec<(usize, usize, u64, market::Refusal)>,
}

impl<'a> Gathering<'a> {
    fn new(clock: CommitClock, sources: &'a [SourceNames]) -> Gathering<'a> {
        Gathering { clock, sources, records: Vec::new(), refused: Vec::new() }
    }

    fn rows(&self) -> usize {
        self.records.len() + self.refused.len()
    }

    fn take(&mut self, source: usize, partition: usize, row: Row) {
        let position = row.position;
        let bound = self.clock.bind(source, partition, position, row.event.as_ref().ok());
        let refusal = match (row.event, bound) {
            (Ok(event), Ok(())) => {
                let origin = Origin {
                    rank: self.sources[source].rank,
                    source: SourceId(source as u8),
                    partition: partition as u32,
                    position,
                };
                self.records.push(Record { origin, event });
                return;
            }
            (Err(refusal), _) => *refusal,
            (Ok(event), Err(refusal)) => market::Refusal::new(
                refusal.reason,
                refusal.detail,
                format!("{event:?}").as_bytes(),
            ),
        };
        self.refused.push((source, partition, position, refusal));
    }

    fn seal(&mut self, at: EventTime, round: bool) -> Sealed {
        let binding = self.clock.close(at, round);
        let commit = binding.commit;
        let sources = self.sources;
        let refused = self.refused.drain(..).map(|(source, partition, position, refusal)| {
            let SourceNames { name, partitions, .. } = &sources[source];
            let partition = partitions[partition].clone();
            DeadLetterRow { commit, source: name.clone(), partition, position, refusal }
        });
        let refused = refused.collect();
        Sealed { binding, records: std::mem::take(&mut self.records), refused }
    }
}

/// The system's time.
pub fn now() -> EventTime {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime(i64::try_from(since_1970.as_nanos()).unwrap_or(i64::MAX))
}

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

/// Drives a live run: commits by time and number, rounds by time.
pub fn drive_live(
    clock: CommitClock,
    sources: &[SourceNames],
    pumped: &Receiver<Pumped>,
    cadence: Cadence,
    handover: &mut Handover,
    over_budget: &dyn Fn(Option<(usize, usize)>),
    stop: &Stop,
) -> Result<(), DriveError> {
    let mut gathering = Gathering::new(clock, sources);
    let mut closed_at = Instant::now();
    let mut round_at = Instant::now();
    let mut unrounded = false;
    let mut waiting: Vec<Pumped> = Vec::new(); // at most one; rest of a batch that did not fit
    loop {
        let stopping = stop.is_set();
        let over = handover.is_over_budget();
        over_budget(over);

        // 1. Gather until the commit is due.
        let opened_at = Instant::now();
        let idle_due =
            closed_at + if unrounded { cadence.round.min(cadence.idle) } else { cadence.idle };
        let mut due = idle_due;
        while !stopping && gathering.rows() < cadence.records_max {
            let next = match waiting.pop() {
                Some(rest) => Ok(rest),
                None if over.is_some() => {
                    std::thread::sleep(cadence.round);
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
        handover.hand_over(gathering.seal(now(), round))?;
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
    let Pumped { source, partition, rows, ended } = batch;
    let mut rows = rows.into_iter();
    while gathering.rows() < rows_max {
        match rows.next() {
            Some(row) => gathering.take(source, partition, row),
            None => {
                if ended {
                    gathering.clock.end(source, partition);
                }
                return None;
            }
        }
    }
    let rows: Vec<Row> = rows.collect();
    Some(Pumped { source, partition, rows, ended })
}

/// How a recording came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingEnd {
    /// The recorded run had ended in order.
    InOrder,
    /// The recording was cut; everything up to its last whole commit was replayed.
    Cut,
    /// `until` was reached, or a stop was asked for.
    Early,
}

/// Drives the commits of a recording as they were, `until` a commit if given.
pub fn drive_recording(
    recording: &mut Recording,
    catalog: &Catalog,
    until: Option<Commit>,
    mut pacer: Option<Pacer>,
    handover: &mut Handover,
    stop: &Stop,
) -> Result<RecordingEnd, DriveError> {
    loop {
        match recording.read()? {
            Next::Names(names) => {
                for name in names {
                    if let Err(error) = catalog.resolve(&name) {
                        tracing::error!(%error, "a recorded instrument keeps no name");
                    }
                }
            }
            Next::Commit(sealed) => {
                let commit = sealed.binding.commit;
                let early =
                    pacer.as_mut().is_some_and(|pacer| !pacer.wait(sealed.binding.at, stop));
                if early || stop.is_set() {
                    return Ok(RecordingEnd::Early);
                }
                handover.hand_over(sealed)?;
                if let Some((retained, limit)) = handover.is_over_budget() {
                    return Err(DriveError::OverBudget { retained, limit });
                }
                if until == Some(commit) {
                    return Ok(RecordingEnd::Early);
                }
            }
            Next::End { in_order: true } => return Ok(RecordingEnd::InOrder),
            Next::End { in_order: false } => return Ok(RecordingEnd::Cut),
        }
    }
}
