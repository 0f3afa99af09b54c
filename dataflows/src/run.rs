//! Runs a configured job: starts workers, drives them, and tells what came of it.

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
use crate::ingest::drive::{
    DriveError, Naming, RecordingEnd, Stop, drive_files, drive_recording, now,
};
use crate::ingest::handover::{Handover, HandoverError, Resume};
use crate::ingest::inlet::HttpInlet;
use crate::ingest::links::Links;
use crate::ingest::play::Pacer;
use crate::ingest::providers::Providers;
use crate::ingest::pump::{Extent, Pump};
use crate::ingest::recording::{Header, Recorder, Recording, RecordingError};
use crate::jobs::candles::OPERATORS;
use crate::output::{OutputError, ResultsFolder, digest, names, write_views};
use crate::publish::{Board, BoardConfig, BoardReader, TRADE_LOG, ViewDigest};
use crate::telemetry::{Metrics, Totals};
use crate::views::{VIEWS, View, ViewReader};

pub use live::run_live;

/// Batches that a pump may be ahead.
const PUMP_BATCHES: usize = 4;

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
    /// A source cannot be opened, and says itself which one it is.
    #[error(transparent)]
    Named(SourceError),
    /// The source has no end.
    #[error(
        "source `{0}` goes on for ever: it can be run (`tickweave run`), and a recording of that replayed"
    )]
    Endless(String),
    /// Clients could send something to a live run; a replay has nothing.
    #[error("there is nothing to replay: no [[source]] is configured")]
    NothingToReplay,
    /// A thread cannot be started.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The drive.
    #[error(transparent)]
    Drive(#[from] DriveError),
    /// The recording.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The output.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl RunError {
    /// Whether the command line asks for what is never done, such as to replace a file that somebody else wrote.
    pub fn is_refusal(&self) -> bool {
        match self {
            RunError::Recording(error) => error.is_refusal(),
            RunError::Output(error) => error.is_refusal(),
            _ => false,
        }
    }
}

impl From<HandoverError> for RunError {
    fn from(error: HandoverError) -> RunError {
        RunError::Drive(error.into())
    }
}

/// What a replay may be asked to do besides.
#[derive(Default)]
pub struct Wishes {
    /// Record the run.
    pub record: Option<PathBuf>,
    /// Write final views to this folder.
    pub out: Option<PathBuf>,
    /// Replace files that exist by the recording and by views, whoever wrote them; never one that the job reads.
    pub force: bool,
    /// What is read beside the files of the configuration, such as the recording that is replayed.
    pub reads: Vec<JobFile>,
    /// Write only these views; all by default.
    pub views: Option<Vec<String>>,
    /// Compute digests of changes and of final rows.
    pub digest: bool,
    /// Keep the latest changes of views for those who follow them, and what views were.
    pub followed: bool,
    /// Seconds of event time per second; as fast as it goes by default.
    pub speed: Option<f64>,
    /// Replay a recording only up to this commit.
    pub until: Option<Commit>,
    /// Save states after this commit.
    pub save_after: Option<Commit>,
    /// Go on from a restored commit.
    pub resume: Option<Resume>,
    /// Is told of the job as soon as its workers run.
    pub on_start: Option<OnStart>,
}

impl Wishes {
    /// Whether anybody can see single trades: else none is kept.
    fn show_trades(&self) -> bool {
        self.followed || self.digest || (self.out.is_some() && self.writes(TRADE_LOG))
    }

    /// Whether a view is to be written, if any is.
    fn writes(&self, view: &str) -> bool {
        self.views.as_ref().is_none_or(|views| views.iter().any(|name| name == view))
    }
}

/// Takes what it wants of a job that has started.
pub type OnStart = Box<dyn Fn(&Started) + Send + Sync>;

