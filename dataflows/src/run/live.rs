//! A live run: opens the sources and the ingest API, and sequences commits until a stop.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use market::{EventTime, Numbered};
use operators::ReadFrom;

use super::{Job, Report, RunError, RunOptions, leave_out_others, not_opened};
use crate::clock::CommitClock;
use crate::config::{Config, ConfiguredSource};
use crate::ingest::http_ingest::HttpIngest;
use crate::ingest::reader_thread::SourceBatch;
use crate::ingest::sequencer::{LiveCallbacks, Naming, Stop, now, sequence_live};
use crate::ingest::source_manager::{OpenSources, OpenedSource, Shared, SourceSpec};

/// The most batches that all reader threads of a live run together may be ahead of the sequencer.
const LIVE_BATCHES: usize = 64;

/// Runs live until `stop`.
pub fn run_live(
    config: &Config,
    mut job: Job,
    options: &RunOptions,
    stop: &Stop,
) -> Result<Report, RunError> {
    let names = config.source_names();
    let at = now();
    let (sender, batches) = sync_channel::<SourceBatch>(LIVE_BATCHES);
    let opened = match open_live(config, &job, sender.clone(), at, stop) {
        Ok(opened) => opened,
        // Stopped before all sources were reached: the run has no commits.
        Err(error) if stop.is_set() => {
            tracing::info!("stopped before it began: {error}");
            return job.finish(Ok(true), options);
        }
        Err(error) => return Err(error),
    };
    let clock = opened_clock(config, &opened, at);
    let readers = opened.start().map_err(RunError::Thread)?;
    let ingest_api = job.ingest_api.clone();
    match &ingest_api {
        Some(ingest_api) => ingest_api.open(sender, at),
        None => drop(sender),
    }
    let callbacks = LiveCallbacks {
        over_budget: &|over: Option<(usize, usize)>| {
            ingest_api.iter().for_each(|ingest_api| ingest_api.pause(over.is_some()));
        },
        dispatched: &|binding| {
            ingest_api.iter().for_each(|ingest_api| ingest_api.committed(binding))
        },
    };
    let dispatcher = &mut job.dispatcher;
    let naming = Naming { sources: &names, catalog: &config.catalog };
    let sequenced =
        sequence_live(clock, naming, &batches, config.cadence, dispatcher, callbacks, stop);
    stop.set(); // also after an error: reader threads must end
    drop(batches);
    ingest_api.iter().for_each(HttpIngest::close);
    readers.into_iter().for_each(|reader| drop(reader.join()));
    job.finish(sequenced.map(|()| true).map_err(RunError::Sequencer), options)
}

/// Opens all partitions that there are now.
fn open_live(
    config: &Config,
    job: &Job,
    sender: SyncSender<SourceBatch>,
    at: EventTime,
    stop: &Stop,
) -> Result<OpenSources, RunError> {
    let spec = |source: &ConfiguredSource| SourceSpec {
        id: source.id,
        source: Arc::clone(&source.source),
        play: source.play,
        idle_after: source.timing.idle_after,
    };
    let shared = Shared {
        sender,
        progress: job.progress.clone(),
        registries: config.registries.clone(),
        connections: job.connections.clone(),
        bounds: config.start_bounds(at),
        stop: stop.clone(),
    };
    let sources = config.sources.iter().map(spec).collect();
    OpenSources::all(sources, shared).map_err(|(id, error)| {
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
    for OpenedSource { id, read_from: from, partitions } in opened.opened() {
        let last = partitions.last().map_or(0, |last| last.number() + 1);
        timings[id.number()].partitions = last;
        read_from[id.number()] = Some(*from);
    }
    let clock = CommitClock::new(timings, config.ahead_live(), at);
    let mut clock = clock.reading_from(ReadFrom::new(read_from));
    for OpenedSource { id, partitions, .. } in opened.opened() {
        let count = partitions.last().map_or(0, |last| last.number() + 1);
        leave_out_others(&mut clock, (*id, count), partitions);
    }
    clock
}
