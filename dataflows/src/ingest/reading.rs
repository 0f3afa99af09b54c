//! Reads the sources of a live run: finds their partitions, opens each where its source is to begin, and
//! goes on looking for partitions that endless sources gain.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use connectors::source::{DISCOVERY_SECS, PARTITIONS_MAX};
use connectors::{Place, Source, SourceError, Start};
use market::{EventTime, Span};

use super::drive::Stop;
use super::links::Links;
use super::play::{self, Play, Player};
use super::pump::{Extent, Pump, Pumped};

/// A source as it is to be read.
#[derive(Clone)]
pub struct Wanted {
    /// The source.
    pub source: Arc<dyn Source>,
    /// How it is played.
    pub play: Option<Play>,
    /// After how long without anything to read a partition of it is idle.
    pub idle_after: Option<Span>,
}

/// What pumps share.
#[derive(Clone)]
pub struct Shared {
    /// Takes the rows.
    pub passed_on: SyncSender<Pumped>,
    /// Is told how far the input has been read.
    pub extent: Extent,
    /// Are told how partitions are connected.
    pub links: Links,
    /// As far back as corrections may reach.
    pub horizon: EventTime,
    /// Ends all threads.
    pub stop: Stop,
}

/// Partitions that were opened and are not read yet.
pub struct Opened {
    sources: Vec<(Wanted, BTreeSet<u32>)>,
    pumps: Vec<Pump>,
    shared: Shared,
}

/// A live run waits so long for servers that do not answer when it begins.
const PATIENCE: Duration = Duration::from_secs(30);
/// A stop is noticed within this time.
const NAP: Duration = Duration::from_millis(50);

impl Opened {
    /// Finds and opens all partitions that there are. Waits a while for servers that are not there yet.
    ///
    /// An error comes with the number of its source.
    pub fn all(sources: Vec<Wanted>, shared: Shared) -> Result<Opened, (usize, SourceError)> {
        let mut found = Vec::with_capacity(sources.len());
        for (number, wanted) in sources.into_iter().enumerate() {
            let partitions = patiently(&shared.stop, || wanted.source.discover());
            let partitions = partitions.map_err(|error| (number, error))?;
            found.push((wanted, partitions.into_iter().collect::<BTreeSet<u32>>()));
        }
        let played = found.iter().filter(|(wanted, _)| wanted.play.is_some());
        let meeting = play::Start::of(played.map(|(_, partitions)| partitions.len()).sum());
        let mut pumps = Vec::new();
        for (number, (wanted, partitions)) in found.iter().enumerate() {
            let place = place(wanted.source.start(), shared.horizon);
            for partition in partitions {
                let player = wanted.play.map(|play| Player::new(play, meeting.clone()));
                let open = || pump(wanted, number, *partition, place, &shared);
                let opened = patiently(&shared.stop, open).map_err(|error| (number, error))?;
                pumps.push(Pump { player, ..opened });
            }
        }
        Ok(Opened { sources: found, pumps, shared })
    }

    /// The numbers of the partitions of each source.
    pub fn partitions(&self) -> impl Iterator<Item = &BTreeSet<u32>> {
        self.sources.iter().map(|(_, partitions)| partitions)
    }

    /// Starts to read; gives the threads, all of which end after a stop.
    pub fn start(self) -> std::io::Result<Vec<JoinHandle<()>>> {
        let Opened { sources, pumps, shared } = self;
        let mut threads = Vec::with_capacity(pumps.len());
        for pump in pumps {
            threads.push(pump.start()?);
        }
        let endless = sources.into_iter().enumerate();
        for (number, (wanted, known)) in
            endless.filter(|(_, (wanted, _))| wanted.source.is_endless())
        {
            let shared = shared.clone();
            let thread = thread::Builder::new().name(format!("source-{number}"));
            threads.push(thread.spawn(move || look_on(&wanted, number, known, &shared))?);
        }
        Ok(threads)
    }
}

/// Where to open the partitions of a source that begins at `start`.
fn place(start: Start, horizon: EventTime) -> Place {
    match start {
        Start::Earliest => Place::Earliest,
        Start::Latest => Place::Latest,
        Start::Time(time) => Place::Time(time),
        Start::Horizon => Place::Time(horizon),
    }
}

/// Tries until it succeeds, cannot succeed, patience is at its end, or a stop is asked for.
fn patiently<T>(
    stop: &Stop,
    attempt: impl Fn() -> Result<T, SourceError>,
) -> Result<T, SourceError> {
    let began = Instant::now();
    loop {
        match attempt() {
            Err(error) if error.is_retryable() && began.elapsed() < PATIENCE && !stop.is_set() => {
                tracing::warn!("{error}; trying again");
                nap(Duration::from_secs(1), stop);
            }
            done => return done,
        }
    }
}

fn nap(rest: Duration, stop: &Stop) {
    let until = Instant::now() + rest;
    while Instant::now() < until && !stop.is_set() {
        thread::sleep(NAP.min(rest));
    }
}

fn pump(
    wanted: &Wanted,
    number: usize,
    partition: u32,
    place: Place,
    shared: &Shared,
) -> Result<Pump, SourceError> {
    let Shared { passed_on, extent, links, stop, .. } = shared.clone();
    let reader = wanted.source.open(partition, place)?;
    let (source, partition, idle_after) = (number, partition as usize, wanted.idle_after);
    Ok(Pump { source, partition, reader, player: None, passed_on, idle_after, extent, links, stop })
}

/// Looks for partitions that are not known yet and reads them from their beginning, until a stop.
fn look_on(wanted: &Wanted, number: usize, mut known: BTreeSet<u32>, shared: &Shared) {
    let source = &wanted.source;
    let mut pumps = Vec::new();
    while !shared.stop.is_set() {
        nap(Duration::from_secs(DISCOVERY_SECS), &shared.stop);
        if shared.stop.is_set() {
            break;
        }
        let found = source.discover().inspect_err(|error| {
            tracing::debug!("{error}; partitions stay as they were known");
        });
        let found = found.unwrap_or_default().into_iter().filter(|n| *n < PARTITIONS_MAX);
        for partition in found.filter(|n| !known.contains(n)).collect::<Vec<_>>() {
            match begin(wanted, number, partition, shared) {
                Ok(pump) => pumps.push(pump),
                Err(error) => {
                    tracing::warn!("{error}; trying again");
                    continue;
                }
            }
            known.insert(partition);
            tracing::info!("{} is there now", source.partition_name(partition));
        }
    }
    pumps.into_iter().for_each(|pump: JoinHandle<()>| drop(pump.join()));
}

/// Reads a partition from its beginning. The clock is told first, so that watermarks wait for it.
fn begin(
    wanted: &Wanted,
    number: usize,
    partition: u32,
    shared: &Shared,
) -> anyhow::Result<JoinHandle<()>> {
    let pump = pump(wanted, number, partition, Place::Earliest, shared)?;
    shared.passed_on.send(Pumped {
        source: number,
        partition: partition as usize,
        rows: Vec::new(),
        since: Instant::now(),
        ended: false,
        incidents: Vec::new(),
        drained_at: None,
    })?;
    Ok(pump.start()?)
}
