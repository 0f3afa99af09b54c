//! Runs a configured job: starts its workers, dispatches commits to them, and reports the result.

mod live;
mod replay;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use connectors::{FileKey, SourceError};
use market::{Catalog, Commit, Generation, Numbered, PartitionId, RegistryError, SourceId};
use operators::StateStore;
use tokio::runtime::Handle;

use crate::clock::CommitClock;
use crate::config::{Config, ConfiguredSource, JobFile};
use crate::delivery::{Backoff, SinkHandler, SinkSet, SinkStatuses, SinkSubscription};
use crate::engine::{Engine, EngineError};
use crate::health::HealthMonitor;
use crate::ingest::connections::Connections;
use crate::ingest::dispatcher::{CommitDispatcher, DispatchError, Resume};
use crate::ingest::http_ingest::HttpIngest;
use crate::ingest::reader_thread::ReadProgress;
use crate::ingest::recording::{Recorder, RecordingError, RecordingHeader};
use crate::ingest::sequencer::{SequencerError, now};
use crate::ingest::source_status::SourceStatuses;
use crate::jobs::candles::OPERATORS;
use crate::output::{OutputError, ResultsFolder, digest, names, write_views};
use crate::publish::{Board, BoardConfig, BoardReader, TRADE_LOG, ViewDigest};
use crate::telemetry::{Metrics, Totals};
use crate::views::{VIEWS, View, ViewReader};

pub use live::run_live;
pub use replay::{replay_files, replay_recording};

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
    /// A name gets no number, or another one than in what is read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
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
        self.followed || self.digest || (self.out.is_some() && self.writes(TRADE_LOG))
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
    /// Which start of a job it is.
    pub generation: Generation,
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
        Job::of_generation(Generation::at(now()), config, states, options)
    }

    /// The same of a start that may have been recorded.
    fn of_generation(
        generation: Generation,
        config: &Config,
        states: Arc<dyn StateStore>,
        options: &RunOptions,
    ) -> Result<Job, RunError> {
        let began = Instant::now();
        let results =
            options.out.as_deref().map(|folder| results(folder, config, options)).transpose()?;
        let recorder = options.record.as_deref();
        let recorder = recorder.map(|path| recorder_at(path, generation, config, options));
        let recorder = recorder.transpose()?;
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
        let names: Arc<[String]> = config.source_names().into_iter().map(|s| s.name).collect();
        let board = Arc::new(Board::new(BoardConfig {
            workers: config.workers,
            operators: &OPERATORS,
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
            config.sources.iter().map(|s| (s.id, s.names.name.clone(), s.required)).collect(),
            Arc::clone(&board),
            connections.clone(),
            sinks.clone(),
            metrics.clone(),
            options.followed,
        );
        let providers = SourceStatuses::new(config.providers(), connections.clone());
        let dispatcher = CommitDispatcher::new(
            feeds,
            Arc::clone(&board),
            metrics.clone(),
            config.limits,
            names,
            config.registries.clone(),
        )
        .recording(recorder)
        .reporting(providers, sinks.clone(), health.clone())
        .saving_after(options.save_after)
        .resuming(options.resume.clone());
        let progress = ReadProgress::default();
        let ingest_api = HttpIngest::new(config);
        let job = Job {
            generation,
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
        let run: Arc<str> = Arc::from(self.generation.to_string());
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
        let Job { board, metrics, catalog, engine, dispatcher, began, results, .. } = self;
        let finished = dispatcher.finish();
        // The error of a failed worker explains more than the errors of threads that waited for it.
        engine.join()?;
        let complete = sequenced?;
        let saved = finished?;
        let elapsed = began.elapsed();

        let reader = BoardReader::new(Arc::clone(&board));
        if let Some(folder) = &results {
            write_views(&reader, &catalog, folder, |view| options.writes(view))?;
        }
        for view in VIEWS {
            let (dropped, limit, bytes_max) = match view.name {
                TRADE_LOG => {
                    (board.trade_log.dropped(), "trade_log_bytes", board.trade_log.bytes_max())
                }
                name => (board.logs.dropped(name), "log_bytes", board.logs.bytes_max()),
            };
            if dropped > 0 {
                tracing::warn!(
                    "the oldest {dropped} rows of `{}` are gone: it exceeded `limits.{limit}` = {bytes_max}",
                    view.name,
                );
            }
        }
        let is_reported = |view: &&View| {
            view.recorded && (view.name != TRADE_LOG || board.trade_log.is_enabled())
        };
        let views = VIEWS.iter().filter(is_reported).map(|view| {
            let digest = options.digest.then(|| digest(&board, &reader, &catalog, view));
            (view.name, reader.count(view), digest)
        });
        let held = |worker| board.gauges.get(&(worker, OPERATORS[0])).map_or(0, |g| g.keys());
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
    ResultsFolder::open(folder, names(|view| options.writes(view)), options.force, in_use)
}

fn recorder_at(
    path: &Path,
    generation: Generation,
    config: &Config,
    options: &RunOptions,
) -> Result<Recorder, RecordingError> {
    if let Some(what) = in_use(config, options).remove(&FileKey::of(path)) {
        return Err(RecordingError::InUse { path: path.to_owned(), what });
    }
    let registries = config.registries.snapshot();
    let header = RecordingHeader { config: config.toml.clone(), generation, registries };
    let names = (Arc::clone(&config.catalog), config.registries.clone());
    Recorder::create(path, header, names, options.force)
}

/// Leaves out those of the first `count` partitions of a source that it has had and has no more.
fn leave_out_others(
    clock: &mut CommitClock,
    (source, count): (SourceId, usize),
    open: &BTreeSet<PartitionId>,
) {
    let gone = (0..count).filter(|number| !open.contains(&PartitionId::of_number(*number)));
    gone.for_each(|number| clock.leave_out(source.number(), number));
}

fn not_opened(source: &ConfiguredSource, error: SourceError) -> RunError {
    match error {
        SourceError::Open { .. } | SourceError::Read { .. } => {
            RunError::Source { name: source.names.name.clone(), source: error }
        }
        named => RunError::Named(named),
    }
}
