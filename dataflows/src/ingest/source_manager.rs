//! The source manager of a live run: finds the partitions of all sources, opens each where its source starts, and
//! discovers partitions that endless sources gain later.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use connectors::source::{DISCOVERY_SECS, PARTITIONS_MAX};
use connectors::{
    Incident, IncidentKind, PartitionReader, Place, ResumePoint, Source, SourceError, Start,
};
use market::{
    Catalog, EventTime, Numbered, PartitionId, Registries, SharedRegistries, SourceId, Span,
};
use node_api::Throttle;

use super::connections::Connections;
use super::event_queues::EventSender;
use super::input::{ControlEvent, SourceEvent};
use super::partition_states::PartitionStates;
use super::play::{self, Play, Player};
use super::reader_thread::{ReadProgress, ReaderThread};
use super::recovery::Recovery;
use super::stop::Stop;
use super::system_time::now;
use crate::clock::ClockHistory;

/// A source and how it is read.
#[derive(Clone)]
pub struct SourceSpec {
    /// Its number.
    pub id: SourceId,
    /// The source.
    pub source: Arc<dyn Source>,
    /// How it is played; none: rows are sent as they are read.
    pub play: Option<Play>,
    /// After how long without anything to read a partition of it is idle.
    pub idle_after: Option<Span>,
    /// Whether it reads a pipe, which has no known end, and whose reads wait for as long as it takes.
    pub is_pipe: bool,
    /// Its queue.
    pub sender: EventSender,
}

/// State that all reader threads share.
#[derive(Clone)]
pub struct Shared {
    /// Records how far the input has been read.
    pub progress: ReadProgress,
    /// Where partitions get their numbers.
    pub registries: SharedRegistries,
    /// The names of instruments and the like.
    pub catalog: Arc<Catalog>,
    /// Records how partitions are connected.
    pub connections: Connections,
    /// Where sources start that are read from the horizon on.
    pub bounds: StartBounds,
    /// Of a job that goes on: the rows that are bound.
    pub history: Option<Arc<ClockHistory>>,
    /// What is known of partitions that were opened before.
    pub partitions: Arc<PartitionStates>,
    /// Whether it goes on although rows that were to be read next are gone.
    pub accepts_gaps: bool,
    /// Ends all threads.
    pub stop: Stop,
}

/// Where a source starts that is read from the horizon on.
#[derive(Clone, Copy, Debug)]
pub struct StartBounds {
    /// As far as corrections may reach.
    pub horizon: EventTime,
    /// The beginning of the longest bar that holds the horizon; the horizon if that is too far back.
    pub bar: EventTime,
    /// How far ahead of the system's time an event may be: an event may have been received so much before its own
    /// time.
    pub ahead: Span,
}

/// Sources whose partitions are open and not read yet.
pub struct OpenSources {
    sources: Vec<(SourceSpec, BTreeSet<u32>)>,
    opened: Vec<OpenedSource>,
    readers: Vec<ReaderThread>,
    shared: Shared,
}

/// A source whose partitions are open.
pub struct OpenedSource {
    /// Its number.
    pub id: SourceId,
    /// The time from which on no event is missing.
    pub read_from: EventTime,
    /// The numbers of its partitions.
    pub partitions: BTreeSet<PartitionId>,
    /// Whether it reads a pipe.
    pub is_pipe: bool,
    /// Whether it is played, and tells first what happened before.
    pub back_fills: bool,
}

impl OpenedSource {
    /// How many partitions its numbers leave room for: one more than the greatest.
    pub fn partition_count(&self) -> usize {
        self.partitions.last().map_or(0, |last| last.number() + 1)
    }
}

/// How long a live run waits at its start for servers that do not answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a stop is looked for.
const STOP_POLL: Duration = Duration::from_millis(50);

