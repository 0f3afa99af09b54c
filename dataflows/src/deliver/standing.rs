//! How far deliveries are, and how they go.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use market::Commit;

use super::handler::{Batch, Kind};
use crate::views::{Cell, Row, SinkRow, View};

/// How the delivery of one view to one handler goes; written by its thread, read by anybody.
#[derive(Debug)]
pub struct Standing {
    /// What the handler is called.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// The view.
    pub view: &'static View,
    told: Mutex<Told>,
}

/// What there is to tell of a delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// What it does.
    pub state: State,
    /// The commit up to which everything has been delivered; none before the first.
    pub commit: Option<Commit>,
    /// Batches that were delivered whole.
    pub batches: u64,
    /// Changes that were delivered.
    pub rows: u64,
    /// Tries that did not go well.
    pub retries: u64,
    /// How often changes were no longer kept, so that it got a snapshot anew.
    pub resyncs: u64,
    /// Why the last try that did not go well did not; stays when it goes well again.
    pub last_error: Option<String>,
}

/// What a delivery does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It delivers, or there is nothing to deliver.
    #[default]
    Running,
    /// Its handler cannot take the batch at hand now.
    Retrying,
    /// Its handler has given up, or time was up before everything was delivered.
    Failed,
    /// Everything has been delivered, and nothing will follow.
    Ended,
}

impl State {
    /// Its name in rows.
    pub fn name(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Retrying => "retrying",
            State::Failed => "failed",
            State::Ended => "ended",
        }
    }
}

impl Standing {
    /// Of a delivery that has not begun.
    pub fn new(name: &str, kind: &str, view: &'static View) -> Arc<Standing> {
        let (name, kind) = (name.to_owned(), kind.to_owned());
        Arc::new(Standing { name, kind, view, told: Mutex::default() })
    }

    /// How it is now.
    pub fn told(&self) -> Told {
        self.lock().clone()
    }

    /// A batch, or a part of it, has been delivered.
    pub(super) fn delivered(&self, batch: &Batch<'_>) {
        let mut told = self.lock();
        told.state = State::Running;
        told.rows += batch.deltas.len() as u64;
        if batch.last {
            told.batches += 1;
            told.commit = Some(batch.commit);
        }
    }

    /// Nothing has changed up to a commit.
    pub(super) fn through(&self, commit: Option<Commit>) {
        self.lock().commit = commit;
    }

    pub(super) fn begins(&self, kind: Kind) {
        self.lock().resyncs += u64::from(kind == Kind::Resync);
    }

    pub(super) fn retries(&self, error: String) {
        let mut told = self.lock();
        told.state = State::Retrying;
        told.retries += 1;
        told.last_error = Some(error);
    }

    pub(super) fn fails(&self, error: String) {
        let mut told = self.lock();
        told.state = State::Failed;
        told.last_error = Some(error);
    }

    pub(super) fn ends(&self) {
        self.lock().state = State::Ended;
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All deliveries of a job, for the view `sinks`.
#[derive(Clone, Debug, Default)]
pub struct Standings(pub Arc<[Arc<Standing>]>);

impl Standings {
    /// A row for each delivery, by the names of sink and view.
    pub fn rows(&self) -> Vec<(String, Vec<Cell>)> {
        let rows = self.0.iter().map(|standing| {
            let told = standing.told();
            let row = SinkRow {
                name: &standing.name,
                view: standing.view.name,
                kind: &standing.kind,
                state: told.state.name(),
                commit: told.commit,
                batches: told.batches,
                rows: told.rows,
                retries: told.retries,
                resyncs: told.resyncs,
                last_error: told.last_error.as_deref(),
            };
            let mut cells = Vec::with_capacity(SinkRow::COLUMNS.len());
            row.cells(&mut cells);
            (format!("{}\n{}", standing.name, standing.view.name), cells)
        });
        rows.collect()
    }
}
