//! The thread that delivers one view to one handler.

use std::sync::Arc;
use std::time::Duration;

use market::{Commit, EventTime};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::handler::{
    CompleteView, DeliverError, Delta, DeltaBatch, DeltaHandler, DeltaKind, PART_DELTAS,
};
use super::missing_rows::whole_from;
use super::status::SinkStatus;
use crate::failpoints::{SINK_AFTER, SINK_BEFORE, failpoint};
use crate::undelivered::{UndeliveredChange, UndeliveredChanges};
use connectors::RejectedRecord;
use node_api::Throttle;
use rows::{Frontier, ReadError, RowFilter, View, ViewReader};

/// Which rows a sink gets, and how often.
#[derive(Clone, Debug)]
pub struct SinkSubscription {
    /// The view.
    pub view: &'static View,
    /// Selects the rows.
    pub filter: Arc<RowFilter>,
    /// The shortest time between two batches.
    pub every: Duration,
    /// The pauses before a failed batch is retried.
    pub backoff: Backoff,
    /// The table `sources`, if the first snapshot waits until all of them have caught up, and rows of earlier runs that
    /// the view does not have then are deleted.
    pub replace_earlier: Option<&'static View>,
}

/// Exponential backoff: the pause doubles with every retry of a batch, up to a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { first: Duration::from_millis(100), most: Duration::from_secs(30) }
    }
}

/// A resync of a log has at most this many rows: the latest. The first snapshot has all retained rows, which are few
/// when a run begins.
const RESYNC_LOG_ROWS: usize = 100_000;
/// Without changes, the driver reads the view's frontier at this interval.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// A handler that was given nothing for so long is asked whether it still has what it was given.
const CHECK_EVERY: Duration = Duration::from_secs(2);

/// Delivers a view to a handler.
pub struct SinkDriver {
    pub(super) reader: Arc<dyn ViewReader>,
    /// Timers and waits run in here; the handler runs on the driver's own thread.
    pub(super) runtime: Handle,
    pub(super) subscription: SinkSubscription,
    pub(super) handler: Box<dyn DeltaHandler>,
    pub(super) status: Arc<SinkStatus>,
    /// None while the job runs; then the deadline for the remaining batches. The caller guarantees that no commit
    /// becomes complete after the deadline was set.
    pub(super) stop: watch::Receiver<Option<Instant>>,
    /// The commit of the last batch.
    pub(super) last: Option<Commit>,
    /// Takes changes that will never be delivered.
    pub(super) undelivered: UndeliveredChanges,
    /// Which tries that did not go well are told.
    pub(super) troubles: Throttle,
}

/// Why a driver leaves its loop before the job has ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum DriverError {
    #[error("{0}")]
    Resync(Box<dyn std::error::Error + Send + Sync>),
    #[error("{0}")]
    GivenUp(Box<dyn std::error::Error + Send + Sync>),
    #[error("time was up before everything was delivered{}", last_error(.0))]
    TimeIsUp(Option<String>),
    #[error(transparent)]
    Closed(ReadError),
}

fn last_error(error: &Option<String>) -> String {
    error.as_ref().map_or_else(String::new, |error| format!("; the last try: {error}"))
}

impl SinkDriver {
    /// Delivers until the job has ended and the handler has taken everything.
    pub(super) fn run(mut self) {
        match self.follow() {
            Ok(()) => self.status.ends(),
            Err(error) => {
                let SinkStatus { name, view, .. } = &*self.status;
                tracing::error!("`{}` is not delivered to `{name}` any more: {error}", view.name);
                self.status.fails(error.to_string());
            }
        }
    }

    fn follow(&mut self) -> Result<(), DriverError> {
        // Subscribed before the snapshot is read, so that no later change is missed.
        let mut moved = self.reader.moved(self.subscription.view);
        let mut kind = DeltaKind::Snapshot;
        while self.reader.frontier().commit.is_none() {
            if self.is_stopping() {
                return self.close();
            }
            self.wait(&mut moved, Instant::now())?;
        }
        let mut earlier = None;
        if let Some(sources) = self.subscription.replace_earlier {
            earlier = self.wait_for_sources(sources, &mut moved)?;
            if earlier.is_none() {
                return self.close(); // stopped before: what an earlier run has written stays
            }
        }
        loop {
            self.status.begins(kind);
            let delivered = self.deliver_snapshot(kind).and_then(|at| {
                // Once: what this run writes it deletes itself.
                if let Some(whole_from) = earlier {
                    self.delete_missing(at, whole_from)?;
                    earlier = None;
                }
                Ok(at)
            });
            match delivered.and_then(|at| self.deliver_changes(at, &mut moved)) {
                Ok(true) => return self.close(),
                Ok(false) => {}
                Err(DriverError::Resync(cause)) => {
                    if let Some(told) = self.troubles.happened(std::time::Instant::now()) {
                        let SinkStatus { name, view, .. } = &*self.status;
                        tracing::warn!("`{}` to `{name}` begins again: {cause}{told}", view.name);
                    }
                    self.status.retries(cause.to_string());
                    self.pause(self.subscription.backoff.first)?;
                }
                Err(error) => return Err(error),
            }
            kind = DeltaKind::Resync;
        }
    }

