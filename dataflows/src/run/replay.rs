//! Replays: of bare files, and of recordings.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use connectors::{PartitionReader, Place};
use market::{EventTime, Numbered};
use operators::{NoStates, StateStore};

use super::{Job, Report, RunError, RunOptions, first_rows, is_pipe, leave_out_others, not_opened};
use crate::clock::CommitClock;
use crate::config::{Config, ConfiguredSource};
use crate::ingest::Stop;
use crate::ingest::event_queues::{EventReceiver, FILE_EVENTS, event_queue};
use crate::ingest::play::Pacer;
use crate::ingest::reader_thread::ReaderThread;
use crate::ingest::recording::Recording;
use crate::ingest::sequencer::{
    FileOrder, FileReading, NameTables, Naming, RecordingEnd, SequencerError, sequence_files,
    sequence_recording,
};

/// How often a stop is looked for while a pipe is opened.
const STOP_POLL: Duration = Duration::from_millis(50);

/// Replays the files of a configuration as bare files. If their rows turn out to be far from the order of time in which
/// they are to count, the replay begins anew, and sorts them first. Files of which nearly all first rows are refused are
/// not replayed, unless it is to keep going.
pub fn replay_files(config: Config, options: &RunOptions, stop: &Stop) -> Result<Report, RunError> {
    let began = Instant::now();
    can_be_replayed(&config)?;
    if !options.keep_going {
        first_rows::check(&config)?;
    }
    let reading = match config.file_order {
        FileOrder::Lines => FileReading::Lines,
        // What is recorded or shown at a pace is not begun anew, and what comes through a pipe comes once.
        FileOrder::Time
            if options.record.is_some()
                || options.speed.is_some()
                || config.sources.iter().any(|source| is_pipe(&*source.source)) =>
        {
            FileReading::Sorted
        }
        FileOrder::Time => FileReading::Reordered,
    };
    let report = match replay_in(&config, reading, options, stop) {
        Err(RunError::Sequencer(SequencerError::OutOfOrder { time, rows })) => {
            tracing::info!(
                "a row of {time} lies after {rows} later ones: all rows are sorted first"
            );
            replay_in(&config, FileReading::Sorted, options, stop)?
        }
        report => report?,
    };
    Ok(Report { elapsed: began.elapsed(), ..report })
}

/// Whether there are sources, and all have an end.
fn can_be_replayed(config: &Config) -> Result<(), RunError> {
    if config.sources.is_empty() {
        return Err(RunError::NothingToReplay);
    }
    match config.sources.iter().find(|source| source.source.is_endless()) {
        Some(endless) => Err(RunError::Endless(endless.names.name.clone())),
        None => Ok(()),
    }
}

fn replay_in(
    config: &Config,
    reading: FileReading,
    options: &RunOptions,
    stop: &Stop,
) -> Result<Report, RunError> {
    let mut job = Job::new(config, Arc::new(NoStates), options)?;
    let names = config.source_names();
    let mut clock = CommitClock::new(config.timings(), config.ahead_files(), EventTime::NEVER);
    if let Some(clients) = config.ingest_source() {
        clock.end(clients.number(), 0); // none sends rows to a replay
    }
    let readers_stop = Stop::default();
    let stops = (stop, &readers_stop);
    let Some((readers, partitions)) = start_file_readers(config, &job, &mut clock, stops)? else {
        readers_stop.set();
        return job.finish(Ok(false), options); // stopped before all files were open
    };
    let pacer = options.speed.map(Pacer::new);
    let rows = config.file_rows;
    let naming = Naming { sources: &names, catalog: &config.catalog };
    let sequenced = sequence_files(
        clock,
        naming,
        (partitions, reading),
        rows,
        pacer,
        &mut job.dispatcher,
        stop,
    );
    readers_stop.set();
    readers.into_iter().for_each(|reader| drop(reader.join()));
    let sequenced = sequenced.map(|()| !stop.is_set()).map_err(RunError::Sequencer);
    job.finish(sequenced, options)
}

