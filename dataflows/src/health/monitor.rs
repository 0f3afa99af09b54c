//! Checks the process, and logs when a check begins to warn or fail and when it passes again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use connectors::IncidentKind;
use market::{Catalog, Commit, EventTime, Numbered, SourceId, Span};

use super::input::{RefusedLately, RefusedShare};
use super::{INPUT, LostSeen, Seen, SinkSeen, SourceSeen};
use crate::delivery::{SinkState, SinkStatuses};
use crate::ingest::connections::{ConnectionSummary, Connections};
use crate::ingest::now;
use crate::publish::{Board, OverBudget};
use crate::telemetry::{Connection, Delivered, Metrics};
use crate::views::IncidentRow;
use node_api::{Check, Health, Readiness, Status};
use rows::PartitionNames;

/// Runs the checks. Clones share it.
#[derive(Clone)]
pub struct HealthMonitor(Arc<Shared>);

/// A source whose health is watched.
pub struct MonitoredSource {
    /// Its number.
    pub id: SourceId,
    /// Its name.
    pub name: String,
    /// Whether the process is not ready before it was reached.
    pub is_required: bool,
    /// The names of its partitions.
    pub partitions: PartitionNames,
}

struct Shared {
    /// The configured sources, but for the one of clients.
    sources: Vec<MonitoredSource>,
    board: Arc<Board>,
    connections: Connections,
    sinks: SinkStatuses,
    metrics: Metrics,
    catalog: Arc<Catalog>,
    /// Whether changes are logged: a replay has no trouble of its own.
    logs: bool,
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
    /// Source and partition of those whose lost connection was logged.
    disconnected: BTreeSet<(String, String)>,
    /// When partitions were measured last.
    measured: Option<EventTime>,
}

impl HealthMonitor {
    /// Of a job with these sources; `logs`: whether what begins and ends is logged.
    pub fn new(
        sources: Vec<MonitoredSource>,
        board: Arc<Board>,
        connections: Connections,
        sinks: SinkStatuses,
        metrics: Metrics,
        catalog: Arc<Catalog>,
        logs: bool,
    ) -> HealthMonitor {
        let state = Mutex::new(State {
            over_budget: None,
            shares: sources.iter().map(|_| RefusedShare::default()).collect(),
            refused: vec![None; sources.len()],
            reused: None,
            changes: Changes::default(),
            disconnected: BTreeSet::new(),
            measured: None,
        });
        let restoring = Mutex::default();
        let shared =
            Shared { sources, board, connections, sinks, metrics, catalog, logs, state, restoring };
        HealthMonitor(Arc::new(shared))
    }

    /// How the process is now.
    pub fn health(&self) -> Health {
        let state = self.0.lock();
        let seen = self.0.seen(&state, now(), self.0.board.frontier().commit);
        let checks = seen.checks().into_iter().map(|(name, check)| (name.to_owned(), check));
        let restoring = self.0.restoring.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let readiness = restoring.map_or_else(|| seen.readiness(), Readiness::NotYet);
        Health { checks: checks.collect(), readiness }
    }

    /// Earlier commits are read again, so far; none: no more. Answers are not worth asking for meanwhile.
    pub fn restoring(&self, how_far: Option<String>) {
        *self.0.restoring.lock().unwrap_or_else(PoisonError::into_inner) = how_far;
    }

    /// Looks at the end of a round, at system time `at`, when `commit` is about to be dispatched; returns every check.
    /// What has begun or ended since the last round is logged, a line each, and metrics say how it is.
    pub fn round(
        &self,
        at: EventTime,
        commit: Commit,
        over_budget: Option<OverBudget>,
    ) -> Vec<(&'static str, Check)> {
        let mut state = self.0.lock();
        state.over_budget = over_budget;
        for (index, source) in self.0.sources.iter().enumerate() {
            let (rows, refused) = self.0.metrics.refused_of(&source.name);
            state.refused[index] = state.shares[index].take(at, rows, refused);
        }
        state.reused = self.0.reused(state.reused, at);
        let seen = self.0.seen(&state, at, Some(commit));
        let checks = seen.checks();
        for (name, check) in &checks {
            // What was refused is logged by source, each when it begins.
            if self.0.logs && *name != INPUT && state.changes.is_news(at, name, check.status) {
                log(name, check);
            }
            self.0.metrics.health(name, check.status as u64);
        }
        for source in &seen.sources {
            let check = source.input();
            let key = format!("{INPUT} of {}", source.name);
            if self.0.logs && state.changes.is_news(at, &key, check.status) {
                log(INPUT, &check);
            }
        }
        let is_due = state.measured.is_none_or(|last| last.after(MEASURED_EVERY) <= at);
        if is_due {
            state.measured = Some(at);
        }
        drop(state);
        self.0.measure(is_due);
        checks
    }

