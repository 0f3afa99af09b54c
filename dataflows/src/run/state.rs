//! The state of a live job: restored when it begins, and written as it goes on.

use std::sync::Arc;

use connectors::Source;
use market::{Generation, Numbered};

use super::{Job, RunError, RunOptions, is_pipe};
use crate::clock::ClockHistory;
use crate::config::{Config, ConfiguredSource};
use crate::ingest::commit_log::{CommitLog, CommitLogError, LogHeader, OnDurable, StateDir};
use crate::ingest::recording::RecordingHeader;
use crate::ingest::sequencer::{LogReplay, NameTables, SequencerError};
use crate::ingest::{Stop, now};

/// Takes the state directory of a job that keeps its state; none if it does not.
pub(super) fn open(
    config: &Config,
    options: &RunOptions,
) -> Result<Option<StateDir>, CommitLogError> {
    let Some(state) = config.state.as_ref().filter(|_| options.keeps_state) else {
        return Ok(None);
    };
    for source in &config.sources {
        if let Some(why) = not_resumable(source) {
            return Err(CommitLogError::NotResumable(source.names.name.clone(), why));
        }
    }
    StateDir::open(&state.dir).map(Some)
}

/// Why a source cannot be read on after the rows of an earlier start.
fn not_resumable(source: &ConfiguredSource) -> Option<&'static str> {
    let of: &dyn Source = &*source.source;
    if source.play.is_some_and(|play| play.as_if_now) {
        return Some("its times are shifted to those of its start");
    }
    if is_pipe(of) {
        return Some("what comes through a pipe has no place in it");
    }
    of.not_resumable()
}

/// The number of a start: later than all before, also where the system's time has gone back.
pub(super) fn generation(state: Option<&StateDir>) -> Result<Generation, CommitLogError> {
    let now = Generation::at(now());
    let last = state.map(StateDir::last_generation).transpose()?.flatten();
    Ok(last.map_or(now, |last| Generation(now.0.max(last.0 + 1))))
}

/// Brings a job to where its log ends, and logs its commits from there on. Gives what the clock goes on with; none if
/// there was nothing.
///
/// After a stop meanwhile the job has a part of its commits, and logs none.
pub(super) fn restore(
    config: &Config,
    job: &mut Job,
    stop: &Stop,
) -> Result<Option<Arc<ClockHistory>>, RunError> {
    let (Some(state), Some(configured)) = (job.state.take(), &config.state) else {
        tracing::info!(
            "no state is kept: after a restart the sources are read again, and rows that were posted are gone \
             (`state.dir` keeps it)"
        );
        return Ok(None);
    };
    let history = read(config, job, &state, stop)?;
    if stop.is_set() {
        return Ok(None);
    }
    let header = RecordingHeader {
        config: config.toml.clone(),
        generation: job.generation,
        registries: config.registries.snapshot(),
    };
    let catalog = Arc::clone(&config.catalog);
    let header = LogHeader { header, catalog, registries: config.registries.clone() };
    let on_durable = configured.fsync.then(|| on_durable(job));
    let log = CommitLog::begin(state, header, on_durable, stop.clone());
    job.dispatcher.log_to(log.map_err(SequencerError::from)?);
    Ok(history.map(Arc::new))
}

/// Dispatches the commits of the log.
fn read(
    config: &Config,
    job: &mut Job,
    state: &StateDir,
    stop: &Stop,
) -> Result<Option<ClockHistory>, RunError> {
    let segments = state.segments().map_err(SequencerError::from)?;
    if segments.is_empty() {
        tracing::info!("the state in {} begins", state.path().display());
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
    let replay = LogReplay { folder: state.path(), tables, clients, read: &told };
    let history = replay.dispatch(&segments, &mut job.dispatcher, stop)?;
    if !stop.is_set() {
        job.dispatcher.drain()?;
    }
    job.health.restoring(None);
    if let Some(last) = history.as_ref().and_then(ClockHistory::last) {
        tracing::info!(
            "the state in {} is restored through commit {} ({} segments, {:.1} s)",
            state.path().display(),
            last.commit,
            segments.len(),
            (now().0 - began.0) as f64 / 1e9,
        );
    }
    Ok(history)
}

fn share(read: u64, of: u64) -> f64 {
    100.0 * read as f64 / of.max(1) as f64
}

/// Answers of requests wait until their rows are durable.
fn on_durable(job: &Job) -> OnDurable {
    let Some(http_ingest) = job.http_ingest.clone() else { return Box::new(|_| {}) };
    http_ingest.waits_for_durability();
    Box::new(move |commit| http_ingest.durable(commit))
}
