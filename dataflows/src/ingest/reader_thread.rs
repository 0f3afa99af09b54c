//! Reader threads: one thread per partition that reads rows and sends them to the sequencer, at most a few batches
//! ahead.

use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use connectors::{Incident, IncidentKind, PartitionReader, Progress, Row, SourceError};
use market::{EventTime, Rejection, RejectionReason, Span};

use super::connections::Connections;
use super::play::{PacedSink, Player};
use super::sequencer::{Stop, now};

/// A message of a reader thread to the sequencer.
pub struct SourceBatch {
    /// The source's number.
    pub source: usize,
    /// The partition's number.
    pub partition: usize,
    /// Rows in ascending position; may be empty.
    pub rows: Vec<Row>,
    /// When they were sent: when they were read, or when they were due if the source is played.
    pub since: Instant,
    /// Whether nothing will follow.
    pub ended: bool,
    /// Incidents of the partition since the batch before.
    pub incidents: Vec<Incident>,
    /// The system's time at which the reader was connected and had nothing left to read; none if there is more, or if
    /// that is not known.
    pub drained_at: Option<EventTime>,
}

/// A partition about to be read.
pub struct ReaderThread {
    /// The source's number.
    pub source: usize,
    /// The partition's number.
    pub partition: usize,
    /// Reads the partition.
    pub reader: Box<dyn PartitionReader>,
    /// Paces and shifts its rows, in a live run.
    pub player: Option<Player>,
    /// The channel to the sequencer.
    pub sender: SyncSender<SourceBatch>,
    /// After how long without anything to read the partition is idle; none: never.
    pub idle_after: Option<Span>,
    /// Records how far the partition has been read.
    pub progress: ReadProgress,
    /// Records how the partition is connected.
    pub connections: Connections,
    /// Ends the thread.
    pub stop: Stop,
}

impl ReaderThread {
    /// Starts a thread that reads until the partition ends, the receiver is gone, or `stop` is set.
    ///
    /// A partition that cannot be read on ends with a refused row whose detail is the error.
    pub fn start(self) -> std::io::Result<JoinHandle<()>> {
        let name = format!("source-{}.{}", self.source, self.partition);
        thread::Builder::new().name(name).spawn(move || self.run())
    }

    fn run(self) {
        let ReaderThread { source, partition, mut reader, mut player, .. } = self;
        let ReaderThread { sender, idle_after, progress, connections, stop, .. } = self;
        let mut out = BatchSender::new(source, partition, sender, idle_after);
        let slot = progress.slot();
        let mut last = 0;
        while !stop.is_set() {
            let mut rows = Vec::new();
            let read = reader.read(&mut rows);
            out.incidents.extend(reader.incidents());
            let ended = match read {
                Ok(progress) => progress == Progress::Ended,
                Err(error) => {
                    let row = cut_off(last, &error);
                    if let (Err(refusal), Some(_)) = (&row.event, reader.link()) {
                        let (kind, detail) = (IncidentKind::Failed, refusal.detail.clone());
                        out.incidents.push(Incident { kind, lost: None, detail });
                    }
                    rows.push(row);
                    true
                }
            };
            last = rows.last().map_or(last, |row| row.position);
            progress.note(slot, reader.extent());
            let link = reader.link();
            connections.note(source, partition, link, &out.incidents);
            let is_drained = rows.is_empty() && link.is_none_or(|link| link.at_end);
            let is_news = ended || !rows.is_empty() || !out.incidents.is_empty();
            let sent_on = match &mut player {
                None => !is_news || out.send(rows, ended),
                Some(player) => player.play(rows, ended, &stop, &mut out),
            };
            if ended || !sent_on {
                break;
            }
            if is_drained {
                out.report_drained();
            }
        }
    }
}

/// Sends the batches of one partition to the sequencer.
struct BatchSender {
    source: usize,
    partition: usize,
    to: SyncSender<SourceBatch>,
    /// Incidents that were not sent yet.
    incidents: Vec<Incident>,
    /// How often a batch reports that nothing is left to read; none: never.
    drained_every: Option<Duration>,
    drained_sent: Option<Instant>,
}

impl BatchSender {
    fn new(
        source: usize,
        partition: usize,
        to: SyncSender<SourceBatch>,
        idle_after: Option<Span>,
    ) -> BatchSender {
        // Often enough to be idle in time, and no more than a message a second if that is far off.
        let quarter = |idle: Span| Duration::from_nanos(idle.as_nanos().max(0).unsigned_abs() / 4);
        let drained_every = idle_after
            .map(|idle| quarter(idle).clamp(Duration::from_millis(20), Duration::from_secs(1)));
        let (incidents, drained_sent) = (Vec::new(), None);
        BatchSender { source, partition, to, incidents, drained_every, drained_sent }
    }

    fn message(
        &mut self,
        rows: Vec<Row>,
        ended: bool,
        drained_at: Option<EventTime>,
    ) -> SourceBatch {
        let (source, partition, since) = (self.source, self.partition, Instant::now());
        let incidents = std::mem::take(&mut self.incidents);
        SourceBatch { source, partition, rows, since, ended, incidents, drained_at }
    }
}

impl PacedSink for BatchSender {
    fn send(&mut self, rows: Vec<Row>, ended: bool) -> bool {
        let message = self.message(rows, ended, None);
        self.to.send(message).is_ok()
    }

    // Goes through the queue of the rows; by another way it could overtake rows that wait there.
    fn report_drained(&mut self) {
        let Some(every) = self.drained_every else { return };
        if self.drained_sent.is_some_and(|sent| sent.elapsed() < every) {
            return;
        }
        let message = self.message(Vec::new(), false, Some(now()));
        // A full channel holds rows that were not bound yet, so the partition is not at its end.
        if let Err(TrySendError::Full(unsent)) = self.to.try_send(message) {
            self.incidents = unsent.incidents;
            return;
        }
        self.drained_sent = Some(Instant::now());
    }
}

fn cut_off(last: u64, error: &SourceError) -> Row {
    let mut detail = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        detail = format!("{detail}: {inner}");
        cause = inner.source();
    }
    tracing::error!(%detail, "a partition ends here");
    let rejection = Rejection::new(RejectionReason::Truncated, detail, b"");
    Row::new(last + 1, Err(Box::new(rejection)))
}

/// How far a job's input has been read: amount read and total, in units of the source. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct ReadProgress(Arc<Mutex<Vec<Part>>>);

/// Amount read and total, if known.
type Part = Option<(u64, u64)>;

impl ReadProgress {
    /// Adds one part of the input; returns its slot.
    pub fn slot(&self) -> usize {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.push(None);
        parts.len() - 1
    }

    /// Records amount read and total of a part, if known.
    pub fn note(&self, slot: usize, read: Option<(u64, u64)>) {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(part) = parts.get_mut(slot) {
            *part = read;
        }
    }

    /// Amount read and total of all parts; none while that of any part is not known.
    pub fn read(&self) -> Option<(u64, u64)> {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = parts.iter().try_fold((0, 0), |(read, of), part| {
            part.map(|(part_read, part_of)| (read + part_read, of + part_of))
        });
        sum.filter(|(_, of)| *of > 0)
    }
}
