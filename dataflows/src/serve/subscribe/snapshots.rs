//! Snapshots that are shared by those who follow the same.
//!
//! Who begins to follow while a snapshot of the same is waited for, or soon after, gets that one. Each part is read
//! and encoded once, on a reader thread, when the first client has room for it. It is kept while there is room in the
//! cache; after that it is made again of the batches that the snapshot holds, and is the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

use super::cache::{Cache, CacheBounds};
use super::subscription::SubscriptionKey;
use super::update_cache::{RETRY_PAUSE, is_busy, snapshot};
use crate::readers::Class;
use crate::serve::Context;
use crate::views::{Frontier, ReadError, Snapshot, ViewKind};

/// The snapshots that somebody is told. Clones share them.
#[derive(Clone)]
pub(super) struct Snapshots(Arc<Mutex<Index>>);

struct Index {
    newest: HashMap<Key, Weak<SharedSnapshot>>,
    parts: Cache<(u64, usize), EncodedPart>,
    begun: u64,
}

/// What is told, and of how many rows of a log.
type Key = (Arc<SubscriptionKey>, usize);

/// A snapshot that several may be told.
pub(super) struct SharedSnapshot {
    number: u64,
    index: Weak<Mutex<Index>>,
    subscription: Arc<SubscriptionKey>,
    log_rows: usize,
    /// When it was cut, and all its rows.
    source: OnceCell<(Instant, Arc<dyn Snapshot>)>,
}

/// Where a part of a snapshot begins.
#[derive(Clone)]
pub(super) struct PartPosition {
    part: usize,
    rest: Arc<dyn Snapshot>,
}

/// A part as it is told.
#[derive(Clone)]
pub(super) struct EncodedPart {
    pub(super) at: Frontier,
    pub(super) body: Arc<str>,
    /// Where the next part begins, if there is one.
    pub(super) next: Option<PartPosition>,
}

/// Rows of one part, so that a part of the widest rows has about 100 KB.
const PART_ROWS: usize = 250;
/// Who comes within this time after a snapshot was cut gets that one, and then what has changed since.
const SHARE_WINDOW: Duration = Duration::from_secs(1);
/// What is kept of parts.
const PARTS: CacheBounds = CacheBounds { entries: 4_096, bytes: 16 << 20 };
/// Beyond so many kinds of snapshots, those that nobody is told any more are left out.
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

    /// The snapshot for one who begins to follow now.
    pub(super) fn join(
        &self,
        subscription: &Arc<SubscriptionKey>,
        log_rows: usize,
    ) -> Arc<SharedSnapshot> {
        let log_rows = if subscription.view.kind == ViewKind::Log { log_rows } else { 0 };
        let newest; // dropped behind the lock, which dropping the last one takes
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

    /// A part of a snapshot as it is told; made now, unless it is kept.
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
            self.lock().parts.weigh(&key, part.body.len());
            Ok(part)
        });
        part.await.cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SharedSnapshot {
    /// Nobody is told it any more: its parts go, and with them the batches that they hold.
    fn drop(&mut self) {
        if let Some(index) = self.index.upgrade() {
            let mut index = index.lock().unwrap_or_else(PoisonError::into_inner);
            index.parts.retain(|(number, _)| *number != self.number);
        }
    }
}

impl SharedSnapshot {
    /// Whether those who come now may be told it.
    fn is_new(&self) -> bool {
        self.source.get().is_none_or(|(cut, _)| cut.elapsed() < SHARE_WINDOW)
    }

    /// Where its first part begins. It is cut now, unless it has been.
    pub(super) async fn begin(&self, context: &Context) -> Result<PartPosition, ReadError> {
        let SubscriptionKey { view, filter, .. } = &*self.subscription;
        let source = self.source.get_or_try_init(|| async {
            loop {
                let snapshot = context.reader.snapshot(view, Arc::clone(filter), self.log_rows);
                match snapshot.await {
                    Err(error) if is_busy(&error) => sleep(RETRY_PAUSE).await,
                    snapshot => return snapshot.map(|source| (Instant::now(), source)),
                }
            }
        });
        let (_, source) = source.await?;
        Ok(PartPosition { part: 0, rest: Arc::clone(source) })
    }

    async fn make(
        &self,
        context: &Context,
        position: &PartPosition,
    ) -> Result<EncodedPart, ReadError> {
        loop {
            let PartPosition { part, rest } = position.clone();
            let (subscription, of) = (Arc::clone(&self.subscription), context.clone());
            let make = move || {
                let at = rest.frontier();
                let (rows, rest) = rest.next(PART_ROWS);
                let body = snapshot(&of, &subscription, at, &rows, (part, rest.is_none()));
                let next = rest.map(|rest| PartPosition { part: part + 1, rest });
                EncodedPart { at, body: body.into(), next }
            };
            match context.readers.run(Class::Snapshot, make).await {
                Err(error) if is_busy(&error) => sleep(RETRY_PAUSE).await,
                made => return made,
            }
        }
    }
}
