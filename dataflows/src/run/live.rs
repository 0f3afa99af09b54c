//! A live run: opens the sources and the ingest API, and sequences commits until a stop.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use market::{EventTime, Numbered, SourceId};
use operators::ReadFrom;

use super::counts::Counts;
use super::state::Restored;
use super::{Job, Report, RunError, RunOptions, is_pipe, leave_out_others, not_opened, state};
use crate::clock::{CommitClock, Coverage};
use crate::config::Config;
use crate::ingest::event_queues::{EventSender, POST_EVENTS, SOURCE_EVENTS, event_queues};
use crate::ingest::http_ingest::HttpIngest;
use crate::ingest::sequencer::{LiveCallbacks, LiveInput, Naming, sequence_live};
use crate::ingest::source_manager::{OpenSources, Shared, SourceSpec};
use crate::ingest::{Stop, now};
use crate::publish::INPUT;

/// Runs live until `stop`. `restored` is called when the job is where it ended before, with the state that it kept, and
/// nothing new was read yet.
pub fn run_live(
    config: &Config,
    mut job: Job,
    options: &RunOptions,
    stop: &Stop,
    restored: impl FnOnce(&Job) -> Result<(), RunError>,
) -> Result<Report, RunError> {
    let Restored { history, partitions } = match state::restore(config, &mut job, stop) {
        Ok(restored) => restored,
        Err(error) => return job.finish(Err(error), options),
    };
    if stop.is_set() {
        job.before = None;
        return job.finish(Ok(true), options); // it may not be where it was, and has told nobody
    }
    if let Some(next) = history.as_ref().and_then(|history| history.next()) {
        job.before = Some(Counts::of(&job.metrics, next.0));
    }
    restored(&job)?;
    let names = config.source_names();
    let last = history.as_ref().and_then(|history| history.last());
    let at = last.map_or(now(), |last| now().max(last.at));
    let http_ingest = job.http_ingest.clone();
    let clients = config.ingest_source().map(SourceId::number);
    let bound = |source| if Some(source) == clients { POST_EVENTS } else { SOURCE_EVENTS };
    let (senders, events) = event_queues((0..names.len()).map(bound));
    let waiting = events.bytes();
    job.board.also_retains(INPUT, move || waiting.load(Ordering::Relaxed));
    let posts = clients.map(|source| senders[source].clone());
    let restored = Restored { history: history.clone(), partitions };
    let opened = match open_live(config, &job, senders, (at, restored), stop) {
        Ok(opened) => opened,
        // Stopped before all sources were reached: the run has no commits.
        Err(error) if stop.is_set() => {
            tracing::info!("stopped before it began: {error}");
            return job.finish(Ok(true), options);
        }
        Err(error) => return Err(error),
    };
    let clock = opened_clock(config, &opened, at);
    let clock = match &history {
        Some(history) => clock.going_on(history),
        None => clock,
    };
    let alignment = (config.alignment, aligned(config, &opened));
    // Reader threads that run already end after a stop.
    let readers = opened.start().inspect_err(|_| stop.set()).map_err(RunError::Thread)?;
    let posted = clients.zip(last).and_then(|(clients, last)| last.positions.get(clients)?.first());
    let posted = posted.copied().unwrap_or(0);
    http_ingest.iter().zip(posts).for_each(|(http_ingest, to)| http_ingest.open(to, at, posted));
    let connections = job.connections.clone();
    let callbacks = LiveCallbacks {
        paused: &|source, why| {
            if let Some(http_ingest) = http_ingest.as_ref().filter(|_| Some(source) == clients) {
                http_ingest.pause(why);
            }
        },
        given_up: &|change| {
            connections.given_up(change.source, change.partition, change.is_given_up);
        },
        dispatched: &|binding| {
            http_ingest.iter().for_each(|http_ingest| http_ingest.committed(binding))
        },
        stopping: &|| http_ingest.iter().for_each(HttpIngest::refuse),
    };
    let (paused, undelivered) = (job.paused.clone(), job.undelivered.clone());
    let input = LiveInput { events, paused, clients, undelivered, alignment };
    let rule_requests = job.rules.requests().clone();
    rule_requests.open();
    let dispatcher = &mut job.dispatcher;
    dispatcher.survives_recording(config.on_recording_error);
    let naming = Naming { sources: &names, catalog: &config.catalog };
    let sequenced =
        sequence_live(clock, naming, input, config.cadence, dispatcher, callbacks, stop);
    stop.set(); // also after an error: reader threads must end
    job.undelivered.close(); // before sinks deliver what is left: no commit takes what they cannot
    http_ingest.iter().for_each(HttpIngest::refuse);
    rule_requests.close();
    readers.into_iter().for_each(|reader| drop(reader.join()));
    let report = job.finish(sequenced.map(|()| true).map_err(RunError::Sequencer), options);
    // Not before the log has ended: the last requests are answered when it is durable.
    http_ingest.iter().for_each(HttpIngest::close);
    report
}

/// Opens all partitions that there are now. The senders are those of the sources, by number.
fn open_live(
    config: &Config,
    job: &Job,
    senders: Vec<EventSender>,
    (at, restored): (EventTime, Restored),
    stop: &Stop,
) -> Result<OpenSources, RunError> {
    let sources = config.sources.iter().map(|source| SourceSpec {
        id: source.id,
        sender: senders[source.id.number()].clone(),
        source: Arc::clone(&source.source),
        play: source.play,
        idle_after: source.timing.idle_after,
        is_pipe: is_pipe(&*source.source),
    });
    let shared = Shared {
        progress: job.progress.clone(),
        registries: config.registries.clone(),
        catalog: Arc::clone(&config.catalog),
        connections: job.connections.clone(),
        bounds: config.start_bounds(at),
        history: restored.history,
        partitions: Arc::new(restored.partitions),
        accepts_gaps: config.state.as_ref().is_some_and(|state| state.accepts_gaps),
        stop: stop.clone(),
    };
    OpenSources::all(sources.collect(), shared).map_err(|(id, error)| {
        match config.sources.iter().find(|source| source.id == id) {
            Some(source) => not_opened(source, error),
            None => RunError::Named(error),
        }
    })
}

/// A clock of exactly these partitions.
fn opened_clock(config: &Config, opened: &OpenSources, at: EventTime) -> CommitClock {
    let mut timings = config.timings();
    // Of rows from clients no beginning is known, and nothing is missing of a source that is gone.
    let mut read_from = vec![None; timings.len()];
    for one in opened.opened() {
        let timing = &mut timings[one.id.number()];
        timing.partitions = one.partition_count();
        timing.is_awaited = !timing.historic && !one.is_pipe;
        timing.back_fills = one.back_fills;
        read_from[one.id.number()] = Some(one.read_from);
    }
    let clock = CommitClock::new(timings, config.ahead_live(), at);
    let mut clock = clock.reading_from(ReadFrom::new(read_from));
    for one in opened.opened() {
        leave_out_others(&mut clock, (one.id, one.partition_count()), &one.partitions);
    }
    clock
}

/// Which sources are aligned, by number: those that have a part of their own and are read as fast as it goes.
fn aligned(config: &Config, opened: &OpenSources) -> Vec<bool> {
    let mut aligned = vec![false; config.timings().len()];
    let pipes: BTreeSet<SourceId> =
        opened.opened().iter().filter(|one| one.is_pipe).map(|one| one.id).collect();
    for source in &config.sources {
        let has_part = source.timing.coverage == Coverage::All && !source.timing.historic;
        aligned[source.id.number()] =
            has_part && source.play.is_none() && !pipes.contains(&source.id);
    }
    aligned
}