    /// Delivers a snapshot in parts; returns its frontier.
    fn deliver_snapshot(&mut self, kind: DeltaKind) -> Result<Frontier, DriverError> {
        let filter = Arc::clone(&self.subscription.filter);
        let log_rows = if kind == DeltaKind::Resync { RESYNC_LOG_ROWS } else { usize::MAX };
        let reading = self.reader.snapshot(self.subscription.view, filter, log_rows);
        let snapshot = self.runtime.block_on(reading).map_err(DriverError::Closed)?;
        let at = snapshot.frontier();
        let (mut part, mut rest) = (0, Some(snapshot));
        while let Some(left) = rest.take() {
            let rows;
            (rows, rest) = left.next(PART_DELTAS);
            let deltas: Vec<Delta> = rows.into_iter().map(Delta::inserted).collect();
            self.deliver(at, kind, (part, rest.is_none()), &deltas)?;
            part += 1;
        }
        self.last = at.commit;
        Ok(at)
    }

    /// Delivers every change after `at`. Returns true when the job has ended, and false when changes that are due
    /// are no longer retained.
    fn deliver_changes(
        &mut self,
        mut at: Frontier,
        moved: &mut watch::Receiver<u64>,
    ) -> Result<bool, DriverError> {
        let mut due = Instant::now() + self.subscription.every;
        let mut check_at = Instant::now() + CHECK_EVERY;
        loop {
            let stopping = self.is_stopping(); // read first: then the frontier below is the last one
            let now = self.reader.frontier();
            if now.commit > at.commit {
                let filter = Arc::clone(&self.subscription.filter);
                let changes = self.reader.changes(self.subscription.view, filter, at.commit, now);
                let changes = match self.runtime.block_on(changes) {
                    Ok(changes) => changes,
                    Err(ReadError::Gone { .. } | ReadError::Compacted { .. }) => return Ok(false),
                    Err(closed) => return Err(DriverError::Closed(closed)),
                };
                due = Instant::now() + self.subscription.every;
                let deltas = Delta::of(self.subscription.view, changes.changes);
                let parts = deltas.chunks(PART_DELTAS);
                let count = parts.len();
                for (part, deltas) in parts.enumerate() {
                    self.deliver(now, DeltaKind::Changes, (part, part + 1 == count), deltas)?;
                }
                if count > 0 {
                    self.last = now.commit;
                    check_at = Instant::now() + CHECK_EVERY;
                }
                self.status.through(now.commit);
                at = now;
            }
            if stopping {
                return Ok(true);
            }
            if check_at <= Instant::now() {
                self.check()?;
                check_at = Instant::now() + CHECK_EVERY;
            }
            self.wait(moved, due)?;
        }
    }

    /// Waits until all sources have caught up; gives the time from which on nothing is missing then. None if the job is
    /// stopped before.
    fn wait_for_sources(
        &mut self,
        sources: &'static View,
        moved: &mut watch::Receiver<u64>,
    ) -> Result<Option<EventTime>, DriverError> {
        loop {
            let reading = whole_from(&*self.reader, sources);
            let whole_from = self.runtime.block_on(reading).map_err(DriverError::Closed)?;
            if whole_from.is_some() || self.is_stopping() {
                return Ok(whole_from);
            }
            self.wait(moved, Instant::now())?;
        }
    }

    /// Deletes the rows of earlier runs that the view, which was delivered up to `at`, does not have.
    fn delete_missing(&mut self, at: Frontier, whole_from: EventTime) -> Result<(), DriverError> {
        let (view, filter) = (self.subscription.view, Arc::clone(&self.subscription.filter));
        let reading = self.reader.snapshot(view, filter, usize::MAX);
        let snapshot = self.runtime.block_on(reading).map_err(DriverError::Closed)?;
        let commit = at.commit.unwrap_or_default(); // nothing is delivered before the first commit
        let complete = CompleteView { view, commit, at: at.at, whole_from, snapshot };
        let mut count = 0;
        self.retry(|handler| handler.delete_missing(&complete).map(|rows| count = rows))?;
        let name = &self.status.name;
        tracing::info!("`{}` to `{name}`: {count} rows of earlier runs deleted", view.name);
        Ok(())
    }

    /// Asks whether what was delivered is still there: a server may have lost it while nothing changes.
    fn check(&mut self) -> Result<(), DriverError> {
        let Some(commit) = self.last else { return Ok(()) };
        let view = self.subscription.view;
        self.retry(|handler| handler.check(view, commit))?;
        self.status.checked();
        Ok(())
    }

