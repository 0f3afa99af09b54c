//! The state of a live job: restored when it begins, and written as it goes on.

mod changes;
mod copies;
mod error;
mod inspect;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use market::{Commit, Generation, Numbered};
use operators::StateStore;

use super::{Job, RunError, RunOptions};
use crate::clock::ClockHistory;
use crate::config::{Config, ConfiguredSource, StateConfig};
use crate::failpoints::{RESTORE_END, failpoint};
use crate::ingest::checkpoints::{
    self, Checkpoint, CheckpointError, CheckpointKeeper, CheckpointPlan, CheckpointStatus,
    FoundCheckpoints, Manifest,
};
use crate::ingest::commit_log::{
    CommitLog, CommitLogError, LogHeader, LogStatus, OnDurable, StateDir, make_durable, state_id,
};
use crate::ingest::partition_states::PartitionStates;
use crate::ingest::promises::SavedPromises;
use crate::ingest::recording::RecordingHeader;
use crate::ingest::sequencer::{LogReplay, NameTables, SequencerError};
use crate::ingest::state_copy::{CopyStatus, StateCopier};
use crate::ingest::{Stop, now};
use crate::publish::{Board, CHECKPOINT};
use crate::telemetry::Metrics;
use crate::views::kinds::LogView;
use crate::views::{FillLog, TradeLog};

pub use changes::views_version;
pub use copies::{export_copy, import_copy, look_at_copy, verify_copy};
pub use error::RestoreError;
pub use inspect::{
    KeptCheckpoint, NumberedCheckpoint, VerifiedState, copy_state, kept_checkpoints, verify_state,
};

/// The state directory of a job, and the checkpoint from which it goes on.
pub(super) struct JobState {
    dir: StateDir,
    checkpoint: Option<Checkpoint>,
    /// The operators whose states in it are not taken, and made anew.
    rebuilt: Vec<&'static str>,
    /// The number of the next checkpoint.
    next: u64,
    every: Option<Duration>,
    keep_log: bool,
}

/// What is left to do when workers run.
pub(super) struct Restoring {
    dir: StateDir,
    /// What the checkpoint knows, if there is one.
    manifest: Option<Manifest>,
    /// The encoded logs of the checkpoint: by view, its pieces and how many rows were ever appended.
    logs: Vec<(String, Vec<Vec<u8>>, u64)>,
    /// What clients were promised before it.
    promises: SavedPromises,
    keeper: CheckpointKeeper,
    status: LogStatus,
    copies: Option<CopyStatus>,
}

/// Takes the state directory of a job that keeps its state, and finds from where it goes on; none if it keeps none.
pub(super) fn open(
    config: &Config,
    options: &RunOptions,
) -> Result<Option<JobState>, RestoreError> {
    let Some(state) = config.state.as_ref().filter(|_| options.keeps_state) else {
        return Ok(None);
    };
    for source in &config.sources {
        if let Some(why) = not_resumable(source) {
            return Err(CommitLogError::NotResumable(source.names.name.clone(), why).into());
        }
    }
    let dir = StateDir::open(&state.dir)?;
    copies::check_new(state, &dir, options.begins_anew)?;
    if options.begins_anew
        && let Some(aside) = dir.set_aside()?
    {
        tracing::warn!(
            "the state that was in {} is in {} now: sources are read again from their start, and rows that were posted \
             are gone",
            dir.path().display(),
            aside.display()
        );
    }
    let FoundCheckpoints { checkpoint, passed_over, next } = checkpoints::newest(dir.path())?;
    let usable = usable(config, state, &dir, checkpoint, &passed_over)?;
    let (checkpoint, rebuilt) = usable.unzip();
    let rebuilt = rebuilt.unwrap_or_default();
    let every =
        state.checkpoint_every.map(|every| Duration::from_nanos(every.as_nanos().unsigned_abs()));
    Ok(Some(JobState { dir, checkpoint, rebuilt, next, every, keep_log: state.keep_log }))
}

