//! One handler's way through one view.

use std::sync::Arc;
use std::time::Duration;

use market::Commit;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::handler::{Batch, DeliverError, Delta, DeltaHandler, Kind, PART_DELTAS};
use super::standing::Standing;
use crate::views::{Frontier, ReadError, View, ViewReader, Wanted};

/// What is delivered, and how often.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The view.
    pub view: &'static View,
    /// Which of its rows.
    pub wanted: Arc<Wanted>,
    /// At least this long between two batches.
    pub every: Duration,
    /// How long to wait before a batch is tried again.
    pub backoff: Backoff,
}

/// Pauses before the second, third, … try of a batch: each twice as long as the one before, up to a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first.
    pub first: Duration,
    /// The longest.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { first: Duration::from_millis(100), most: Duration::from_secs(30) }
    }
}

/// Of a log, who was too far behind gets at most so many rows: the latest. The first snapshot has all that are
/// kept, which are few when a run begins.
const RESYNC_LOG_ROWS: usize = 100_000;
/// After this time without a change, it is looked how far the view is.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Delivers a view to a handler.
pub struct Deliverer {
    pub(super) reader: Arc<dyn ViewReader>,
    /// Where waiting happens; the handler runs outside of it.
    pub(super) runtime: Handle,
    pub(super) wish: Wish,
    pub(super) handler: Box<dyn DeltaHandler>,
    pub(super) standing: Arc<Standing>,
    /// None while the job runs; then until when everything must be delivered. The caller guarantees that no
    /// commit becomes complete after that was told.
    pub(super) stop: watch::Receiver<Option<Instant>>,
    /// The commit of the last batch.
    pub(super) last: Option<Commit>,
}

/// Why a delivery ends before its time.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cut {
    #[error("{0}")]
    Afresh(Box<dyn std::error::Error + Send + Sync>),
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

impl Deliverer {
    /// Delivers until the job has ended and its handler has everything.
    pub(super) fn run(mut self) {
        match self.follow() {
            Ok(()) => self.standing.ends(),
            Err(cut) => {
                let Standing { name, view, .. } = &*self.standing;
                tracing::error!("`{}` is not delivered to `{name}` any more: {cut}", view.name);
                self.standing.fails(cut.to_string());
            }
        }
    }

    fn follow(&mut self) -> Result<(), Cut> {
        // Before the snapshot, so that no change after it goes unnoticed.
        let mut moved = self.reader.moved(self.wish.view);
        let mut kind = Kind::Snapshot;
        while self.reader.frontier().commit.is_none() {
            if self.is_stopping() {
                return self.close();
            }
            self.wait(&mut moved, Instant::now())?;
        }
        loop {
            self.standing.begins(kind);
            let delivered = self.deliver_snapshot(kind);
            match delivered.and_then(|at| self.deliver_changes(at, &mut moved)) {
                Ok(true) => return self.close(),
                Ok(false) => {}
                Err(Cut::Afresh(cause)) => {
                    let Standing { name, view, .. } = &*self.standing;
                    tracing::warn!("`{}` to `{name}` begins again: {cause}", view.name);
                    self.standing.retries(cause.to_string());
                    self.rest(self.wish.backoff.first)?;
                }
                Err(cut) => return Err(cut),
            }
            kind = Kind::Resync;
        }
    }

    /// Delivers all rows part by part, and gives the frontier that they are of.
    fn deliver_snapshot(&mut self, kind: Kind) -> Result<Frontier, Cut> {
        let wanted = Arc::clone(&self.wish.wanted);
        let log_rows = if kind == Kind::Resync { RESYNC_LOG_ROWS } else { usize::MAX };
        let reading = self.reader.snapshot(self.wish.view, wanted, log_rows);
        let snapshot = self.runtime.block_on(reading).map_err(Cut::Closed)?;
        let at = snapshot.frontier();
        let (mut part, mut rest) = (0, Some(snapshot));
        while let Some(left) = rest.take() {
            let rows;
            (rows, rest) = left.next(PART_DELTAS);
            let deltas: Vec<Delta> = rows.into_iter().map(Delta::came).collect();
            self.deliver(at, kind, (part, rest.is_none()), &deltas)?;
            part += 1;
        }
        self.last = at.commit;
        Ok(at)
    }

