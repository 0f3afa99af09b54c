//! Dispatches closed commits to workers, in order and within bounds.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use market::{
    AccountRecord, Catalog, Commit, EventTime, Origin, Record, Registries, Shard, SharedRegistries,
};
use operators::{CommitContext, SourceSet, Watermarks};

use super::checkpoints::{CheckpointKeeper, ReplayStart};
use super::closed_commit::ClosedCommit;
use super::commit_log::{CommitLog, CommitLogError};
use super::feed::{Delivery, FeedSender};
use super::input::ControlRecord;
use super::promises::Promises;
use super::recording::{
    NewNames, OnRecordingError, RecordingError, RecordingKeeper, RecordingState,
};
use super::state_copy::StateCopier;
use crate::clock::{Binding, ClockHistory};
use crate::publish::{Board, IN_FLIGHT, OverBudget, WorkerFailed, append};
use crate::rules::{JobRules, RuleAnswers, RuleChange, RunTimeRules};
use crate::telemetry::Metrics;
use crate::views::{DeadLetterLog, DeadLetterRow};

/// Bounds of what is in flight.
#[derive(Clone, Copy, Debug)]
pub struct InFlightLimits {
    /// Records dispatched and not yet complete on all workers.
    pub in_flight_records: usize,
    /// Bytes that may be retained in all.
    pub state_bytes: usize,
}

