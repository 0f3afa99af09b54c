//! Encoded updates, shared by subscribers with the same key.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::bodies::update;
use super::broadcaster::Broadcasters;
use super::cache::{Cache, CacheBounds};
use super::message::Body;
use super::retry::until_not_busy;
use super::snapshots::Snapshots;
use super::subscription::SubscriptionKey;
use crate::Context;
use rows::readers::Class;
use rows::{Frontier, ReadError};

/// The latest encoded updates, a few dozen at most.
///
/// Subscribers with the same key and the same cursor need the same update at the same time; the first one reads and
/// encodes it.
#[derive(Clone)]
pub struct UpdateCache {
    latest: Arc<Mutex<Latest>>,
    /// Shared snapshots.
    pub(super) snapshots: Snapshots,
    /// The broadcast tasks.
    pub(super) broadcasters: Broadcasters,
}

type Latest = Cache<Key, Option<Body>>;

/// The bounds of cached updates.
const UPDATES: CacheBounds = CacheBounds { entries: 64, bytes: 16 << 20 };
/// An update with more rows is encoded on a reader thread: on the one for short reads, …
const INLINE_ROWS_MAX: usize = 64;
/// … or, with more rows than these, on one for long reads.
const SHORT_ROWS_MAX: usize = 2_000;

impl Default for UpdateCache {
    fn default() -> UpdateCache {
        UpdateCache {
            latest: Arc::new(Mutex::new(Cache::new(UPDATES))),
            snapshots: Snapshots::default(),
            broadcasters: Broadcasters::default(),
        }
    }
}

/// A subscription, and the commits from which and up to which.
type Key = (Arc<SubscriptionKey>, Option<u64>, Option<u64>);

impl UpdateCache {
    /// A cache with this bound for parts of snapshots.
    #[cfg(test)]
    pub(crate) fn with_part_bytes(part_bytes: usize) -> UpdateCache {
        let parts = CacheBounds { entries: 4_096, bytes: part_bytes };
        UpdateCache { snapshots: Snapshots::new(parts), ..UpdateCache::default() }
    }

    /// Measures the bytes of what is cached; none any more when the cache is gone.
    pub fn meter(&self) -> impl Fn() -> usize + Send + Sync + use<> {
        let (latest, parts) = (Arc::downgrade(&self.latest), self.snapshots.meter());
        move || {
            let latest = latest.upgrade();
            let lock =
                |of: &Arc<Mutex<Latest>>| of.lock().unwrap_or_else(PoisonError::into_inner).bytes();
            latest.as_ref().map_or(0, lock) + parts()
        }
    }

    /// The body of an update from one frontier to a later one; none if no filtered row has changed.
    pub(super) async fn update(
        &self,
        context: &Context,
        subscription: &Arc<SubscriptionKey>,
        from: Frontier,
        to: Frontier,
    ) -> Result<Option<Body>, ReadError> {
        let numbers = [from, to].map(|frontier| frontier.commit.map(|commit| commit.0));
        let key = (Arc::clone(subscription), numbers[0], numbers[1]);
        let cell = self.lock().cell(&key);
        let encoded = cell.get_or_try_init(|| async {
            let read = || read_and_encode(context, subscription, from, to);
            let body = until_not_busy(read).await?;
            self.lock().weigh(&key, body.as_ref().map_or(0, |body| body.json().len()));
            Ok(body)
        });
        encoded.await.cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads and encodes a change.
async fn read_and_encode(
    context: &Context,
    subscription: &Arc<SubscriptionKey>,
    from: Frontier,
    to: Frontier,
) -> Result<Option<Body>, ReadError> {
    let filter = Arc::clone(&subscription.filter);
    let changes = context.reader.changes(subscription.view, filter, from.commit, to).await?;
    let changes = subscription.shown_changes(changes);
    if changes.changes.len() <= INLINE_ROWS_MAX {
        return Ok(update(context, subscription, &changes));
    }
    let (of, subscription) = (context.clone(), Arc::clone(subscription));
    let is_short = changes.changes.len() <= SHORT_ROWS_MAX;
    let encode = move || update(&of, &subscription, &changes);
    match is_short {
        true => context.readers.read(Class::Changes, move |_| Ok(encode())).await,
        false => context.readers.run(Class::Answer, encode).await,
    }
}
