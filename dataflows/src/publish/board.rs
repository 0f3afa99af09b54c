//! The board: what workers have published, and how far they are. Readers and the ingest thread look here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use market::{Commit, EventTime};
use operators::Gauge;

use super::digest::Digest;
use super::history::History;
use super::keyed::{KEYED, KeyedView, Shelf};
use super::logs::Logs;
use super::ring::Ring;
use super::table::Table;
use super::tape::Tape;
use crate::views::{AsOf, Frontier, Labels, ReadError, VIEWS, View};

/// Shared by all workers, readers and the ingest thread of a job.
pub struct Board {
    slots: Mutex<Slots>,
    moved: Condvar,
    failed: AtomicBool,
    /// The logs.
    pub logs: Logs,
    /// What was accepted about trades.
    pub tape: Tape,
    /// The latest changes of keyed views, in the order of [`KEYED`].
    pub rings: Vec<Ring>,
    /// Rows that do not come from workers.
    pub tables: Tables,
    /// What views were.
    pub history: History,
    /// Whether digests over changes are wanted; they cost more than most rows do.
    pub digests: bool,
    /// What numbers in rows stand for.
    pub labels: Labels,
    /// Per keyed view, its current rows over all workers.
    rows: BTreeMap<&'static str, AtomicI64>,
    /// Per worker and operator, what it holds.
    pub gauges: BTreeMap<(usize, &'static str), Arc<Gauge>>,
    /// Per view, the digest over its changes.
    changes: Mutex<BTreeMap<&'static str, Digest>>,
}

/// The views that the thread that hands commits over tells.
pub struct Tables {
    /// How each source is.
    pub providers: Table,
    /// How the process is.
    pub health: Table,
    /// How deliveries go.
    pub sinks: Table,
}

struct Slots {
    workers: Vec<Slot>,
    /// Commits that are on their way, their system times, and when their oldest rows came.
    announced: VecDeque<(Commit, EventTime, Option<Instant>)>,
    complete: Option<(Commit, EventTime)>,
}

/// What one worker has published: its arrangement, complete before `upper`, readable from `since` on.
#[derive(Clone)]
struct Slot {
    upper: u64,
    since: u64,
    published: Published,
}

/// What a worker has published of each keyed view, in the order of [`KEYED`].
#[derive(Clone, Default)]
pub struct Published {
    /// As it is.
    pub now: Vec<Shelf>,
    /// As it was, of those that have a history.
    pub before: Vec<Option<Shelf>>,
}

/// What a board is made of.
pub struct BoardConfig {
    /// How many workers publish on it.
    pub workers: usize,
    /// The operators that tell what they hold.
    pub operators: &'static [&'static str],
    /// What numbers in rows stand for.
    pub labels: Labels,
    /// Bytes of each log.
    pub log_bytes_max: usize,
    /// Bytes of the tape of trades; with 0 there is none.
    pub tape_bytes_max: usize,
    /// Bytes of the latest changes of each keyed view.
    pub ring_bytes_max: usize,
    /// Bytes of what views were, over all views; with 0 nothing is kept of it.
    pub history_bytes_max: usize,
    /// See [`Board::digests`].
    pub digests: bool,
}

/// A consistent cut: the batches of the asked workers and the frontier at which to read them.
pub struct Cut {
    /// Where to read.
    pub frontier: Frontier,
    /// What to read, worker by worker.
    pub shelves: Vec<Shelf>,
}

/// What a worker learns when it has published.
#[derive(Debug)]
pub struct Completed {
    /// The commit that every later read may still ask for: compaction must not pass it.
    pub readable_from: u64,
    /// Of the commits that are complete since then on all workers, how long ago their oldest rows came.
    pub took: Vec<Duration>,
}

/// Workers are gone without having finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a worker has failed; see the log above")]
pub struct WorkerFailed;

impl Board {
    /// An empty board.
    pub fn new(making: BoardConfig) -> Board {
        let BoardConfig { workers, operators, labels, digests, .. } = making;
        let slot = Slot { upper: 0, since: 0, published: Published::default() };
        let slots =
            Slots { workers: vec![slot; workers], announced: VecDeque::new(), complete: None };
        let gauges = (0..workers)
            .flat_map(|worker| operators.iter().map(move |operator| (worker, *operator)))
            .map(|place| (place, Arc::default()))
            .collect();
        Board {
            slots: Mutex::new(slots),
            moved: Condvar::new(),
            failed: AtomicBool::new(false),
            logs: Logs::new(making.log_bytes_max),
            tape: Tape::new(making.tape_bytes_max),
            rings: KEYED.iter().map(|_| Ring::new(making.ring_bytes_max)).collect(),
            tables: Tables {
                providers: Table::new("providers", making.ring_bytes_max),
                health: Table::new("health", making.ring_bytes_max),
                sinks: Table::new("sinks", making.ring_bytes_max),
            },
            history: History::new(making.history_bytes_max),
            digests,
            labels,
            rows: VIEWS.iter().map(|view| (view.name, AtomicI64::new(0))).collect(),
            gauges,
            changes: Mutex::default(),
        }
    }

    /// Announces a commit before it is handed to workers; `oldest` is when its oldest row came.
    pub fn announce(&self, commit: Commit, at: EventTime, round: bool, oldest: Option<Instant>) {
        self.history.announce(commit, at, round);
        self.lock().announced.push_back((commit, at, oldest));
    }

