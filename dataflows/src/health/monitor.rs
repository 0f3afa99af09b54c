//! Checks the process, and logs when a check begins to warn or fail and when it passes again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use connectors::IncidentKind;
use market::{Catalog, Commit, EventTime, Numbered, SourceId, Span};

use super::components::Since;
use super::input::{RefusedLately, RefusedShare};
use super::journal::{Journal, LogLine};
use super::{INPUT, LostSeen, Seen, SinkSeen, SourceSeen, StateSeen};
use crate::delivery::{SinkState, SinkStatuses};
use crate::ingest::checkpoints::CheckpointStatus;
use crate::ingest::commit_log::LogStatus;
use crate::ingest::connections::{ConnectionSummary, Connections};
use crate::ingest::now;
use crate::ingest::recording::{RECORDING, RecordingState, RecordingStatus};
use crate::ingest::state_copy::{CopyReport, CopyStatus};
use crate::publish::{Board, OverBudget};
use crate::telemetry::{Connection, Delivered, Metrics};
use crate::views::{DeadLetterRow, IncidentRow};
use node_api::{Check, Component, Health, Readiness, Status};
use rows::PartitionNames;

/// Runs the checks. Clones share it.
#[derive(Clone)]
pub struct HealthMonitor(Arc<Shared>);

/// What is watched.
pub struct Monitored {
    /// The configured sources, but for the one of clients.
    pub sources: Vec<MonitoredSource>,
    /// What workers publish.
    pub board: Arc<Board>,
    /// How partitions are connected.
    pub connections: Connections,
    /// The deliveries to sinks.
    pub sinks: SinkStatuses,
    /// The recording.
    pub recording: RecordingStatus,
    /// The log of a job that keeps its state, and its checkpoints.
    pub state: Option<(LogStatus, CheckpointStatus)>,
    /// The copies of the state, if it is copied.
    pub copies: Option<CopyStatus>,
    /// Counts.
    pub metrics: Metrics,
    /// The names of instruments and the like.
    pub catalog: Arc<Catalog>,
    /// Whether changes are logged: a replay has no trouble of its own.
    pub logs: bool,
}

/// A source whose health is watched.
pub struct MonitoredSource {
    /// Its number.
    pub id: SourceId,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Whether the process is not ready before it was reached.
    pub is_required: bool,
    /// The names of its partitions.
    pub partitions: PartitionNames,
}

struct Shared {
    of: Monitored,
    state: Mutex<State>,
    /// While earlier commits are read again: how far that is.
    restoring: Mutex<Option<String>>,
}

struct State {
    over_budget: Option<OverBudget>,
    shares: Vec<RefusedShare>,
    refused: Vec<Option<RefusedLately>>,
    /// How many ids were used again, and when the last were.
    reused: Option<(u64, EventTime)>,
    changes: Changes,
    journal: Journal,
    /// The states of sources at the end of the last round, by number.
    states: Vec<(usize, &'static str)>,
    since: Since,
    /// When partitions were measured last.
    measured: Option<EventTime>,
}

impl HealthMonitor {
    /// Of a job.
    pub fn new(of: Monitored) -> HealthMonitor {
        let state = Mutex::new(State {
            over_budget: None,
            shares: of.sources.iter().map(|_| RefusedShare::default()).collect(),
            refused: vec![None; of.sources.len()],
            reused: None,
            changes: Changes::default(),
            journal: Journal::default(),
            states: Vec::new(),
            since: Since::default(),
            measured: None,
        });
        HealthMonitor(Arc::new(Shared { of, state, restoring: Mutex::default() }))
    }

    /// How the process is now.
    pub fn health(&self) -> Health {
        let (mut state, at) = (self.0.lock(), now());
        let seen = self.0.seen(&state, at, self.0.of.board.frontier().commit);
        let checks = seen.checks().into_iter().chain(seen.checks_beside());
        let (sources, sinks) = state.components(&seen);
        let restoring = self.0.restoring.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Health {
            checks: checks.map(|(name, check)| (name.to_owned(), check)).collect(),
            sources,
            sinks,
            readiness: restoring.map_or_else(|| seen.readiness(), Readiness::NotYet),
        }
    }

