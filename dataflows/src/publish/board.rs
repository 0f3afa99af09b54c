//! The board: the published state of all workers, and their frontiers. Readers and the ingest thread use it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use market::{Commit, EventTime};
use operators::Gauge;

use super::batches::BatchList;
use super::change_log::Exempt;
use super::digest::Digest;
use super::keyed_reads::KeyedReads;
use super::logs::RetainedLog;
use super::memory_use::Measure;
use super::ring::Ring;
use super::snapshot_points::SnapshotPoints;
use super::stored_view::{Storage, StoredView};
use super::table::Table;
use super::union_log::UnionLog;
use crate::views::kinds::LogBound;
use rows::{AsOf, Frontier, Labels, ReadError, View};

/// The published state of a job, shared by all workers, readers and the ingest thread.
pub struct Board {
    slots: Mutex<Slots>,
    moved: Condvar,
    failed: AtomicBool,
    /// See [`Board::restoring`].
    restoring: AtomicBool,
    /// The keyed views whose rows come from workers, by position.
    keyed: Vec<(&'static str, KeyedReads)>,
    /// The latest changes of keyed views, by position.
    pub rings: Vec<Ring>,
    /// The logs, by view.
    pub(super) logs: BTreeMap<&'static str, Arc<dyn RetainedLog>>,
    /// The views that the commit dispatcher writes.
    pub(super) tables: Vec<Table>,
    /// The snapshot points of views with a history.
    pub history: Arc<SnapshotPoints>,
    /// Whether digests over changes are computed. They cost more than most rows.
    pub digests: bool,
    /// Names for the numbers in rows.
    pub labels: Labels,
    /// The number of current rows over all workers, by keyed view.
    rows: BTreeMap<&'static str, AtomicI64>,
    /// The operators that report their bytes.
    pub(super) operators: &'static [&'static str],
    /// The bytes that each operator of each worker retains.
    pub gauges: BTreeMap<(usize, &'static str), Arc<Gauge>>,
    /// The bytes of each worker's arrangements of current rows.
    pub(super) view_bytes: Vec<AtomicUsize>,
    /// Parts of what is retained that others hold.
    pub(super) others: Mutex<Vec<(&'static str, Measure)>>,
    /// The digest over the changes, by view.
    changes: Mutex<BTreeMap<&'static str, Digest>>,
}

/// A keyed view of a board.
#[derive(Clone, Copy)]
pub struct KeyedAt {
    /// Its position among the keyed views.
    pub position: usize,
    /// The functions that read it.
    pub reads: KeyedReads,
}

struct Slots {
    workers: Vec<Slot>,
    /// Commits that are not complete.
    announced: VecDeque<Announced>,
    complete: Option<(Commit, EventTime)>,
    /// The last complete commit that ended a round.
    round: Option<Commit>,
}

/// A commit that workers are told of.
struct Announced {
    commit: Commit,
    /// Its system time.
    at: EventTime,
    /// Whether it ends a round.
    round: bool,
    /// When its oldest row arrived.
    oldest: Option<Instant>,
}

/// The published state of one worker: complete before `upper`, readable from `since` on.
#[derive(Clone)]
struct Slot {
    upper: u64,
    since: u64,
    published: Published,
}

/// A worker's batches of each keyed view, by position.
#[derive(Clone, Default)]
pub struct Published {
    /// The current rows.
    pub now: Vec<BatchList>,
    /// The rows at snapshot points, for views with a history.
    pub before: Vec<Option<BatchList>>,
}

/// The parameters of a board.
pub struct BoardConfig {
    /// The views of the job.
    pub views: Vec<&'static StoredView>,
    /// The number of workers that publish.
    pub workers: usize,
    /// The operators that report their bytes.
    pub operators: &'static [&'static str],
    /// Names for the numbers in rows.
    pub labels: Labels,
    /// The bound of each log, in bytes.
    pub log_bytes_max: usize,
    /// The bound of the trade log, in bytes; 0 turns it off.
    pub trade_log_bytes_max: usize,
    /// The bound of logs that are off where nobody can read them, in bytes; 0 turns them off.
    pub read_log_bytes_max: usize,
    /// The bound of the latest changes of each keyed view, in bytes.
    pub ring_bytes_max: usize,
    /// The bound of the history of all views together, in bytes; 0 turns it off.
    pub history_bytes_max: usize,
    /// See [`Board::digests`].
    pub digests: bool,
}

/// A consistent cut: batches of some workers, and the frontier at which to read them.
pub struct ConsistentCut {
    /// The frontier of the cut.
    pub frontier: Frontier,
    /// The batches, by worker.
    pub batch_lists: Vec<BatchList>,
}

/// A consistent cut through several views.
pub(super) struct ViewCuts {
    pub(super) frontier: Frontier,
    /// The last commit at or before the frontier that ended a round.
    pub(super) round: Option<Commit>,
    /// The batches of each view, in the order in which they were asked for.
    pub(super) batch_lists: Vec<Vec<BatchList>>,
}

/// The result of a publication, for the worker that published.
#[derive(Debug)]
pub struct Completed {
    /// Later reads may ask for this commit, so compaction must not pass it.
    pub readable_from: u64,
    /// For each commit that has become complete on all workers: the time since its oldest row arrived.
    pub took: Vec<Duration>,
}

/// A worker has ended without having finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a worker has failed; see the log above")]
pub struct WorkerFailed;

impl Board {
    /// An empty board.
    pub fn new(config: BoardConfig) -> Board {
        let BoardConfig { views, workers, operators, labels, digests, .. } = config;
        let slot = Slot { upper: 0, since: 0, published: Published::default() };
        let slots = Slots {
            workers: vec![slot; workers],
            announced: VecDeque::new(),
            complete: None,
            round: None,
        };
        let gauges = (0..workers)
            .flat_map(|worker| operators.iter().map(move |operator| (worker, *operator)))
            .map(|position| (position, Arc::default()))
            .collect();
        let (mut keyed, mut tables, mut unions) = (Vec::new(), Vec::new(), Vec::new());
        let mut logs: BTreeMap<&'static str, Arc<dyn RetainedLog>> = BTreeMap::new();
        for StoredView { view, storage } in views.iter().copied() {
            match storage {
                Storage::Keyed(reads) => keyed.push((view.name, *reads)),
                Storage::Log(LogBound::LogBytes, empty) => {
                    logs.insert(view.name, empty(config.log_bytes_max));
                }
                Storage::Log(LogBound::TradeLogBytes, empty) => {
                    logs.insert(view.name, empty(config.trade_log_bytes_max));
                }
                Storage::Log(LogBound::ReadLogBytes, empty) => {
                    logs.insert(view.name, empty(config.read_log_bytes_max));
                }
                Storage::Union(parts) => unions.push((view, *parts)),
                Storage::Table => tables.push(Table::new(view, config.ring_bytes_max)),
            }
        }
        for (view, parts) in unions {
            let enabled = |name: &str| logs.get(name).filter(|log| log.bytes_max() > 0).cloned();
            let union = UnionLog::new(view, parts, enabled);
            logs.insert(view.name, Arc::new(union));
        }
        Board {
            slots: Mutex::new(slots),
            moved: Condvar::new(),
            failed: AtomicBool::new(false),
            restoring: AtomicBool::new(false),
            rows: keyed.iter().map(|(name, _)| (*name, AtomicI64::new(0))).collect(),
            rings: keyed
                .iter()
                .map(|_| Ring::new(config.ring_bytes_max, Exempt::Nothing))
                .collect(),
            keyed,
            logs,
            tables,
            history: Arc::new(SnapshotPoints::new(config.history_bytes_max)),
            digests,
            labels,
            operators,
            gauges,
            view_bytes: (0..workers).map(|_| AtomicUsize::new(0)).collect(),
            others: Mutex::default(),
            changes: Mutex::default(),
        }
    }