    /// Delivers a part of a batch, with as many retries as it takes.
    fn deliver(
        &mut self,
        at: Frontier,
        kind: DeltaKind,
        (part, last): (usize, bool),
        deltas: &[Delta],
    ) -> Result<(), DriverError> {
        let commit = at.commit.unwrap_or_default(); // nothing is delivered before the first commit
        let (view, after) = (self.subscription.view, self.last);
        let batch = DeltaBatch { view, kind, after, commit, at: at.at, part, last, deltas };
        failpoint(SINK_BEFORE);
        self.retry(|handler| handler.deliver(&batch))?;
        failpoint(SINK_AFTER);
        self.status.delivered(&batch);
        Ok(())
    }

    fn close(&mut self) -> Result<(), DriverError> {
        self.retry(|handler| handler.close())
    }

    /// Calls the handler until it succeeds, gives up or asks for a resync.
    fn retry(
        &mut self,
        mut call: impl FnMut(&mut dyn DeltaHandler) -> Result<(), DeliverError>,
    ) -> Result<(), DriverError> {
        let Backoff { first: mut pause, most } = self.subscription.backoff;
        loop {
            self.status.at_work(Some(std::time::Instant::now()));
            let outcome = call(&mut *self.handler);
            self.status.at_work(None);
            self.note_outcomes();
            let (cause, wait) = match outcome {
                Ok(()) => {
                    self.tell_end_of_trouble();
                    return Ok(());
                }
                Err(DeliverError::Resync(cause)) => return Err(DriverError::Resync(cause)),
                Err(DeliverError::GiveUp(cause)) => return Err(DriverError::GivenUp(cause)),
                Err(DeliverError::Retry(cause)) => (cause, pause),
                Err(DeliverError::RetryAfter(cause, asked)) => (cause, asked.max(pause)),
            };
            if let Some(told) = self.troubles.happened(std::time::Instant::now()) {
                let SinkStatus { name, view, .. } = &*self.status;
                tracing::warn!(
                    "`{}` to `{name}`, tried again in {wait:?}: {cause}{told}",
                    view.name
                );
            }
            self.status.retries(cause.to_string());
            self.pause(wait)?;
            pause = (pause * 2).min(most);
        }
    }

    /// Counts what became of changes, and has those that will never be delivered become dead letters.
    fn note_outcomes(&mut self) {
        let outcomes = self.handler.take_outcomes();
        self.status.counts(&outcomes);
        let SinkStatus { name, view, .. } = &*self.status;
        for RejectedRecord { commit, rejection } in outcomes.rejected {
            let (sink, view, commit) = (name.clone(), view.name, commit.0);
            let change = UndeliveredChange { sink, view, commit, rejection };
            if let Err(UndeliveredChange { rejection, .. }) = self.undelivered.push(change) {
                // No commit takes it any more, or none for long: then it is told here or nowhere.
                tracing::error!(
                    "`{view}` to `{name}`: a change of commit {commit} is not delivered: {}: {}",
                    rejection.detail,
                    rejection.raw
                );
            }
        }
    }

    /// Says that it goes well again, if it was said that it did not.
    fn tell_end_of_trouble(&mut self) {
        if let Some(over) = self.troubles.over(std::time::Instant::now()) {
            let SinkStatus { name, view, .. } = &*self.status;
            tracing::info!("`{}` to `{name}` goes on {over}", view.name);
        }
    }

    fn is_stopping(&self) -> bool {
        self.stop.borrow().is_some()
    }

    /// Waits before a retry. A stop of the job ends the pause, so that one more attempt is made at once.
    fn pause(&mut self, pause: Duration) -> Result<(), DriverError> {
        let time_is_up = || DriverError::TimeIsUp(self.status.progress().last_error);
        let until = Instant::now() + pause;
        let stop = &mut self.stop;
        let deadline = *stop.borrow_and_update();
        let in_time = self.runtime.clone().block_on(async move {
            match deadline {
                None => tokio::select! {
                    () = sleep_until(until) => true,
                    stopped = stop.changed() => stopped.is_ok(),
                },
                Some(deadline) => {
                    sleep_until(until.min(deadline)).await;
                    Instant::now() < deadline
                }
            }
        });
        if in_time { Ok(()) } else { Err(time_is_up()) }
    }

    /// Waits until `due`, and then until the view may have changed. A stop of the job ends both waits.
    fn wait(&mut self, moved: &mut watch::Receiver<u64>, due: Instant) -> Result<(), DriverError> {
        let stop = &mut self.stop;
        let goes_on = self.runtime.clone().block_on(async move {
            let change = async {
                sleep_until(due).await;
                tokio::select! {
                    change = moved.changed() => change.is_ok(),
                    () = sleep(HEARTBEAT) => true,
                }
            };
            tokio::select! {
                goes_on = change => goes_on,
                stopped = stop.wait_for(Option::is_some) => stopped.is_ok(),
            }
        });
        if goes_on { Ok(()) } else { Err(DriverError::Closed(ReadError::Closed)) }
    }
}