/// A checkpoint, and the operators whose states in it are not taken.
type Usable = (Checkpoint, Vec<&'static str>);

/// The checkpoint, if the job can go on from it; none if it has to read the whole log, and can.
fn usable(
    config: &Config,
    state: &StateConfig,
    dir: &StateDir,
    checkpoint: Option<Checkpoint>,
    passed_over: &[CheckpointError],
) -> Result<Option<Usable>, RestoreError> {
    let path = || state.dir.clone();
    let is_whole = dir.first_segment()?.is_none_or(|first| first == 1);
    let Some(checkpoint) = checkpoint else {
        return match passed_over.first() {
            None if is_whole => Ok(None),
            Some(why) if is_whole => {
                tracing::warn!("{why}: the whole log is read instead");
                Ok(None)
            }
            None => dir.segments(1).map(|_| None).map_err(RestoreError::from), // says what is missing
            Some(why) => Err(RestoreError::NoCheckpoint { path: path(), problem: why.to_string() }),
        };
    };
    for why in passed_over {
        tracing::warn!("{why}: an earlier checkpoint is taken, and more of the log is read");
    }
    match rebuilt(config, &checkpoint.manifest) {
        Ok(rebuilt) => {
            if !rebuilt.is_empty() {
                tracing::info!("{} are computed anew from what is kept", rebuilt.join(", "));
            }
            Ok(Some((checkpoint, rebuilt)))
        }
        Err(changes) if is_whole => {
            tracing::info!("{changes}: the whole log is read and computed anew");
            Ok(None)
        }
        Err(changes) => Err(RestoreError::Changed { path: path(), changes }),
    }
}

/// The operators that have to make their states anew, since what they compute has changed. The error says what has
/// changed that nobody can make up for.
fn rebuilt(config: &Config, saved: &Manifest) -> Result<Vec<&'static str>, String> {
    let changes = changes::changes(&saved.config, &config.toml);
    let operators = config.job.kind.saved;
    let has_other_base =
        changes::base_timeframe(&saved.config) != config.job.timeframes().first().copied();
    let mut lost = Vec::new();
    for change in &changes {
        let is_made_up = operators.iter().any(|own| own.rebuilt_by.contains(&change.key));
        if !is_made_up || (change.key == "job.timeframes" && has_other_base) {
            lost.push(change.text.clone());
        }
    }
    let mut rebuilt = Vec::new();
    for own in operators {
        let version = saved.operators.iter().find(|(name, _)| *name == own.name);
        let is_known = version.is_some_and(|(_, version)| *version == own.version);
        let is_changed = changes.iter().any(|change| own.rebuilt_by.contains(&change.key));
        if is_known && !is_changed {
            continue;
        }
        if own.rebuilt_by.is_empty() {
            let found =
                version.map_or_else(|| "none".to_owned(), |(_, version)| version.to_string());
            let (name, known) = (own.name, own.version);
            lost.push(format!(
                "states of `{name}` are of version {found}, and this program reads {known}"
            ));
        }
        rebuilt.push(own.name);
    }
    if lost.is_empty() { Ok(rebuilt) } else { Err(lost.join("; ")) }
}

impl JobState {
    /// The number of a start: later than all before, also where the system's time has gone back.
    pub(super) fn generation(&self) -> Result<Generation, CommitLogError> {
        let now = Generation::at(now());
        let last = self.dir.last_generation()?;
        Ok(last.map_or(now, |last| Generation(now.0.max(last.0 + 1))))
    }

    /// The id of the state.
    pub(super) fn id(&self) -> Result<String, CommitLogError> {
        state_id(self.dir.path())
    }

    /// Starts to take checkpoints of what `board` publishes. Gives where operators find and leave their states.
    pub(super) fn start(
        self,
        config: &Config,
        generation: Generation,
        (board, status): (&Arc<Board>, LogStatus),
        metrics: &Metrics,
    ) -> Result<(Restoring, Arc<dyn StateStore>), RunError> {
        let JobState { dir, checkpoint, rebuilt, next, every, keep_log } = self;
        let manifest = checkpoint.as_ref().map(|checkpoint| checkpoint.manifest.clone());
        let logs = checkpoint.iter().flat_map(Checkpoint::logs);
        let logs = logs.map(|log| log.map(|(view, pieces, rows)| (view.to_owned(), pieces, rows)));
        let logs = logs.collect::<Result<_, _>>().map_err(RestoreError::from)?;
        let promises = checkpoint.as_ref().map(Checkpoint::promises).transpose();
        let promises = promises.map_err(RestoreError::from)?.unwrap_or_default();
        let plan = CheckpointPlan {
            folder: dir.path().to_owned(),
            every,
            keep_log,
            operators: config.job.kind.saved.iter().map(|own| (own.name, own.version)).collect(),
            rebuilt,
            generation,
            config: Arc::from(&*config.toml),
            next,
        };
        let started =
            CheckpointKeeper::start(plan, checkpoint, config.workers, board, metrics.clone());
        let (keeper, states) = started.map_err(RunError::Thread)?;
        let waiting = Arc::clone(&states);
        board.also_retains(CHECKPOINT, move || waiting.waiting_bytes());
        let copy = config.state.as_ref().and_then(|state| state.copy.as_ref());
        let copies = copy.map(|copy| CopyStatus::new(&copy.url));
        Ok((Restoring { dir, manifest, logs, promises, keeper, status, copies }, states))
    }
}

