//! Runs a configured job: starts its workers, dispatches commits to them, and reports the result.

mod counts;
mod error;
mod first_rows;
mod live;
mod options;
mod outputs;
mod refusals;
mod replay;
mod report;
mod state;
mod summary;

use std::collections::BTreeSet;
use std::os::unix::fs::FileTypeExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use connectors::{EarlierStart, EarlierStarts, Source};
use market::{Catalog, Commit, Generation, Numbered, PartitionId, SourceId, Timeframe};
use node_api::Lineage;
use node_api::ingest::Keeping;
use operators::{SourceSet, StateStore};
use rows::Labels;
use tokio::runtime::Handle;

use crate::clock::CommitClock;
use crate::config::Config;
use crate::delivery::{Backoff, SinkHandler, SinkSet, SinkStatuses, SinkSubscription};
use crate::engine::Engine;
use crate::health::{HealthMonitor, Monitored, MonitoredSource};
use crate::ingest::checkpoints::CheckpointStatus;
use crate::ingest::commit_log::{LogStatus, new_id};
use crate::ingest::connections::Connections;
use crate::ingest::dispatcher::CommitDispatcher;
use crate::ingest::http_ingest::HttpIngest;
use crate::ingest::promises::Promises;
use crate::ingest::reader_thread::ReadProgress;
use crate::ingest::recording::{RecordingKeeper, RecordingStatus};
use crate::ingest::state_copy::CopyStatus;
use crate::ingest::{PausedSources, now};
use crate::jobs::JobKind;
use crate::output::ResultsFolder;
use crate::publish::{Board, BoardConfig, BoardReader, CLIENTS, ID_TEXTS};
use crate::rules::{JobRules, RulesHandle};
use crate::status::{SourceStatuses, StatusReporter};
use crate::telemetry::Metrics;
use crate::undelivered::UndeliveredChanges;
use crate::view_list::entries;
use crate::views::kinds::LogView;
use crate::views::{FillLog, TradeLog};
use counts::Counts;
use error::not_opened;
use outputs::Outputs;
use state::{JobState, Restoring};

pub use error::RunError;
pub use first_rows::{FirstRowsRefused, input_faults};
pub use live::run_live;
pub use object_copy::{CopyIndex, CopySummary, StoreOptions, is_url};
pub use options::{OnStart, RunOptions};
pub use refusals::Refusals;
pub use replay::{replay_files, replay_recording};
pub use report::Report;
pub use state::{
    KeptCheckpoint, NumberedCheckpoint, RestoreError, VerifiedState, copy_state, export_copy,
    import_copy, kept_checkpoints, look_at_copy, verify_copy, verify_state, views_version,
};
pub use summary::BarSummary;

/// A job whose workers run.
pub struct Job {
    kind: &'static JobKind,
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
    /// The sources that are paused on request, in a live run.
    pub paused: PausedSources,
    /// Takes rows from clients, in a live run.
    pub http_ingest: Option<HttpIngest>,
    /// Its rules, and where clients ask for others, in a live run.
    pub rules: RulesHandle,
    /// What of its commits is there after the process has ended.
    pub keeping: Keeping,
    /// How its checkpoints are, and what asks for one; none of a job that keeps no state.
    pub checkpoints: Option<CheckpointStatus>,
    /// Tells its state from any other; of a job without state, this start from any other.
    pub state_id: String,
    /// What clients were promised.
    promises: Promises,
    /// What sinks could not deliver, until a commit has it.
    undelivered: UndeliveredChanges,
    /// Whether the start before this one, whose state it goes on from, was stopped in order.
    stopped_in_order: bool,
    /// The status of deliveries to sinks; empty if nothing is delivered.
    pub sinks: SinkStatuses,
    /// Where its state is kept, until it is restored.
    state: Option<Restoring>,
    /// Before `engine`: fields are dropped in this order, and workers end when their feeds do.
    dispatcher: CommitDispatcher,
    engine: Engine,
    began: Instant,
    /// The share of its input that it may refuse.
    refused_share: f64,
    /// What earlier starts have counted; none of a start that ended before it had read all of that.
    before: Option<Counts>,
    /// Where final views go.
    results: Option<ResultsFolder>,
    /// The names of indicators.
    labels: Labels,
    timeframes: Vec<Timeframe>,
}

