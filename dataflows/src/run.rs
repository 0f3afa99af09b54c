//! Runs a configured job: starts its workers, dispatches commits to them, and reports the result.

mod live;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use connectors::{FileKey, Place, SourceError};
use market::{Catalog, Commit, EventTime};
use operators::{NoStates, StateStore};
use tokio::runtime::Handle;

use crate::clock::CommitClock;
use crate::config::{Config, ConfiguredSource, JobFile};
use crate::delivery::{Backoff, SinkHandler, SinkSet, SinkStatuses, SinkSubscription};
use crate::engine::{Engine, EngineError};
use crate::health::HealthMonitor;
use crate::ingest::connections::Connections;
use crate::ingest::dispatcher::{CommitDispatcher, DispatchError, Resume};
use crate::ingest::http_ingest::HttpIngest;
use crate::ingest::play::Pacer;
use crate::ingest::reader_thread::{ReadProgress, ReaderThread};
use crate::ingest::recording::{Recorder, Recording, RecordingError, RecordingHeader};
use crate::ingest::sequencer::{
    Naming, RecordingEnd, SequencerError, Stop, now, sequence_files, sequence_recording,
};
use crate::ingest::source_status::SourceStatuses;
use crate::jobs::{JobKind, LEDGER};
use crate::output::{OutputError, ResultsFolder, digest, names, write_views};
use crate::publish::{Board, BoardConfig, BoardReader, ViewDigest};
use crate::telemetry::{Metrics, Totals};
use crate::view_list::entries;
use crate::views::TradeLog;
use crate::views::kinds::LogView;
use rows::ViewReader;

pub use live::run_live;

/// The most batches that a reader thread may be ahead of the sequencer.
const READER_BATCHES: usize = 4;

/// Why a job could not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A source cannot be opened.
    #[error("source `{name}`")]
    Source {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: SourceError,
    },
    /// A source cannot be opened; its error names it.
    #[error(transparent)]
    Named(SourceError),
    /// The source has no end.
    #[error(
        "source `{0}` goes on for ever: it can be run (`tickweave run`), and a recording of that replayed"
    )]
    Endless(String),
    /// No source is configured. Only a live run can take rows from clients.
    #[error("there is nothing to replay: no [[source]] is configured")]
    NothingToReplay,
    /// A thread cannot be started.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Commits cannot be made or dispatched.
    #[error(transparent)]
    Sequencer(#[from] SequencerError),
    /// The recording.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The output.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl RunError {
    /// Whether the command line asks for something that is never done, such as to replace a file that another program
    /// wrote.
    pub fn is_refusal(&self) -> bool {
        match self {
            RunError::Recording(error) => error.is_refusal(),
            RunError::Output(error) => error.is_refusal(),
            _ => false,
        }
    }
}

impl From<DispatchError> for RunError {
    fn from(error: DispatchError) -> RunError {
        RunError::Sequencer(error.into())
    }
}

/// Options of a run.
#[derive(Default)]
pub struct RunOptions {
    /// Record the run.
    pub record: Option<PathBuf>,
    /// Write final views to this folder.
    pub out: Option<PathBuf>,
    /// Replace files that exist by the recording and by views, whichever program wrote them; never one that the job
    /// reads.
    pub force: bool,
    /// What is read beside the files of the configuration, such as the recording that is replayed.
    pub reads: Vec<JobFile>,
    /// Write only these views; all by default.
    pub views: Option<Vec<String>>,
    /// Compute digests of changes and of final rows.
    pub digest: bool,
    /// Keep the latest changes of views for subscribers, and the history of views.
    pub followed: bool,
    /// Seconds of event time per second; as fast as it goes by default.
    pub speed: Option<f64>,
    /// Replay a recording only up to this commit.
    pub until: Option<Commit>,
    /// Save states after this commit.
    pub save_after: Option<Commit>,
    /// Go on from a restored commit.
    pub resume: Option<Resume>,
    /// Called once when the workers run.
    pub on_start: Option<OnStart>,
}

impl RunOptions {
    /// Whether single trades can be read; otherwise none is kept.
    fn show_trades(&self) -> bool {
        self.followed || self.digest || (self.out.is_some() && self.writes(TradeLog::VIEW.name))
    }

    /// Whether a view is written to `out`.
    fn writes(&self, view: &str) -> bool {
        self.views.as_ref().is_none_or(|views| views.iter().any(|name| name == view))
    }
}

/// A callback that is called once when the workers of a job run.
pub type OnStart = Box<dyn Fn(&Job) + Send + Sync>;

