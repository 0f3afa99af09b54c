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

use super::drive::{Stop, now};
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
    /// How far back sources are read that begin with the horizon.
    pub back: Back,
    /// Ends all threads.
    pub stop: Stop,
}

/// How far back a source is read that begins with the horizon.
#[derive(Clone, Copy, Debug)]
pub struct Back {
    /// As far as corrections may reach.
    pub horizon: EventTime,
    /// The beginning of the longest bar that holds the horizon; the horizon if that is too far back.
    pub bar: EventTime,
    /// How far ahead of the system's time an event may be: what happened at a time may have been received so much
    /// earlier.
    pub ahead: Span,
}

/// Partitions that were opened and are not read yet.
pub struct Opened {
    sources: Vec<(Wanted, BTreeSet<u32>)>,
    read_from: Vec<EventTime>,
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
            let partitions = patiently(number, &shared, || wanted.source.discover());
            let partitions = partitions.map_err(|error| (number, error))?;
            found.push((wanted, partitions.into_iter().collect::<BTreeSet<u32>>()));
        }
        let played = found.iter().filter(|(wanted, _)| wanted.play.is_some());
        let meeting = play::Start::of(played.map(|(_, partitions)| partitions.len()).sum());
        let mut pumps = Vec::new();
        let mut read_from = Vec::with_capacity(found.len());
        for (number, (wanted, partitions)) in found.iter().enumerate() {
            let mut from = EventTime::NEVER;
            for partition in partitions {
                let player = wanted.play.map(|play| Player::new(play, meeting.clone()));
                let open = || opened(wanted, number, *partition, &shared);
                let (pump, its) =
                    patiently(number, &shared, open).map_err(|error| (number, error))?;
                from = from.max(its);
                pumps.push(Pump { player, ..pump });
            }
            read_from.push(from);
            shared.links.opened(number);
        }
        Ok(Opened { sources: found, read_from, pumps, shared })
    }

    /// From when on each source is read: events from then on are all there.
    pub fn read_from(&self) -> &[EventTime] {
        &self.read_from
    }

    /// The numbers of the partitions of each source.
    pub fn partitions(&self) -> impl Iterator<Item = &BTreeSet<u32>> {
        self.sources.iter().map(|(_, partitions)| partitions)
    }

    /// Starts to read; gives the threads, all of which end after a stop.
    pub fn start(self) -> std::io::Result<Vec<JoinHandle<()>>> {
        let Opened { sources, pumps, shared, .. } = self;
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

/// Opens a partition where its source begins; gives from when on no event is missing.
///
/// With the horizon, the bars that it cuts are read from their beginning. A server that keeps less than that, but
/// reaches back to the horizon, is read from there.
fn opened(
    wanted: &Wanted,
    number: usize,
    partition: u32,
    shared: &Shared,
) -> Result<(Pump, EventTime), SourceError> {
    let at = |place| pump(wanted, number, partition, place, shared);
    let Back { horizon, bar, ahead } = shared.back;
    let opened = match wanted.source.start() {
        Start::Earliest => Ok((at(Place::Earliest)?, EventTime::NEVER)),
        Start::Latest => Ok((at(Place::Latest)?, now().after(ahead))),
        Start::Time(time) => Ok((at(Place::Time(time))?, time.after(ahead))),
        Start::Horizon => match at(Place::Time(bar.before(ahead))) {
            Err(lost @ SourceError::Lost { .. }) => {
                let pump = at(Place::Time(horizon))?;
                tracing::warn!(
                    "{lost}. It is read from the horizon, {horizon}: bars that open before are partial"
                );
                Ok((pump, horizon.after(ahead)))
            }
            opened => Ok((opened?, bar)),
        },
    };
    let (pump, from) = opened?;
    let nothing_before = pump.reader.is_from_beginning();
    Ok((pump, if nothing_before { EventTime::NEVER } else { from }))
}

/// Tries until it succeeds, cannot succeed, patience is at its end, or a stop is asked for.
///
/// Why it does not succeed is logged once, and again when that changes.
fn patiently<T>(
    source: usize,
    shared: &Shared,
    attempt: impl Fn() -> Result<T, SourceError>,
) -> Result<T, SourceError> {
    let began = Instant::now();
    let mut logged = String::new();
    loop {
        match attempt() {
            Err(error)
                if error.is_retryable() && began.elapsed() < PATIENCE && !shared.stop.is_set() =>
            {
                let why = error.to_string();
                if why != logged {
                    tracing::warn!("{why}; it is tried again each second");
                    logged.clone_from(&why);
                }
                shared.links.trouble(source, why);
                nap(Duration::from_secs(1), &shared.stop);
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