/// Why a commit could not be dispatched.
#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    /// A worker is gone.
    #[error(transparent)]
    WorkerFailed(#[from] WorkerFailed),
    /// The recording could not be written, and the run does not go on without it.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The log of the job's state could not be written.
    #[error(transparent)]
    State(#[from] CommitLogError),
}

/// What is saved beside the states of operators, and where a job continues after a restore.
#[derive(Clone, Debug)]
pub struct Resume {
    /// The first commit after which states were saved. It is dispatched again; no earlier one is.
    pub from: Commit,
    /// The last commit after which states were saved: what is told of commits up to it was told before.
    pub through: Commit,
    /// The numbers of names; the job that goes on is configured with them.
    pub registries: Registries,
    /// The watermarks before the first commit.
    pub watermarks: Watermarks,
    /// The watermarks of the last commit of the round before it.
    pub round_watermarks: Watermarks,
}

/// What is left of a run when everything is complete.
pub struct Dispatched {
    /// Where a job restored from the saved states, if any, continues.
    pub saved: Option<Resume>,
    /// Why the recording is not whole, or has stopped the run, if that is so.
    pub unrecorded: Option<String>,
}

/// What a commit holds besides rows that its operators see.
#[derive(Clone, Debug, Default)]
pub struct Decided {
    /// What happened to sources.
    pub control: Vec<ControlRecord>,
    /// What clients have changed of rules and alerts.
    pub rules: Vec<RuleChange>,
}

/// Sees commits on their way to the workers, and publishes what describes the process. It must not block.
pub trait CommitObserver: Send {
    /// A commit was closed. Also called with commits that a restored job has already.
    fn observe(&mut self, closed: &ClosedCommit);

    /// What it knows of the commits so far, for [`CommitObserver::restore`].
    fn save(&self) -> Vec<u8>;

    /// Goes on from what an earlier one knew.
    fn restore(&mut self, saved: &[u8]);

    /// The board knows the commit, and no worker has it yet. `over_budget`: whether more is retained than may be.
    fn announced(&mut self, binding: &Binding, decided: Decided, over_budget: Option<OverBudget>);
}

/// The only sender of commits to the workers.
pub struct CommitDispatcher {
    feeds: Vec<FeedSender>,
    board: Arc<Board>,
    metrics: Metrics,
    limits: InFlightLimits,
    log: Option<CommitLog>,
    recording: Option<RecordingKeeper>,
    /// What clients were promised of commits.
    promises: Option<Promises>,
    rules: JobRules,
    watermarks: Watermarks,
    clients: SourceSet,
    round_watermarks: Watermarks,
    source_names: Arc<[String]>,
    registries: SharedRegistries,
    observer: Option<Box<dyn CommitObserver>>,
    save_after: Option<Commit>,
    checkpoints: Option<CheckpointKeeper>,
    copier: Option<StateCopier>,
    /// Set for the last commit: it saves all shards.
    is_last: bool,
    /// Earlier commits are not dispatched.
    first: Commit,
    /// What commits up to this one put into logs is there already.
    restored_through: Option<Commit>,
    /// Commits in flight, with their numbers of records.
    in_flight: VecDeque<(Commit, usize)>,
    /// Bytes of what is in flight, for the board.
    in_flight_bytes: Arc<AtomicUsize>,
    in_flight_records: usize,
    newest: Option<Commit>,
    saved: Option<Resume>,
}

impl CommitDispatcher {
    /// A dispatcher to the workers behind `feeds`, which publish on `board`.
    pub fn new(
        feeds: Vec<FeedSender>,
        board: Arc<Board>,
        metrics: Metrics,
        limits: InFlightLimits,
        source_names: Arc<[String]>,
        (registries, rules): (SharedRegistries, JobRules),
    ) -> CommitDispatcher {
        let watermarks = Watermarks::none(source_names.len());
        let in_flight_bytes: Arc<AtomicUsize> = Arc::default();
        let measured = Arc::clone(&in_flight_bytes);
        board.also_retains(IN_FLIGHT, move || measured.load(Ordering::Relaxed));
        CommitDispatcher {
            feeds,
            board,
            metrics,
            limits,
            log: None,
            recording: None,
            promises: None,
            rules,
            round_watermarks: watermarks.clone(),
            watermarks,
            clients: SourceSet::default(),
            source_names,
            registries,
            observer: None,
            save_after: None,
            checkpoints: None,
            copier: None,
            is_last: false,
            first: Commit(0),
            restored_through: None,
            in_flight: VecDeque::new(),
            in_flight_bytes,
            in_flight_records: 0,
            newest: None,
            saved: None,
        }
    }

    /// These sources are those of clients.
    #[must_use]
    pub fn with_clients(mut self, clients: SourceSet) -> CommitDispatcher {
        self.clients = clients;
        self.watermarks = self.watermarks.with_clients(clients);
        self.round_watermarks = self.round_watermarks.with_clients(clients);
        self
    }

    /// Records every commit before it is dispatched.
    #[must_use]
    pub fn recording(mut self, recording: Option<RecordingKeeper>) -> CommitDispatcher {
        self.recording = recording;
        self
    }

    /// Notes in `promises` what commits bind for clients.
    #[must_use]
    pub fn promising(mut self, promises: Promises) -> CommitDispatcher {
        self.promises = Some(promises);
        self
    }

    /// Writes every commit from now on to `log`, before anybody sees it.
    pub fn log_to(&mut self, log: CommitLog) {
        self.log = Some(log);
    }

    /// Goes on, as `on_error` says, if the recording cannot be written; otherwise that is the end.
    pub fn survives_recording(&mut self, on_error: OnRecordingError) {
        self.recording.iter_mut().for_each(|recording| recording.goes_on(on_error));
    }

    /// How the recording is; one that cannot be written is tried again, at most once a second.
    pub fn tend_recording(&mut self) -> RecordingState {
        self.recording.as_mut().map_or(RecordingState::Off, |own| own.tend(Instant::now()))
    }

    /// Shows every commit to `observer`.
    #[must_use]
    pub fn observed_by(mut self, observer: Box<dyn CommitObserver>) -> CommitDispatcher {
        self.observer = Some(observer);
        self
    }

    /// Has all operators save their state after `commit`.
    #[must_use]
    pub fn saving_after(mut self, commit: Option<Commit>) -> CommitDispatcher {
        self.save_after = commit;
        self
    }

    /// Continues from saved states.
    #[must_use]
    pub fn resuming(mut self, resume: Option<Resume>) -> CommitDispatcher {
        if let Some(Resume { from, through, watermarks, round_watermarks, .. }) = resume {
            (self.first, self.restored_through) = (from, Some(through));
            let sources = self.source_names.len();
            let clients = self.clients;
            self.watermarks = watermarks.of_at_least(sources).with_clients(clients);
            self.round_watermarks = round_watermarks.of_at_least(sources).with_clients(clients);
        }
        self
    }

    /// Whether more is retained than may be, although rings and histories were shrunk; then sources must pause. These
    /// shrink before the limit is reached, since the memory of histories is free only when workers have compacted them.
    pub fn over_budget(&self) -> Option<OverBudget> {
        let limit = self.limits.state_bytes;
        let room = limit / SHED_ROOM;
        let OverBudget { bytes, .. } = self.board.retained().beyond(limit - room)?;
        self.board.shed(bytes - (limit - 2 * room));
        self.board.retained().beyond(limit)
    }

    /// The last commit dispatched.
    pub fn newest(&self) -> Option<Commit> {
        self.newest
    }

    /// Dispatches a commit to the workers; waits while too much is in flight.
    pub fn dispatch(&mut self, closed: ClosedCommit) -> Result<(), DispatchError> {
        if let Some(log) = &mut self.log {
            log.write(&closed, self.rules.run_time())?;
        }
        if let Some(recording) = &mut self.recording {
            recording.write(&closed, self.rules.run_time(), Instant::now())?;
        }
        if let Some(promises) = &self.promises {
            promises.note(&closed);
        }
        if let Some(observer) = &mut self.observer {
            observer.observe(&closed);
        }
        let rules =
            self.rules.apply(&closed.rule_changes, (closed.binding.commit, closed.binding.at));
        let ClosedCommit {
            binding, records, accounts, refused, control, rule_changes, oldest, ..
        } = closed;
        if binding.commit < self.first {
            return Ok(());
        }
        self.make_room()?;
        let is_new = Some(binding.commit) > self.restored_through;
        // Until all shards are restored, views are not whole, so no such commit is a snapshot point.
        self.board.announce(binding.commit, binding.at, binding.round && is_new, oldest);
        if is_new {
            self.count(&records, &accounts, &refused);
            self.log_dead_letters(refused);
        }
        let over_budget = self.over_budget();
        if let Some(observer) = &mut self.observer {
            let decided = Decided { control, rules: rule_changes };
            let decided = if is_new { decided } else { Decided::default() };
            observer.announced(&binding, decided, over_budget);
        }

        let context = Arc::new(CommitContext {
            commit: binding.commit,
            at: binding.at,
            round: binding.round,
            watermarks: self.watermarks.clone(),
            round_watermarks: self.round_watermarks.clone(),
            read_from: binding.read_from.clone(),
            saves: self.shards_to_save(binding.commit),
            rules,
        });
        if self.save_after == Some(binding.commit) {
            let (watermarks, round_watermarks) =
                (self.watermarks.clone(), self.round_watermarks.clone());
            let (from, through) = (binding.commit, binding.commit);
            let registries = self.registries.snapshot();
            self.saved = Some(Resume { from, through, registries, watermarks, round_watermarks });
        }
        self.watermarks = Watermarks::new(binding.watermarks.clone()).with_clients(self.clients);
        if binding.round {
            self.round_watermarks = self.watermarks.clone();
        }
        self.metrics.committed(binding.commit);
        if binding.round {
            self.measure(&binding);
        }

        let rows = records.len() + accounts.len();
        self.in_flight.push_back((binding.commit, rows));
        self.in_flight_records += rows;
        self.newest = Some(binding.commit);
        let records = self.by_worker(records, |record| record.event.instrument().shard());
        let accounts = self.by_worker(accounts, |record| record.event.shard());
        for ((feed, records), accounts) in self.feeds.iter().zip(records).zip(accounts) {
            if !feed.send(Delivery { context: Arc::clone(&context), records, accounts }) {
                return Err(WorkerFailed.into());
            }
        }
        self.metrics.in_flight(self.in_flight_records as u64);
        self.measure_in_flight();
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.tend(self.board.complete_before(), Instant::now());
        }
        Ok(())
    }

    /// Binds what clients have asked for of rules and alerts to a commit that is dispatched next. Gives what they are
    /// told when that has happened.
    pub fn bind_rule_requests(&self, closed: &mut ClosedCommit) -> RuleAnswers {
        let (commit, at) = (closed.binding.commit, closed.binding.at);
        let (changes, answers) = self.rules.bind(commit, at);
        closed.rule_changes = changes;
        answers
    }

    /// These rules were put at run time before the commit that is dispatched next.
    pub fn knows_rules(&mut self, rules: RunTimeRules) {
        self.rules.go_on(rules);
    }

    /// The shards that are saved after a commit.
    fn shards_to_save(&mut self, commit: Commit) -> Range<u16> {
        if self.save_after == Some(commit) {
            return 0..Shard::COUNT as u16;
        }
        let is_last = self.is_last;
        self.checkpoints.as_mut().map_or(0..0, |own| own.shards_of(commit, is_last))
    }

    /// Takes checkpoints from now on.
    pub fn checkpoint_to(&mut self, checkpoints: CheckpointKeeper) {
        self.checkpoints = Some(checkpoints);
    }

    /// Has checkpoints copied from now on.
    pub fn copied_by(&mut self, copier: StateCopier) {
        self.copier = Some(copier);
    }

    /// Goes on from a checkpoint: with its first commit, and what was known before.
    pub fn go_on(&mut self, start: &ReplayStart, through: Commit) {
        let watermarks = |times: &[Option<EventTime>]| {
            let watermarks = Watermarks::new(times.to_vec()).of_at_least(self.source_names.len());
            watermarks.with_clients(self.clients)
        };
        let (now, of_round) = (watermarks(&start.watermarks), watermarks(&start.round_watermarks));
        (self.watermarks, self.round_watermarks) = (now, of_round);
        (self.first, self.restored_through) = (start.commit, Some(through));
        if let Some(observer) = &mut self.observer {
            observer.restore(&start.observed);
        }
    }

    /// Whether the commit at hand begins a checkpoint; the last one does, if states are kept.
    pub fn begins_checkpoint(&self, is_last: bool) -> bool {
        self.checkpoints.as_ref().is_some_and(|own| is_last || own.is_due(Instant::now()))
    }

    /// Begins a checkpoint with the commit that is dispatched next. The clock has closed it, and knew `history` then. The
    /// last commit of a job saves all that it has. If none can begin, that is told, and tried again later.
    pub fn begin_checkpoint(&mut self, history: ClockHistory, catalog: &Catalog, is_last: bool) {
        let (Some(checkpoints), Some(log)) = (&mut self.checkpoints, &mut self.log) else { return };
        let rolled = log.roll().and_then(|segment| Ok((segment, log.file()?)));
        let (segment, file) = match rolled {
            Ok(rolled) => rolled,
            Err(error) => {
                checkpoints.postpone(&error, Instant::now());
                return;
            }
        };
        let commit = history.last().map_or(Commit(0), |last| last.commit);
        let start = ReplayStart {
            segment,
            commit,
            watermarks: self.watermarks.as_slice().to_vec(),
            round_watermarks: self.round_watermarks.as_slice().to_vec(),
            history,
            names: NewNames::of_catalog(catalog),
            scales: catalog.scales(),
            id_texts: catalog.ids.all(),
            observed: self.observer.as_ref().map_or_else(Vec::new, |observer| observer.save()),
        };
        let promises = self.promises.as_ref().map(|promises| promises.save(commit));
        self.is_last = is_last;
        checkpoints.begin(start, promises.unwrap_or_default(), file, Instant::now());
    }

    /// Waits until everything dispatched is complete.
    pub fn drain(&mut self) -> Result<(), DispatchError> {
        while !self.in_flight.is_empty() {
            self.wait()?;
        }
        Ok(())
    }

    /// Ends the feeds and the recording when everything is complete.
    pub fn finish(mut self) -> Result<Dispatched, DispatchError> {
        self.drain()?;
        if let Some(log) = self.log.take() {
            log.finish()?;
        }
        if let Some(why) = self.checkpoints.take().and_then(CheckpointKeeper::finish) {
            tracing::error!(
                "the last checkpoint could not be written, so the next start reads more of the log: {why}"
            );
        }
        // After the last checkpoint, so that the copy has it.
        if let Some(why) = self.copier.take().and_then(StateCopier::finish) {
            tracing::warn!("the copy of the state may lack the end of this run: {why}");
        }
        let unrecorded = self.recording.take().and_then(RecordingKeeper::finish);
        Ok(Dispatched { saved: self.saved.take(), unrecorded })
    }

    fn by_worker<R>(&self, records: Vec<R>, shard: impl Fn(&R) -> Shard) -> Vec<Vec<R>> {
        let peers = self.feeds.len();
        if peers == 1 {
            return vec![records];
        }
        let room = if records.is_empty() { 0 } else { records.len() / peers + 16 };
        let mut parts: Vec<Vec<R>> = (0..peers).map(|_| Vec::with_capacity(room)).collect();
        for record in records {
            parts[shard(&record).worker(peers)].push(record);
        }
        parts
    }

    /// Sets metrics that change slowly: the lag of watermarks, and what is retained.
    fn measure(&self, binding: &Binding) {
        for (source, watermark) in self.source_names.iter().zip(&binding.watermarks) {
            let known = watermark
                .filter(|watermark| *watermark > EventTime::NEVER && *watermark < EventTime::END);
            let lag = known.map(|watermark| binding.at.0.saturating_sub(watermark.0) as f64 / 1e9);
            self.metrics.watermark_lag(source, lag);
        }
        let parts = self.board.retained().0;
        let parts = parts.into_iter().map(|part| (part.name, part.bytes as u64)).collect();
        self.metrics.retained(parts, self.limits.state_bytes as u64);
    }

    /// Counts rows by source, whatever their outcome. Account events are accepted here; the ledger reports the outcomes of
    /// trades.
    fn count(&self, records: &[Record], accounts: &[AccountRecord], refused: &[DeadLetterRow]) {
        let by_source = |origins: &mut dyn Iterator<Item = Origin>| {
            let mut rows = vec![0_u64; self.source_names.len()];
            for origin in origins {
                if let Some(rows) = rows.get_mut(usize::from(origin.source.0)) {
                    *rows += 1;
                }
            }
            rows
        };
        let trades = by_source(&mut records.iter().map(|record| record.origin));
        let accounts = by_source(&mut accounts.iter().map(|record| record.origin));
        for ((name, trades), accounts) in self.source_names.iter().zip(trades).zip(accounts) {
            let is_own = |letter: &&DeadLetterRow| letter.is_input() && letter.source == *name;
            let refused = refused.iter().filter(is_own).count() as u64;
            let rows = trades + accounts + refused;
            if rows > 0 {
                self.metrics.records(name, rows);
            }
            if accounts > 0 {
                self.metrics.accepted(name, accounts);
            }
        }
    }

    fn log_dead_letters(&self, refused: Vec<DeadLetterRow>) {
        for letter in refused {
            if letter.is_input() {
                self.metrics.dead(&letter.source, letter.rejection.reason, 1);
            }
            append::<DeadLetterLog>(&self.board, letter.commit, letter);
        }
    }

    fn make_room(&mut self) -> Result<(), DispatchError> {
        self.release(self.board.complete_before());
        // Each worker's feed holds as many deliveries as this, so that `send` never blocks for long.
        while self.in_flight_records > self.limits.in_flight_records
            || self.in_flight.len() >= FEED_DELIVERIES
        {
            self.wait()?;
        }
        Ok(())
    }

    fn wait(&mut self) -> Result<(), DispatchError> {
        let known = self.in_flight.front().map_or(0, |(commit, _)| commit.0);
        let complete = self.board.complete_before();
        if complete <= known {
            let timeout = Duration::from_millis(PROGRESS_POLL_MS);
            let complete = self.board.wait_for_progress(complete, timeout)?;
            self.release(complete);
        } else {
            self.release(complete);
        }
        Ok(())
    }

    fn release(&mut self, complete_before: u64) {
        while let Some((commit, records)) = self.in_flight.front().copied() {
            if commit.0 >= complete_before {
                break;
            }
            self.in_flight.pop_front();
            self.in_flight_records -= records;
        }
        self.measure_in_flight();
    }

    /// A record is on its way once, in a list that is as long as it has to be.
    fn measure_in_flight(&self) {
        let one = size_of::<Record>().max(size_of::<AccountRecord>());
        self.in_flight_bytes.store(self.in_flight_records * one, Ordering::Relaxed);
    }
}

/// What can shrink does so when less than this part of the limit is left, until twice as much is.
const SHED_ROOM: usize = 16;
/// How long one wait for progress of the workers takes at most.
const PROGRESS_POLL_MS: u64 = 100;
/// The most commits in flight.
pub const FEED_DELIVERIES: usize = 256;