/// A job whose workers run.
pub struct Job {
    kind: &'static JobKind,
    /// What they publish.
    pub board: Arc<Board>,
    /// Counts.
    pub metrics: Metrics,
    /// The instruments.
    pub catalog: Arc<Catalog>,
    /// How far the input has been read.
    pub progress: ReadProgress,
    /// The connection status of sources.
    pub connections: Connections,
    /// The health of the process.
    pub health: HealthMonitor,
    /// Takes rows from clients, in a live run.
    pub ingest_api: Option<HttpIngest>,
    /// The status of deliveries to sinks; empty if nothing is delivered.
    pub sinks: SinkStatuses,
    /// Before `engine`: fields are dropped in this order, and workers end when their feeds do.
    dispatcher: CommitDispatcher,
    engine: Engine,
    began: Instant,
    /// Where final views go.
    results: Option<ResultsFolder>,
}

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Records by outcome.
    pub totals: Totals,
    /// The last commit.
    pub commits: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// Per view that a replay gives again, its rows (of logs, those ever appended) and, if asked for, its digests.
    pub views: Vec<(&'static str, u64, Option<ViewDigest>)>,
    /// Per worker, how many instruments its ledger held at the end.
    pub instruments_held: Vec<usize>,
    /// Where a job restored from the saved states goes on.
    pub saved: Option<Resume>,
    /// Whether the input ended; if not, the run was stopped.
    pub complete: bool,
    /// Whether the recording was cut, so that it may lack the end of the run.
    pub cut: bool,
}

impl Job {
    /// Starts the workers of a job.
    pub fn new(
        config: &Config,
        states: Arc<dyn StateStore>,
        options: &RunOptions,
    ) -> Result<Job, RunError> {
        let began = Instant::now();
        let results =
            options.out.as_deref().map(|folder| results(folder, config, options)).transpose()?;
        let recorder =
            options.record.as_deref().map(|path| recorder(path, config, options)).transpose()?;
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
        let names: Arc<[String]> = config.source_names().into_iter().map(|s| s.name).collect();
        let board = Arc::new(Board::new(BoardConfig {
            entries: entries(config.job.kind.views),
            workers: config.workers,
            operators: config.job.kind.operators,
            labels: config.labels(),
            log_bytes_max: config.log_bytes,
            trade_log_bytes_max: if options.show_trades() { config.trade_log_bytes } else { 0 },
            ring_bytes_max: if options.followed { config.ring_bytes } else { 0 },
            history_bytes_max: if options.followed { config.history_bytes } else { 0 },
            digests: options.digest,
        }));
        let (engine, feeds) = Engine::start(
            config.job.clone(),
            config.workers,
            Arc::clone(&board),
            metrics.clone(),
            Arc::clone(&names),
            states,
        )?;
        let catalog = Arc::clone(&config.catalog);
        let connections = Connections::default();
        // A replay delivers nothing: the changes of a recording were delivered when they happened.
        let sinks = if options.followed { config.sink_statuses() } else { SinkStatuses::default() };
        let health = HealthMonitor::new(
            config.sources.iter().map(|s| (s.names.name.clone(), s.required)).collect(),
            Arc::clone(&board),
            connections.clone(),
            sinks.clone(),
            metrics.clone(),
            options.followed,
        );
        let providers = SourceStatuses::new(config.providers(), connections.clone());
        let dispatcher =
            CommitDispatcher::new(feeds, Arc::clone(&board), metrics.clone(), config.limits, names)
                .recording(recorder)
                .reporting(providers, sinks.clone(), health.clone())
                .saving_after(options.save_after)
                .resuming(options.resume.clone());
        let progress = ReadProgress::default();
        let ingest_api = HttpIngest::new(config);
        let job = Job {
            kind: config.job.kind,
            board,
            metrics,
            catalog,
            progress,
            connections,
            health,
            ingest_api,
            sinks,
            dispatcher,
            engine,
            began,
            results,
        };
        if let Some(on_start) = &options.on_start {
            on_start(&job);
        }
        Ok(job)
    }

    /// A reader of published state that reads on the calling thread.
    pub fn reader(&self) -> BoardReader {
        BoardReader::new(Arc::clone(&self.board))
    }

    /// Calls `sequence` to dispatch commits, completes them, stops the workers, and reports. `sequence` returns whether
    /// its input has ended.
    pub fn sequence(
        mut self,
        options: &RunOptions,
        sequence: impl FnOnce(&mut CommitDispatcher) -> Result<bool, RunError>,
    ) -> Result<Report, RunError> {
        let sequenced = sequence(&mut self.dispatcher);
        self.finish(sequenced, options)
    }

    /// Delivers changes of views to the sinks of `config`, on threads that wait in `runtime`.
    pub fn deliver(&self, config: &Config, runtime: Handle) -> Result<SinkSet, RunError> {
        let run: Arc<str> = Arc::from(now().rfc3339());
        let mut sink_set = SinkSet::new(Arc::new(self.reader()), runtime);
        let views = config.sinks.iter().flat_map(|sink| sink.views.iter().map(move |v| (sink, v)));
        for ((sink, (view, filter)), status) in views.zip(self.sinks.0.iter()) {
            let subscription = SinkSubscription {
                view,
                filter: Arc::clone(filter),
                every: sink.every,
                backoff: Backoff::default(),
            };
            let how = (sink.encoding, sink.numbers_as_strings);
            let (to, run) = (Arc::clone(&sink.sink), Arc::clone(&run));
            let handler = SinkHandler::new(to, run, Arc::clone(&self.catalog), how);
            sink_set
                .start(subscription, Box::new(handler), Arc::clone(status))
                .map_err(RunError::Thread)?;
        }
        Ok(sink_set)
    }