    /// Earlier commits are read again, so far; none: no more. Answers are not worth asking for meanwhile.
    pub fn restoring(&self, how_far: Option<String>) {
        *self.0.restoring.lock().unwrap_or_else(PoisonError::into_inner) = how_far;
    }

    /// Looks at the end of a round, at system time `at`, when `commit` is about to be dispatched; returns every check of
    /// the view `health`. What has begun or ended since the last round is logged, a line each, and metrics say how it is.
    /// `states`: those of the sources, by number.
    pub fn round(
        &self,
        at: EventTime,
        commit: Commit,
        over_budget: Option<OverBudget>,
        states: &[(usize, &'static str)],
    ) -> Vec<(&'static str, Check)> {
        let (of, logs) = (&self.0.of, self.0.logs());
        let mut state = self.0.lock();
        state.over_budget = over_budget;
        state.states = states.to_vec();
        for (index, source) in of.sources.iter().enumerate() {
            let (rows, refused) = of.metrics.refused_of(&source.name);
            state.refused[index] = state.shares[index].take(at, rows, refused);
        }
        state.reused = self.0.reused(state.reused, at);
        let seen = self.0.seen(&state, at, Some(commit));
        let checks = seen.checks();
        for (name, check) in checks.iter().chain(&seen.checks_beside()) {
            // What was refused is logged by source, each when it begins, and the recording by who writes it.
            let is_logged = logs && ![INPUT, RECORDING].contains(name);
            if is_logged && state.changes.is_news(at, name, check.status) {
                log(name, check);
            }
            of.metrics.health(name, check.status as u64);
        }
        for source in &seen.sources {
            let check = source.input();
            let key = format!("{INPUT} of {}", source.name);
            if logs && state.changes.is_news(at, &key, check.status) {
                log(INPUT, &check);
            }
        }
        state.components(&seen); // since when they are as they are
        let now = Instant::now();
        if logs {
            state.journal.readiness(&seen.readiness(), now).into_iter().for_each(LogLine::log);
        }
        let is_due = state.measured.is_none_or(|last| last.after(MEASURED_EVERY) <= at);
        if is_due {
            state.measured = Some(at);
            state.journal.quiet(now).into_iter().for_each(LogLine::log);
        }
        drop(state);
        self.0.measure(is_due);
        checks
    }

    /// Logs an incident of a live run, and a warning of any.
    pub fn log_incident(&self, incident: &IncidentRow) {
        let of = &self.0.of;
        if self.0.is_restoring() || !of.logs && incident.kind != IncidentKind::Warning {
            return;
        }
        if !of.logs {
            let line = self.0.lock().journal.warning_of_replay(incident);
            line.into_iter().for_each(LogLine::log);
            return;
        }
        let source = of.sources.iter().find(|source| source.name == incident.source);
        let behind = || of.connections.of(source?.id.number())?.behind;
        let lines = self.0.lock().journal.incident(incident, behind, Instant::now());
        lines.into_iter().for_each(LogLine::log);
    }

    /// Logs dead letters of a live run; the report of a replay has them.
    pub fn log_dead_letters(&self, letters: &[DeadLetterRow]) {
        if self.0.logs() && !letters.is_empty() {
            let lines = self.0.lock().journal.dead_letters(letters, Instant::now());
            lines.into_iter().for_each(LogLine::log);
        }
    }
}

impl State {
    /// What a source did at the end of the last round.
    fn state_of(&self, number: usize) -> &'static str {
        let known = self.states.iter().find(|(known, _)| *known == number);
        known.map_or("running", |(_, state)| state)
    }

    /// Each source and each delivery as it is seen.
    fn components(&mut self, seen: &Seen) -> (Vec<Component>, Vec<Component>) {
        let is_held = matches!(seen.recording, RecordingState::Held { .. })
            || matches!(seen.state, StateSeen::LogHeld(..));
        let all_pause = seen.over_budget.is_some() || is_held;
        let sources = self.since.sources(&seen.sources, all_pause, seen.at);
        (sources, self.since.sinks(&seen.sinks, seen.at))
    }
}

impl Shared {
    /// Whether earlier commits are read again: what happened in them was logged when it did.
    fn is_restoring(&self) -> bool {
        self.restoring.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn logs(&self) -> bool {
        self.of.logs && !self.is_restoring()
    }

    /// How many ids were used again so far, and when the last were. The first is logged, then each time there are ten times
    /// as many.
    fn reused(&self, before: Option<(u64, EventTime)>, at: EventTime) -> Option<(u64, EventTime)> {
        let reused = self.of.metrics.reused_ids();
        let now: u64 = reused.iter().map(|scope| scope.conflicts).sum();
        let was = before.map_or(0, |(was, _)| was);
        if now == was {
            return before;
        }
        if was == 0 || was.ilog10() < now.ilog10() {
            reused.iter().for_each(|scope| tracing::warn!("{}", scope.text(&self.of.catalog)));
        }
        Some((now, at))
    }

    fn seen(&self, state: &State, at: EventTime, commit: Option<Commit>) -> Seen {
        let down = self.of.connections.down();
        let sources = self.of.sources.iter().zip(&state.refused);
        let sources = sources.map(|(source, refused)| {
            let number = source.id.number();
            let reach = self.of.connections.reach(number);
            let held = self.of.connections.of(number).and_then(|all| all.held);
            SourceSeen {
                name: source.name.clone(),
                kind: source.kind.clone(),
                state: state.state_of(number),
                last_error: reach.last_error,
                is_required: source.is_required,
                is_reached: reach.is_reached,
                error: reach.error,
                failure: reach.failure,
                is_given_up: reach.is_given_up,
                is_down: down.contains(&number),
                lost: reach.last_loss.map(|last| LostSeen {
                    rows: reach.lost_rows,
                    is_uncounted: reach.has_uncounted_loss,
                    last,
                }),
                refused: *refused,
                held: held.map(|held| (held.rows, held.by, held.since.elapsed())),
            }
        });
        let sinks = self.of.sinks.0.iter().map(|status| {
            let progress = status.progress();
            SinkSeen {
                name: status.name.clone(),
                kind: status.kind.clone(),
                view: status.view.name,
                state: progress.state,
                last_error: progress.last_error,
            }
        });
        Seen {
            at,
            workers: self.of.board.workers(),
            failed: self.of.board.has_failed(),
            over_budget: state.over_budget,
            reused: state.reused.map(|(_, last)| {
                let scopes = self.of.metrics.reused_ids();
                let texts = scopes.iter().map(|scope| scope.text(&self.of.catalog));
                (texts.collect::<Vec<_>>().join("; "), last)
            }),
            sources: sources.collect(),
            sinks: sinks.collect(),
            recording: self.of.recording.get(),
            state: self.state(),
            names: self.of.catalog.name_counts().to_vec(),
            commit,
        }
    }

    /// How what is kept for a restart is.
    fn state(&self) -> StateSeen {
        let Some((log, checkpoints)) = &self.of.state else { return StateSeen::Off };
        let report = checkpoints.report();
        match (log.held(), report.failed) {
            (Some((why, since)), _) => StateSeen::LogHeld(why, since.elapsed()),
            (None, Some(why)) => StateSeen::NoCheckpoint(why),
            (None, None) => match self.of.copies.as_ref().map(CopyStatus::report) {
                Some(CopyReport { url, last, failed: Some(why), is_given_up, .. }) => {
                    let last = last.map_or_else(
                        || "this start has copied nothing".to_owned(),
                        |(at, commit)| {
                            let seconds = at.elapsed().as_secs();
                            format!("the last copy is {seconds} s old, through commit {commit}")
                        },
                    );
                    let then =
                        if is_given_up { "it is not tried again" } else { "it is tried again" };
                    let text = format!("the state is not copied to {url}, {then}; {last}: {why}");
                    StateSeen::NotCopied(text)
                }
                Some(CopyReport { url, last, .. }) => {
                    let last = last.map_or_else(
                        || format!("nothing is copied to {url} yet"),
                        |(at, commit)| {
                            let seconds = at.elapsed().as_secs();
                            format!("the copy in {url} is {seconds} s old, through commit {commit}")
                        },
                    );
                    StateSeen::Kept(report.finished, Some(last))
                }
                None => StateSeen::Kept(report.finished, None),
            },
        }
    }

    /// Shows how sources are connected and sinks go; and partitions, of which there may be thousands, if they are due.
    fn measure(&self, partitions_are_due: bool) {
        let shown = |connection: ConnectionSummary| Connection {
            connected: connection.up,
            rows_behind: connection.behind,
            rows_held: connection.held.map_or(0, |held| held.rows),
            disconnects: connection.losses,
            gaps: connection.gaps,
            lost_rows: connection.lost_rows,
        };
        for MonitoredSource { id, name, partitions, .. } in &self.of.sources {
            if let Some(connection) = self.of.connections.of(id.number()) {
                self.of.metrics.connection(name, shown(connection));
            }
            if partitions_are_due {
                for (number, connection) in self.of.connections.each_of(id.number()) {
                    let partition = partitions.of(u32::try_from(number).unwrap_or(u32::MAX));
                    self.of.metrics.partition_connection(name, &partition, shown(connection));
                }
            }
        }
        self.of.catalog.name_counts().into_iter().for_each(|count| self.of.metrics.names(count));
        for status in self.of.sinks.0.iter() {
            let progress = status.progress();
            let delivered = Delivered {
                waiting: progress.state == SinkState::Waiting,
                failed: progress.state == SinkState::Failed,
                rows: progress.rows,
                retries: progress.retries,
                resyncs: progress.resyncs,
                messages: progress.messages,
                rejected: progress.rejected,
                skipped: progress.skipped,
                held_back: progress.held_back,
            };
            self.of.metrics.delivery(&status.name, status.view.name, delivered);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How checks were when that was last logged, and since when they are otherwise.
#[derive(Debug, Default)]
pub(super) struct Changes(BTreeMap<String, Change>);

#[derive(Debug, Default)]
struct Change {
    logged: Status,
    otherwise: Option<(Status, EventTime)>,
}

/// How often partitions are measured.
const MEASURED_EVERY: Span = Span::secs(1);
/// A warning that lasts shorter is not logged, nor is a recovery: a source that is just being connected, a batch that
/// went well at the second try.
const LASTS: Span = Span::secs(3);

impl Changes {
    /// Whether it is to be logged that a check has this status at system time `at`: it was logged otherwise, and fails,
    /// or has had the status for some seconds.
    pub(super) fn is_news(&mut self, at: EventTime, name: &str, status: Status) -> bool {
        if !self.0.contains_key(name) {
            self.0.insert(name.to_owned(), Change::default());
        }
        let Some(change) = self.0.get_mut(name) else { return false };
        if status == change.logged {
            change.otherwise = None;
            return false;
        }
        let since = match change.otherwise {
            Some((same, since)) if same == status => since,
            _ => at,
        };
        change.otherwise = Some((status, since));
        let is_news = status == Status::Fail || since.after(LASTS) <= at;
        if is_news {
            *change = Change { logged: status, otherwise: None };
        }
        is_news
    }
}

/// A line: that a check passes again, or why it does not.
fn log(name: &str, check: &Check) {
    let output = &check.output;
    match check.status {
        Status::Pass => tracing::info!("health: {name}: pass again: {output}"),
        Status::Warn => tracing::warn!("health: {name}: {output}"),
        Status::Fail => tracing::error!("health: {name}: {output}"),
    }
}