    /// Announces a commit before it is dispatched to workers. `oldest` is the arrival time of its oldest row.
    pub fn announce(&self, commit: Commit, at: EventTime, round: bool, oldest: Option<Instant>) {
        self.history.announce(commit, at, round);
        self.lock().announced.push_back(Announced { commit, at, round, oldest });
    }

    /// Replaces the published state of a worker. It is complete before `upper`, which is `u64::MAX` at the end.
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
        while slots.announced.front().is_some_and(|announced| announced.commit.0 < least) {
            let Some(Announced { commit, at, round, oldest }) = slots.announced.pop_front() else {
                break;
            };
            slots.complete = Some((commit, at));
            if round {
                slots.round = Some(commit);
            }
            self.history.complete(commit, at);
            took.extend(oldest.map(|oldest| oldest.elapsed()));
        }
        self.moved.notify_all();
        drop(slots);
        self.rings.iter().for_each(|ring| ring.complete(least));
        // Unions look at what their parts have said.
        for is_union in [false, true] {
            let logs = self.logs.values().filter(|log| log.is_union() == is_union);
            logs.for_each(|log| log.complete(least));
        }
        self.tables.iter().for_each(|table| table.complete(least));
        Completed { readable_from: least.saturating_sub(1), took }
    }

    /// All commits before this number are complete on all workers.
    pub fn complete_before(&self) -> u64 {
        self.lock().least()
    }