impl Job {
    /// Starts the workers of a job.
    pub fn new(
        config: &Config,
        states: Arc<dyn StateStore>,
        options: &RunOptions,
    ) -> Result<Job, RunError> {
        let state = state::open(config, options)?;
        let generation = match &state {
            Some(state) => state.generation().map_err(RestoreError::from)?,
            None => Generation::at(now()),
        };
        Job::of_generation(generation, config, (states, state), options)
    }

    /// The same of a start that may have been recorded.
    fn of_generation(
        generation: Generation,
        config: &Config,
        (states, state): (Arc<dyn StateStore>, Option<JobState>),
        options: &RunOptions,
    ) -> Result<Job, RunError> {
        let began = Instant::now();
        let outputs = Outputs::open(generation, config, options)?;
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
        let board = Arc::new(board(config, options));
        let catalog = Arc::clone(&config.catalog);
        board.also_retains(ID_TEXTS, move || catalog.ids.bytes());
        let http_ingest = config.http_ingest();
        let promises = promises(generation, http_ingest.as_ref(), &board);
        let keeping = match &state {
            None => Keeping::Nothing,
            Some(_) => {
                promises.lineage.restoring([]);
                board.restoring();
                match &config.state {
                    Some(state) if state.fsync => Keeping::Disk,
                    _ => Keeping::Process,
                }
            }
        };
        let state_id = match &state {
            Some(state) => state.id().map_err(RestoreError::from)?,
            None => new_id(),
        };
        let log_status = LogStatus::default();
        let (state, states) = match state {
            Some(state) => {
                let (restoring, states) =
                    state.start(config, generation, (&board, log_status.clone()), &metrics)?;
                (Some(restoring), states)
            }
            None => (None, states),
        };
        let names = config.source_names().into_iter().map(|source| source.name).collect();
        let (engine, feeds) = Engine::start(
            config.job.clone(),
            config.workers,
            Arc::clone(&board),
            metrics.clone(),
            Arc::clone(&names),
            states,
        )?;
        let connections = Connections::default();
        let recording = RecordingStatus::default();
        let keeper = outputs.recorder.map(|recorder| {
            RecordingKeeper::new(recorder, recording.clone(), metrics.clone(), began)
        });
        let copies = state.as_ref().and_then(Restoring::copies);
        let checkpoints = state.as_ref().map(Restoring::checkpoints);
        let kept = checkpoints.clone().map(|checkpoints| (log_status, checkpoints));
        let monitored = (&connections, recording, kept, copies);
        let reporter = reporter(config, &board, monitored, &metrics, options);
        let (health, sinks) = (reporter.health.clone(), reporter.sinks.clone());
        let job_rules = JobRules::new(
            Arc::clone(&config.job.rules),
            config.registries.clone(),
            Arc::clone(&config.job.watching),
            metrics.clone(),
        );
        let rules = RulesHandle::of(&job_rules, Arc::clone(&config.job.rules));
        let dispatcher = CommitDispatcher::new(
            feeds,
            Arc::clone(&board),
            metrics.clone(),
            config.limits,
            names,
            (config.registries.clone(), job_rules),
        )
        .with_clients(config.ingest_source().map(SourceSet::of).unwrap_or_default())
        .recording(keeper)
        .promising(promises.clone())
        .observed_by(Box::new(reporter))
        .saving_after(options.save_after)
        .resuming(options.resume.clone());
        let job = Job {
            kind: config.job.kind,
            generation,
            board,
            metrics,
            catalog: Arc::clone(&config.catalog),
            progress: ReadProgress::default(),
            connections,
            health,
            paused: PausedSources::default(),
            http_ingest,
            rules,
            keeping,
            checkpoints,
            state_id,
            promises,
            undelivered: UndeliveredChanges::default(),
            stopped_in_order: false,
            sinks,
            state,
            dispatcher,
            engine,
            began,
            refused_share: config.refused_share,
            before: Some(Counts::default()),
            results: outputs.results,
            labels: config.labels(),
            timeframes: config.job.timeframes().to_vec(),
        };
        if let Some(on_start) = &options.on_start {
            on_start(&job);
        }
        Ok(job)
    }

