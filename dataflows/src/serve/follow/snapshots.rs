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
use super::frames::{AGAIN, is_busy, snapshot};
use super::wish::Telling;
use crate::readers::Class;
use crate::serve::Context;
use crate::views::{Frontier, ReadError, Snapshot, ViewKind};

/// The snapshots that somebody is told. Clones share them.
#[derive(Clone)]
pub(super) struct Snapshots(Arc<Mutex<Known>>);

struct Known {
    newest: HashMap<Key, Weak<Shared>>,
    parts: Cache<(u64, usize), Part>,
    begun: u64,
}

/// What is told, and of how many rows of a log.
type Key = (Arc<Telling>, usize);

/// A snapshot that several may be told.
pub(super) struct Shared {
    number: u64,
    known: Weak<Mutex<Known>>,
    telling: Arc<Telling>,
    log_rows: usize,
    /// When it was cut, and all its rows.
    whole: OnceCell<(Instant, Arc<dyn Snapshot>)>,
}

/// Where a part of a snapshot begins.
#[derive(Clone)]
pub(super) struct Place {
    part: usize,
    rest: Arc<dyn Snapshot>,
}

/// A part as it is told.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) at: Frontier,
    pub(super) body: Arc<str>,
    /// Where the next part begins, if there is one.
    pub(super) next: Option<Place>,
}

/// Rows of one part, so that a part of the widest rows has about 100 KB.
const PART_ROWS: usize = 250;
/// Who comes within this time after a snapshot was cut gets that one, and then what has changed since.
const SHARED_FOR: Duration = Duration::from_secs(1);
/// What is kept of parts.
const PARTS: CacheBounds = CacheBounds { entries: 4_096, bytes: 16 << 20 };
/// Beyond so many kinds of snapshots, those that nobody is told any more are left out.
const KINDS_MAX: usize = 256;

impl Default for Snapshots {
    fn default() -> Snapshots {
        Snapshots::new(PARTS)
    }
}

impl Snapshots {
    pub(super) fn new(parts: CacheBounds) -> Snapshots {
        let known = Known { newest: HashMap::new(), parts: Cache::new(parts), begun: 0 };
        Snapshots(Arc::new(Mutex::new(known)))
    }

    /// The snapshot for one who begins to follow now.
    pub(super) fn join(&self, telling: &Arc<Telling>, log_rows: usize) -> Arc<Shared> {
        let log_rows = if telling.view.kind == ViewKind::Log { log_rows } else { 0 };
        let newest; // dropped behind the lock, which dropping the last one takes
        let mut known = self.lock();
        let key = (Arc::clone(telling), log_rows);
        newest = known.newest.get(&key).and_then(Weak::upgrade);
        if let Some(newest) = newest.as_ref().filter(|newest| newest.is_new()) {
            return Arc::clone(newest);
        }
        if known.newest.len() >= KINDS_MAX {
            known.newest.retain(|_, shared| shared.strong_count() > 0);
        }
        known.begun += 1;
        let shared = Arc::new(Shared {
            number: known.begun,
            known: Arc::downgrade(&self.0),
            telling: Arc::clone(telling),
            log_rows,
            whole: OnceCell::new(),
        });
        known.newest.insert(key, Arc::downgrade(&shared));
        shared
    }

    /// A part of a snapshot as it is told; made now, unless it is kept.
    pub(super) async fn part(
        &self,
        context: &Context,
        shared: &Shared,
        place: &Place,
    ) -> Result<Part, ReadError> {
        let key = (shared.number, place.part);
        let cell = self.lock().parts.cell(&key);
        let part = cell.get_or_try_init(|| async {
            let part = shared.make(context, place).await?;
            self.lock().parts.weigh(&key, part.body.len());
            Ok(part)
        });
        part.await.cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    /// Nobody is told it any more: its parts go, and with them the batches that they hold.
    fn drop(&mut self) {
        if let Some(known) = self.known.upgrade() {
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            known.parts.retain(|(number, _)| *number != self.number);
        }
    }
}

impl Shared {
    /// Whether those who come now may be told it.
    fn is_new(&self) -> bool {
        self.whole.get().is_none_or(|(cut, _)| cut.elapsed() < SHARED_FOR)
    }

    /// Where its first part begins. It is cut now, unless it has been.
    pub(super) async fn begin(&self, context: &Context) -> Result<Place, ReadError> {
        let Telling { view, filter, .. } = &*self.telling;
        let whole = self.whole.get_or_try_init(|| async {
            loop {
                let snapshot = context.reader.snapshot(view, Arc::clone(filter), self.log_rows);
                match snapshot.await {
                    Err(error) if is_busy(&error) => sleep(AGAIN).await,
                    snapshot => return snapshot.map(|whole| (Instant::now(), whole)),
                }
            }
        });
        let (_, whole) = whole.await?;
        Ok(Place { part: 0, rest: Arc::clone(whole) })
    }

    async fn make(&self, context: &Context, place: &Place) -> Result<Part, ReadError> {
        loop {
            let Place { part, rest } = place.clone();
            let (telling, of) = (Arc::clone(&self.telling), context.clone());
            let make = move || {
                let at = rest.frontier();
                let (rows, rest) = rest.next(PART_ROWS);
                let body = snapshot(&of, &telling, at, &rows, (part, rest.is_none()));
                let next = rest.map(|rest| Place { part: part + 1, rest });
                Part { at, body: body.into(), next }
            };
            match context.readers.run(Class::Snapshot, make).await {
                Err(error) if is_busy(&error) => sleep(AGAIN).await,
                made => return made,
            }
        }
    }
}