    /// Logs an incident of a live run, and a warning of any. What is connected for the first time is no news, and a
    /// partition that cannot be read on was logged when it ended.
    pub fn log_incident(&self, incident: &IncidentRow) {
        if !self.0.logs && incident.kind != IncidentKind::Warning.name() {
            return;
        }
        let IncidentRow { source, partition, kind, detail, .. } = incident;
        let disconnected = &mut self.0.lock().disconnected;
        let name = || (source.clone(), partition.clone());
        match IncidentKind::ALL.into_iter().find(|known| known.name() == *kind) {
            Some(IncidentKind::Connected) if disconnected.remove(&name()) => {
                tracing::info!("{source}: {partition}: connected again: {detail}");
            }
            Some(IncidentKind::Disconnected) => {
                disconnected.insert(name());
                tracing::warn!("{source}: {partition}: disconnected: {detail}");
            }
            Some(IncidentKind::Gap | IncidentKind::Warning) => {
                tracing::warn!("{source}: {partition}: {kind}: {detail}");
            }
            _ => {}
        }
    }
}

impl Shared {
    /// How many ids were used again so far, and when the last were. The first is logged, then each time there are ten times
    /// as many.
    fn reused(&self, before: Option<(u64, EventTime)>, at: EventTime) -> Option<(u64, EventTime)> {
        let reused = self.metrics.reused_ids();
        let now: u64 = reused.iter().map(|scope| scope.conflicts).sum();
        let was = before.map_or(0, |(was, _)| was);
        if now == was {
            return before;
        }
        if was == 0 || was.ilog10() < now.ilog10() {
            reused.iter().for_each(|scope| tracing::warn!("{}", scope.text(&self.catalog)));
        }
        Some((now, at))
    }

    fn seen(&self, state: &State, at: EventTime, commit: Option<Commit>) -> Seen {
        let down = self.connections.down();
        let sources = self.sources.iter().zip(&state.refused);
        let sources = sources.map(|(source, refused)| {
            let number = source.id.number();
            let reach = self.connections.reach(number);
            let held = self.connections.of(number).and_then(|all| all.held);
            SourceSeen {
                name: source.name.clone(),
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
        let sinks = self.sinks.0.iter().map(|status| {
            let progress = status.progress();
            let (name, view) = (status.name.clone(), status.view.name);
            SinkSeen { name, view, state: progress.state, last_error: progress.last_error }
        });
        Seen {
            at,
            workers: self.board.workers(),
            failed: self.board.has_failed(),
            over_budget: state.over_budget,
            reused: state.reused.map(|(_, last)| {
                let scopes = self.metrics.reused_ids();
                let texts = scopes.iter().map(|scope| scope.text(&self.catalog));
                (texts.collect::<Vec<_>>().join("; "), last)
            }),
            sources: sources.collect(),
            sinks: sinks.collect(),
            commit,
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
        for MonitoredSource { id, name, partitions, .. } in &self.sources {
            if let Some(connection) = self.connections.of(id.number()) {
                self.metrics.connection(name, shown(connection));
            }
            if partitions_are_due {
                for (number, connection) in self.connections.each_of(id.number()) {
                    let partition = partitions.of(u32::try_from(number).unwrap_or(u32::MAX));
                    self.metrics.partition_connection(name, &partition, shown(connection));
                }
            }
        }
        for status in self.sinks.0.iter() {
            let progress = status.progress();
            let delivered = Delivered {
                waiting: progress.state == SinkState::Waiting,
                failed: progress.state == SinkState::Failed,
                rows: progress.rows,
                retries: progress.retries,
                resyncs: progress.resyncs,
            };
            self.metrics.delivery(&status.name, status.view.name, delivered);
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