impl OpenSources {
    /// Finds and opens all partitions. Waits up to 30 s for servers that do not answer yet.
    ///
    /// # Errors
    /// The number of the source that failed, and its error.
    pub fn all(
        sources: Vec<SourceSpec>,
        shared: Shared,
    ) -> Result<OpenSources, (SourceId, SourceError)> {
        let mut found = Vec::with_capacity(sources.len());
        for spec in sources {
            let named = |names: &Registries| shared.partitions.of_source(spec.id, names);
            spec.source.restore(&shared.registries.with(named));
            let partitions = retry(spec.id, &shared, || spec.source.discover());
            let partitions = partitions.map_err(|error| (spec.id, error))?;
            found.push((spec, partitions.into_iter().collect::<BTreeSet<u32>>()));
        }
        let played = found.iter().filter(|(spec, _)| spec.play.is_some());
        let barrier = play::StartBarrier::of(played.map(|(_, partitions)| partitions.len()).sum());
        let mut readers = Vec::new();
        let mut opened = Vec::with_capacity(found.len());
        for (spec, partitions) in &found {
            let (mut from, mut numbers) = (EventTime::NEVER, BTreeSet::new());
            for partition in partitions {
                let player = |play| {
                    let player = Player::new(play, barrier.clone(), Arc::clone(&shared.catalog));
                    player.live_from(spec.source.live_from())
                };
                let player = spec.play.map(player);
                let open = || open_at_start(spec, *partition, &shared);
                let (reader, its) =
                    retry(spec.id, &shared, open).map_err(|error| (spec.id, error))?;
                from = from.max(its);
                numbers.insert(PartitionId::of_number(reader.partition as usize));
                // One that waits for its input was not reached by being opened.
                let link = reader.reader.as_ref().and_then(|reader| reader.link());
                shared.connections.note(spec.id.number(), reader.partition as usize, link, &[]);
                readers.push(ReaderThread { player, ..reader });
            }
            opened.push(OpenedSource {
                id: spec.id,
                read_from: from,
                partitions: numbers,
                is_pipe: spec.is_pipe,
                back_fills: spec.play.is_some() && spec.source.live_from().is_some(),
            });
            shared.connections.opened(spec.id.number());
        }
        Ok(OpenSources { sources: found, opened, readers, shared })
    }

    /// The sources that are open.
    pub fn opened(&self) -> &[OpenedSource] {
        &self.opened
    }

    /// Starts the reader threads; returns them. All of them end after a stop.
    pub fn start(self) -> std::io::Result<Vec<JoinHandle<()>>> {
        let OpenSources { sources, readers, shared, .. } = self;
        let mut threads = Vec::with_capacity(readers.len());
        for reader in readers {
            let is_pipe = reader.is_pipe;
            let thread = reader.start()?;
            // Nobody waits for a read of a pipe, which may never end.
            if !is_pipe {
                threads.push(thread);
            }
        }
        for (spec, known) in sources.into_iter().filter(|(spec, _)| spec.source.is_endless()) {
            let shared = shared.clone();
            let thread = thread::Builder::new().name(format!("source-{}", spec.id.0));
            threads.push(thread.spawn(move || discover(&spec, known, &shared))?);
        }
        Ok(threads)
    }
}