    /// Waits until the number of complete commits differs from `known`, or until `timeout` has passed.
    ///
    /// # Errors
    ///
    /// If a worker has failed.
    pub fn wait_for_progress(&self, known: u64, timeout: Duration) -> Result<u64, WorkerFailed> {
        let slots = self.lock();
        let (slots, _) = self
            .moved
            .wait_timeout_while(slots, timeout, |slots| {
                slots.least() == known && !self.has_failed()
            })
            .unwrap_or_else(PoisonError::into_inner);
        if self.has_failed() { Err(WorkerFailed) } else { Ok(slots.least()) }
    }

    /// Says that the state of the job is being restored: until [`Board::restored`], reads of clients are refused, since
    /// shards of views come back one after another.
    pub fn restoring(&self) {
        self.restoring.store(true, Ordering::SeqCst);
    }

    /// Says that views are whole again. Changes through `saved`, the last commit that was not computed anew, are those
    /// of no commit: they are what checkpoints held. So nobody can ask for changes after an earlier one.
    pub fn restored(&self, saved: Option<Commit>) {
        if let Some(saved) = saved {
            self.rings.iter().for_each(|ring| ring.forget_through(saved));
            self.tables.iter().for_each(|table| table.forget_through(saved));
        }
        self.restoring.store(false, Ordering::SeqCst);
    }

    /// Whether the state is being restored.
    pub fn is_restoring(&self) -> bool {
        self.restoring.load(Ordering::SeqCst)
    }

