//! Replays: of the files of a configuration, and of a recording.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use connectors::Place;
use market::{EventTime, Numbered};
use operators::{NoStates, StateStore};

use super::{Job, Report, RunError, RunOptions, leave_out_others, not_opened};
use crate::clock::CommitClock;
use crate::config::{Config, ConfiguredSource};
use crate::ingest::play::Pacer;
use crate::ingest::reader_thread::ReaderThread;
use crate::ingest::recording::Recording;
use crate::ingest::sequencer::{
    NameTables, Naming, RecordingEnd, Stop, sequence_files, sequence_recording,
};

/// The most batches that a reader thread may be ahead of the sequencer.
const READER_BATCHES: usize = 4;

/// Replays the files of a configuration as bare files.
pub fn replay_files(config: Config, options: &RunOptions, stop: &Stop) -> Result<Report, RunError> {
    if config.sources.is_empty() {
        return Err(RunError::NothingToReplay);
    }
    if let Some(endless) = config.sources.iter().find(|source| source.source.is_endless()) {
        return Err(RunError::Endless(endless.names.name.clone()));
    }
    let mut job = Job::new(&config, Arc::new(NoStates), options)?;
    let names = config.source_names();
    let mut clock = CommitClock::new(config.timings(), config.ahead_files(), EventTime::NEVER);
    if let Some(clients) = config.ingest_source() {
        clock.end(clients.number(), 0); // none sends rows to a replay
    }
    let readers_stop = Stop::default();
    let mut partitions = Vec::new();
    let mut readers = Vec::new();
    for source in &config.sources {
        let mut numbers = BTreeSet::new();
        for place in source.source.partitions() {
            let name = source.source.partition_name(place);
            let partition = config.registries.register_partition(source.id, &name)?;
            numbers.insert(partition);
            let (number, partition) = (source.id.number(), partition.number());
            let (sender, receiver) = sync_channel(READER_BATCHES);
            let reader = ReaderThread {
                source: number,
                partition,
                reader: open(source, place)?,
                player: None,
                sender,
                idle_after: None, // files are never idle
                progress: job.progress.clone(),
                connections: job.connections.clone(),
                stop: readers_stop.clone(),
            };
            readers.push(reader.start().map_err(RunError::Thread)?);
            partitions.push(((number, partition), receiver));
        }
        leave_out_others(&mut clock, (source.id, source.timing.partitions), &numbers);
    }
    let pacer = options.speed.map(Pacer::new);
    let rows = config.file_rows;
    let naming = Naming { sources: &names, catalog: &config.catalog };
    let sequenced =
        sequence_files(clock, naming, partitions, rows, pacer, &mut job.dispatcher, stop);
    readers_stop.set();
    readers.into_iter().for_each(|reader| drop(reader.join()));
    let sequenced = sequenced.map(|()| !stop.is_set()).map_err(RunError::Sequencer);
    job.finish(sequenced, options)
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
    let mut job = Job::of_generation(header.generation, config, states, options)?;
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

fn open(
    source: &ConfiguredSource,
    partition: u32,
) -> Result<Box<dyn connectors::PartitionReader>, RunError> {
    source.source.open(partition, Place::Earliest).map_err(|error| not_opened(source, error))
}