    /// Completes everything in flight, stops the workers, and reports.
    fn finish(
        self,
        sequenced: Result<bool, RunError>,
        options: &RunOptions,
    ) -> Result<Report, RunError> {
        let Job { kind, board, metrics, catalog, engine, dispatcher, began, results, .. } = self;
        let finished = dispatcher.finish();
        // The error of a failed worker explains more than the errors of threads that waited for it.
        engine.join()?;
        let complete = sequenced?;
        let saved = finished?;
        let elapsed = began.elapsed();

        let reader = BoardReader::new(Arc::clone(&board));
        if let Some(folder) = &results {
            write_views(&reader, &catalog, folder, kind.views, |view| options.writes(view))?;
        }
        for view in kind.views.views {
            let Some(log) = board.log(view.name).filter(|log| log.dropped() > 0) else { continue };
            tracing::warn!(
                "the oldest {} rows of `{}` are gone: it exceeded `limits.{}` = {}",
                log.dropped(),
                view.name,
                log.bound(),
                log.bytes_max(),
            );
        }
        let reported = kind.views.views.iter();
        let reported = reported.filter(|view| view.recorded && board.is_enabled(view.name));
        let views = reported.map(|view| {
            let digest = options.digest.then(|| digest(&board, &reader, &catalog, view));
            (view.name, reader.count(view), digest)
        });
        let held = |worker| board.gauges.get(&(worker, LEDGER)).map_or(0, |g| g.keys());
        Ok(Report {
            totals: metrics.totals(),
            commits: reader.frontier().commit.map_or(0, |commit| commit.0 + 1),
            elapsed,
            views: views.collect(),
            instruments_held: (0..board.workers()).map(held).collect(),
            saved,
            complete,
            cut: false,
        })
    }
}

/// The files that the job reads and that its sinks write.
fn in_use(config: &Config, options: &RunOptions) -> HashMap<FileKey, String> {
    let mut files = config.files.clone();
    files.extend(options.reads.iter().cloned());
    files.keys().into_iter().map(|(key, what)| (key, what.to_owned())).collect()
}

fn results(
    folder: &Path,
    config: &Config,
    options: &RunOptions,
) -> Result<ResultsFolder, OutputError> {
    let mut in_use = in_use(config, options);
    if let Some(record) = &options.record {
        in_use.insert(FileKey::of(record), "where the run is recorded".to_owned());
    }
    ResultsFolder::open(
        folder,
        names(config.job.kind.views, |view| options.writes(view)),
        options.force,
        in_use,
    )
}

fn recorder(
    path: &Path,
    config: &Config,
    options: &RunOptions,
) -> Result<Recorder, RecordingError> {
    if let Some(what) = in_use(config, options).remove(&FileKey::of(path)) {
        return Err(RecordingError::InUse { path: path.to_owned(), what });
    }
    let sources = config.source_names().into_iter().map(|source| source.name).collect();
    let header = RecordingHeader { config: config.toml.clone(), sources };
    Recorder::create(path, header, Arc::clone(&config.catalog), options.force)
}

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
    if config.ingest_api.is_some() {
        clock.end(config.sources.len(), 0); // no client sends rows to a replay
    }
    let readers_stop = Stop::default();
    let mut partitions = Vec::new();
    let mut readers = Vec::new();
    for (number, source) in config.sources.iter().enumerate() {
        for partition in source.source.partitions() {
            let (sender, receiver) = sync_channel(READER_BATCHES);
            let reader = ReaderThread {
                source: number,
                partition: partition as usize,
                reader: open(source, partition)?,
                player: None,
                sender,
                idle_after: None, // files are never idle
                progress: job.progress.clone(),
                connections: job.connections.clone(),
                stop: readers_stop.clone(),
            };
            readers.push(reader.start().map_err(RunError::Thread)?);
            partitions.push(((number, partition as usize), receiver));
        }
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

/// Replays a recording; `config` is the one in its header, perhaps with other workers.
pub fn replay_recording(
    config: &Config,
    mut recording: Recording,
    states: Arc<dyn StateStore>,
    options: &RunOptions,
    stop: &Stop,
) -> Result<Report, RunError> {
    let mut job = Job::new(config, states, options)?;
    let pacer = options.speed.map(Pacer::new);
    let (dispatcher, progress) = (&mut job.dispatcher, job.progress.clone());
    let slot = progress.slot();
    let sequenced = sequence_recording(
        &mut recording,
        &config.catalog,
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

fn not_opened(source: &ConfiguredSource, error: SourceError) -> RunError {
    match error {
        SourceError::Open { .. } | SourceError::Read { .. } => {
            RunError::Source { name: source.names.name.clone(), source: error }
        }
        named => RunError::Named(named),
    }
}