    /// Watermarks the job as failed and wakes all waiting threads.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::SeqCst);
        let _slots = self.lock(); // no thread may be between its check and its wait
        self.moved.notify_all();
    }

    /// Whether a worker has failed.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// The frontier that is complete on all workers.
    pub fn frontier(&self) -> Frontier {
        self.lock().frontier()
    }

    /// Adds `rows` to the row count of a keyed view; negative if rows were deleted.
    pub fn count(&self, view: &'static str, rows: i64) {
        if let Some(count) = self.rows.get(view) {
            count.fetch_add(rows, Ordering::Relaxed);
        }
    }

    /// The number of current rows of a keyed view.
    pub fn rows(&self, view: &str) -> u64 {
        let rows = self.rows.get(view).map_or(0, |rows| rows.load(Ordering::Relaxed));
        u64::try_from(rows).unwrap_or(0)
    }

    /// A consistent cut through the rows of a view, over the workers that `asked` selects.
    pub fn cut(&self, view: KeyedAt, asked: impl Fn(usize) -> bool) -> ConsistentCut {
        let slots = self.lock();
        let frontier = slots.frontier();
        debug_assert!(
            slots.workers.iter().all(|slot| frontier.commit.is_none_or(|c| slot.since <= c.0)),
            "compaction has passed the common frontier"
        );
        let workers = slots.workers.iter().enumerate().filter(|(worker, _)| asked(*worker));
        let own = workers.filter_map(|(_, slot)| slot.published.now.get(view.position));
        ConsistentCut { frontier, batch_lists: own.cloned().collect() }
    }

    /// The same at the snapshot point of `as_of`.
    ///
    /// # Errors
    ///
    /// If no snapshot point at or before `as_of` is retained.
    pub fn cut_as_of(
        &self,
        view: KeyedAt,
        asked: impl Fn(usize) -> bool,
        as_of: AsOf,
    ) -> Result<ConsistentCut, ReadError> {
        let slots = self.lock(); // no worker can compact in between
        let found = self.history.find(as_of);
        let frontier = found.map_err(|oldest| ReadError::Compacted { oldest })?;
        let workers = slots.workers.iter().enumerate().filter(|(worker, _)| asked(*worker));
        let before = |slot: &'_ Slot| slot.published.before.get(view.position).cloned().flatten();
        let own = workers.filter_map(|(_, slot)| before(slot));
        Ok(ConsistentCut { frontier, batch_lists: own.collect() })
    }

    /// A consistent cut through the rows of several views, over all workers. With `as_of` it is made at that snapshot
    /// point.
    ///
    /// # Errors
    ///
    /// If no snapshot point at or before `as_of` is retained.
    pub(super) fn cuts(
        &self,
        views: &[KeyedAt],
        as_of: Option<AsOf>,
    ) -> Result<ViewCuts, ReadError> {
        let slots = self.lock(); // no worker can publish or compact in between
        let (frontier, round) = match as_of {
            None => (slots.frontier(), slots.round),
            Some(as_of) => {
                let found = self.history.find(as_of);
                let point = found.map_err(|oldest| ReadError::Compacted { oldest })?;
                (point, point.commit) // each of them ends a round
            }
        };
        let of = |view: &KeyedAt| {
            let workers = slots.workers.iter().map(|slot| &slot.published);
            let own = workers.filter_map(|published| match as_of {
                None => published.now.get(view.position).cloned(),
                Some(_) => published.before.get(view.position).cloned().flatten(),
            });
            own.collect()
        };
        Ok(ViewCuts { frontier, round, batch_lists: views.iter().map(of).collect() })
    }

    /// The keyed view of this name whose rows come from workers.
    pub fn keyed(&self, name: &str) -> Option<KeyedAt> {
        let position = self.keyed.iter().position(|(keyed, _)| *keyed == name)?;
        Some(KeyedAt { position, reads: self.keyed[position].1 })
    }

    /// All logs, by view.
    pub fn logs(&self) -> impl Iterator<Item = (&'static str, &dyn RetainedLog)> {
        self.logs.iter().map(|(view, log)| (*view, &**log))
    }

    /// The log of a view; none if the view is not a log.
    pub fn log(&self, view: &str) -> Option<&dyn RetainedLog> {
        self.logs.get(view).map(|log| &**log)
    }

    /// The log that checkpoints have under this name, or an earlier version had under that of its view.
    pub fn log_saved_as(&self, name: &str) -> Option<&dyn RetainedLog> {
        let mut logs = self.logs.values().map(|log| &**log);
        logs.find(|log| log.saved_as() == name).or_else(|| self.log(name))
    }

    /// Whether a view can have rows: only a log whose bound is 0 cannot.
    pub fn is_enabled(&self, view: &str) -> bool {
        self.log(view).is_none_or(|log| log.bytes_max() > 0)
    }

    /// The table of a view; none if the view is not a table.
    pub fn table(&self, view: &View) -> Option<&Table> {
        self.tables.iter().find(|table| table.view.name == view.name)
    }

    /// The number of workers.
    pub fn workers(&self) -> usize {
        self.lock().workers.len()
    }

    /// Adds to the digest over the changes of a view.
    pub fn add_changes(&self, view: &'static str, digest: Digest) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.entry(view).or_default().merge(digest);
    }

    /// The digest over all changes of a view until now.
    pub fn changes(&self, view: &'static str) -> Digest {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.get(view).copied().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
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