impl Restoring {
    /// How the checkpoints are.
    pub(super) fn checkpoints(&self) -> CheckpointStatus {
        self.keeper.status()
    }

    /// How the copies are, if there are any.
    pub(super) fn copies(&self) -> Option<CopyStatus> {
        self.copies.clone()
    }
}

/// Why a source cannot be read on after the rows of an earlier start.
fn not_resumable(source: &ConfiguredSource) -> Option<&'static str> {
    let is_shifted = source.play.is_some_and(|play| play.as_if_now);
    is_shifted.then_some("its times are shifted to those of its start")
}

/// With what a job goes on.
#[derive(Default)]
pub(super) struct Restored {
    /// What the clock knows; none if there was nothing.
    pub(super) history: Option<Arc<ClockHistory>>,
    /// What sources need to read their partitions on.
    pub(super) partitions: PartitionStates,
}

/// Brings a job to where its log ends, and logs its commits from there on.
///
/// After a stop meanwhile the job has a part of its commits, and logs none.
pub(super) fn restore(config: &Config, job: &mut Job, stop: &Stop) -> Result<Restored, RunError> {
    let (Some(mut state), Some(configured)) = (job.state.take(), &config.state) else {
        tracing::info!(
            "no state is kept: after a restart the sources are read again, and rows that were posted are gone \
             (`state.dir` keeps it)"
        );
        return Ok(Restored::default());
    };
    let mut partitions = PartitionStates::default();
    let history = read(config, job, (&mut state, &mut partitions), stop)?;
    if stop.is_set() {
        return Ok(Restored::default());
    }
    let last = history.as_ref().and_then(ClockHistory::last).map(|last| last.commit);
    job.promises.lineage.restored(last.map_or(Commit(0), Commit::next));
    if let Some((last, http_ingest)) =
        last.zip(job.http_ingest.as_ref()).filter(|_| configured.fsync)
    {
        http_ingest.durable(last);
    }
    let Restoring { dir, keeper, status, copies, .. } = state;
    let copier = copies::plan(
        configured,
        copies,
        (job.generation, &job.metrics),
        (&dir, &keeper),
        history.as_ref(),
    );
    let header = RecordingHeader {
        config: config.toml.clone(),
        generation: job.generation,
        registries: config.registries.snapshot(),
    };
    let catalog = Arc::clone(&config.catalog);
    let header = LogHeader { header, catalog, registries: config.registries.clone() };
    let on_durable = configured.fsync.then(|| on_durable(job));
    let log = CommitLog::begin(dir, header, on_durable, stop.clone());
    let mut log = log.map_err(SequencerError::from)?;
    log.knows(partitions.clone());
    let clients = job.http_ingest.clone();
    log.tell(
        status,
        Box::new(move |held| {
            clients.iter().for_each(|http_ingest| {
                http_ingest.pause(held.then(|| "the log of the state cannot be written".to_owned()))
            })
        }),
    );
    job.dispatcher.log_to(log);
    job.dispatcher.checkpoint_to(keeper);
    if let Some(plan) = copier {
        job.dispatcher.copied_by(StateCopier::start(plan).map_err(RunError::Thread)?);
    }
    Ok(Restored { history: history.map(Arc::new), partitions })
}