/// Opens a partition where its source starts; returns the time from which on no event is missing.
///
/// A source that starts at the horizon is read from the beginning of the bars that the horizon cuts. If the server
/// keeps less than that, but reaches back to the horizon, it is read from the horizon.
fn open_at_start(
    spec: &SourceSpec,
    partition: u32,
    shared: &Shared,
) -> Result<(ReaderThread, EventTime), SourceError> {
    let number = numbered(spec, partition, shared)?;
    let position = shared.history.as_ref().and_then(|history| history.position(spec.id, number));
    if spec.is_pipe {
        // To open it may take until somebody writes to it.
        let place = position.map_or(Place::Earliest, Place::After);
        let reader = reader_thread(spec, partition, (number, None, place), shared);
        return Ok((reader, EventTime::NEVER));
    }
    if let Some(at) = shared.partitions.resume_point(spec.id, number, position) {
        // From when on it was read is known from the commits before.
        return Ok((resume(spec, (partition, number), &at, shared)?, EventTime::NEVER));
    }
    if shared.partitions.knows(spec.id) {
        // It came while the job was not running.
        let reader = spec.source.open(partition, Place::Earliest)?;
        let reader = (number, Some(reader), Place::Earliest);
        return Ok((reader_thread(spec, partition, reader, shared), EventTime::NEVER));
    }
    let at = |place| Ok((spec.source.open(partition, place)?, place));
    let StartBounds { horizon, bar, ahead } = shared.bounds;
    let opened: Result<(_, EventTime), SourceError> = match spec.source.start() {
        Start::Earliest => Ok((at(Place::Earliest)?, EventTime::NEVER)),
        Start::Latest => Ok((at(Place::Latest)?, now().after(ahead))),
        Start::Time(time) => Ok((at(Place::Time(time))?, time.after(ahead))),
        Start::Horizon => match at(Place::Time(bar.before(ahead))) {
            Err(lost @ SourceError::Lost { .. }) => {
                let reader = at(Place::Time(horizon))?;
                tracing::warn!(
                    "{lost}. It is read from the horizon, {horizon}: bars that open before are partial"
                );
                Ok((reader, horizon.after(ahead)))
            }
            opened => Ok((opened?, bar)),
        },
    };
    let ((reader, place), from) = opened?;
    let from = if reader.is_from_beginning() { EventTime::NEVER } else { from };
    Ok((reader_thread(spec, partition, (number, Some(reader), place), shared), from))
}

/// Opens a partition where an earlier process has left it.
///
/// # Errors
/// If it cannot be opened, or rows that were to be read next are gone and that is not accepted.
fn resume(
    spec: &SourceSpec,
    (partition, number): (u32, PartitionId),
    at: &ResumePoint,
    shared: &Shared,
) -> Result<ReaderThread, SourceError> {
    let mut reader = spec.source.resume(partition, at)?;
    let incidents = reader.incidents();
    let is_gap = |incident: &&Incident| incident.kind == IncidentKind::Gap;
    if let Some(gap) = incidents.iter().find(is_gap).filter(|_| !shared.accepts_gaps) {
        let name = name_of(spec.id, shared);
        let partition = spec.source.partition_name(partition);
        return Err(SourceError::Gap { name, partition, problem: gap.detail.clone() });
    }
    let reader = resuming(spec, (partition, number), (Some(reader), at), shared);
    Ok(ReaderThread { found: incidents, ..reader })
}

/// The thread that reads a partition on where an earlier process has left it.
fn resuming(
    spec: &SourceSpec,
    (partition, number): (u32, PartitionId),
    (reader, at): (Option<Box<dyn PartitionReader>>, &ResumePoint),
    shared: &Shared,
) -> ReaderThread {
    let reader = (number, reader, Place::After(at.after));
    let thread = reader_thread(spec, partition, reader, shared);
    let recovery = thread.recovery.map(|recovery| recovery.resuming(at.clone()));
    ReaderThread { recovery, ..thread }
}

/// Calls `attempt` until it succeeds, fails for good, `CONNECT_TIMEOUT` has passed, or a stop is asked for.
///
/// That it fails is logged at once, then at most once a minute, and that it succeeds after that.
fn retry<T>(
    source: SourceId,
    shared: &Shared,
    attempt: impl Fn() -> Result<T, SourceError>,
) -> Result<T, SourceError> {
    let (began, mut failures) = (Instant::now(), Throttle::default());
    loop {
        match attempt() {
            Err(error)
                if error.is_retryable()
                    && began.elapsed() < CONNECT_TIMEOUT
                    && !shared.stop.is_set() =>
            {
                let why = error.to_string();
                if let Some(told) = failures.happened(Instant::now()) {
                    tracing::warn!("{why}; it is tried again each second{told}");
                }
                shared.connections.unreachable(source.number(), why);
                pause(Duration::from_secs(1), &shared.stop);
            }
            done => {
                if let (true, Some(over)) = (done.is_ok(), failures.over(Instant::now())) {
                    let (name, secs) = (name_of(source, shared), over.lasted.as_secs());
                    tracing::info!(
                        "source `{name}` answers, after {secs} s and {} failed tries",
                        over.times
                    );
                }
                return done;
            }
        }
    }
}

