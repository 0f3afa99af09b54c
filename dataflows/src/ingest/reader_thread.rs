//! Reader threads: one thread per partition that reads rows and sends them to the sequencer, at most a few batches
//! ahead.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use connectors::{Incident, IncidentKind, PartitionReader, Progress, Row, SourceError};
use market::{Rejection, RejectionReason, Span};

use super::connections::Connections;
use super::event_queues::EventSender;
use super::input::{ControlEvent, SourceEvent};
use super::play::{PacedSink, Player};
use super::stop::Stop;
use super::system_time::now;

/// A partition about to be read.
pub struct ReaderThread {
    /// The source's number.
    pub source: usize,
    /// The partition's number.
    pub partition: u32,
    /// Reads the partition.
    pub reader: Box<dyn PartitionReader>,
    /// Paces and shifts its rows, in a live run.
    pub player: Option<Player>,
    /// The queue of the source.
    pub sender: EventSender,
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
        let mut out = PartitionSender::new(partition, sender, idle_after);
        let slot = progress.slot();
        let mut last = 0;
        while !stop.is_set() {
            let mut rows = Vec::new();
            let read = reader.read(&mut rows);
            let mut incidents = reader.incidents();
            let ended = match read {
                Ok(progress) => progress == Progress::Ended,
                Err(error) => {
                    let row = cut_off(last, &error);
                    if let (Err(refusal), Some(_)) = (&row.event, reader.link()) {
                        let (kind, detail) = (IncidentKind::Failed, refusal.detail.clone());
                        incidents.push(Incident { kind, lost: None, detail });
                    }
                    rows.push(row);
                    true
                }
            };
            last = rows.last().map_or(last, |row| row.position);
            progress.note(slot, reader.extent());
            let link = reader.link();
            connections.note(source, partition as usize, link, &incidents);
            let is_drained = rows.is_empty() && link.is_none_or(|link| link.at_end);
            let sent_on = out.report(incidents)
                && match &mut player {
                    None => out.send(rows, ended),
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

/// Sends the events of one partition to the sequencer.
struct PartitionSender {
    partition: u32,
    to: EventSender,
    /// How often it reports that nothing is left to read; none: never.
    drained_every: Option<Duration>,
    drained_sent: Option<Instant>,
}

impl PartitionSender {
    fn new(partition: u32, to: EventSender, idle_after: Option<Span>) -> PartitionSender {
        // Often enough to be idle in time, and no more than a message a second if that is far off.
        let quarter = |idle: Span| Duration::from_nanos(idle.as_nanos().max(0).unsigned_abs() / 4);
        let drained_every = idle_after
            .map(|idle| quarter(idle).clamp(Duration::from_millis(20), Duration::from_secs(1)));
        PartitionSender { partition, to, drained_every, drained_sent: None }
    }

    /// Sends incidents; returns whether to go on.
    fn report(&self, incidents: Vec<Incident>) -> bool {
        let partition = self.partition;
        incidents.into_iter().all(|incident| {
            let event = ControlEvent::Link { partition, incident };
            self.to.send(SourceEvent::Control(event)).is_ok()
        })
    }
}

impl PacedSink for PartitionSender {
    fn send(&mut self, rows: Vec<Row>, ended: bool) -> bool {
        let (partition, received_at) = (self.partition, Instant::now());
        if !rows.is_empty()
            && self.to.send(SourceEvent::Rows { partition, rows, received_at }).is_err()
        {
            return false;
        }
        !ended || self.to.send(SourceEvent::Control(ControlEvent::Ended { partition })).is_ok()
    }

    // Goes through the queue of the rows; by another way it could overtake rows that wait there.
    fn report_drained(&mut self) {
        let Some(every) = self.drained_every else { return };
        if self.drained_sent.is_some_and(|sent| sent.elapsed() < every) {
            return;
        }
        let event = SourceEvent::Drained { partition: self.partition, at: now() };
        // With a full queue the source is behind, and the next report is as good.
        if self.to.try_send(event).is_ok() {
            self.drained_sent = Some(Instant::now());
        }
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
