//! Encoded updates, shared by subscribers with the same key.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use super::broadcaster::Broadcasters;
use super::cache::{Cache, CacheBounds};
use super::snapshots::Snapshots;
use super::subscription::{Encoding, SubscriptionKey};
use crate::Context;
use crate::routes::FrontierJson;
use rows::readers::Class;
use rows::{Cell, Changes, Frontier, ReadError};

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

type Latest = Cache<Key, Option<Arc<str>>>;

/// The bounds of cached updates.
const UPDATES: CacheBounds = CacheBounds { entries: 64, bytes: 16 << 20 };
/// An update with more rows is encoded on a reader thread: on the one for short reads, …
const INLINE_ROWS_MAX: usize = 64;
/// … or, with more rows than these, on one for long reads.
const SHORT_ROWS_MAX: usize = 2_000;
/// The pause before an overloaded read is retried: a subscriber retries until it succeeds.
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(250);

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

    /// The body of an update from one frontier to a later one; none if no filtered row has changed.
    pub(super) async fn update(
        &self,
        context: &Context,
        subscription: &Arc<SubscriptionKey>,
        from: Frontier,
        to: Frontier,
    ) -> Result<Option<Arc<str>>, ReadError> {
        let numbers = [from, to].map(|frontier| frontier.commit.map(|commit| commit.0));
        let key = (Arc::clone(subscription), numbers[0], numbers[1]);
        let cell = self.lock().cell(&key);
        let encoded = cell.get_or_try_init(|| async {
            let body = loop {
                match read_and_encode(context, subscription, from, to).await {
                    Err(error) if is_busy(&error) => sleep(RETRY_PAUSE).await,
                    made => break made?,
                }
            };
            self.lock().weigh(&key, body.as_ref().map_or(0, |body| body.len()));
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
) -> Result<Option<Arc<str>>, ReadError> {
    let filter = Arc::clone(&subscription.filter);
    let changes = context.reader.changes(subscription.view, filter, from.commit, to).await?;
    if changes.changes.len() <= INLINE_ROWS_MAX {
        return Ok(update(context, subscription, from, &changes).map(Arc::from));
    }
    let (of, subscription) = (context.clone(), Arc::clone(subscription));
    let is_short = changes.changes.len() <= SHORT_ROWS_MAX;
    let encode = move || update(&of, &subscription, from, &changes).map(Arc::from);
    match is_short {
        true => context.readers.read(Class::Changes, move |_| Ok(encode())).await,
        false => context.readers.run(Class::Answer, encode).await,
    }
}

/// Whether a read was rejected because of overload.
pub(super) fn is_busy(error: &ReadError) -> bool {
    matches!(error, ReadError::Full { .. } | ReadError::Waited { .. })
}

/// The body of an update; none if it is empty.
fn update(
    context: &Context,
    subscription: &SubscriptionKey,
    from: Frontier,
    changes: &Changes,
) -> Option<String> {
    if changes.changes.is_empty() {
        return None;
    }
    let mut body = frontier(changes.frontier);
    let after = from.commit.map_or_else(|| "null".to_owned(), |commit| commit.0.to_string());
    body.push_str(&format!(",\"after\":{after}"));
    match subscription.encoding {
        Encoding::Upsert => {
            let (upserts, deletes) = changes.upserts_and_deletes(subscription.view);
            list(&mut body, "upserts", upserts, |cells, out| subscription.row(context, cells, out));
            list(&mut body, "deletes", deletes, |cells, out| {
                subscription.row_key(context, cells, out)
            });
        }
        Encoding::Diff => list(&mut body, "diffs", &changes.changes, |change, out| {
            out.push('[');
            subscription.row(context, &change.cells, out);
            out.push_str(&format!(",{}]", change.diff));
        }),
    }
    Some(body)
}

/// The body of a part of a snapshot.
pub(super) fn snapshot(
    context: &Context,
    subscription: &SubscriptionKey,
    at: Frontier,
    rows: &[Vec<Cell>],
    (part, last): (usize, bool),
) -> String {
    let mut body = frontier(at);
    body.push_str(&format!(",\"part\":{part},\"last\":{last}"));
    list(&mut body, "rows", rows, |cells, out| subscription.row(context, cells, out));
    body
}

/// The body of a message with a frontier only.
pub(super) fn frontier(frontier: Frontier) -> String {
    let FrontierJson { commit, at } = frontier.into();
    let commit = commit.map_or_else(|| "null".to_owned(), |commit| commit.to_string());
    format!("\"frontier\":{{\"commit\":{commit},\"at\":\"{at}\"}}")
}

fn list<T>(
    body: &mut String,
    name: &str,
    items: impl IntoIterator<Item = T>,
    write: impl Fn(T, &mut String),
) {
    body.push_str(&format!(",\"{name}\":["));
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            body.push(',');
        }
        write(item, body);
    }
    body.push(']');
}