/// A reader thread per partition of a bare file, and the queue of each with the numbers of its source and partition.
type FileReaders = (Vec<JoinHandle<()>>, Vec<((usize, u32), EventReceiver)>);

/// Starts the reader threads of bare files, which end after the second stop. Each has a queue of its own, since the
/// merge waits for each partition in turn. None after the first stop.
fn start_file_readers(
    config: &Config,
    job: &Job,
    clock: &mut CommitClock,
    (stop, readers_stop): (&Stop, &Stop),
) -> Result<Option<FileReaders>, RunError> {
    let mut readers = Vec::new();
    let mut partitions = Vec::new();
    for source in &config.sources {
        let mut numbers = BTreeSet::new();
        for place in source.source.partitions() {
            let name = source.source.partition_name(place);
            let id = config.registries.register_partition(source.id, &name)?;
            numbers.insert(id);
            let (number, partition) = (source.id.number(), id.number() as u32);
            let (sender, receiver) = event_queue(FILE_EVENTS);
            let Some(reader) = open(source, place, stop)? else { return Ok(None) };
            let reader = ReaderThread {
                source: number,
                partition,
                reader: Some(reader),
                found: Vec::new(),
                recovery: None, // a file that cannot be read on ends
                player: None,
                sender,
                idle_after: None, // files are never idle
                is_pipe: false,
                progress: job.progress.clone(),
                connections: job.connections.clone(),
                stop: readers_stop.clone(),
            };
            readers.push(reader.start().map_err(RunError::Thread)?);
            partitions.push(((number, partition), receiver));
        }
        leave_out_others(clock, (source.id, source.timing.partitions), &numbers);
    }
    Ok(Some((readers, partitions)))
}

/// Replays a recording; `config` is the one in its header, perhaps with other workers. Its registries are those of the
/// recording, or go on from them.
pub fn replay_recording(
    config: &Config,
    mut recording: Recording,
    states: Arc<dyn StateStore>,
    options: &RunOptions,
    stop: &Stop,
) -> Result<Report, RunError> {
    let header = recording.header();
    config.registries.with(|here| here.agree(&header.registries))?;
    let mut job = Job::of_generation(header.generation, config, (states, None), options)?;
    let pacer = options.speed.map(Pacer::new);
    let (dispatcher, progress) = (&mut job.dispatcher, job.progress.clone());
    let slot = progress.slot();
    let sequenced = sequence_recording(
        &mut recording,
        NameTables { catalog: &config.catalog, registries: &config.registries },
        options.until,
        pacer,
        dispatcher,
        &|read| progress.note(slot, Some(read)),
        stop,
    );
    let cut = matches!(sequenced, Ok(RecordingEnd::Cut));
    let sequenced = sequenced.map(|end| end != RecordingEnd::Early).map_err(RunError::Sequencer);
    let report = job.finish(sequenced, options)?;
    Ok(Report { cut, ..report })
}

/// Opens a partition; none after a stop. A pipe is opened on a thread of its own, which nobody waits for: that may take
/// until somebody writes to it, and no signal ends it.
fn open(
    source: &ConfiguredSource,
    partition: u32,
    stop: &Stop,
) -> Result<Option<Box<dyn PartitionReader>>, RunError> {
    let own = Arc::clone(&source.source);
    let open = move || own.open(partition, Place::Earliest);
    let failed = |error| not_opened(source, error);
    if !is_pipe(&*source.source) {
        return open().map(Some).map_err(failed);
    }
    let (to, opened) = sync_channel(1);
    let thread = thread::Builder::new().name("open".to_owned());
    thread.spawn(move || to.send(open())).map_err(RunError::Thread)?;
    while !stop.is_set() {
        match opened.recv_timeout(STOP_POLL) {
            Ok(opened) => return opened.map(Some).map_err(failed),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break, // it has panicked, which was told
        }
    }
    Ok(None)
}