/// Dispatches the commits of the log, from the first one of the checkpoint on.
fn read(
    config: &Config,
    job: &mut Job,
    (state, partitions): (&mut Restoring, &mut PartitionStates),
    stop: &Stop,
) -> Result<Option<ClockHistory>, RunError> {
    let first = state.manifest.as_ref().map_or(1, |manifest| manifest.start.segment);
    let segments = state.dir.segments(first).map_err(SequencerError::from)?;
    let path = state.dir.path();
    job.promises.restore(std::mem::take(&mut state.promises));
    if segments.is_empty() {
        tracing::info!("the state in {} begins", path.display());
        job.board.restored(None);
        return Ok(None);
    }
    let began = now();
    let health = job.health.clone();
    let told = |(read, of): (u64, u64)| {
        health.restoring(Some(format!("restoring: {:.0} % of the log is read", share(read, of))));
    };
    told((0, 1));
    let clients = config.ingest_source().map(|source| (source.number(), config.http_grace));
    let tables = NameTables { catalog: &config.catalog, registries: &config.registries };
    let promises = job.promises.clone();
    let in_order = &Cell::new(false);
    let replay =
        LogReplay { folder: path, tables, clients, promises: &promises, in_order, read: &told };
    let known = match &state.manifest {
        Some(manifest) => Some(go_on(manifest, &state.logs, &replay, job)?),
        None => None,
    };
    state.logs.clear();
    let history = replay.dispatch(&segments, known, (&mut job.dispatcher, partitions), stop)?;
    job.stopped_in_order = in_order.get();
    if !stop.is_set() {
        job.dispatcher.drain()?;
    }
    job.board.restored(state.manifest.as_ref().map(|manifest| manifest.last));
    // Commits of a process that was killed may be in memory alone: what follows them must not be on the disk before.
    make_durable(&segments).map_err(SequencerError::from)?;
    failpoint(RESTORE_END);
    job.health.restoring(None);
    let last = history.as_ref().and_then(ClockHistory::last).map(|last| last.commit);
    if let Some(manifest) = &state.manifest
        && !stop.is_set()
        && job.dispatcher.newest() < Some(manifest.last)
    {
        let found = job
            .dispatcher
            .newest()
            .map_or_else(|| "none".to_owned(), |Commit(last)| last.to_string());
        let (path, wanted) = (path.to_owned(), manifest.last.0);
        return Err(RestoreError::LogTooShort { path, found, wanted }.into());
    }
    if let Some(last) = last {
        let from = match &state.manifest {
            Some(Manifest { number, last: saved, .. }) => {
                format!(
                    "checkpoint {number} and {} commits of the log behind it",
                    last.0.saturating_sub(saved.0)
                )
            }
            None => format!("{} commits of the log", last.0 + 1),
        };
        tracing::info!(
            "the state in {} is restored through commit {last} from {from} ({} segments, {:.1} s)",
            path.display(),
            segments.len(),
            (now().0 - began.0) as f64 / 1e9,
        );
    }
    Ok(history)
}

/// Takes from a checkpoint what operators do not have; gives what the clock knew.
fn go_on(
    manifest: &Manifest,
    logs: &[(String, Vec<Vec<u8>>, u64)],
    replay: &LogReplay<'_>,
    job: &mut Job,
) -> Result<ClockHistory, RunError> {
    let start = &manifest.start;
    replay.name(&start.names)?;
    replay.check_scales(start.scales.clone()).map_err(SequencerError::from)?;
    for id in &start.id_texts {
        let _ = replay.tables.catalog.ids.keep(id); // as when it was bound
    }
    for (view, pieces, appended) in logs {
        let Some(log) = job.board.log_saved_as(view) else { continue };
        log.restore(view, pieces, *appended).map_err(|error| {
            let (path, problem) = (replay.folder.to_owned(), format!("its log `{view}`: {error}"));
            RestoreError::from(CheckpointError::Damaged { path, problem })
        })?;
    }
    // A log of which nothing is left may have had rows, when it was on.
    let logs = [TradeLog::VIEW.name, FillLog::VIEW.name].into_iter();
    let lost = logs.filter_map(|view| job.board.log(view)).filter(|log| log.appended() == 0);
    lost.for_each(|log| log.forget_through(manifest.last));
    job.dispatcher.go_on(start, manifest.last);
    Ok(start.history.clone())
}

fn share(read: u64, of: u64) -> f64 {
    100.0 * read as f64 / of.max(1) as f64
}

/// Answers of requests wait until their rows are durable.
fn on_durable(job: &Job) -> OnDurable {
    let Some(http_ingest) = job.http_ingest.clone() else { return Box::new(|_| {}) };
    Box::new(move |commit| http_ingest.durable(commit))
}
