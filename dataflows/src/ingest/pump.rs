//! Pumps: one thread per partition that reads rows and passes them on, never more than a few batches
//! ahead.

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use connectors::{Incident, IncidentKind, PartitionReader, Progress, Row, SourceError};
use market::{Refusal, RefusalReason};

use super::drive::Stop;
use super::links::Links;
use super::play::Player;

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
        let Pump { source, partition, mut reader, mut player, passed_on, extent, links, stop } =
            self;
        let slot = extent.slot();
        let pass_on = |rows, ended, incidents| {
            let since = Instant::now();
            passed_on.send(Pumped { source, partition, rows, since, ended, incidents }).is_ok()
        };
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
            extent.note(slot, reader.extent());
            links.note(source, partition, reader.link(), &incidents);
            let is_news = ended || !rows.is_empty() || !incidents.is_empty();
            let passed = match &mut player {
                None => !is_news || pass_on(rows, ended, incidents),
                Some(player) => player.play(rows, ended, &stop, |rows, ended| {
                    pass_on(rows, ended, std::mem::take(&mut incidents))
                }),
            };
            if ended || !passed {
                break;
            }
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
    let refusal = Refusal::new(RefusalReason::Truncated, detail, b"");
    Row::new(last + 1, Err(Box::new(refusal)))
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
