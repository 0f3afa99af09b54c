//! Pumps: one thread per partition that reads rows and passes them on, never more than a few batches
//! ahead.

use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use connectors::{Incident, IncidentKind, PartitionReader, Progress, Row, SourceError};
use market::{EventTime, Rejection, RejectionReason, Span};

use super::drive::{Stop, now};
use super::links::Links;
use super::play::{Player, Playing};

/// What a pump passes on.
pub struct Pumped {
    /// The source's number.
    pub source: usize,
    /// The partition's number.
    pub partition: usize,
    /// Rows in ascending position; may be empty.
    pub rows: Vec<Row>,
    /// When they were passed on: read, or due if they are played.
    pub since: Instant,
    /// Whether nothing will follow.
    pub ended: bool,
    /// What happened to the partition, after what was passed on before.
    pub incidents: Vec<Incident>,
    /// When, by the system's time, its reader was connected and had nothing more to read; none if it has, or if
    /// nobody knows.
    pub drained_at: Option<EventTime>,
}

/// A partition about to be read.
pub struct Pump {
    /// The source's number.
    pub source: usize,
    /// The partition's number.
    pub partition: usize,
    /// Reads it.
    pub reader: Box<dyn PartitionReader>,
    /// Plays it, in a live run.
    pub player: Option<Player>,
    /// Takes the rows.
    pub passed_on: SyncSender<Pumped>,
    /// After how long without anything to read the partition is idle; none: never, so nobody asks.
    pub idle_after: Option<Span>,
    /// Is told how far the partition has been read.
    pub extent: Extent,
    /// Are told how it is connected.
    pub links: Links,
    /// Ends it.
    pub stop: Stop,
}

impl Pump {
    /// Starts a thread that reads until the partition ends, the receiver is gone, or `stop` is set.
    ///
    /// A partition that cannot be read on ends with a refused row that says why.
    pub fn start(self) -> std::io::Result<JoinHandle<()>> {
        let name = format!("source-{}.{}", self.source, self.partition);
        thread::Builder::new().name(name).spawn(move || self.run())
    }

    fn run(self) {
        let Pump { source, partition, mut reader, mut player, .. } = self;
        let Pump { passed_on, idle_after, extent, links, stop, .. } = self;
        let mut way = Way::new(source, partition, passed_on, idle_after);
        let slot = extent.slot();
        let mut last = 0;
        while !stop.is_set() {
            let mut rows = Vec::new();
            let read = reader.read(&mut rows);
            way.incidents.extend(reader.incidents());
            let ended = match read {
                Ok(progress) => progress == Progress::Ended,
                Err(error) => {
                    let row = cut_off(last, &error);
                    if let (Err(rejection), Some(_)) = (&row.event, reader.link()) {
                        let (kind, detail) = (IncidentKind::Failed, rejection.detail.clone());
                        way.incidents.push(Incident { kind, lost: None, detail });
                    }
                    rows.push(row);
                    true
                }
            };
            last = rows.last().map_or(last, |row| row.position);
            extent.note(slot, reader.extent());
            let link = reader.link();
            links.note(source, partition, link, &way.incidents);
            let is_drained = rows.is_empty() && link.is_none_or(|link| link.at_end);
            let is_news = ended || !rows.is_empty() || !way.incidents.is_empty();
            let passed = match &mut player {
                None => !is_news || way.pass_on(rows, ended),
                Some(player) => player.play(rows, ended, &stop, &mut way),
            };
            if ended || !passed {
                break;
            }
            if is_drained {
                way.waiting();
            }
        }
    }
}

/// The way of one partition's rows to the driver.
struct Way {
    source: usize,
    partition: usize,
    to: SyncSender<Pumped>,
    /// What happened, and was not passed on yet.
    incidents: Vec<Incident>,
    /// How often it is said that nothing is left to read; none if nobody asks.
    say_drained: Option<Duration>,
    said_drained: Option<Instant>,
}

impl Way {
    fn new(
        source: usize,
        partition: usize,
        to: SyncSender<Pumped>,
        idle_after: Option<Span>,
    ) -> Way {
        // Often enough to be idle in time, and no more than a message a second if that is far off.
        let quarter = |idle: Span| Duration::from_nanos(idle.as_nanos().max(0).unsigned_abs() / 4);
        let say_drained = idle_after
            .map(|idle| quarter(idle).clamp(Duration::from_millis(20), Duration::from_secs(1)));
        let (incidents, said_drained) = (Vec::new(), None);
        Way { source, partition, to, incidents, say_drained, said_drained }
    }

    fn message(&mut self, rows: Vec<Row>, ended: bool, drained_at: Option<EventTime>) -> Pumped {
        let (source, partition, since) = (self.source, self.partition, Instant::now());
        let incidents = std::mem::take(&mut self.incidents);
        Pumped { source, partition, rows, since, ended, incidents, drained_at }
    }
}

impl Playing for Way {
    fn pass_on(&mut self, rows: Vec<Row>, ended: bool) -> bool {
        let message = self.message(rows, ended, None);
        self.to.send(message).is_ok()
    }

    fn waiting(&mut self) {
        let Some(every) = self.say_drained else { return };
        if self.said_drained.is_some_and(|said| said.elapsed() < every) {
            return;
        }
        let message = self.message(Vec::new(), false, Some(now()));
        // Without room it is not said: what waits there comes first, and this does not prove anything about it.
        if let Err(TrySendError::Full(unsaid)) = self.to.try_send(message) {
            self.incidents = unsaid.incidents;
            return;
        }
        self.said_drained = Some(Instant::now());
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

/// How far a job's input has been read: so much of so much, in its own units. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Extent(Arc<Mutex<Vec<Part>>>);

/// So much of so much, if known.
type Part = Option<(u64, u64)>;

impl Extent {
    /// A place for one part of the input.
    pub fn slot(&self) -> usize {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.push(None);
        parts.len() - 1
    }

    /// So much of a part has been read of so much, if known.
    pub fn note(&self, slot: usize, read: Option<(u64, u64)>) {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(part) = parts.get_mut(slot) {
            *part = read;
        }
    }

    /// So much of all parts has been read of so much; none while that of any is not known.
    pub fn read(&self) -> Option<(u64, u64)> {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = parts.iter().try_fold((0, 0), |(read, of), part| {
            part.map(|(part_read, part_of)| (read + part_read, of + part_of))
        });
        sum.filter(|(_, of)| *of > 0)
    }
}