    /// Delivers every change after `at`: true if that is all there will be, false if some are no longer kept.
    fn deliver_changes(
        &mut self,
        mut at: Frontier,
        moved: &mut watch::Receiver<u64>,
    ) -> Result<bool, Cut> {
        let mut due = Instant::now() + self.wish.every;
        loop {
            let stopping = self.is_stopping(); // before the frontier is read, which then is the last one
            let now = self.reader.frontier();
            if now.commit > at.commit {
                let wanted = Arc::clone(&self.wish.wanted);
                let changes = self.reader.changes(self.wish.view, wanted, at.commit, now);
                let changes = match self.runtime.block_on(changes) {
                    Ok(changes) => changes,
                    Err(ReadError::Gone { .. } | ReadError::Forgotten { .. }) => return Ok(false),
                    Err(closed) => return Err(Cut::Closed(closed)),
                };
                due = Instant::now() + self.wish.every;
                let deltas = Delta::of(self.wish.view, changes.changes);
                let parts = deltas.chunks(PART_DELTAS);
                let count = parts.len();
                for (part, deltas) in parts.enumerate() {
                    self.deliver(now, Kind::Changes, (part, part + 1 == count), deltas)?;
                }
                if count > 0 {
                    self.last = now.commit;
                }
                self.standing.through(now.commit);
                at = now;
            }
            if stopping {
                return Ok(true);
            }
            self.wait(moved, due)?;
        }
    }

    /// Delivers a part of a batch, however many tries it takes.
    fn deliver(
        &mut self,
        at: Frontier,
        kind: Kind,
        (part, last): (usize, bool),
        deltas: &[Delta],
    ) -> Result<(), Cut> {
        let commit = at.commit.unwrap_or_default(); // nothing is delivered before the first
        let (view, after) = (self.wish.view, self.last);
        let batch = Batch { view, kind, after, commit, at: at.at, part, last, deltas };
        self.insist(|handler| handler.deliver(&batch))?;
        self.standing.delivered(&batch);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Cut> {
        self.insist(|handler| handler.close())
    }

    fn insist(
        &mut self,
        mut what: impl FnMut(&mut dyn DeltaHandler) -> Result<(), DeliverError>,
    ) -> Result<(), Cut> {
        let Backoff { first: mut pause, most } = self.wish.backoff;
        loop {
            match what(&mut *self.handler) {
                Ok(()) => return Ok(()),
                Err(DeliverError::Afresh(cause)) => return Err(Cut::Afresh(cause)),
                Err(DeliverError::GiveUp(cause)) => return Err(Cut::GivenUp(cause)),
                Err(DeliverError::Retry(cause)) => {
                    let Standing { name, view, .. } = &*self.standing;
                    tracing::warn!("`{}` to `{name}`, again in {pause:?}: {cause}", view.name);
                    self.standing.retries(cause.to_string());
                }
            }
            self.rest(pause)?;
            pause = (pause * 2).min(most);
        }
    }

    fn is_stopping(&self) -> bool {
        self.stop.borrow().is_some()
    }

    /// Waits before another try. A stop is a good moment for one.
    fn rest(&mut self, pause: Duration) -> Result<(), Cut> {
        let time_is_up = || Cut::TimeIsUp(self.standing.told().last_error);
        let until = Instant::now() + pause;
        let stop = &mut self.stop;
        let deadline = *stop.borrow_and_update();
        let in_time = self.runtime.clone().block_on(async move {
            match deadline {
                None => tokio::select! {
                    () = sleep_until(until) => true,
                    told = stop.changed() => told.is_ok(),
                },
                Some(deadline) => {
                    sleep_until(until.min(deadline)).await;
                    Instant::now() < deadline
                }
            }
        });
        if in_time { Ok(()) } else { Err(time_is_up()) }
    }

    /// Waits until `due` and then until the view may have changed, or the job stops.
    fn wait(&mut self, moved: &mut watch::Receiver<u64>, due: Instant) -> Result<(), Cut> {
        let stop = &mut self.stop;
        let goes_on = self.runtime.clone().block_on(async move {
            let change = async {
                sleep_until(due).await;
                tokio::select! {
                    told = moved.changed() => told.is_ok(),
                    () = sleep(HEARTBEAT) => true,
                }
            };
            tokio::select! {
                goes_on = change => goes_on,
                stopped = stop.wait_for(Option::is_some) => stopped.is_ok(),
            }
        });
        if goes_on { Ok(()) } else { Err(Cut::Closed(ReadError::Closed)) }
    }
}