/// A job whose workers run.
pub struct Started {
    /// What they publish.
    pub board: Arc<Board>,
    /// Counts.
    pub metrics: Metrics,
    /// The instruments.
    pub catalog: Arc<Catalog>,
    /// How far the input has been read.
    pub extent: Extent,
    /// How sources are connected.
    pub links: Links,
    /// How the process is.
    pub health: HealthMonitor,
    /// Where clients may send rows, in a live run.
    pub inlet: Option<HttpInlet>,
    /// How deliveries to the sinks go, if anybody delivers.
    pub sinks: SinkStatuses,
    /// Before `engine`: fields are dropped in this order, and workers end when their feeds do.
    handover: Handover,
    engine: Engine,
    began: Instant,
    /// Where final views go.
    results: Option<ResultsFolder>,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Records by what became of them.
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
    /// Whether the input ended; if not, a stop was asked for.
    pub complete: bool,
    /// Why a recording may not tell the whole run.
    pub cut: bool,
}

impl Started {
    /// Starts the workers of a job.
    pub fn new(
        config: &Config,
        states: Arc<dyn StateStore>,
        wishes: &Wishes,
    ) -> Result<Started, RunError> {
        let began = Instant::now();
        let results =
            wishes.out.as_deref().map(|folder| results(folder, config, wishes)).transpose()?;
        let recorder =
            wishes.record.as_deref().map(|path| recorder(path, config, wishes)).transpose()?;
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
        let names: Arc<[String]> = config.source_names().into_iter().map(|s| s.name).collect();
        let board = Arc::new(Board::new(BoardConfig {
            workers: config.workers,
            operators: &OPERATORS,
            labels: config.labels(),
            log_bytes_max: config.log_bytes,
            trade_log_bytes_max: if wishes.show_trades() { config.trade_log_bytes } else { 0 },
            ring_bytes_max: if wishes.followed { config.ring_bytes } else { 0 },
            history_bytes_max: if wishes.followed { config.history_bytes } else { 0 },
            digests: wishes.digest,
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
        let links = Links::default();
        // A replay delivers nothing: what a recording says has been delivered before.
        let sinks = if wishes.followed { config.sink_statuses() } else { SinkStatuses::default() };
        let health = HealthMonitor::new(
            config.sources.iter().map(|s| (s.names.name.clone(), s.required)).collect(),
            Arc::clone(&board),
            links.clone(),
            sinks.clone(),
            metrics.clone(),
        );
        let providers = Providers::new(config.providers(), links.clone());
        let handover =
            Handover::new(feeds, Arc::clone(&board), metrics.clone(), config.limits, names)
                .recording(recorder)
                .telling(providers, sinks.clone(), health.clone())
                .saving_after(wishes.save_after)
                .resuming(wishes.resume.clone());
        let extent = Extent::default();
        let inlet = HttpInlet::new(config);
        let started = Started {
            board,
            metrics,
            catalog,
            extent,
            links,
            health,
            inlet,
            sinks,
            handover,
            engine,
            began,
            results,
        };
        if let Some(tell) = &wishes.on_start {
            tell(&started);
        }
        Ok(started)
    }

    /// A reader of what is published that reads on the thread which waits for the answer.
    pub fn reader(&self) -> BoardReader {
        BoardReader::new(Arc::clone(&self.board))
    }

    /// Hands over what `drive` does, completes it, stops the workers, and reports. `drive` says whether its input has
    /// ended.
    pub fn drive(
        mut self,
        wishes: &Wishes,
        drive: impl FnOnce(&mut Handover) -> Result<bool, RunError>,
    ) -> Result<Report, RunError> {
        let drive = drive(&mut self.handover);
        self.finish(drive, wishes)
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

    /// Completes everything on its way, stops the workers, and reports.
    fn finish(self, drive: Result<bool, RunError>, wishes: &Wishes) -> Result<Report, RunError> {
        let Started { board, metrics, catalog, engine, handover, began, results, .. } = self;
        let finished = handover.finish();
        // A worker that failed says why better than those who waited for it.
        engine.join()?;
        let complete = drive?;
        let saved = finished?;
        let elapsed = began.elapsed();

        let reader = BoardReader::new(Arc::clone(&board));
        if let Some(folder) = &results {
            write_views(&reader, &catalog, folder, |view| wishes.writes(view))?;
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
        let told = |view: &&View| {
            view.recorded && (view.name != TRADE_LOG || board.trade_log.is_enabled())
        };
        let views = VIEWS.iter().filter(told).map(|view| {
            let digest = wishes.digest.then(|| digest(&board, &reader, &catalog, view));
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

/// What the job reads and where its sinks write, by file.
fn in_use(config: &Config, wishes: &Wishes) -> HashMap<FileKey, String> {
    let mut files = config.files.clone();
    files.extend(wishes.reads.iter().cloned());
    files.keys().into_iter().map(|(key, what)| (key, what.to_owned())).collect()
}

fn results(folder: &Path, config: &Config, wishes: &Wishes) -> Result<ResultsFolder, OutputError> {
    let mut in_use = in_use(config, wishes);
    if let Some(record) = &wishes.record {
        in_use.insert(FileKey::of(record), "where the run is recorded".to_owned());
    }
    ResultsFolder::open(folder, names(|view| wishes.writes(view)), wishes.force, in_use)
}

fn recorder(path: &Path, config: &Config, wishes: &Wishes) -> Result<Recorder, RecordingError> {
    if let Some(what) = in_use(config, wishes).remove(&FileKey::of(path)) {
        return Err(RecordingError::InUse { path: path.to_owned(), what });
    }
    let sources = config.source_names().into_iter().map(|source| source.name).collect();
    let header = Header { config: config.toml.clone(), sources };
    Recorder::create(path, header, Arc::clone(&config.catalog), wishes.force)
}

/// Replays the files of a configuration as bare files.
pub fn replay_files(config: Config, wishes: &Wishes, stop: &Stop) -> Result<Report, RunError> {
    if config.sources.is_empty() {
        return Err(RunError::NothingToReplay);
    }
    if let Some(endless) = config.sources.iter().find(|source| source.source.is_endless()) {
        return Err(RunError::Endless(endless.names.name.clone()));
    }
    let mut started = Started::new(&config, Arc::new(NoStates), wishes)?;
    let names = config.source_names();
    let mut clock = CommitClock::new(config.timings(), config.ahead_files(), EventTime::NEVER);
    if config.inlet.is_some() {
        clock.end(config.sources.len(), 0); // no client speaks to a replay
    }
    let pumps_stop = Stop::default();
    let mut partitions = Vec::new();
    let mut pumps = Vec::new();
    for (number, source) in config.sources.iter().enumerate() {
        for partition in source.source.partitions() {
            let (passed_on, receiver) = sync_channel(PUMP_BATCHES);
            let pump = Pump {
                source: number,
                partition: partition as usize,
                reader: open(source, partition)?,
                player: None,
                passed_on,
                idle_after: None, // files have no silence
                extent: started.extent.clone(),
                links: started.links.clone(),
                stop: pumps_stop.clone(),
            };
            pumps.push(pump.start().map_err(RunError::Thread)?);
            partitions.push(((number, partition as usize), receiver));
        }
    }
    let pacer = wishes.speed.map(Pacer::new);
    let rows = config.file_rows;
    let naming = Naming { sources: &names, catalog: &config.catalog };
    let drive = drive_files(clock, naming, partitions, rows, pacer, &mut started.handover, stop);
    pumps_stop.set();
    pumps.into_iter().for_each(|pump| drop(pump.join()));
    let drive = drive.map(|()| !stop.is_set()).map_err(RunError::Drive);
    started.finish(drive, wishes)
}

/// Replays a recording; `config` is the one in its header, perhaps with other workers.
pub fn replay_recording(
    config: &Config,
    mut recording: Recording,
    states: Arc<dyn StateStore>,
    wishes: &Wishes,
    stop: &Stop,
) -> Result<Report, RunError> {
    let mut started = Started::new(config, states, wishes)?;
    let pacer = wishes.speed.map(Pacer::new);
    let (handover, extent) = (&mut started.handover, started.extent.clone());
    let slot = extent.slot();
    let drive = drive_recording(
        &mut recording,
        &config.catalog,
        wishes.until,
        pacer,
        handover,
        &|read| extent.note(slot, Some(read)),
        stop,
    );
    let cut = matches!(drive, Ok(RecordingEnd::Cut));
    let drive = drive.map(|end| end != RecordingEnd::Early).map_err(RunError::Drive);
    let report = started.finish(drive, wishes)?;
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