    /// Takes what a worker has published: complete before `upper` (the largest number when it is done).
    pub fn publish(
        &self,
        worker: usize,
        upper: u64,
        since: u64,
        published: Published,
    ) -> Completed {
        let mut slots = self.lock();
        slots.workers[worker] = Slot { upper, since, published };
        let least = slots.least();
        let mut took = Vec::new();
        while slots.announced.front().is_some_and(|(commit, ..)| commit.0 < least) {
            let Some((commit, at, oldest)) = slots.announced.pop_front() else { break };
            slots.complete = Some((commit, at));
            self.history.complete(commit, at);
            took.extend(oldest.map(|oldest| oldest.elapsed()));
        }
        self.moved.notify_all();
        drop(slots);
        self.rings.iter().for_each(|ring| ring.tell(least));
        self.logs.tell(least);
        self.tape.tell(least);
        self.tables.all().for_each(|table| table.complete(least));
        Completed { readable_from: least.saturating_sub(1), took }
    }

    /// Every commit before this number is complete on all workers.
    pub fn complete_before(&self) -> u64 {
        self.lock().least()
    }

    /// Waits, at most `patience`, until the number of complete commits changes from `known`.
    pub fn wait_for_progress(&self, known: u64, patience: Duration) -> Result<u64, WorkerFailed> {
        let slots = self.lock();
        let (slots, _) = self
            .moved
            .wait_timeout_while(slots, patience, |slots| {
                slots.least() == known && !self.has_failed()
            })
            .unwrap_or_else(PoisonError::into_inner);
        if self.has_failed() { Err(WorkerFailed) } else { Ok(slots.least()) }
    }

    /// Tells everybody that a worker is gone.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::SeqCst);
        let _slots = self.lock(); // so that no waiter is between its check and its wait
        self.moved.notify_all();
    }

    /// Whether a worker has failed.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// Up to when everything is complete.
    pub fn frontier(&self) -> Frontier {
        self.lock().frontier()
    }

    /// Counts rows that came (or went) of a keyed view.
    pub fn count(&self, view: &'static str, rows: i64) {
        if let Some(count) = self.rows.get(view) {
            count.fetch_add(rows, Ordering::Relaxed);
        }
    }

    /// How many rows a keyed view has now.
    pub fn rows(&self, view: &str) -> u64 {
        let rows = self.rows.get(view).map_or(0, |rows| rows.load(Ordering::Relaxed));
        u64::try_from(rows).unwrap_or(0)
    }

    /// A cut through the rows that some workers have of a view.
    pub fn cut(&self, view: &KeyedView, asked: impl Fn(usize) -> bool) -> Cut {
        let place = KEYED.iter().position(|keyed| keyed.name == view.name);
        let slots = self.lock();
        let frontier = slots.frontier();
        debug_assert!(
            slots.workers.iter().all(|slot| frontier.commit.is_none_or(|c| slot.since <= c.0)),
            "compaction has passed the common frontier"
        );
        let workers = slots.workers.iter().enumerate().filter(|(worker, _)| asked(*worker));
        let own = workers.filter_map(|(_, slot)| slot.published.now.get(place?));
        Cut { frontier, shelves: own.cloned().collect() }
    }

    /// The same as of a commit that is kept.
    pub fn cut_as_of(
        &self,
        view: &KeyedView,
        asked: impl Fn(usize) -> bool,
        as_of: AsOf,
    ) -> Result<Cut, ReadError> {
        let place = KEYED.iter().position(|keyed| keyed.name == view.name);
        let slots = self.lock(); // so that no worker forgets in between
        let found = self.history.find(as_of);
        let frontier = found.map_err(|oldest| ReadError::Forgotten { oldest })?;
        let workers = slots.workers.iter().enumerate().filter(|(worker, _)| asked(*worker));
        let own = workers.filter_map(|(_, slot)| slot.published.before.get(place?)?.as_ref());
        Ok(Cut { frontier, shelves: own.cloned().collect() })
    }

    /// The latest changes of a keyed view.
    pub fn ring(&self, view: &KeyedView) -> Option<&Ring> {
        let place = KEYED.iter().position(|keyed| keyed.name == view.name)?;
        self.rings.get(place)
    }

    /// The table behind a view, if that is what it is.
    pub fn table(&self, view: &View) -> Option<&Table> {
        self.tables.all().find(|table| table.view == view.name)
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.lock().workers.len()
    }

    /// About how many bytes all operators retain.
    pub fn retained_bytes(&self) -> usize {
        self.gauges.values().map(|gauge| gauge.bytes()).sum()
    }

    /// About how many bytes the operators of each worker retain.
    pub fn retained_by_worker(&self) -> Vec<usize> {
        let mut bytes =
            vec![0; self.gauges.keys().map(|(worker, _)| worker + 1).max().unwrap_or(0)];
        for ((worker, _), gauge) in &self.gauges {
            bytes[*worker] += gauge.bytes();
        }
        bytes
    }

    /// Adds to the digest over the changes of a view.
    pub fn add_changes(&self, view: &'static str, digest: Digest) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.entry(view).or_default().merge(digest);
    }

    /// The digest over the changes of a view so far.
    pub fn changes(&self, view: &'static str) -> Digest {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.get(view).copied().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn all(&self) -> impl Iterator<Item = &Table> {
        [&self.providers, &self.health, &self.sinks].into_iter()
    }
}

impl Slots {
    fn least(&self) -> u64 {
        self.workers.iter().map(|slot| slot.upper).min().unwrap_or(0)
    }

    fn frontier(&self) -> Frontier {
        match self.complete {
            Some((commit, at)) => Frontier { commit: Some(commit), at },
            None => Frontier { commit: None, at: EventTime::NEVER },
        }
    }
}