/// The name of a source.
fn name_of(source: SourceId, shared: &Shared) -> String {
    let named = |names: &Registries| names.sources.names().get(source.number()).cloned();
    shared.registries.with(named).unwrap_or_default()
}

fn pause(rest: Duration, stop: &Stop) {
    let until = Instant::now() + rest;
    while Instant::now() < until && !stop.is_set() {
        thread::sleep(STOP_POLL.min(rest));
    }
}

/// The thread that reads a partition of this number, which is open if there is a reader, and was opened at `place`, or
/// is to be.
fn reader_thread(
    spec: &SourceSpec,
    partition: u32,
    (number, reader, place): (PartitionId, Option<Box<dyn PartitionReader>>, Place),
    shared: &Shared,
) -> ReaderThread {
    let Shared { progress, connections, stop, .. } = shared.clone();
    ReaderThread {
        source: spec.id.number(),
        partition: number.number() as u32,
        reader,
        found: Vec::new(),
        recovery: Some(Recovery::new(Arc::clone(&spec.source), partition, place)),
        player: None,
        sender: spec.sender.clone(),
        idle_after: spec.idle_after,
        is_pipe: spec.is_pipe,
        progress,
        connections,
        stop,
    }
}

/// The number of a partition, which it gets when it is first opened.
fn numbered(
    spec: &SourceSpec,
    partition: u32,
    shared: &Shared,
) -> Result<PartitionId, SourceError> {
    let name = spec.source.partition_name(partition);
    shared.registries.register_partition(spec.id, &name).map_err(|error| SourceError::Config {
        name: name_of(spec.id, shared),
        problem: error.to_string(),
    })
}

/// Discovers new partitions and reads them from their beginning, until a stop.
fn discover(spec: &SourceSpec, mut known: BTreeSet<u32>, shared: &Shared) {
    let source = &spec.source;
    let mut readers = Vec::new();
    let (mut last_error, mut failures) = (String::new(), Throttle::default());
    while !shared.stop.is_set() {
        pause(Duration::from_secs(DISCOVERY_SECS), &shared.stop);
        if shared.stop.is_set() {
            break;
        }
        let found = source.discover().inspect_err(|error| {
            let why = error.to_string();
            // What a server does not answer now is asked again; anything else is logged once.
            if !error.is_retryable() && why != last_error {
                tracing::error!("{why}; partitions stay as they were known");
                last_error = why;
            } else {
                tracing::debug!("{why}; partitions stay as they were known");
            }
        });
        let found = found.unwrap_or_default().into_iter().filter(|n| *n < PARTITIONS_MAX);
        for partition in found.filter(|n| !known.contains(n)).collect::<Vec<_>>() {
            match begin(spec, partition, shared) {
                Ok(reader) => readers.push(reader),
                Err(error) => {
                    if let Some(told) = failures.happened(Instant::now()) {
                        tracing::warn!("{error}; trying again{told}");
                    }
                    continue;
                }
            }
            failures.over(Instant::now()); // the line below says so
            known.insert(partition);
            tracing::info!("{} is there now", source.partition_name(partition));
        }
    }
    readers.into_iter().for_each(|reader: JoinHandle<()>| drop(reader.join()));
}

/// Reads a partition from its beginning. The clock hears of it before it is opened, so that watermarks wait for it also
/// while it cannot be read.
fn begin(
    spec: &SourceSpec,
    partition: u32,
    shared: &Shared,
) -> Result<JoinHandle<()>, Box<dyn Error>> {
    let number = numbered(spec, partition, shared)?;
    let bound = shared.history.as_ref().and_then(|history| history.position(spec.id, number));
    let reader = match shared.partitions.resume_point(spec.id, number, bound) {
        Some(at) => resuming(spec, (partition, number), (None, &at), shared),
        None => reader_thread(spec, partition, (number, None, Place::Earliest), shared),
    };
    let partition = reader.partition;
    spec.sender.send(SourceEvent::Control(ControlEvent::Opened { partition }))?;
    Ok(reader.start()?)
}
