//! The progress and state of deliveries.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use connectors::SinkOutcomes;
use market::{Commit, printable};

use super::handler::{DeltaBatch, DeltaKind};
use crate::views::SinkRow;
use rows::{Cell, Row, View};

/// The status of one delivery of a view to a handler. Its driver writes it; every thread may read it.
#[derive(Debug)]
pub struct SinkStatus {
    /// The handler's name.
    pub name: String,
    /// The handler's kind.
    pub kind: String,
    /// The view.
    pub view: &'static View,
    progress: Mutex<SinkProgress>,
    /// Since when the handler has been at work on what it was given last.
    at_work: Mutex<Option<Instant>>,
}

/// The most characters of an error that is shown.
const ERROR_CHARS: usize = 2_000;
/// A handler that is at work for longer waits for its server, it seems.
const WAITING_AFTER: Duration = Duration::from_secs(3);

/// The counters and state of a delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkProgress {
    /// The driver's state.
    pub state: SinkState,
    /// The commit up to which everything has been delivered; none before the first.
    pub commit: Option<Commit>,
    /// Complete batches that were delivered.
    pub batches: u64,
    /// Changes that were delivered.
    pub rows: u64,
    /// Failed attempts.
    pub retries: u64,
    /// Snapshots that were sent because changes were no longer available.
    pub resyncs: u64,
    /// Messages sent, by sinks that notify.
    pub messages: u64,
    /// Changes that will never be delivered; they are dead letters.
    pub rejected: u64,
    /// Changes that were not told: too old, or they take back what nobody was told.
    pub skipped: u64,
    /// Changes beyond the bound of messages per minute.
    pub held_back: u64,
    /// The cause of the last failed attempt. It stays after a success.
    pub last_error: Option<String>,
}

/// The state of a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SinkState {
    /// The driver delivers or waits for changes.
    #[default]
    Running,
    /// The handler has neither taken nor refused the current batch for some seconds.
    Waiting,
    /// The handler has failed to take the current batch; the driver retries it.
    Retrying,
    /// The handler has given up, or the shutdown's deadline passed before everything was delivered.
    Failed,
    /// Everything was delivered and the job has ended.
    Ended,
}

impl SinkState {
    /// The state's name in rows.
    pub fn name(self) -> &'static str {
        match self {
            SinkState::Running => "running",
            SinkState::Waiting => "waiting",
            SinkState::Retrying => "retrying",
            SinkState::Failed => "failed",
            SinkState::Ended => "ended",
        }
    }
}

impl SinkStatus {
    /// The status of a delivery that has not begun.
    pub fn new(name: &str, kind: &str, view: &'static View) -> Arc<SinkStatus> {
        let (name, kind) = (name.to_owned(), kind.to_owned());
        let (progress, at_work) = (Mutex::default(), Mutex::default());
        Arc::new(SinkStatus { name, kind, view, progress, at_work })
    }

    /// A copy of the present counters and state.
    pub fn progress(&self) -> SinkProgress {
        let mut progress = self.lock().clone();
        let at_work = *self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        if progress.state == SinkState::Running
            && at_work.is_some_and(|since| since.elapsed() > WAITING_AFTER)
        {
            progress.state = SinkState::Waiting;
        }
        progress
    }

    /// Records that the handler begins to work on something, or has come back.
    pub(super) fn at_work(&self, since: Option<Instant>) {
        *self.at_work.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// Counts a delivered batch, or a part of one.
    pub(super) fn delivered(&self, batch: &DeltaBatch<'_>) {
        let mut progress = self.lock();
        progress.state = SinkState::Running;
        progress.rows += batch.deltas.len() as u64;
        if batch.last {
            progress.batches += 1;
            progress.commit = Some(batch.commit);
        }
    }

    /// Records that everything up to a commit is delivered.
    pub(super) fn through(&self, commit: Option<Commit>) {
        self.lock().commit = commit;
    }

    /// Records that the handler still has what it was given.
    pub(super) fn checked(&self) {
        let mut progress = self.lock();
        if progress.state == SinkState::Retrying {
            progress.state = SinkState::Running;
        }
    }

    /// Counts what became of changes.
    pub(super) fn counts(&self, outcomes: &SinkOutcomes) {
        let mut progress = self.lock();
        progress.messages += outcomes.messages;
        progress.rejected += outcomes.rejected.len() as u64;
        progress.skipped += outcomes.skipped;
        progress.held_back += outcomes.held_back;
    }

    pub(super) fn begins(&self, kind: DeltaKind) {
        self.lock().resyncs += u64::from(kind == DeltaKind::Resync);
    }

    pub(super) fn retries(&self, error: String) {
        let mut progress = self.lock();
        progress.state = SinkState::Retrying;
        progress.retries += 1;
        progress.last_error = Some(printable(&error, ERROR_CHARS));
    }

    pub(super) fn fails(&self, error: String) {
        let mut progress = self.lock();
        progress.state = SinkState::Failed;
        progress.last_error = Some(printable(&error, ERROR_CHARS));
    }

    pub(super) fn ends(&self) {
        self.lock().state = SinkState::Ended;
    }

    fn lock(&self) -> MutexGuard<'_, SinkProgress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The statuses of all deliveries of a job, for the view `sinks`.
#[derive(Clone, Debug, Default)]
pub struct SinkStatuses(pub Arc<[Arc<SinkStatus>]>);

impl SinkStatuses {
    /// One row per delivery, keyed by the names of sink and view.
    pub fn rows(&self) -> Vec<(String, Vec<Cell>)> {
        let rows = self.0.iter().map(|status| {
            let progress = status.progress();
            let row = SinkRow {
                name: &status.name,
                view: status.view.name,
                kind: &status.kind,
                state: progress.state.name(),
                commit: progress.commit,
                batches: progress.batches,
                rows: progress.rows,
                retries: progress.retries,
                resyncs: progress.resyncs,
                messages: progress.messages,
                rejected: progress.rejected,
                skipped: progress.skipped,
                held_back: progress.held_back,
                last_error: progress.last_error.as_deref(),
            };
            let mut cells = Vec::with_capacity(SinkRow::COLUMNS.len());
            row.cells(&mut cells);
            (format!("{}\n{}", status.name, status.view.name), cells)
        });
        rows.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::SINKS;

    #[test]
    fn a_handler_that_does_not_come_back_waits() {
        let status = SinkStatus::new("out", "file", &SINKS);
        let state = || status.progress().state;
        let ago = |secs| Instant::now().checked_sub(Duration::from_secs(secs));
        status.at_work(ago(2));
        assert_eq!(state(), SinkState::Running);
        status.at_work(ago(4));
        assert_eq!(state(), SinkState::Waiting);
        status.retries("no answer".to_owned());
        assert_eq!(state(), SinkState::Retrying, "it is known why");
        status.checked();
        assert_eq!(state(), SinkState::Waiting);
        status.at_work(None);
        assert_eq!(state(), SinkState::Running);
    }
}
