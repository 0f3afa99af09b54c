//! Snapshots, shared by subscribers with the same key.
//!
//! A subscriber joins a snapshot that is being prepared or was taken a moment ago. Each part is read and encoded once,
//! on a reader thread, when the first client has room for it. It stays in the cache while there is room. After an
//! eviction it is made again from the batches that the snapshot holds, with the same content.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::bodies::snapshot;
use super::cache::{Cache, CacheBounds};
use super::message::Body;
use super::retry::until_not_busy;
use super::subscription::SubscriptionKey;
use crate::Context;
use rows::readers::Class;
use rows::{Frontier, ReadError, Snapshot, ViewKind};

/// The snapshots in use. Clones share them.
#[derive(Clone)]
pub(super) struct Snapshots(Arc<Mutex<Index>>);

struct Index {
    newest: HashMap<Key, Weak<SharedSnapshot>>,
    parts: Cache<(u64, usize), EncodedPart>,
    begun: u64,
}

/// The subscription, and the rows of a log's snapshot.
type Key = (Arc<SubscriptionKey>, usize);

/// A snapshot for several subscribers.
pub(super) struct SharedSnapshot {
    number: u64,
    index: Weak<Mutex<Index>>,
    subscription: Arc<SubscriptionKey>,
    log_rows: usize,
    /// When it was taken, and its rows.
    source: OnceCell<(Instant, Arc<dyn Snapshot>)>,
}

/// The beginning of a part.
#[derive(Clone)]
pub(super) struct PartPosition {
    part: usize,
    rest: Arc<dyn Snapshot>,
}

/// An encoded part.
#[derive(Clone)]
pub(super) struct EncodedPart {
    pub(super) at: Frontier,
    pub(super) body: Body,
    /// The beginning of the next part; none after the last one.
    pub(super) next: Option<PartPosition>,
}

/// Rows of a part; a part of the widest rows has about 100 KB.
const PART_ROWS: usize = 250;
/// Subscribers join a snapshot up to this time after it was taken, and then get the changes since.
const SHARE_WINDOW: Duration = Duration::from_secs(1);
/// The bounds of cached parts.
const PARTS: CacheBounds = CacheBounds { entries: 4_096, bytes: 16 << 20 };
/// Above this size, entries of unused snapshots are removed from the index.
const INDEX_ENTRIES_MAX: usize = 256;

impl Default for Snapshots {
    fn default() -> Snapshots {
        Snapshots::new(PARTS)
    }
}

impl Snapshots {
    pub(super) fn new(parts: CacheBounds) -> Snapshots {
        let index = Index { newest: HashMap::new(), parts: Cache::new(parts), begun: 0 };
        Snapshots(Arc::new(Mutex::new(index)))
    }

    /// Measures the bytes of encoded parts; none any more when the snapshots are gone.
    pub(super) fn meter(&self) -> impl Fn() -> usize + Send + Sync + use<> {
        let index = Arc::downgrade(&self.0);
        move || {
            let index = index.upgrade();
            let lock = |of: &Arc<Mutex<Index>>| {
                of.lock().unwrap_or_else(PoisonError::into_inner).parts.bytes()
            };
            index.as_ref().map_or(0, lock)
        }
    }

    /// The snapshot for a new subscriber.
    pub(super) fn join(
        &self,
        subscription: &Arc<SubscriptionKey>,
        log_rows: usize,
    ) -> Arc<SharedSnapshot> {
        let log_rows = if subscription.view.kind == ViewKind::Log { log_rows } else { 0 };
        let newest; // dropped after the lock is released: the last drop takes the lock
        let mut index = self.lock();
        let key = (Arc::clone(subscription), log_rows);
        newest = index.newest.get(&key).and_then(Weak::upgrade);
        if let Some(newest) = newest.as_ref().filter(|newest| newest.is_new()) {
            return Arc::clone(newest);
        }
        if index.newest.len() >= INDEX_ENTRIES_MAX {
            index.newest.retain(|_, shared| shared.strong_count() > 0);
        }
        index.begun += 1;
        let shared = Arc::new(SharedSnapshot {
            number: index.begun,
            index: Arc::downgrade(&self.0),
            subscription: Arc::clone(subscription),
            log_rows,
            source: OnceCell::new(),
        });
        index.newest.insert(key, Arc::downgrade(&shared));
        shared
    }

    /// An encoded part, from the cache if it is there.
    pub(super) async fn part(
        &self,
        context: &Context,
        shared: &SharedSnapshot,
        position: &PartPosition,
    ) -> Result<EncodedPart, ReadError> {
        let key = (shared.number, position.part);
        let cell = self.lock().parts.cell(&key);
        let part = cell.get_or_try_init(|| async {
            let part = shared.make(context, position).await?;
            self.lock().parts.weigh(&key, part.body.json().len());
            Ok(part)
        });
        part.await.cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SharedSnapshot {
    /// Evicts the parts of a snapshot that no subscriber uses any more, and so releases its batches.
    fn drop(&mut self) {
        if let Some(index) = self.index.upgrade() {
            let mut index = index.lock().unwrap_or_else(PoisonError::into_inner);
            index.parts.retain(|(number, _)| *number != self.number);
        }
    }
}

impl SharedSnapshot {
    /// Whether new subscribers may join.
    fn is_new(&self) -> bool {
        self.source.get().is_none_or(|(cut, _)| cut.elapsed() < SHARE_WINDOW)
    }

    /// The first part. Takes the snapshot if that has not happened.
    pub(super) async fn begin(&self, context: &Context) -> Result<PartPosition, ReadError> {
        let SubscriptionKey { view, filter, .. } = &*self.subscription;
        let source = self.source.get_or_try_init(|| async {
            let take = || context.reader.snapshot(view, Arc::clone(filter), self.log_rows);
            let source = until_not_busy(take).await?;
            Ok((Instant::now(), source))
        });
        let (_, source) = source.await?;
        Ok(PartPosition { part: 0, rest: Arc::clone(source) })
    }

    async fn make(
        &self,
        context: &Context,
        position: &PartPosition,
    ) -> Result<EncodedPart, ReadError> {
        until_not_busy(|| {
            let PartPosition { part, rest } = position.clone();
            let (subscription, of) = (Arc::clone(&self.subscription), context.clone());
            let make = move || {
                let at = rest.frontier();
                let (rows, rest) = rest.next(PART_ROWS);
                let body = snapshot(&of, &subscription, at, &rows, (part, rest.is_none()));
                let next = rest.map(|rest| PartPosition { part: part + 1, rest });
                EncodedPart { at, body, next }
            };
            context.readers.run(Class::Snapshot, make)
        })
        .await
    }
}