    /// Its starts.
    pub fn lineage(&self) -> Lineage {
        self.promises.lineage.clone()
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
        let sink_set = SinkSet::new(Arc::new(self.reader()), runtime);
        let mut sink_set = sink_set.with_undelivered(self.undelivered.clone());
        if let Some(earlier) = self.earlier_starts() {
            config.sinks.iter().for_each(|sink| sink.sink.goes_on(&earlier));
        }
        let views = config.sinks.iter().flat_map(|sink| sink.views.iter().map(move |v| (sink, v)));
        for ((sink, (view, filter)), status) in views.zip(self.sinks.0.iter()) {
            let subscription = SinkSubscription {
                view,
                filter: Arc::clone(filter),
                every: sink.every,
                backoff: Backoff::default(),
                replace_earlier: config
                    .job
                    .kind
                    .views
                    .named("sources")
                    .filter(|_| sink.replace_earlier),
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

    /// The starts before this one, as sinks know them; none if there are none.
    fn earlier_starts(&self) -> Option<EarlierStarts> {
        let mut starts = self.promises.lineage.before(Commit(u64::MAX));
        let own = starts.pop()?; // the last one is this start
        let starts = starts.iter().map(|of| EarlierStart {
            run: of.generation.to_string(),
            first: of.first,
            end: of.end,
        });
        let starts: Vec<EarlierStart> = starts.collect();
        let last = own.first.0.checked_sub(1).map(Commit);
        let delivered = last.filter(|_| self.stopped_in_order);
        (!starts.is_empty()).then_some(EarlierStarts { starts, delivered })
    }
}

/// What a start of a job promises clients; nothing yet.
fn promises(run: Generation, http_ingest: Option<&HttpIngest>, board: &Board) -> Promises {
    http_ingest.into_iter().for_each(|http_ingest| http_ingest.run(run));
    let keys = http_ingest.map(HttpIngest::keys).unwrap_or_default();
    let measured = keys.clone();
    board.also_retains(CLIENTS, move || measured.bytes());
    Promises::of(run, keys)
}

/// The board of a job; it retains what `options` need.
fn board(config: &Config, options: &RunOptions) -> Board {
    Board::new(BoardConfig {
        views: entries(config.job.kind.views).iter().map(|entry| &entry.stored).collect(),
        workers: config.workers,
        operators: config.job.kind.operators,
        labels: config.labels(),
        log_bytes_max: config.log_bytes,
        trade_log_bytes_max: bytes_if(options.shows(TradeLog::VIEW.name), config.trade_log_bytes),
        read_log_bytes_max: bytes_if(options.shows(FillLog::VIEW.name), config.log_bytes),
        ring_bytes_max: if options.followed { config.ring_bytes } else { 0 },
        history_bytes_max: if options.followed { config.history_bytes } else { 0 },
        digests: options.digest,
    })
}

/// So many bytes, or none.
fn bytes_if(is_read: bool, bytes: usize) -> usize {
    if is_read { bytes } else { 0 }
}

/// The connections, the recording, what is kept for a restart, and its copies.
type MonitoredParts<'a> =
    (&'a Connections, RecordingStatus, Option<(LogStatus, CheckpointStatus)>, Option<CopyStatus>);

/// What publishes the status of the job.
fn reporter(
    config: &Config,
    board: &Arc<Board>,
    (connections, recording, state, copies): MonitoredParts<'_>,
    metrics: &Metrics,
    options: &RunOptions,
) -> StatusReporter {
    // A replay delivers nothing: the changes of a recording were delivered when they happened.
    let sinks = if options.followed { config.sink_statuses() } else { SinkStatuses::default() };
    let monitored = config.sources.iter().map(|source| MonitoredSource {
        id: source.id,
        name: source.names.name.clone(),
        kind: source.kind.clone(),
        is_required: source.required,
        partitions: source.names.partitions.clone(),
    });
    let health = HealthMonitor::new(Monitored {
        sources: monitored.collect(),
        board: Arc::clone(board),
        connections: connections.clone(),
        sinks: sinks.clone(),
        recording,
        state,
        copies,
        metrics: metrics.clone(),
        catalog: Arc::clone(&config.catalog),
        logs: options.followed,
    });
    let partition_names = config.source_names().into_iter().map(|source| source.partitions);
    let sources =
        SourceStatuses::new(config.providers(), partition_names.collect(), connections.clone());
    StatusReporter { board: Arc::clone(board), sources, sinks, health }
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

/// Whether it reads a pipe: while one is open, nobody knows whether it is at its end, and it can be read once only.
fn is_pipe(source: &dyn Source) -> bool {
    let is_pipe =
        |path: &PathBuf| std::fs::metadata(path).is_ok_and(|file| file.file_type().is_fifo());
    source.files().iter().any(is_pipe)
}
