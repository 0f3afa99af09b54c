//! A live run: opens the sources and the ingest API, and sequences commits until a stop.

use std::sync::Arc;

use market::EventTime;
use operators::ReadFrom;

use super::{Job, Report, RunError, RunOptions, not_opened};
use crate::clock::CommitClock;
use crate::config::Config;
use crate::ingest::event_queues::{EventSender, POST_EVENTS, SOURCE_EVENTS, event_queues};
use crate::ingest::http_ingest::HttpIngest;
use crate::ingest::sequencer::{LiveCallbacks, Naming, sequence_live};
use crate::ingest::source_manager::{OpenSources, Shared, SourceSpec};
use crate::ingest::{Stop, now};

/// Runs live until `stop`.
pub fn run_live(
    config: &Config,
    mut job: Job,
    options: &RunOptions,
    stop: &Stop,
) -> Result<Report, RunError> {
    let names = config.source_names();
    let at = now();
    let http_ingest = job.http_ingest.clone();
    let bounds = config.sources.iter().map(|_| SOURCE_EVENTS);
    let (mut senders, events) = event_queues(bounds.chain(http_ingest.iter().map(|_| POST_EVENTS)));
    let posts = senders.split_off(config.sources.len());
    let opened = match open_live(config, &job, senders, at, stop) {
        Ok(opened) => opened,
        // Stopped before all sources were reached: the run has no commits.
        Err(error) if stop.is_set() => {
            tracing::info!("stopped before it began: {error}");
            return job.finish(Ok(true), options);
        }
        Err(error) => return Err(error),
    };
    let clock = opened_clock(config, &opened, at);
    // Reader threads that run already end after a stop.
    let readers = opened.start().inspect_err(|_| stop.set()).map_err(RunError::Thread)?;
    http_ingest.iter().zip(posts).for_each(|(http_ingest, to)| http_ingest.open(to, at));
    let callbacks = LiveCallbacks {
        paused: &|paused| http_ingest.iter().for_each(|http_ingest| http_ingest.pause(paused)),
        dispatched: &|binding| {
            http_ingest.iter().for_each(|http_ingest| http_ingest.committed(binding))
        },
    };
    let dispatcher = &mut job.dispatcher;
    let naming = Naming { sources: &names, catalog: &config.catalog };
    let sequenced =
        sequence_live(clock, naming, events, config.cadence, dispatcher, callbacks, stop);
    stop.set(); // also after an error: reader threads must end
    http_ingest.iter().for_each(HttpIngest::close);
    readers.into_iter().for_each(|reader| drop(reader.join()));
    job.finish(sequenced.map(|()| true).map_err(RunError::Sequencer), options)
}

/// Opens all partitions that there are now. The senders are those of the sources, by number.
fn open_live(
    config: &Config,
    job: &Job,
    senders: Vec<EventSender>,
    at: EventTime,
    stop: &Stop,
) -> Result<OpenSources, RunError> {
    let sources = config.sources.iter().zip(senders).map(|(source, sender)| SourceSpec {
        source: Arc::clone(&source.source),
        play: source.play,
        idle_after: source.timing.idle_after,
        sender,
    });
    let shared = Shared {
        progress: job.progress.clone(),
        connections: job.connections.clone(),
        bounds: config.start_bounds(at),
        stop: stop.clone(),
    };
    OpenSources::all(sources.collect(), shared)
        .map_err(|(number, error)| not_opened(&config.sources[number], error))
}

/// A clock of exactly these partitions.
fn opened_clock(config: &Config, opened: &OpenSources, at: EventTime) -> CommitClock {
    let mut timings = config.timings();
    for (timing, partitions) in timings.iter_mut().zip(opened.partitions()) {
        timing.partitions = partitions.last().map_or(0, |last| *last as usize + 1);
    }
    // Rows from clients have no known beginning, so nothing can be missing before one.
    let posts = config.http_ingest.map(|_| None);
    let read_from: Vec<_> = opened.read_from().iter().copied().map(Some).chain(posts).collect();
    let clock = CommitClock::new(timings, config.ahead_live(), at);
    let mut clock = clock.reading_from(ReadFrom::new(read_from));
    for (source, partitions) in opened.partitions().enumerate() {
        let numbers = 0..partitions.last().copied().unwrap_or(0);
        for absent in numbers.filter(|number| !partitions.contains(number)) {
            clock.leave_out(source, absent as usize);
        }
    }
    clock
}
